"""FOCUS: the rows of a month are its invoice, and a lint that is not ours finds nothing to say about them."""

from __future__ import annotations

import csv
import subprocess
import sys
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, all_projects
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.exports.files import focus_csv, focus_parquet
from meterbook.exports.focus import Kind, Version, columns, focus_rows
from meterbook.exports.month import billed
from meterbook.invoicing.correct import credit
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.show import show_month
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import CATALOG, Office, usd, utc

TIERED = CATALOG.replace(
    'model = "per_unit", per = "quantity", unit_price = "1" }]',
    'model = "per_unit", per = "quantity", unit_price = "1" },\n'
    '  { currency = "USD", from = 2027-06-16T00:00:00Z, model = "graduated", per = "quantity",'
    ' tiers = [{ up_to = "10", unit_price = "2" }, { unit_price = "0.333" }] }]',
)
Rows = list[dict[str, str]]


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    settings = Settings(data_dir=tmp_path, legal_entity_name="Seller Inc.", focus_service_category="Compute")
    office = Office(database, usage, settings)
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(TIERED), office.now, lambda *_: False)
    return office


def promoted(office: Office, code: str, kind: str, value: str, currency: str | None = None) -> None:
    """Register a promotion that holds in June."""
    with office.database.transaction() as session:
        held = add_promotion(
            session, utc("2027-06-01T00:00Z"), code=f"{kind}-{code}", kind=kind, value=Decimal(value), currency=currency
        )
        redeem(session, utc("2027-06-01T00:00Z"), account=office.row(code), code=held.code, by="test")


def file(office: Office, code: str, month: str, version: Version, *, whole: bool = True) -> tuple[str, bytes]:
    """Return a month as CSV and as Parquet."""
    with office.database.transaction() as session:
        account = account_by_code(session, code, prove_local("a", "a"))
        payer = Payer(account, all_projects(session, [account.id])[account.id], whole)
        shown = show_month(session, office.usage, payer, BillingMonth.parse(month), office.now)
        rows = list(focus_rows(billed(session, office.settings, payer, shown)))
    return "".join(focus_csv(rows, version)), focus_parquet(rows, version)


def exported(office: Office, code: str, month: str = "2027-06", *, whole: bool = True) -> Rows:
    return list(csv.DictReader(StringIO(file(office, code, month, Version.v1_4, whole=whole)[0])))


def sum_of(rows: Rows, column: str = "BilledCost") -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def of(rows: Rows, category: str) -> Rows:
    return [row for row in rows if row["ChargeCategory"] == category]


def full_month(office: Office) -> str:
    """An account with tax, a discount, credit, and a price that changes in the month."""
    code = office.account(tax="10")
    office.register(code)
    promoted(office, code, "percent", "10")
    promoted(office, code, "credit", "5", "USD")
    office.use(code, "40", "2027-06-10T10:00:00Z")
    office.use(code, "25", "2027-06-20T10:00:00Z")
    return code


def corrected_month(office: Office) -> tuple[str, Invoice, Invoice, CreditNote]:
    """An account whose June bills late usage of May and in which a credit note for May was issued."""
    code = office.account(tax="10")
    may = office.issued(code, "20", "2027-05")
    office.use(code, "3", "2027-05-11T10:00:00Z")
    june = office.issued(code, "50")
    with office.database.transaction() as session:
        note = credit(
            session,
            utc("2027-06-20T00:00Z"),
            office.settings,
            account=office.row(code),
            invoice=session.get_one(Invoice, may.id),
            reason="An outage",
            nets={1: usd("4")},
        )
        return code, may, june, note


