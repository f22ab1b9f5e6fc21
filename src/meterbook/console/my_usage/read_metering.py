"""What the Metering information window reads: behind a figure of a project's month, or behind an invoice's line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request

from meterbook.accounts import check
from meterbook.accounts.queries import project_by_code
from meterbook.accounts.tables import Project
from meterbook.catalog.queries import current_catalog
from meterbook.console.account_page import AccountPage, OfAccount
from meterbook.console.formats import formats
from meterbook.console.my_usage.metering_state import (
    METERING,
    MeteringAsked,
    MeteringState,
    hour_in,
    metering_asked,
    written_hour,
)
from meterbook.console.my_usage.present_metering import Figure
from meterbook.console.requests import Books, Now, SignedIn
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, day_starts
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.core.sentence import say
from meterbook.core.windows import Window
from meterbook.errors import Invalid, NotFound
from meterbook.invoicing.billed_usage import billed_usage
from meterbook.invoicing.queries import currency_of_invoice, frame_of_invoice, invoice_by_number
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.terms import thawed_product
from meterbook.invoicing.usage_shown import (
    IssuedMonth,
    MonthPart,
    adjusting_invoices,
    issued_among,
    late_months,
    parts_of_month,
    usage_shown,
)
from meterbook.usage.queries import UsageWindow

LINE: Final = "/invoices/{number}/lines/{line}/metering"
_LONGEST_CODE: Final = 100

Asked = Annotated[MeteringAsked, Depends(metering_asked)]
Code = Annotated[str, Query(max_length=_LONGEST_CODE)]


@dataclass(frozen=True, slots=True)
class Late:
    """Usage that came after a month was issued: `number` is its invoice, `invoices` are those that bill it since.

    Numbers are there for those alone who may see invoices.
    """

    month: BillingMonth
    number: str | None
    invoices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BilledLine:
    """The line that the window is about; `rerated` and `billed` are set for an adjustment of an earlier month."""

    number: str
    formula: str
    waiver: Waiver | None
    amount: Money
    rerated: Money | None
    billed: Money | None

    @property
    def is_adjustment(self) -> bool:
        """Whether the line bills late usage of an earlier month."""
        return self.rerated is not None


@dataclass(frozen=True, slots=True)
class Behind:
    """What was read behind a figure; `here` is where its page belongs in the menu, `back_href` what it was opened from.

    What was received after `received_through` does not count (None: all counts). `read_windows` returns what was used
    by day, which is being read already.
    """

    at: AccountPage
    figure: Figure
    project: Project
    received_through: datetime | None
    read_windows: Callable[[], Sequence[UsageWindow]]
    parts: Sequence[MonthPart]
    state: MeteringState
    here: str
    back_href: str
    late: Late | None = None
    line: BilledLine | None = None


def of_month(
    at: OfAccount, asked: Asked, project: Code = "", product: Code = "", month: Code = "", part: Code = ""
) -> Behind:
    """Read what is behind a product's figure in a project's month; of an issued one, what was billed.

    `part` is the hour at which a part of the month starts that is charged apart: then it is of that part alone.
    """
    if not project or not product:
        raise Invalid("Metering information is of one project and one product: name both.", field="product")
    metered = project_by_code(at.session, project, at.reader.access)
    if metered.account_id != at.account.id:
        raise NotFound(say("There is no project %(code)s.", code=check.shown(project)), "unknown-project")
    sold, of = _product(at, product), at.month(month)
    starts_at, ends_at = of.starts_at(at.zone), of.ends_at(at.zone)
    if at.now <= starts_at:
        raise Invalid(
            say("%(month)s has not begun yet: ask for a month up to now.", month=of), "month-not-begun", field="month"
        )
    issued = issued_among(at.session, at.account, [of], at.now)
    own = issued.get(of)
    parts = parts_of_month(at.session, at.account, metered, sold, of, own)
    about = {"account": at.account.code, "project": metered.code, "product": sold.code, "month": str(of)}
    begins = hour_in(part, "part")
    if begins is not None:
        parts = [each for each in parts if each.starts_at == begins]
        if not parts:
            raise NotFound(say("No part of %(month)s begins then: it is not divided there any more.", month=of))
        starts_at, ends_at = parts[0].starts_at, parts[0].ends_at
        about["part"] = written_hour(begins)
    cuts = {cut for part in parts for cut in (part.starts_at, part.ends_at)}
    bounds = sorted({*day_starts(starts_at, ends_at, at.zone), *cuts, ends_at})
    usage = at.request.app.state.usage
    windows = usage.begin(partial(usage_shown, usage, at.account, [metered.id], [sold.meter], bounds, issued, at.now))
    return Behind(
        at=at,
        figure=_figure(metered.name, sold, at, of, (starts_at, ends_at), own is not None),
        project=metered,
        received_through=own.usage_through if own else None,
        read_windows=windows.result,
        parts=parts,
        state=asked.of(METERING, **about),
        here="usage",
        back_href=at.href("/usage", project=metered.code, month=of),
        late=_late(at, metered, sold, own) if own else None,
    )


def of_line(
    request: Request,
    session: Books,
    reader: SignedIn,
    now: Now,
    asked: Asked,
    number: Annotated[str, Path(max_length=_LONGEST_CODE)],
    line: Annotated[int, Path(ge=1)],
) -> Behind:
    """Read what an invoice's line was billed for, as it was known then; of an adjustment, the month it re-rated."""
    invoice, account = invoice_by_number(session, number, reader.access)
    at = AccountPage(request, session, reader, account, now)
    windows, row = billed_usage(session, request.app.state.usage, invoice, account, line, Window.day)
    product = thawed_product(row.product_code, row.product)
    month = frame_of_invoice(invoice).month
    period = row.starts_at, row.ends_at
    if row.adjusts_month is not None:
        month = BillingMonth.parse(row.adjusts_month)
        period = month.starts_at(at.zone), month.ends_at(at.zone)
    return Behind(
        at=at,
        figure=_figure(row.project_name, product, at, month, period, True),
        project=project_by_code(session, row.project_code, reader.access),
        received_through=invoice.usage_through,
        read_windows=lambda: windows,
        parts=(),
        state=asked.of(LINE.format(number=invoice.number, line=line)),
        here="billing-history",
        back_href=f"/invoices/{invoice.number}",
        line=_billed_line(invoice, row),
    )


