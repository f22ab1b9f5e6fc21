"""The routes of closing months and of verifying that everything agrees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from meterbook.accounts.queries import account_by_code
from meterbook.accounts.tables import Account
from meterbook.api.permission import Config, Now, Operator, Usage, database_of
from meterbook.api.repeat import Key, answered_once
from meterbook.api.shapes import Json, answer
from meterbook.api.shapes_money import invoice_rows
from meterbook.api.times import Instant
from meterbook.core.period import BillingMonth
from meterbook.database import Transactions, acting, among
from meterbook.errors import Invalid
from meterbook.invoicing.close import Closed, close_month
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.verify import verify

router = APIRouter(tags=["closes"])


class NewClose(BaseModel):
    """A month to close, for one account or all; `confirm` issues what is drafted."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[str, Field(max_length=10, description="Such as 2014-02.")]
    account: Annotated[str | None, Field(max_length=64)] = None
    at: Instant | None = None
    confirm: bool = False


@router.post("/closes", summary="Close a month")
def post_close(
    body: NewClose, request: Request, usage: Usage, access: Operator, now: Now, settings: Config, key: Key = None
) -> Response:
    """Draft the month's invoices and, with `confirm`, issue them; closing again changes nothing.

    `at` replays a moment. Accounts whose turn it is not are passed over, with the reason.
    """
    database = database_of(request)
    try:
        month = BillingMonth.parse(body.month)
    except ValueError as error:
        raise Invalid(f"{error}.", "wrong-month") from None
    moment = body.at or now

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


@router.post("/verifications", summary="Verify that everything agrees")
def post_verification(request: Request, usage: Usage, _access: Operator) -> Response:
    """Re-derive every invoice from stored usage and prices and check the books; `faults` is empty when all agrees."""
    count, faults = verify(database_of(request).transaction, usage)
    return answer({"invoices": count, "faults": faults})


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