def linted(path: Path) -> str:
    """Return what the lint says of a file of FOCUS 1.4."""
    command = [sys.executable, "-m", "focus_data_toolkit", "validate", "--dataset", "cost-and-usage", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def test_the_rows_of_a_preview_and_of_its_invoice_are_the_same_and_add_up(office: Office) -> None:
    code = full_month(office)
    estimated = exported(office, code)
    invoice = office.issued(code)
    final = exported(office, code)
    # 40 x 1, then 25 x 0.333, as the tiers of the later price have the 40 behind them
    assert [row["ListCost"] for row in of(final, "Usage")] == ["40.00", "8.33"]
    assert sum_of(final) == Decimal(invoice.total_minor - invoice.credit_used_minor) / 100
    assert sum_of(final, "EffectiveCost") == sum_of(final)
    assert sum_of(of(final, "Usage")) == Decimal(invoice.net_minor) / 100
    assert sum_of(of(final, "Tax")) == Decimal(invoice.tax_minor) / 100
    assert sum_of(of(final, "Credit")) == Decimal("-5.00")
    assert {row["InvoiceId"] for row in final} == {invoice.number}
    assert {row["InvoiceId"] for row in estimated} == {""}
    assert {row["x_Status"] for row in final} == {"final"}
    differing = ("InvoiceId", "InvoiceDetailId", "x_Status")
    for before, after in zip(estimated, final, strict=True):
        assert {name: before[name] for name in before if name not in differing} == {
            name: after[name] for name in after if name not in differing
        }


def test_the_tax_at_list_price_is_of_the_lines_before_their_discounts(office: Office) -> None:
    code = full_month(office)
    rows = exported(office, code)
    [tax] = of(rows, "Tax")
    listed = sum_of(of(rows, "Usage"), "ListCost")
    assert Decimal(tax["ListCost"]) == (listed / 10).quantize(Decimal("0.01"))
    assert Decimal(tax["ListCost"]) > Decimal(tax["BilledCost"])


def test_a_row_says_who_bills_what_and_when(office: Office) -> None:
    code = full_month(office)
    office.issued(code)
    first, second, *_ = exported(office, code)
    assert first["ServiceProviderName"] == first["HostProviderName"] == first["InvoiceIssuerName"] == "Seller Inc."
    assert (first["ServiceCategory"], first["ServiceName"], first["SubAccountId"]) == ("Compute", "Calls", code)
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == ("2027-06-01T00:00:00Z", "2027-07-01T00:00:00Z")
    assert (first["ChargePeriodEnd"], second["ChargePeriodStart"]) == ("2027-06-16T00:00:00Z",) * 2
    assert (first["ConsumedQuantity"], first["ConsumedUnit"]) == ("40", "Calls")
    assert (first["PricingQuantity"], first["PricingUnit"], first["x_UnitPrice"]) == ("40", "Calls", "1")
    assert first["SkuPriceId"] == "calls/USD/2010-01-01T00:00:00Z"
    assert second["SkuPriceId"] == "calls/USD/2027-06-16T00:00:00Z"
    assert "up to 10: 2, then 0.333" in second["SkuPriceDetails"]


def test_late_usage_and_credit_notes_are_corrections(office: Office) -> None:
    code, may, june, note = corrected_month(office)
    number, total = note.number, note.total_minor
    rows = exported(office, code)
    late = [row for row in rows if row["ChargeClass"] == "Correction" and row["InvoiceId"] == june.number]
    assert [(row["BilledCost"], row["ChargePeriodStart"]) for row in late] == [("3.00", "2027-05-01T00:00:00Z")]
    given = [row for row in rows if row["InvoiceId"] == number]
    assert sum_of(given) == Decimal(-total) / 100 == Decimal("-4.40")
    assert {row["x_CorrectedInvoiceId"] for row in given} == {may.number}
    assert {row["ChargeClass"] for row in given} == {"Correction"}
    assert {row["ChargeCategory"] for row in given} == {"Usage", "Tax"}
    assert sum_of([row for row in rows if row["InvoiceId"] == june.number]) == Decimal(june.total_minor) / 100
    assert not [row for row in exported(office, code, "2027-05") if row["InvoiceId"] == number]


def test_who_sees_some_projects_alone_sees_what_was_billed_there_but_no_number_credit_or_correction(
    office: Office,
) -> None:
    code = full_month(office)
    office.issued(code)
    rows = exported(office, code, whole=False)
    assert {row["InvoiceId"] for row in rows} == {""}
    assert of(rows, "Credit") == []
    billed = [row["BilledCost"] for row in of(exported(office, code), "Usage")]
    assert [row["BilledCost"] for row in of(rows, "Usage")] == billed != [row["ListCost"] for row in of(rows, "Usage")]


def test_the_lint_finds_nothing(office: Office, tmp_path: Path) -> None:
    code = full_month(office)
    office.issued(code)
    text, packed = file(office, code, "2027-06", Version.v1_4)
    (tmp_path / "focus.csv").write_text(text, encoding="utf-8")
    (tmp_path / "focus.parquet").write_bytes(packed)
    assert linted(tmp_path / "focus.csv") == ""
    assert linted(tmp_path / "focus.parquet") == ""
    corrected, _ = file(office, corrected_month(office)[0], "2027-06", Version.v1_4)
    assert corrected.count(",Correction,") == 3
    (tmp_path / "corrected.csv").write_text(corrected, encoding="utf-8")
    assert linted(tmp_path / "corrected.csv") == ""
    (tmp_path / "wrong.csv").write_text(text.replace(",Usage,", ",Used,"), encoding="utf-8")
    assert "ChargeCategory" in linted(tmp_path / "wrong.csv")


def test_the_older_version_names_provider_and_publisher(office: Office) -> None:
    text, _ = file(office, full_month(office), "2027-06", Version.v1_2)
    row = next(csv.DictReader(StringIO(text)))
    assert row["ProviderName"] == row["PublisherName"] == "Seller Inc."
    assert not row.keys() & {"ServiceProviderName", "HostProviderName", "InvoiceDetailId"}


def test_parquet_has_the_same_rows_with_types(office: Office) -> None:
    text, packed = file(office, full_month(office), "2027-06", Version.v1_4)
    table = parquet.read_table(BytesIO(packed))
    assert table.column_names == list(columns(Version.v1_4))
    rows = list(csv.DictReader(StringIO(text)))
    assert sum(table["BilledCost"].to_pylist()) == sum_of(rows)
    assert table.num_rows == len(rows)
    types = {table.schema.field(name).type for name, kind in columns(Version.v1_4).items() if kind is Kind.instant}
    assert types == {pa.timestamp("us", "UTC")}


def test_a_price_of_many_decimals_fits_into_both_files(office: Office) -> None:
    with office.database.transaction() as session:
        fine = parse_catalog(CATALOG.replace('unit_price = "1"', 'unit_price = "0.000000000001"'))
        apply_catalog(session, fine, office.now, lambda *_: False)
    code = office.account()
    office.use(code, "123456789")
    text, packed = file(office, code, "2027-06", Version.v1_4)
    [price] = parquet.read_table(BytesIO(packed))["x_UnitPrice"].to_pylist()
    assert price == Decimal(next(csv.DictReader(StringIO(text)))["x_UnitPrice"]) == Decimal("0.000000000001")


def test_a_month_of_nothing_is_a_head_alone(office: Office) -> None:
    assert exported(office, office.account()) == []
