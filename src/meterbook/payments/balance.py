"""An account's balance: prepaid money and promotional credit, what is left of each, and what moved them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account
from meterbook.core.journal import Reason
from meterbook.core.money import Currency, Money
from meterbook.invoicing.queries import credit_notes_by_id, invoices_by_id
from meterbook.invoicing.tables import CreditNote
from meterbook.ledger.queries import (
    BalanceMovement,
    Movement,
    balance_movements,
    balance_through,
    credits_left,
)
from meterbook.payments.history import PaidInvoice
from meterbook.payments.queries import payments_by_id, refunds_by_id
from meterbook.payments.tables import Payment, Refund
from meterbook.promotions.queries import credits_by_id, credits_of

_PAYING: Final = (Reason.payment, Reason.top_up)
_GOING: Final = (Reason.refund, Reason.payment_return)


@dataclass(frozen=True, slots=True)
class HeldCredit:
    """Promotional credit with what is left of it; it pays for months that touch `[starts_at, ends_at)`.

    `by_hand` when no code brought it.
    """

    id: int
    by_hand: bool
    name: str
    granted: Money
    left: Money
    starts_at: datetime
    ends_at: datetime | None
    has_ended: bool


@dataclass(frozen=True, slots=True)
class BalanceStanding:
    """Prepaid money and, apart from it, promotional credit; `first_ends_at` is the next end of one that is not used up.

    `credits` are all that were ever granted, in that order.
    """

    balance: Money
    credit: Money
    first_ends_at: datetime | None
    credits: tuple[HeldCredit, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry that moved prepaid money or credit: why, by how much (below zero: taken), and what it left.

    `source` names its cause, as "payment:5". `paid` are the invoices that a settlement paid, `credit_names` the credits
    that were touched; a payment, a refund or return, or a credit note (with its invoice's number) is given where it was
    the cause.
    """

    entry_id: int
    at: datetime
    reason: Reason
    source: str
    balance_change: Money
    credit_change: Money
    balance_after: Money
    credit_after: Money
    paid: tuple[PaidInvoice, ...]
    credit_names: tuple[str, ...]
    payment: Payment | None
    refund: Refund | None
    credit_note: CreditNote | None
    corrected: str | None

    @property
    def why(self) -> str:
        """The reason; of a settlement that took credit alone, "credit_used"."""
        is_credit = self.reason is Reason.settlement and not self.balance_change.minor
        return "credit_used" if is_credit else self.reason.value


def balance_standing(session: Session, account: Account, now: datetime) -> BalanceStanding:
    """Return an account's prepaid money and credits as they are."""
    money, left = currency_of(account), credits_left(session, [account.id])
    held = tuple(
        HeldCredit(
            id=row.id,
            by_hand=row.redemption_id is None,
            name=row.name,
            granted=Money(row.amount_minor, money),
            left=Money(left.get(row.id, 0), money),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            has_ended=row.ends_at is not None and row.ends_at <= now,
        )
        for row in credits_of(session, account.id)
    )
    ends = [each.ends_at for each in held if each.left.minor and each.ends_at is not None]
    return BalanceStanding(
        balance=Money(balance_through(session, account.id), money),
        credit=Money(sum(left.values()), money),
        first_ends_at=min(ends, default=None),
        credits=held,
    )


def moved_balance(session: Session, account: Account, *, after: int = 0, limit: int) -> list[Moved]:
    """Return what moved an account's prepaid money and credit, newest first, before the entry `after`."""
    found = balance_movements(session, account.id, after=after, limit=limit)
    causes, money = _causes(session, found), currency_of(account)
    return [_moved(each, causes, money) for each in found]


class _Causes(NamedTuple):
    """What movements speak of, by id."""

    payments: dict[int, Payment]
    refunds: dict[int, Refund]
    notes: dict[int, CreditNote]
    numbers: dict[int, str]
    credit_names: dict[int, str]


def _causes(session: Session, found: Sequence[BalanceMovement]) -> _Causes:
    def about(*reasons: Reason) -> set[int]:
        return {_number(each.entry) for each in found if each.entry.reason in reasons}

    notes = credit_notes_by_id(session, about(Reason.credit_note))
    touched = {invoice_id for each in found for invoice_id, _ in each.entry.invoices}
    used = credits_by_id(session, {credit_id for each in found for credit_id, _ in each.entry.credits})
    invoices = invoices_by_id(session, touched | {note.invoice_id for note in notes.values()})
    return _Causes(
        payments=payments_by_id(session, about(*_PAYING)),
        refunds=refunds_by_id(session, about(*_GOING)),
        notes=notes,
        numbers={id_: str(row.number) for id_, row in invoices.items()},
        credit_names={id_: row.name for id_, row in used.items()},
    )


def _moved(found: BalanceMovement, causes: _Causes, money: Currency) -> Moved:
    entry = found.entry
    note = causes.notes[_number(entry)] if entry.reason is Reason.credit_note else None
    paid = entry.invoices if entry.reason is Reason.settlement else ()
    return Moved(
        entry_id=entry.entry_id,
        at=entry.posted_at,
        reason=entry.reason,
        source=entry.source.partition(">")[0],
        balance_change=Money(found.balance_change, money),
        credit_change=Money(found.credit_change, money),
        balance_after=Money(found.balance_after, money),
        credit_after=Money(found.credit_after, money),
        paid=tuple(PaidInvoice(causes.numbers[invoice_id], Money(-minor, money)) for invoice_id, minor in paid),
        credit_names=tuple(causes.credit_names[credit_id] for credit_id, _ in entry.credits),
        payment=causes.payments[_number(entry)] if entry.reason in _PAYING else None,
        refund=causes.refunds[_number(entry)] if entry.reason in _GOING else None,
        credit_note=note,
        corrected=causes.numbers[note.invoice_id] if note else None,
    )


def _number(entry: Movement) -> int:
    """Return the id in a source such as "payment:5" or "refund:5:returned"."""
    return int(entry.source.split(":")[1])
