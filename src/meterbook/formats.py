"""Formats: amounts, quantities, dates and times as a reader's language writes them, on screens and on paper.

For display only; every value arrives exact and no figure is computed here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from copy import copy
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton
from babel.numbers import NumberPattern, format_compact_decimal, parse_pattern

from meterbook.core.invoice import shown
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone

NOTHING: Final = "\u2013"  # an en dash: nothing metered; 0.00 is metered and free
TIMES: Final = " \u00d7 "
# The whole part of a price in a formula, which writes all but prices with their thousands apart.
_THOUSANDS: Final = re.compile(r"(?<![\d.,])\d{4,}(?![\d,])")
_DIGITS: Final = 100  # of the largest number that is written


class Formats:
    """The formats of one language.

    `formula_words` are the few words and signs that formulas are written with (core/formula.py), in the language.
    """

    def __init__(self, language: str, formula_words: Mapping[str, str]) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self._formula_words = {**formula_words, " x ": TIMES}
        # Longer ones first: "free plan: not charged" is not "free" and a rest.
        longest_first = sorted(self._formula_words, key=len, reverse=True)
        self._formula_word = re.compile("|".join(re.escape(word) for word in longest_first))

    def money(self, amount: Money) -> str:
        """Write an amount with its currency: "$1,204.18", "₩253,333"; never more digits than the currency has."""
        return _with_currency(amount, self.locale)

    def amount(self, amount: Money | None) -> str:
        """Write an amount without its currency, for a column that names it once in its head."""
        return NOTHING if amount is None else self.fixed(amount.decimal)

    def fixed(self, value: Decimal | None) -> str:
        """Write a number with the decimals it has, trailing zeros too: an average cost, an amount."""
        if value is None:
            return NOTHING
        decimals = max(0, -int(value.as_tuple().exponent))
        return self._decimal(value, f"#,##0.{'0' * decimals}".rstrip("."))

    def number(self, value: Decimal | Fraction | int | None) -> str:
        """Write a quantity, trailing zeros dropped: "249,327", "6.33"."""
        if value is None:
            return NOTHING
        exact = shown(value) if isinstance(value, Fraction) else Decimal(value)
        return self._decimal(exact, "#,##0.############")

    def compact(self, value: Decimal) -> str:
        """Write a number as short as an axis needs it: "1.5K", "1.5천"."""
        return str(format_compact_decimal(value, locale=self.locale, fraction_digits=2))

    def percent(self, rate: Decimal) -> str:
        """Write a rate given in percent: "10%"."""
        return self._decimal(rate / 100, "#,##0.####%")

    def change_percent(self, rate: Decimal) -> str:
        """Write how much more or less, in percent, always with a sign: "+10.5%"."""
        return self._decimal(rate / 100, "+#,##0.#%;-#,##0.#%")

    def month(self, month: BillingMonth) -> str:
        """Write a month: "November 2026"."""
        return _in_skeleton("yMMMM", dt.date(month.year, month.month, 1), self.locale)

    def month_name(self, month: BillingMonth) -> str:
        """Write a month of a year that is named elsewhere: "November"."""
        return str(self.locale.months["stand-alone"]["wide"][month.month])

    def date(self, day: dt.date, length: Literal["long", "medium"] = "long") -> str:
        """Write a day with its year: "November 23, 2026", or the medium "Nov 23, 2026"."""
        return str(format_date(day, length, locale=self.locale))

    def days(self, first: dt.date, last: dt.date, with_year: bool = True) -> str:
        """Write the days from `first` through `last`, both included; the year may be named elsewhere."""
        text = str(format_interval(first, last, "yMMMd" if with_year else "MMMd", locale=self.locale))
        return text.replace("\u2009", " ")

    def day(self, day: dt.date) -> str:
        """Write a day of a month that is named elsewhere: "Nov 23"."""
        return _in_skeleton("MMMd", day, self.locale)

    def weekday(self, day: dt.date) -> str:
        """Write a day with its weekday: "Mon, Nov 23"."""
        return _in_skeleton("MMMEd", day, self.locale)

    def clock(self, local: dt.datetime) -> str:
        """Write an instant on clocks that are named elsewhere: "Nov 23 14:00"."""
        return f"{self.day(local.date())} {local:%H:%M}"

    def moment(self, local: dt.datetime) -> str:
        """Write an instant with its year, on clocks that are named elsewhere: "Nov 23, 2026 14:00"."""
        return f"{self.date(local.date(), 'medium')} {local:%H:%M}"

    def zone(self, zone: BillingZone) -> str:
        """Write a billing zone: "UTC", "Asia/Seoul", "UTC+05:30"."""
        return f"UTC{zone.name}" if zone.name[0] in "+-" else zone.name

    def formula(self, text: str) -> str:
        """Write a charge's formula: prices with their thousands apart, the times sign and few words in the language."""
        apart = _THOUSANDS.sub(lambda match: self.number(int(match[0])), text)
        return self._formula_word.sub(lambda match: self._formula_words[match[0]], apart)

    def plural(self, unit: str, quantity: Decimal | None) -> str:
        """Write a catalog's unit for a quantity: English says "hosts"."""
        if self.language != "en" or quantity == 1 or not re.fullmatch(r"[a-z][a-z ]*[a-z]", unit):
            return unit
        if unit.endswith(("s", "x", "z", "ch", "sh")):
            return unit if unit.endswith("s") else f"{unit}es"
        return f"{unit[:-1]}ies" if re.search(r"[^aeiou]y$", unit) else f"{unit}s"

    def _decimal(self, value: Decimal, pattern: str) -> str:
        return _in_pattern(pattern, value, self.locale)


@lru_cache(maxsize=50_000)
def _with_currency(amount: Money, locale: Locale) -> str:
    pattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (amount.currency.digits, amount.currency.digits)
    return str(pattern.apply(amount.decimal, locale, currency=amount.currency.code, currency_digits=False))


@lru_cache
def _pattern(text: str) -> NumberPattern:
    return parse_pattern(text)


@lru_cache(maxsize=50_000)
def _in_pattern(pattern: str, value: Decimal, locale: Locale) -> str:
    """Write a number by a pattern of Unicode's; a page has the same numbers many times."""
    with localcontext(prec=_DIGITS):
        return str(_pattern(pattern).apply(value, locale))


@lru_cache(maxsize=10_000)
def _in_skeleton(skeleton: str, day: dt.date, locale: Locale) -> str:
    return str(format_skeleton(skeleton, day, locale=locale))
