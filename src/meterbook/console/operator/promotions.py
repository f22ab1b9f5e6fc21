"""Promotion codes: the list, adding and changing one, and who registered it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.console.address import address_of
from meterbook.console.operator.fields import Asked, Fields, Form, Sent, fields_of
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.operator.promotion_sheets import CountedPromotion, Standing, promotions_sheet, uses_sheet
from meterbook.console.requests import Posted, RowOrNone
from meterbook.console.sheet import ROWS_MAX
from meterbook.core.money import Money, currency
from meterbook.core.pricing import FreeUnit
from meterbook.core.promotion import AppliesTo, PromotionKind
from meterbook.errors import Invalid, NotFound
from meterbook.invoicing.promotion_use import uses_of
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.change_promotion import change_promotion
from meterbook.promotions.queries import promotion_by_code, promotions, redemption_counts
from meterbook.promotions.tables import PromotionRow

router = APIRouter(include_in_schema=False)

HERE = "promotions"
PATH = f"{HOME}/promotions"
PAGE = 100
FileForm = Annotated[str, Query(alias="format")]


@router.get("/promotions")
def show_promotions(at: AsOperator, after: str = "", form: FileForm = "") -> Response:
    """List promotion codes with how often each was registered; with format=csv, all of them as a sheet."""
    if form == "csv":
        return promotions_sheet(at, _counted(at, promotions(at.session, limit=ROWS_MAX)))
    rows = promotions(at.session, after=after or None, limit=PAGE + 1)
    return at.show(
        "promotions.html",
        HERE,
        rows=_counted(at, rows[:PAGE]),
        csv=address_of(PATH, format="csv"),
        next=address_of(PATH, after=rows[PAGE - 1].code) if len(rows) > PAGE else None,
        first=PATH if after else None,
    )


@router.get("/new-promotion")
def show_new(at: AsOperator, kind: str = PromotionKind.percent) -> Response:
    """Show the form of a promotion of a kind."""
    return at.show("new_promotion.html", HERE, form=Form(), **_choices(kind))


@router.post("/new-promotion")
def post_new(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Add a promotion and lead to it."""
    try:
        row = at.attempt(lambda: _added(at, sent))
    except Problems as problem:
        return at.show_again("new_promotion.html", HERE, sent, problem, **_choices(sent.text("kind", 40)))
    return led_to(f"{PATH}/{row.code}", "promotion-added")


@router.get("/promotions/{code}")
def show_promotion(at: AsOperator, code: str, after: RowOrNone = 0, form: FileForm = "") -> Response:
    """Show a promotion's terms, and who registered it with what it saved there; format=csv: these as a sheet."""
    row = promotion_by_code(at.session, code)
    if form == "csv":
        return uses_sheet(at, row, uses_of(at.session, row, limit=ROWS_MAX))
    return _page(at, row, after=after)


