"""Leave a month unbilled: a draft that is kept of it is discarded, and the account's later months may be closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.queries import locked, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.database import among
from meterbook.errors import Refused
from meterbook.invoicing.close import refuse_running
from meterbook.invoicing.queries import kept_months
from meterbook.invoicing.tables import Invoice, UnbilledMonth
from meterbook.invoicing.unbilled import left_unbilled, unbilled_months
from meterbook.usage.store import UsageStore

LONGEST_REASON = 500


def leave_unbilled(
    session: Session,
    usage: UsageStore,
    now: datetime,
    *,
    month: BillingMonth,
    account_ids: Sequence[int] | None,
    reason: str,
    by: str,
    earlier: bool = False,
    at: datetime | None = None,
) -> list[UnbilledMonth]:
    """Leave a month of accounts (None: all) unbilled where it is drafted or has usage, and return what was left.

    With `earlier`, the open months before it too. Nothing of them is billed, late usage neither, unless a close of the
    month asks for the account by name before a later one is issued. Safe to repeat: the first reason stays. `at`
    replays a moment. Raises `Invalid` without a reason, `Refused` ("month-running"); of a single account also
    ("already-issued"), ("month-out-of-order") after a later invoice, ("nothing-to-leave").
    """
    told = check.name(reason, "reason", LONGEST_REASON)
    moment = at or now
    refuse_running(session, account_ids, month, moment)
    found = list(session.scalars(select(Account.id))) if account_ids is None else account_ids
    accounts = [each for each in locked(session, found) if moment >= month.ends_at(zone_of(each))]
    issued = _last_issued(session, [account.id for account in accounts])
    if account_ids is not None and len(account_ids) == 1:
        _refuse_issued(accounts, issued, month)
    still_open = [account for account in accounts if issued.get(account.id, "") < str(month)]
    ids = [account.id for account in still_open]
    left = left_unbilled(session, ids)
    wanted = _wanted(session, usage, still_open, month, earlier=earlier)
    rows = [
        UnbilledMonth(account_id=account_id, month=each, reason=told, decided_at=now, decided_by=by)
        for account_id, months in wanted.items()
        for each in sorted(months - left.get(account_id, {}).keys())
    ]
    before = [row for months in left.values() for name, row in months.items() if name == str(month)]
    if not rows and not before and account_ids is not None and len(account_ids) == 1:
        raise Refused(
            say("%(month)s has neither a draft nor usage: there is nothing to leave unbilled.", month=month),
            "nothing-to-leave",
        )
    _discard(session, rows)
    session.add_all(rows)
    session.flush()
    return sorted([*before, *rows], key=lambda row: (row.account_id, row.month))


def _last_issued(session: Session, account_ids: Collection[int]) -> dict[int, str]:
    rows = session.execute(
        select(Invoice.account_id, func.max(Invoice.month))
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_not(None))
        .group_by(Invoice.account_id)
    )
    return {account_id: str(month) for account_id, month in rows}


def _refuse_issued(accounts: Sequence[Account], issued: Mapping[int, str], month: BillingMonth) -> None:
    for account in accounts:
        last = issued.get(account.id, "")
        if last == str(month):
            raise Refused(
                say("%(month)s is issued: give it back by a credit note.", month=month),
                "already-issued",
            )
        if last > str(month):
            raise Refused(
                say(
                    "%(other)s is issued already: whether %(month)s is billed can no longer be changed.",
                    other=BillingMonth.parse(last),
                    month=month,
                ),
                "month-out-of-order",
            )


def _wanted(
    session: Session, usage: UsageStore, accounts: Sequence[Account], month: BillingMonth, *, earlier: bool
) -> dict[int, set[str]]:
    """Return by account the months that are drafted or have usage: this one, with `earlier` those before it too."""
    found = {
        account_id: {str(each) for each in months}
        for account_id, months in unbilled_months(session, usage, accounts, month.next()).items()
    }
    for account_id, drafted in kept_months(session, [account.id for account in accounts]).items():
        found.setdefault(account_id, set()).update(drafted)
    first = "" if earlier else str(month)
    return {
        account_id: {each for each in months if first <= each <= str(month)} for account_id, months in found.items()
    }


def _discard(session: Session, rows: Sequence[UnbilledMonth]) -> None:
    """Throw the drafts away that are kept of months."""
    by_month: dict[str, list[int]] = {}
    for row in rows:
        by_month.setdefault(row.month, []).append(row.account_id)
    for month, account_ids in by_month.items():
        drafts = (among(Invoice.account_id, account_ids), Invoice.month == month, Invoice.number.is_(None))
        session.execute(delete(Invoice).where(*drafts))
