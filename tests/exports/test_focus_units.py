"""What is priced and what is consumed, in FOCUS's columns, for each way of pricing: the pure core, no store."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest

from meterbook.core.metering import MeterKind
from meterbook.core.pricing import Per, Price, PriceModel
from meterbook.exports.files import focus_csv
from meterbook.exports.focus import Billed, Version, columns, focus_rows
from tests.core.june import all_june, bill
from tests.core.months import price, product

FLAT = PriceModel.flat
PACKAGE = price("0.90", model=PriceModel.package, per=Per.quantity, package_size=Decimal(1000))


@pytest.mark.parametrize(
    ("of", "kind", "consumed", "priced", "listed"),
    [
        (price("12.00"), MeterKind.presence, "1440 Host-Hours", "2 Host-Months", "24.00"),
        (price("0.01", per=Per.hour), MeterKind.presence, "1440 Host-Hours", "1440 Host-Hours", "14.40"),
        (price("15.00", model=FLAT), MeterKind.presence, "1440 Host-Hours", "1 Months", "15.00"),
        (price("0.1", model=FLAT, per=Per.hour), MeterKind.presence, "1440 Host-Hours", "720 Hours", "72.00"),
        (price("0.01", per=Per.quantity), MeterKind.counter, "2 Hosts", "2 Hosts", "0.02"),
        (PACKAGE, MeterKind.counter, "2 Hosts", "2 Hosts", "0.90"),
    ],
)
def test_units_of_all_june(of: Price, kind: MeterKind, consumed: str, priced: str, listed: str) -> None:
    draft = bill(spells=[all_june("thing", "2")], products=[product("thing", of, kind=kind)])
    [row] = focus_rows(Billed("acme", "Acme", "Seller", "Other", draft, None, False, {}, ()))
    [_, written] = csv.reader("".join(focus_csv([row], Version.v1_4)).splitlines())
    told = dict(zip(columns(Version.v1_4), written, strict=True))
    assert f"{told['ConsumedQuantity']} {told['ConsumedUnit']}" == consumed
    assert f"{told['PricingQuantity']} {told['PricingUnit']}" == priced
    assert told["ListCost"] == listed