@router.post("/promotions/{code}")
def post_change(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Change a promotion's name, end and number of registrations, or end it now."""
    row = promotion_by_code(at.session, code)
    try:
        at.attempt(lambda: _changed(at, row.code, sent))
    except Problems as problem:
        return _page(at, row, change=Form(sent, problem), status=status_of(problem))
    return led_to(f"{PATH}/{row.code}", "promotion-changed")


@router.get("/promotions/{code}/register")
def show_register(at: AsOperator, asked: Asked, code: str) -> Response:
    """Lead to registering a promotion for an account, which is looked at before it is done."""
    row = promotion_by_code(at.session, code)
    try:
        account = at.account(asked.text("account", 100))
    except NotFound as problem:
        problem.details["field"] = "account"
        return _page(at, row, form=Form(asked, problem), status=404)
    return RedirectResponse(address_of(f"{HOME}/accounts/{account.code}/promotion", promotion=row.code, look="1"), 303)


def _added(at: OperatorPage, sent: Fields) -> PromotionRow:
    kind = sent.text("kind", 40)
    return add_promotion(
        at.session,
        at.now,
        code=sent.text("code", 100),
        name=sent.text("name", 400) or None,
        kind=kind,
        value=sent.decimal("value"),
        currency=sent.text("currency", 10).upper() or None,
        applies_to=sent.text("applies_to", 20) or None,
        products=sent.listed("products"),
        projects=sent.listed("projects"),
        starts_at=sent.moment("from", UTC),
        ends_at=sent.moment("until", UTC),
        redemptions_max=sent.whole("redemptions_max"),
        stackable=sent.flag("stackable"),
        priority=_priority(sent),
        months=sent.whole("months"),
        carry_over=sent.flag("carry_over"),
        free_unit=sent.text("free_unit", 20) or FreeUnit.unit_hours,
    )


def _changed(at: OperatorPage, code: str, sent: Fields) -> None:
    if sent.text("step", 20) == "end":
        change_promotion(at.session, code=code, ends_at=at.now)
        return
    change_promotion(
        at.session,
        code=code,
        name=sent.text("name", 400),
        ends_at=sent.moment("until", UTC),
        redemptions_max=sent.whole("redemptions_max"),
    )


def _priority(sent: Fields) -> int:
    priority = sent.whole("priority") or 0
    if not -1_000 <= priority <= 1_000:
        raise Invalid("The priority is a whole number of -1000 to 1000.", field="priority")
    return priority


def _choices(kind: str) -> dict[str, Any]:
    return {
        "kind": kind if kind in list(PromotionKind) else PromotionKind.percent.value,
        "kinds": list(PromotionKind),
        "applies": list(AppliesTo),
        "free_units": list(FreeUnit),
    }


def _stands(row: PromotionRow) -> Fields:
    return fields_of(
        [
            ("name", row.name),
            ("until", "" if row.ends_at is None else f"{UTC.local(row.ends_at):%Y-%m-%dT%H:%M}"),
            ("redemptions_max", "" if row.redemptions_max is None else str(row.redemptions_max)),
        ]
    )


def _counted(at: OperatorPage, rows: Sequence[PromotionRow]) -> list[CountedPromotion]:
    counts = redemption_counts(at.session, [row.id for row in rows])
    return [(row, *_shown(row, counts.get(row.id, 0), at.now)) for row in rows]


def _shown(row: PromotionRow, count: int, now: datetime) -> tuple[int, Standing, Money | None]:
    """Return how often a promotion was registered, whether it holds, and its value where that is an amount."""
    standing: Standing = "active"
    if row.ends_at is not None and row.ends_at <= now:
        standing = "ended"
    elif now < row.starts_at:
        standing = "upcoming"
    elif row.redemptions_max is not None and count >= row.redemptions_max:
        standing = "used-up"
    is_amount = row.currency is not None and row.kind in (PromotionKind.amount, PromotionKind.credit)
    amount = Money.parse(f"{row.value:f}", currency(row.currency or "")) if is_amount else None
    return count, standing, amount


def _page(
    at: OperatorPage,
    row: PromotionRow,
    *,
    after: int = 0,
    form: Form | None = None,
    change: Form | None = None,
    status: int = 200,
) -> Response:
    """Show a promotion; `form` is the one that registers it for an account, `change` the one that changes it."""
    count, standing, amount = _shown(row, redemption_counts(at.session, [row.id]).get(row.id, 0), at.now)
    uses = uses_of(at.session, row, after=after, limit=PAGE + 1)
    path = f"{PATH}/{row.code}"
    return at.show(
        "promotion.html",
        HERE,
        status,
        row=row,
        count=count,
        standing=standing,
        amount=amount,
        form=form or Form(),
        change=change or Form(_stands(row)),
        uses=uses[:PAGE],
        csv=address_of(path, format="csv"),
        next=address_of(path, after=uses[PAGE - 1].redemption.id) if len(uses) > PAGE else None,
        first=path if after else None,
        starts=UTC.local(row.starts_at),
        ends=UTC.local(row.ends_at) if row.ends_at else None,
    )
