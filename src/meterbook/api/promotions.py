"""Routes of promotions: the operator's codes, a customer registering one, what is registered and what it saved."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from meterbook.accounts.queries import account_by_code
from meterbook.accounts.tables import Account
from meterbook.accounts.unchanged import SAME
from meterbook.api.paging import Cursor, Limit, after, page
from meterbook.api.permission import Now, Operator, Reader, Transaction
from meterbook.api.repeat import Key, answered_once
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import Instant
from meterbook.core.money import plain
from meterbook.errors import Denied
from meterbook.invoicing.applied import AppliedPromotion, applied_promotions
from meterbook.payments.apply_code import apply_code
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.change_promotion import change_promotion
from meterbook.promotions.guesses import Guesses
from meterbook.promotions.queries import promotions, redemption_counts
from meterbook.promotions.tables import PromotionRow
from meterbook.promotions.withdraw import withdraw

router = APIRouter(tags=["promotions"])


def _plain(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        raise ValueError("write digits with an optional point, such as 12.04")
    return value


class NewPromotion(BaseModel):
    """A promotion under a code."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=100)
    name: str | None = Field(None, max_length=400)
    kind: Literal["percent", "amount", "fixed_price", "free_quantity", "credit"]
    value: Annotated[Decimal, BeforeValidator(_plain)] = Field(
        description="A percent, an amount, a unit price or a quantity, by kind."
    )
    currency: str | None = Field(None, max_length=10, description="Needed but for percents and free quantities.")
    applies_to: Literal["line", "invoice"] | None = None
    products: list[str] = Field(default=[], max_length=1_000, description="Codes; empty for all.")
    projects: list[str] = Field(default=[], max_length=1_000, description="Codes; empty for all.")
    starts_at: Instant | None = Field(None, alias="from")
    ends_at: Instant | None = Field(None, alias="until")
    redemptions_max: int | None = None
    stackable: StrictBool = True
    priority: int = Field(0, ge=-1_000, le=1_000, description="Lower comes first among those of a kind.")
    months: int | None = Field(None, description="Billing months from the redemption on; all if left out.")
    carry_over: StrictBool = Field(False, description="Whether what a month leaves over adds to the next.")
    free_unit: Literal["unit-hours", "quantity"] = "unit-hours"


class Redeem(BaseModel):
    """A code to register for an account."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = Field(None, max_length=64)
    code: str = Field(max_length=200)
    at: Instant | None = Field(None, description="Replays a moment; operators only.")


class PromotionChange(BaseModel):
    """What of a promotion changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=400)
    ends_at: Instant | None = Field(None, alias="until", description="null: without end.")
    redemptions_max: int | None = Field(None, description="null: any number.")


class Withdraw(BaseModel):
    """A code to take back from an account."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)
    code: str = Field(max_length=200)
    reason: str = Field(max_length=1_000)


@router.post("/promotion-codes", status_code=201, summary="Add a promotion code")
def post_promotion_code(body: NewPromotion, session: Transaction, _access: Operator, now: Now) -> Response:
    """Add a promotion; the very same one again is answered as it stands."""
    row = add_promotion(
        session,
        now,
        code=body.code,
        name=body.name,
        kind=body.kind,
        value=body.value,
        currency=body.currency,
        applies_to=body.applies_to,
        products=body.products,
        projects=body.projects,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        redemptions_max=body.redemptions_max,
        stackable=body.stackable,
        priority=body.priority,
        months=body.months,
        carry_over=body.carry_over,
        free_unit=body.free_unit,
    )
    return answer(_operators(row, redemption_counts(session, [row.id]).get(row.id, 0)), 201)


@router.get("/promotion-codes", summary="List promotion codes")
def get_promotion_codes(session: Transaction, _access: Operator, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List promotions by code, with how often each was registered."""
    rows = promotions(session, after=after(cursor), limit=limit + 1)
    counts = redemption_counts(session, [row.id for row in rows])
    return answer(page(rows, limit, lambda row: _operators(row, counts.get(row.id, 0)), lambda row: row.code))


@router.patch("/promotion-codes/{code}", summary="Change a promotion code")
def patch_promotion_code(code: str, body: PromotionChange, session: Transaction, _access: Operator) -> Response:
    """Change a promotion's name, end or number of registrations; an end holds for every month that is not issued."""
    given = body.model_fields_set
    row = change_promotion(
        session,
        code=code,
        name=SAME if body.name is None else body.name,
        ends_at=body.ends_at if "ends_at" in given else SAME,
        redemptions_max=body.redemptions_max if "redemptions_max" in given else SAME,
    )
    return answer(_operators(row, redemption_counts(session, [row.id]).get(row.id, 0)))


@router.post("/promotions/withdraw", summary="Take a promotion code back")
def post_withdraw(
    body: Withdraw, request: Request, session: Transaction, access: Operator, now: Now, key: Key = None
) -> Response:
    """Take a registered code back from an account: it holds for no month that is not issued."""
    account = account_by_code(session, body.account, access)

    def act() -> Response:
        found, _ = withdraw(session, now, account=account, code=body.code, reason=body.reason, by=access.subject)
        applied = applied_promotions(session, account, now)
        return answer(_registered(next(each for each in applied if each.redemption.id == found.id), account))

    return answered_once(request, session, now, access, key, body, act)


@router.post("/promotions/redeem", summary="Register a promotion code")
def post_redeem(
    body: Redeem, request: Request, session: Transaction, access: Reader, now: Now, key: Key = None
) -> Response:
    """Register a code; each reason to refuse one has its own problem type."""
    if body.at is not None and not access.may_operate():
        raise Denied("Replaying a moment with `at` needs a key with the scope operator.", "forbidden")
    account = billed_account(session, access, body.account)

    def act() -> Response:
        guesses: Guesses = request.app.state.guesses
        applied = apply_code(
            session,
            now,
            guesses,
            account=account,
            code=body.code,
            by=access.subject,
            at=body.at,
            again=access.may_operate(),
        )
        return answer(_registered(applied, account))

    return answered_once(request, session, now, access, key, body, act)


@router.get("/promotions", summary="The promotions an account registered")
def get_promotions(session: Transaction, access: Reader, now: Now, account: AccountCode = None) -> Response:
    """List what an account registered, in that order, with what each saved on issued invoices so far."""
    payer = billed_account(session, access, account)
    items = [_registered(each, payer) for each in applied_promotions(session, payer, now)]
    return answer({"account": payer.code, "items": items, "next_cursor": None})


def _terms(row: PromotionRow) -> Json:
    return {
        "code": row.code,
        "name": row.name,
        "kind": row.kind,
        "value": plain(row.value),
        "currency": row.currency,
        "applies_to": row.applies_to,
        "products": row.products,
        "projects": row.projects,
        "from": instant(row.starts_at),
        "until": instant(row.ends_at) if row.ends_at else None,
    }


def _operators(row: PromotionRow, redemptions: int) -> Json:
    return {
        **_terms(row),
        "redemptions": redemptions,
        "redemptions_max": row.redemptions_max,
        "stackable": row.stackable,
        "priority": row.priority,
        "months": row.months,
        "carry_over": row.carry_over,
        "free_unit": row.free_unit,
    }


def _registered(applied: AppliedPromotion, account: Account) -> Json:
    return {
        **_terms(applied.promotion),
        "projects": [project.code for project in applied.projects],
        "account": account.code,
        "redeemed_at": instant(applied.redemption.redeemed_at),
        "holds_until": instant(applied.ends_at) if applied.ends_at else None,
        "status": applied.standing,
        "saved": str(applied.saved),
        "left": None if applied.left is None else str(applied.left),
    }
