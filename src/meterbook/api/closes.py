"""The routes of closing months and of verifying that everything agrees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from sqlalchemy import select

from meterbook.accounts.queries import account_by_code
from meterbook.accounts.tables import Account
from meterbook.api.permission import Config, Now, Operator, Transaction, Usage, database_of
from meterbook.api.repeat import Key, answered_once
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.shapes_money import invoice_rows
from meterbook.api.times import Instant
from meterbook.core.period import BillingMonth
from meterbook.database import Transactions, acting, among
from meterbook.errors import Invalid
from meterbook.invoicing.close import Closed, close_month
from meterbook.invoicing.leave_unbilled import leave_unbilled
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.tables import UnbilledMonth
from meterbook.invoicing.verify import verify

router = APIRouter(tags=["closes"])


class NewClose(BaseModel):
    """A month to close, for one account or all; `confirm` issues what is drafted."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[str, Field(max_length=10, description="Such as 2014-02.")]
    account: Annotated[str | None, Field(max_length=64)] = None
    at: Instant | None = None
    confirm: StrictBool = False


class MonthUnbilled(BaseModel):
    """A month to leave unbilled, for one account or all; with `earlier`, the open months before it too."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[str, Field(max_length=10, description="Such as 2014-02.")]
    account: Annotated[str | None, Field(max_length=64)] = None
    reason: Annotated[str, Field(max_length=1_000, description="Why, for your own staff.")]
    earlier: StrictBool = False
    at: Instant | None = None


@router.post("/closes", summary="Close a month")
def post_close(
    body: NewClose, request: Request, usage: Usage, access: Operator, now: Now, settings: Config, key: Key = None
) -> Response:
    """Draft the month's invoices and, with `confirm`, issue them; closing again changes nothing.

    `at` replays a moment. Accounts whose turn it is not are passed over, with the reason.
    """
    database = database_of(request)
    month, moment = _month(body.month), body.at or now

    with database.transaction() as session:

        def act() -> Response:
            accounts = None if body.account is None else [account_by_code(session, body.account, access).id]
            closed = close_month(
                acting(database.transaction, access.subject),
                usage,
                settings,
                month,
                moment,
                account_ids=accounts,
                confirm=body.confirm,
            )
            return answer(_shape(database.transaction, closed, moment))

        return answered_once(request, session, now, access, key, body, act)


@router.post("/closes/unbilled", summary="Leave a month unbilled")
def post_unbilled(
    body: MonthUnbilled,
    request: Request,
    session: Transaction,
    usage: Usage,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Discard the month's drafts and leave its usage unbilled, so that later months may be closed; safe to repeat.

    A close of the month that names the account bills it after all, as long as no later one is issued.
    """
    month = _month(body.month)

    def act() -> Response:
        accounts = None if body.account is None else [account_by_code(session, body.account, access).id]
        rows = leave_unbilled(
            session,
            usage,
            now,
            month=month,
            account_ids=accounts,
            reason=body.reason,
            by=access.subject,
            earlier=body.earlier,
            at=body.at,
        )
        ids = {row.account_id for row in rows}
        codes = {row.id: row.code for row in session.scalars(select(Account).where(among(Account.id, ids)))}
        return answer({"months": [_left(row, codes[row.account_id]) for row in rows]})

    return answered_once(request, session, now, access, key, body, act)


@router.post("/verifications", summary="Verify that everything agrees")
def post_verification(request: Request, usage: Usage, _access: Operator) -> Response:
    """Re-derive every invoice from stored usage and prices and check the books; `faults` is empty when all agrees."""
    count, faults = verify(database_of(request).transaction, usage)
    return answer({"invoices": count, "faults": faults})


def _month(text: str) -> BillingMonth:
    try:
        return BillingMonth.parse(text)
    except ValueError as error:
        raise Invalid(f"{error}.", "wrong-month") from None


def _left(row: UnbilledMonth, code: str) -> Json:
    return {
        "account": code,
        "month": row.month,
        "reason": row.reason,
        "decided_at": instant(row.decided_at),
        "decided_by": row.decided_by,
    }


def _shape(transactions: Transactions, closed: Closed, now: datetime) -> dict[str, object]:
    with transactions() as session:
        invoices = invoices_by_id(session, [*closed.drafts, *closed.issued])
        payers = {invoice.account_id for invoice in invoices.values()}
        accounts = {row.id: row for row in session.scalars(select(Account).where(among(Account.id, payers)))}

        def rows(ids: Sequence[int]) -> list[Json]:
            found = [invoices[id_] for id_ in ids]
            return invoice_rows(session, [(row, accounts[row.account_id]) for row in found], now)

        return {
            "drafts": rows(closed.drafts),
            "issued": rows(closed.issued),
            "skipped": [{"account": each.account, "reason": each.reason} for each in closed.skipped],
        }
