"""The month report: what a month came to in the books, on a page and as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.catalog.queries import current_catalog, product_positions
from meterbook.console.address import address_of
from meterbook.console.chart import colour_of
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator, OperatorPage
from meterbook.console.sheet import Cell, sheet
from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.money import Money, plain
from meterbook.core.period import BillingMonth
from meterbook.exports.month_report import AGES, MonthReport, begun, month_reports

router = APIRouter(include_in_schema=False)

PATH: Final = f"{HOME}/report"


@router.get("/report")
def show_report(
    at: AsOperator, month: Annotated[str, Query(max_length=7)] = "", form: Annotated[str, Query(alias="format")] = ""
) -> Response:
    """Show a month of the books by currency, the last one that is over if none is named; format=csv: as a sheet."""
    of = at.month(month)
    starts_at, ends_at = begun(of, at.now)
    reports = month_reports(at.session, starts_at, ends_at, at.now)
    products = {product.code: product.name_in(at.language) for product in current_catalog(at.session)}
    if form == "csv":
        return _sheet(at, of, reports, products)
    previous, next_ = of.previous(), of.next() if of < BillingMonth.of(at.now, UTC) else None
    positions = product_positions(at.session)
    return at.show(
        "report.html",
        "report",
        month=of,
        previous=previous,
        next=next_,
        months={each: address_of(PATH, month=each) for each in (previous, next_) if each},
        is_over=ends_at <= at.now,
        reports=reports,
        products=products,
        colours={code: colour_of(code, positions) for report in reports for code in _products(report)},
        shares=[_shares(report) for report in reports],
        words=_words(at),
        csv=address_of(PATH, month=of, format="csv"),
    )


def _products(report: MonthReport) -> list[str]:
    return [each.product for each in report.revenue]


def _shares(report: MonthReport) -> Mapping[str, int]:
    """Return how long the bars of products and of ages are, in percent of the longest of their kind."""
    products = _percents({each.product: each.left for each in report.revenue})
    return {
        **{f"product/{code}": percent for code, percent in products.items()},
        **{f"age/{name}": percent for name, percent in _percents(report.owed).items()},
    }


def _percents(amounts: Mapping[str, Money]) -> dict[str, int]:
    most = max((amount.minor for amount in amounts.values()), default=0)
    return {name: max(0, amount.minor) * 100 // most if most > 0 else 0 for name, amount in amounts.items()}


def account_words(at: OperatorPage) -> Mapping[LedgerAccount, str]:
    """Return the words for ledger accounts."""
    _ = at.gettext
    return {
        LedgerAccount.receivable: _("Receivable"),
        LedgerAccount.revenue: _("Revenue"),
        LedgerAccount.promotions: _("Promotions"),
        LedgerAccount.tax_payable: _("Tax payable"),
        LedgerAccount.customer_balance: _("Customer balance"),
        LedgerAccount.promotional_credit: _("Promotional credit"),
        LedgerAccount.cash_clearing: _("Cash clearing"),
        LedgerAccount.bad_debt: _("Bad debt"),
    }


def reason_words(at: OperatorPage) -> Mapping[Reason, str]:
    """Return the words for why entries are posted."""
    _ = at.gettext
    return {
        Reason.invoice: _("Invoices"),
        Reason.credit_note: _("Credit notes"),
        Reason.payment: _("Payments"),
        Reason.top_up: _("Paid ahead"),
        Reason.settlement: _("Credit and balance used"),
        Reason.refund: _("Refunds"),
        Reason.payment_return: _("Payments taken back"),
        Reason.credit_granted: _("Credit granted"),
        Reason.credit_expired: _("Credit expired"),
        Reason.credit_withdrawn: _("Credit taken back"),
        Reason.write_off: _("Written off"),
        Reason.reinstatement: _("Owed again"),
    }


def _words(at: OperatorPage) -> Mapping[str, str]:
    """Return the words for ledger accounts, for why they moved, and for how late something is."""
    _ = at.gettext
    ages = (
        _("Not due yet"),
        _("Up to 30 days late"),
        _("Up to 60 days late"),
        _("Up to 90 days late"),
        _("Later than 90 days"),
    )
    return {
        **{f"account/{name}": word for name, word in account_words(at).items()},
        **{f"reason/{name}": word for name, word in reason_words(at).items()},
        **{f"age/{name}": word for name, word in zip(AGES, ages, strict=True)},
    }


def _sheet(at: OperatorPage, month: BillingMonth, reports: list[MonthReport], products: Mapping[str, str]) -> Response:
    _ = at.gettext
    columns = (_("Currency"), _("Part"), _("Item"), _("What"), _("Amount"))
    words = _words(at)
    rows = (row for report in reports for row in _rows(at, report, words, products))
    return sheet(f"report-{month}.csv", columns, rows)


def _rows(
    at: OperatorPage, report: MonthReport, words: Mapping[str, str], products: Mapping[str, str]
) -> Iterator[tuple[Cell, ...]]:
    _, code = at.gettext, report.currency.code
    for each in report.movements:
        name = words[f"account/{each.ledger_account}"]
        part = (code, _("Ledger accounts"), name)
        yield *part, _("Opening"), each.opening
        for reason, amount in each.changes:
            yield *part, words[f"reason/{reason}"], amount
        yield *part, _("Closing"), each.closing
    for revenue in report.revenue:
        part = (code, _("Revenue"), products.get(revenue.product, revenue.product))
        yield *part, _("Invoices"), revenue.billed
        yield *part, _("Credit notes"), -revenue.credited
    for tax in report.taxes:
        part = (code, _("Tax"), f"{plain(tax.rate)}%")
        yield *part, _("Net"), tax.base
        yield *part, _("Tax"), tax.tax
    for age, amount in report.owed.items():
        yield code, _("Owed"), words[f"age/{age}"], _("Unpaid"), amount
