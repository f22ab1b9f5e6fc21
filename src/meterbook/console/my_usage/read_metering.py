"""What the Metering information window reads: behind a figure of a project's month, or behind an invoice's line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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
from meterbook.console.my_usage.present_metering import Figure, day_bounds
from meterbook.console.my_usage.read_hours import Known
from meterbook.console.my_usage.usage_state import typed_period
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

    Of the months in `known`, what was received later does not count. `read_windows` returns what was used by day, which
    is being read already.
    """

    at: AccountPage
    figure: Figure
    project: Project
    known: Known
    read_windows: Callable[[], Sequence[UsageWindow]]
    parts: Sequence[MonthPart]
    state: MeteringState
    here: str
    back_href: str
    late: Sequence[Late] = ()
    line: BilledLine | None = None


@dataclass(frozen=True, slots=True)
class _Time:
    """What time a window is of, with how an address names it: a month of the account, or days (`month` is None).

    `parts` are what is charged apart in it.
    """

    about: dict[str, str]
    whole: tuple[datetime, datetime]
    month: BillingMonth | None
    months: Collection[BillingMonth]
    issued: Mapping[BillingMonth, IssuedMonth]
    parts: Sequence[MonthPart]

    def part(self, begins: datetime) -> MonthPart:
        """Return the part that begins then. Raises `NotFound`."""
        for part in self.parts:
            if part.starts_at == begins:
                return part
        if self.month is None:
            raise NotFound("These days have no part that begins then.")
        raise NotFound(say("No part of %(month)s begins then: it is not divided there any more.", month=self.month))


def of_product(
    at: OfAccount,
    asked: Asked,
    project: Code = "",
    product: Code = "",
    month: Code = "",
    first: Annotated[str, Query(alias="from", max_length=_LONGEST_CODE)] = "",
    last: Annotated[str, Query(alias="until", max_length=_LONGEST_CODE)] = "",
    part: Code = "",
) -> Behind:
    """Read what is behind a product's figure in a project's month, or in days of it; of issued months, what was billed.

    `part` is the hour at which a part starts that is charged apart: then it is of that part alone.
    """
    if not project or not product:
        raise Invalid("Metering information is of one project and one product: name both.", field="product")
    metered = project_by_code(at.session, project, at.reader.access)
    if metered.account_id != at.account.id:
        raise NotFound(say("There is no project %(code)s.", code=check.shown(project)), "unknown-project")
    sold = _product(at, product)
    time = _days(at, (first, last)) if first or last else _month(at, metered, sold, at.month(month))
    about = {"account": at.account.code, "project": metered.code, "product": sold.code, **time.about}
    parts, (starts_at, ends_at) = time.parts, time.whole
    begins = hour_in(part, "part")
    if begins is not None:
        parts = [time.part(begins)]
        starts_at, ends_at = parts[0].starts_at, parts[0].ends_at
        about["part"] = written_hour(begins)
    cuts = {cut for part in parts for cut in (part.starts_at, part.ends_at)}
    bounds = sorted({*day_starts(starts_at, ends_at, at.zone), *cuts, ends_at})
    usage, issued = at.request.app.state.usage, time.issued
    windows = usage.begin(partial(usage_shown, usage, at.account, [metered.id], [sold.meter], bounds, issued, at.now))
    return Behind(
        at=at,
        figure=_figure(
            metered.name, sold, at, time.month, time.whole, (starts_at, ends_at), set(time.months) <= issued.keys()
        ),
        project=metered,
        known={each: month.usage_through for each, month in issued.items()},
        read_windows=windows.result,
        parts=parts,
        state=asked.of(METERING, **about),
        here="usage",
        back_href=at.href("/usage", project=metered.code, **time.about),
        late=_late(at, metered, sold, issued),
    )


def _month(at: AccountPage, project: Project, product: Product, month: BillingMonth) -> _Time:
    """Return a month with the parts in which a product is charged. Raises `Invalid`."""
    starts_at, ends_at = month.starts_at(at.zone), month.ends_at(at.zone)
    if at.now <= starts_at:
        raise Invalid(
            say("%(month)s has not begun yet: ask for a month up to now.", month=month),
            "month-not-begun",
            field="month",
        )
    issued = issued_among(at.session, at.account, [month], at.now)
    parts = parts_of_month(at.session, at.account, project, product, month, issued.get(month))
    return _Time({"month": str(month)}, (starts_at, ends_at), month, [month], issued, parts)


def _days(at: AccountPage, typed: tuple[str, str]) -> _Time:
    """Return days as Usage reads them, the last included; each of their months is charged apart. Raises `Invalid`."""
    period, (first, last) = typed_period(typed, at.zone.local(at.now).date())
    starts_at, ends_at = day_bounds(period.first, at.zone)[0], day_bounds(period.last, at.zone)[1]
    parts = [
        MonthPart(max(starts_at, month.starts_at(at.zone)), min(ends_at, month.ends_at(at.zone)), None)
        for month in period.months
    ]
    issued = issued_among(at.session, at.account, period.months, at.now)
    return _Time({"from": first, "until": last}, (starts_at, ends_at), None, period.months, issued, parts)


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
    adjusts = row.adjusts_month
    month = frame_of_invoice(invoice).month if adjusts is None else BillingMonth.parse(adjusts)
    whole = month.starts_at(at.zone), month.ends_at(at.zone)
    period = whole if adjusts is not None else (row.starts_at, row.ends_at)
    return Behind(
        at=at,
        figure=_figure(row.project_name, product, at, month, whole, period, True),
        project=project_by_code(session, row.project_code, reader.access),
        known={month: invoice.usage_through},
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
    month: BillingMonth | None,
    whole: tuple[datetime, datetime],
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
        whole=whole,
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


def _late(
    at: AccountPage, project: Project, product: Product, issued: Mapping[BillingMonth, IssuedMonth]
) -> list[Late]:
    if not issued:
        return []
    late = late_months(at.request.app.state.usage, at.account, project, [product.meter], issued.values())
    if not at.sees_account:
        return [Late(each.month, None, ()) for each in late]
    return [
        Late(
            each.month,
            each.number,
            tuple(adjusting_invoices(at.session, at.account, project, [each.month], product.code)),
        )
        for each in late
    ]


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
