"""Close a month in the background: asked for in one transaction, done by a job, its progress there to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.database import Transactions, acting
from meterbook.errors import Busy, MeterbookError, Refused
from meterbook.invoicing.close import Skipped, close_month, refuse_running
from meterbook.invoicing.tables import CloseRun
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore

# A run that has not moved for so long was given up by whatever did it; another one may begin.
STILL_MINUTES_MAX: Final = 15
MOST_PASSED_OVER: Final = 1_000  # what of a run is kept by name


def begin_close(
    session: Session,
    now: datetime,
    *,
    month: BillingMonth,
    account_ids: Sequence[int] | None,
    confirm: bool,
    by: str,
) -> CloseRun:
    """Queue the close of a month for accounts (None: all) and return the run; `by` names who asked.

    It drafts, or with `confirm` issues, as `close_month` does. Raises `Refused` ("month-running") for a month that has
    not ended, ("close-under-way") while another run of the month is at work, ("nothing-to-close") without accounts.
    """
    refuse_running(session, account_ids, month, now)
    count = session.scalar(select(func.count()).select_from(Account)) or 0 if account_ids is None else len(account_ids)
    if not count:
        raise Refused("There is no account to close this month for.", "nothing-to-close")
    _one_at_a_time(session, now, month)
    values = {
        "month": str(month),
        "account_ids": None if account_ids is None else sorted(account_ids),
        "confirm": confirm,
        "asked_by": by,
        "asked_at": now,
        "account_count": count,
        "done_count": 0,
        "moved_at": now,
        "passed_over": [],
    }
    made = insert(CloseRun).values(values).on_conflict_do_nothing().returning(CloseRun.id)
    run_id = session.execute(made).scalar_one_or_none()
    if run_id is None:  # somebody else was faster
        raise _under_way(month)
    outbox.defer(session, "close_month", run_id=run_id)
    return session.get_one(CloseRun, run_id)


def do_close(
    transactions: Transactions, usage: UsageStore, settings: Settings, clock: Callable[[], datetime], *, run_id: int
) -> None:
    """Do a run that was asked for and note how it went; one that has ended is left alone. Safe to repeat.

    Raises what may pass (`Busy`, and whatever is no error of the world), so that the job is tried again.
    """
    now = clock()
    with transactions() as session:
        run = session.get_one(CloseRun, run_id)
        if run.ended_at is not None:
            return
        run.done_count, run.moved_at = 0, now
        month, ids, confirm = BillingMonth.parse(run.month), run.account_ids, run.confirm
        asked_by = run.asked_by

    def progress(count: int) -> None:
        with transactions() as session:
            moved = {"done_count": CloseRun.done_count + count, "moved_at": clock()}
            session.execute(update(CloseRun).where(CloseRun.id == run_id).values(moved))

    error: str | None = None
    skipped: list[Skipped] = []
    try:
        closed = close_month(
            acting(transactions, asked_by),
            usage,
            settings,
            month,
            now,
            account_ids=ids,
            confirm=confirm,
            pass_over=True,
            progress=progress,
        )
        skipped = closed.skipped[:MOST_PASSED_OVER]
    except Busy:
        raise
    except MeterbookError as refused:
        error = str(refused.message)
    with transactions() as session:
        run = session.get_one(CloseRun, run_id)
        run.ended_at = run.moved_at = clock()
        run.error = error
        run.passed_over = [
            {"account": each.account, "obstacle": each.why.obstacle.value, "other": each.why.other} for each in skipped
        ]


def last_run(session: Session, month: BillingMonth) -> CloseRun | None:
    """Return the run of a month that was asked for last, None if nobody did."""
    query = select(CloseRun).where(CloseRun.month == str(month)).order_by(CloseRun.id.desc())
    return session.scalars(query.limit(1)).first()


def is_still(run: CloseRun, now: datetime) -> bool:
    """Whether a run that has not ended has not moved for too long either."""
    return run.ended_at is None and now - run.moved_at > timedelta(minutes=STILL_MINUTES_MAX)


def _one_at_a_time(session: Session, now: datetime, month: BillingMonth) -> None:
    query = select(CloseRun).where(CloseRun.month == str(month), CloseRun.ended_at.is_(None)).with_for_update()
    other = session.scalars(query).one_or_none()
    if other is None:
        return
    if not is_still(other, now):
        raise _under_way(month)
    other.ended_at, other.error = now, "It did not move any more, and another run took its place."
    session.flush()


def _under_way(month: BillingMonth) -> Refused:
    return Refused(
        say("%(month)s is being closed just now: wait until that has ended.", month=month), "close-under-way"
    )