def _figure(
    project: str,
    product: Product,
    at: AccountPage,
    month: BillingMonth,
    period: tuple[datetime | None, datetime | None],
    is_final: bool,
) -> Figure:
    starts_at, ends_at = period
    assert starts_at is not None, "a charge has its period"
    assert ends_at is not None, "a charge has its period"
    return Figure(
        project=project,
        product=product.name_in(at.language),
        unit=formats(at.language).unit(product.unit),
        meter=product.meter,
        zone=at.zone,
        month=month,
        starts_at=starts_at,
        ends_at=ends_at,
        until=min(at.now, ends_at),
        is_final=is_final,
    )


def _product(at: AccountPage, code: str) -> Product:
    product = next((each for each in current_catalog(at.session) if each.code == code), None)
    if product is None:
        raise NotFound(say("There is no product %(code)s.", code=check.shown(code)), "unknown-product")
    return product


def _late(at: AccountPage, project: Project, product: Product, issued: IssuedMonth) -> Late | None:
    if not late_months(at.request.app.state.usage, at.account, project, [product.meter], [issued]):
        return None
    if not at.sees_account:
        return Late(issued.month, None, ())
    numbers = adjusting_invoices(at.session, at.account, project, [issued.month], product.code)
    return Late(issued.month, issued.number, tuple(numbers))


def _billed_line(invoice: Invoice, row: InvoiceLine) -> BilledLine:
    money = currency_of_invoice(invoice)
    adjusts = row.adjusts_month is not None
    return BilledLine(
        number=str(invoice.number),
        formula=row.formula,
        waiver=None if row.waiver is None else Waiver(row.waiver),
        amount=Money(row.amount_minor, money),
        rerated=Money(row.rerated_minor or 0, money) if adjusts else None,
        billed=Money(row.billed_minor or 0, money) if adjusts else None,
    )
