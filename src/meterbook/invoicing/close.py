"""Close a month: draft every account's invoice and keep it, and once confirmed issue what was kept (DOMAIN 6).

Safe to repeat and to interrupt at any point: accounts go in groups, each in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, locked
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.sentence import say
from meterbook.database import Transactions, among
from meterbook.errors import Refused
from meterbook.invoicing.draft import Payer, draft_months
from meterbook.invoicing.issue import discard_later, issue
from meterbook.invoicing.keep import keep
from meterbook.invoicing.queries import invoices_of_month, kept_months
from meterbook.invoicing.settle import expire_credits
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.turn import OutOfTurn, out_of_turn, unbilled_before_first
from meterbook.invoicing.unbilled import bill_after_all
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore

GROUP: Final = 50  # accounts that are drafted, or issued, in one transaction

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Skipped:
    """An account that was passed over, with what stood in the way."""

    account: str
    why: OutOfTurn

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.why)


@dataclass(slots=True)
class Closed:
    """What a close came to: invoices (ids) that are kept as drafts, those that are issued, accounts passed over."""

    drafts: list[int] = field(default_factory=list)
    issued: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def close_month(
    transactions: Transactions,
    usage: UsageStore,
    settings: Settings,
    month: BillingMonth,
    at: datetime,
    *,
    account_ids: Sequence[int] | None = None,
    confirm: bool = False,
    pass_over: bool = False,
    by_schedule: bool = False,
    progress: Progress = lambda _: None,
) -> Closed:
    """Draft a month for accounts (None: all) and keep the drafts; with `confirm`, issue them.

    Without `confirm` drafts are made anew. With it, a draft that is kept is issued as it was looked at, and only a
    missing one is made. What is issued stays. `progress` is told how many accounts each group had. Raises `Refused`
    ("month-running") when the month has not ended at `at` for an account that was asked for, ("month-out-of-order") for
    a single account whose months are out of order; of many accounts, or with `pass_over`, such ones are passed over.
    What was left unbilled is drafted after all for accounts that were asked for, and not of all or `by_schedule`.
    """
    closed = Closed()
    named = account_ids is not None and not by_schedule
    alone = account_ids is not None and len(account_ids) == 1 and not pass_over
    with transactions() as session:
        groups = list(groups_of_accounts(session, account_ids))
        refuse_running(session, account_ids, month, at)
    for ids in groups:
        with transactions() as session:
            ready = _draft_group(session, usage, ids, month, at, closed, confirm=confirm, alone=alone, named=named)
        if confirm:
            with transactions() as session:
                issue(session, at, settings, locked(session, ready), month)
        progress(len(ids))
    with transactions() as session:
        found = [account_id for group in groups for account_id in group]
        for invoice in invoices_of_month(session, found, month).values():
            (closed.drafts if invoice.number is None else closed.issued).append(invoice.id)
    closed.drafts.sort()
    closed.issued.sort()
    return closed


def groups_of_accounts(session: Session, account_ids: Sequence[int] | None) -> Iterator[list[int]]:
    """Yield accounts (ids; None: all) in groups of one time zone, small enough for a transaction."""
    query = select(Account.id, Account.time_zone).order_by(Account.time_zone, Account.id)
    if account_ids is not None:
        query = query.where(among(Account.id, account_ids))
    for _, rows in groupby(session.execute(query).all(), key=lambda row: row.time_zone):
        ids = [row.id for row in rows]
        for start in range(0, len(ids), GROUP):
            yield ids[start : start + GROUP]


def refuse_running(session: Session, account_ids: Sequence[int] | None, month: BillingMonth, at: datetime) -> None:
    """Raise `Refused` ("month-running") when a month has not ended for any of the accounts (None: of all)."""
    query = select(Account.time_zone).distinct()
    if account_ids is not None:
        query = query.where(among(Account.id, account_ids))
    ends = [month.ends_at(billing_zone(name, True)) for name in session.scalars(query)]
    if ends and all(at < end for end in ends):
        raise Refused(
            say(
                "%(month)s is not over: it can be closed from %(at)s on.",
                month=month,
                at=f"{min(ends):%Y-%m-%dT%H:%M:%SZ}",
            ),
            "month-running",
        )


def _draft_group(
    session: Session,
    usage: UsageStore,
    ids: Sequence[int],
    month: BillingMonth,
    at: datetime,
    closed: Closed,
    *,
    confirm: bool,
    alone: bool,
    named: bool,
) -> list[int]:
    """Make and keep the drafts that are missing, or without `confirm` all that are not issued.

    Returns the accounts that are not passed over.
    """
    accounts = locked(session, ids)
    kept = invoices_of_month(session, ids, month)
    wanted = [account for account in accounts if _is_open(kept.get(account.id), remake=not confirm)]
    obstacles = out_of_turn(session, usage, wanted, month, at, after_all=named)
    if confirm:
        waiting = [account for account in accounts if account.id in kept and kept[account.id].number is None]
        obstacles |= unbilled_before_first(session, usage, waiting, month)
    for account in accounts:
        if account.id in obstacles:
            if alone:
                reason = str(obstacles[account.id])
                told = f"{reason[0].upper()}{reason[1:]}."
                raise Refused(told, "month-out-of-order")
            closed.skipped.append(Skipped(account.code, obstacles[account.id]))
    ready = [account for account in wanted if account.id not in obstacles]
    if ready:
        _keep_drafts(session, usage, ready, month, at, confirm=confirm)
    return [id_ for id_ in ids if id_ not in obstacles]


def _keep_drafts(
    session: Session, usage: UsageStore, ready: Sequence[Account], month: BillingMonth, at: datetime, *, confirm: bool
) -> None:
    """Draft the month of accounts whose turn it is and keep the drafts; drafts of later months go."""
    drafts = kept_months(session, [account.id for account in ready])
    bill_after_all(session, [account.id for account in ready], month)
    usage_through = usage.received_through()
    projects = all_projects(session, [account.id for account in ready])
    payers = [Payer(account, projects[account.id], True) for account in ready]
    drafted = draft_months(session, usage, payers, month, at, received_through=usage_through)
    made = keep(session, at, drafted, usage_through)
    for account_id in made:
        if any(other > str(month) for other in drafts.get(account_id, ())):
            discard_later(session, account_id, month)
    if confirm:  # closed, with nothing to bill
        nothing = [each for each in drafted if each.payer.account.id not in made]
        expire_credits(session, at, [(each.payer.account, each.draft.frame.ends_at) for each in nothing])


def _is_open(kept: Invoice | None, *, remake: bool) -> bool:
    return kept is None or (remake and kept.number is None)
