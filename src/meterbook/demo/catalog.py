"""The demo's price list: the example file, followed by a revision of the APM price every quarter.

The revisions lie on fixed dates and reach a year ahead, so a later run adds prices and never touches one in use.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

_REVISED_MONTHS: Final = (2, 5, 8, 11)
_REVISED_DAY: Final = 16
_FIRST_YEAR: Final = 2026
# What APM costs in the file, and what each revision adds; plain amounts by currency.
_REVISIONS: Final = {
    "USD": (Decimal("40.00"), Decimal("0.40")),
    "KRW": (Decimal(40_000), Decimal(400)),
    "JPY": (Decimal(4_400), Decimal(44)),
}


def examples_folder() -> Path:
    """Return the folder of the example files: beside the package once installed, at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parents[1] / "examples"


def demo_catalog(now: datetime) -> str:
    """Return the demo's catalog (TOML): any three months up to `now` hold a price change, from 2026 on."""
    text = (examples_folder() / "demo" / "catalog.toml").read_text(encoding="utf-8")
    dates = [
        f"{year}-{month:02}-{_REVISED_DAY}T00:00:00Z"
        for year in range(_FIRST_YEAR, now.year + 2)
        for month in _REVISED_MONTHS
        if (year, month) <= (now.year + 1, now.month)
    ]
    revisions = [
        _revision(currency, date, first + number * step)
        for currency, (first, step) in _REVISIONS.items()
        for number, date in enumerate(dates, start=1)
    ]
    return "\n".join([text, "# Revised every quarter; APM is the last product of the file.", *revisions])


def _revision(currency: str, date: str, unit_price: Decimal) -> str:
    return (
        f'\n[[products.prices]]\ncurrency = "{currency}"\nfrom = {date}\n'
        f'model = "per_unit"\nper = "month"\nunit_price = "{unit_price}"'
    )
