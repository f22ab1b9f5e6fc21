"""Amounts as Stripe counts them: its minor units are those of ISO 4217 but for a few currencies.

The rules are those of https://docs.stripe.com/currencies.
"""

from __future__ import annotations

from typing import Final

from meterbook.core.money import Money, currency

_DECIMALS: Final = {
    0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_DECIMALS_OF: Final = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}


def stripe_units(amount: Money) -> int | None:
    """Return the amount in Stripe's units; None for one that Stripe cannot charge to the last unit.

    ISK and UGX have two decimals there which are always zero; MGA has none; the last of three decimals is zero.
    """
    units, rest = divmod(amount.minor * _power(_decimals(amount.currency.code)), _power(amount.currency.digits))
    step = 10 if _decimals(amount.currency.code) == 3 else 1
    return None if rest or units % step else units


def minor_units(units: int, code: str) -> int:
    """Return Stripe's units in minor units of an ISO 4217 currency.

    Raises `ValueError` for an unknown currency (`UnknownCurrency`) and for less than a minor unit.
    """
    minor, rest = divmod(units * _power(currency(code).digits), _power(_decimals(code)))
    if rest:
        raise ValueError(f"{units} of Stripe's units are no whole amount of {code}")
    return minor


def _decimals(code: str) -> int:
    return _DECIMALS_OF.get(code, 2)


def _power(decimals: int) -> int:
    return int(10**decimals)
