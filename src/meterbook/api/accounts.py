"""Routes of accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from meterbook.accounts.add_account import add_account
from meterbook.accounts.change_account import change_account
from meterbook.accounts.close_account import close_account, reopen_account
from meterbook.accounts.queries import account_by_code, currency_of, visible_accounts
from meterbook.accounts.tables import Account
from meterbook.accounts.unchanged import SAME
from meterbook.api.paging import Cursor, Limit, after, page
from meterbook.api.permission import Config, Now, Operator, Reader, Transaction
from meterbook.api.shapes import Json, answer, instant
from meterbook.core.money import Rounding, plain
from meterbook.core.terms import TaxClass

router = APIRouter(tags=["accounts"])


class NewAccount(BaseModel):
    """Who pays, in which currency, by which clock."""

    model_config = ConfigDict(extra="forbid")

    code: str
    name: str | None = None
    currency: str = Field(description="ISO 4217, such as USD.")
    time_zone: str = Field("UTC", description="The billing zone: UTC, Asia/Seoul, +05:30.")
    language: Literal["en", "ko", "ja"] = "en"
    tax_percent: Decimal = Field(Decimal(0), description='Percent, such as "10".')
    tax_class: TaxClass = Field(TaxClass.standard, description="All but standard pay no tax; invoices say why.")
    rounding: Rounding | None = Field(None, description="The currency's own custom if left out.")
    billing_email: str | None = None


class AccountChange(BaseModel):
    """What to change of an account; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    language: Literal["en", "ko", "ja"] | None = None
    tax_percent: Decimal | None = Field(None, description='Percent, such as "10".')
    tax_class: TaxClass | None = None
    billing_email: str | None = Field(None, description="null takes it away.")
    closed: StrictBool | None = Field(None, description="Closed, it takes no more usage; what it used is still billed.")


@router.post("/accounts", status_code=201, summary="Add an account")
def post_account(body: NewAccount, session: Transaction, _access: Operator, now: Now, settings: Config) -> Response:
    """Add an account; the very same account again is answered as it stands."""
    account = add_account(
        session,
        now,
        code=body.code,
        currency=body.currency,
        name=body.name,
        time_zone=body.time_zone,
        language=body.language,
        tax_percent=body.tax_percent,
        tax_class=body.tax_class,
        rounding=body.rounding,
        billing_email=body.billing_email,
        dst_zones=settings.dst_zones,
    )
    return answer(_shape(account), 201)


@router.get("/accounts", summary="List accounts")
def get_accounts(session: Transaction, access: Reader, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the accounts the caller may see, by code."""
    rows = visible_accounts(session, access, after=after(cursor), limit=limit + 1)
    return answer(page(rows, limit, _shape, lambda account: account.code))


@router.get("/accounts/{code}", summary="Read an account")
def get_account(code: str, session: Transaction, access: Reader) -> Response:
    """Return one account."""
    return answer(_shape(account_by_code(session, code, access)))


@router.patch("/accounts/{code}", summary="Change an account")
def patch_account(
    code: str, body: AccountChange, request: Request, session: Transaction, access: Operator, now: Now
) -> Response:
    """Change an account's terms for every month that is not drafted yet, close it, or open it again."""
    account = change_account(
        session,
        account_by_code(session, code, access),
        name=body.name,
        language=body.language,
        tax_percent=body.tax_percent,
        tax_class=body.tax_class,
        billing_email=body.billing_email if "billing_email" in body.model_fields_set else SAME,
    )
    if body.closed:
        close_account(session, now, account=account)
        request.app.state.proofs.forget()
    elif body.closed is False:
        reopen_account(session, now, account=account)
    return answer(_shape(account))


def _shape(account: Account) -> Json:
    return {
        "code": account.code,
        "name": account.name,
        "currency": account.currency,
        "time_zone": account.time_zone,
        "language": account.language,
        "tax_percent": plain(account.tax_percent),
        "tax_class": account.tax_class,
        "rounding": currency_of(account).rounding,
        "billing_email": account.billing_email,
        "created_at": instant(account.created_at),
        "closed_at": instant(account.closed_at) if account.closed_at else None,
    }
