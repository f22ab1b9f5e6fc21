"""Presenting a month that is being closed: its sums, the run that is at work, and the accounts of one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meterbook.accounts.queries import zone_of
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.attention import MonthSums
from meterbook.invoicing.month_accounts import MonthAccount, State
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.tables import CloseRun
from meterbook.invoicing.turn import Obstacle

Mail = Literal["", "sent", "failed", "waiting", "nowhere"]


@dataclass(frozen=True, slots=True)
class ShownObstacle:
    """What stands in the way of a month: the kind, with the month that is in the way or the zone it still runs in."""

    kind: Obstacle
    month: BillingMonth | None
    zone: str


@dataclass(frozen=True, slots=True)
class CloseRow:
    """An account's month as a row; amounts are of its draft or invoice, None without one.

    `mail` says what became of the invoice's letter, `letter_id` names it where it failed; `left` is why the month was
    left unbilled.
    """

    code: str
    name: str
    zone: str
    currency: str
    state: State
    number: str | None
    net: Money | None
    tax: Money | None
    total: Money | None
    mail: Mail
    mail_error: str
    letter_id: int | None
    obstacle: ShownObstacle | None
    left: str | None


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run: what it does, how far it came (`done` of `count` accounts), whether it has ended or does not move.

    `passed_over` is (account, what stands in the way).
    """

    confirm: bool
    by: str
    at: datetime
    count: int
    done: int
    has_ended: bool
    is_still: bool
    error: str
    passed_over: tuple[tuple[str, ShownObstacle], ...]


@dataclass(frozen=True, slots=True)
class ClosePage:
    """The page of a month; `running` while it has not ended (UTC)."""

    month: BillingMonth
    previous: BillingMonth
    next: BillingMonth | None
    running: bool
    state: State
    q: str
    counts: Mapping[State, int]
    drafted: Sequence[MonthSums]
    issued: Sequence[MonthSums]
    run: RunShown | None
    rows: tuple[CloseRow, ...]
    csv_href: str
    next_href: str | None
    first_href: str | None

    @property
    def is_at_work(self) -> bool:
        """Whether a run of the month is under way, so that the page has to be looked at again."""
        return self.run is not None and not self.run.has_ended


def present_run(run: CloseRun, is_still: bool) -> RunShown:
    """Present a run."""
    return RunShown(
        confirm=run.confirm,
        by=run.asked_by,
        at=run.asked_at,
        count=run.account_count,
        done=min(run.done_count, run.account_count),
        has_ended=run.ended_at is not None,
        is_still=is_still,
        error=run.error or "",
        passed_over=tuple(
            (each["account"], _obstacle(Obstacle(each["obstacle"]), each["other"])) for each in run.passed_over
        ),
    )


def present_row(found: MonthAccount) -> CloseRow:
    """Present an account's month."""
    account, invoice = found.account, found.invoice
    mail = _mail(found)
    failed = mail in ("failed", "nowhere") and found.letter is not None
    money = None if invoice is None else currency_of_invoice(invoice)
    return CloseRow(
        code=account.code,
        name=account.name,
        zone=zone_of(account).name,
        currency=account.currency,
        state="none" if invoice is None else "drafted" if invoice.number is None else "issued",
        number=None if invoice is None else invoice.number,
        net=None if invoice is None or money is None else Money(invoice.net_minor, money),
        tax=None if invoice is None or money is None else Money(invoice.tax_minor, money),
        total=None if invoice is None or money is None else Money(invoice.total_minor, money),
        mail=mail,
        mail_error=(found.letter.error or "") if found.letter else "",
        letter_id=found.letter.id if failed and found.letter else None,
        obstacle=None if found.obstacle is None else _obstacle(found.obstacle.obstacle, found.obstacle.other),
        left=None if found.left is None else found.left.reason,
    )


def _obstacle(kind: Obstacle, other: str) -> ShownObstacle:
    if kind is Obstacle.running:
        return ShownObstacle(kind, None, other)
    return ShownObstacle(kind, BillingMonth.parse(other), "")


def _mail(found: MonthAccount) -> Mail:
    letter = found.letter
    if found.invoice is None or found.invoice.number is None or letter is None:
        return ""
    if letter.sent_at is not None:
        return "sent"
    if letter.recipient is None:
        return "nowhere"
    return "failed" if letter.error else "waiting"
