"""Money: integers of minor units in an ISO 4217 currency, and the one function that rounds (DOMAIN 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from meterbook.core.sentence import say


class UnknownCurrency(ValueError):
    """The code is not an ISO 4217 currency this list knows."""


class Rounding(StrEnum):
    """How an exact amount becomes whole minor units."""

    half_up = "half_up"
    half_even = "half_even"
    down = "down"
    up = "up"


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 currency with the rounding its amounts use.

    `digits` is the number of decimals of the minor unit (USD 2, KRW 0).
    """

    code: str
    digits: int
    rounding: Rounding


# ISO 4217 active codes by the number of decimals of their minor unit.
_DIGITS: Final[dict[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_DIGITS_OF: Final = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}
_MOST_PLACES: Final = 60
_LARGEST: Final = 10**18  # minor units; what a 64-bit integer holds
_AMOUNT: Final = re.compile(r"-?[0-9]+(\.(?P<decimals>[0-9]+))?")
_DOWN_BY_CUSTOM: Final = frozenset({"KRW", "JPY"})


def currency(code: str, rounding: Rounding | None = None) -> Currency:
    """Return the currency of an ISO 4217 code.

    Without `rounding`, KRW and JPY round down and every other currency half up (DOMAIN 4).
    Raises `UnknownCurrency` for a code that is not in ISO 4217.
    """
    if code not in _DIGITS_OF:
        raise UnknownCurrency(say("%(code)s is not an ISO 4217 currency code such as USD, KRW or JPY", code=repr(code)))
    if rounding is None:
        rounding = Rounding.down if code in _DOWN_BY_CUSTOM else Rounding.half_up
    return Currency(code, _DIGITS_OF[code], rounding)


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of minor units of one currency; `str()` gives the plain amount, "12.04"."""

    minor: int
    currency: Currency

    @classmethod
    def zero(cls, currency: Currency) -> Money:
        """Nothing, in `currency`."""
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: Currency) -> Money:
        """Read a plain amount such as "12.04": ASCII digits with an optional point, no exponent.

        Raises `ValueError` for anything else, and for more decimals than the currency has.
        """
        written = _AMOUNT.fullmatch(text)
        if written is None:
            raise ValueError(
                say("%(text)s is not an amount such as %(example)s", text=repr(text), example=Money(1204, currency))
            )
        decimals, exact = (written["decimals"] or "").rstrip("0"), Decimal(text)
        if len(decimals) > currency.digits or exact.copy_abs() > Decimal(_LARGEST).scaleb(-currency.digits):
            raise ValueError(
                say(
                    "%(text)s is not an amount of %(currency)s, which has %(digits)s decimals",
                    text=repr(text),
                    currency=currency.code,
                    digits=currency.digits,
                )
            )
        return cls(int(exact.scaleb(currency.digits)), currency)

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.decimal:f}"

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, with exactly the currency's decimals."""
        return Decimal(self.minor).scaleb(-self.currency.digits)

    def _same_currency(self, other: Money) -> None:
        same = self.currency is other.currency or self.currency == other.currency
        assert same, "amounts of two currencies never meet"


def rounded(exact: Fraction, currency: Currency) -> Money:
    """Round an exact amount in major units to money."""
    return Money(rounded_minor(exact.numerator, exact.denominator, currency), currency)


def rounded_minor(numerator: int, denominator: int, currency: Currency) -> int:
    """Round an exact amount in major units, written as a ratio, to minor units.

    The only place where an amount is rounded (DOMAIN 4).
    """
    floor, rest = divmod(numerator * 10**currency.digits, denominator)
    rounding, twice = currency.rounding, 2 * rest - denominator
    if rounding is Rounding.half_up:
        up = twice > 0 or (twice == 0 and floor >= 0)
    elif rounding is Rounding.down:
        up = floor < 0 < rest
    elif rounding is Rounding.up:
        up = floor >= 0 < rest
    else:
        up = twice > 0 or (twice == 0 and floor % 2 == 1)
    return int(floor + up)


def plain(value: Decimal | Fraction | int) -> str:
    """Write an exact number without exponent, trailing zeros or a minus zero: "674", "6.5".

    A `Fraction` has to have a finite decimal expansion; `shown()` is for the ones that may not.
    """
    if isinstance(value, Fraction):
        value = _finite(value)
    text = f"{Decimal(value):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _finite(value: Fraction) -> Decimal:
    numerator, denominator = value.numerator, value.denominator
    if denominator == 1:
        return Decimal(numerator)
    places = 0
    while 10**places % denominator:
        places += 1
        assert places <= _MOST_PLACES, "only a finite decimal can be written plainly"
    return Decimal(f"{numerator * (10**places // denominator)}e-{places}")


def half_up(value: Fraction, places: int) -> Decimal:
    """Round for display only, half away from zero, to `places` decimals."""
    return Decimal(f"{half_up_whole(value, 10**places)}e-{places}")


def half_up_whole(value: Fraction, times: int = 1) -> int:
    """Round a quantity, so many `times`, to a whole number, half away from zero."""
    numerator, denominator = value.numerator * times, value.denominator
    digits = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -digits if numerator < 0 else digits
