"""Reads of the books: balances by account, invoice, credit and prepayment, all derived from postings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Label, func, or_, select
from sqlalchemy.orm import Session

from meterbook.core.journal import LedgerAccount, Reason
from meterbook.database import among, asked_once
from meterbook.ledger.tables import JournalEntry, PostingRow, Prepayment

PAGE: Final = 100
_PAYING: Final = (Reason.payment, Reason.settlement, Reason.payment_return)
_WRITING_OFF: Final = (Reason.write_off, Reason.reinstatement)


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry as it moved an account's receivable, balance and credit; amounts in minor units, debit positive.

    `invoices`, `prepayments` and `credits` are (id, amount) of what it touched; `cash` is what came in or went out.
    """

    entry_id: int
    reason: Reason
    source: str
    posted_at: datetime
    invoices: tuple[tuple[int, int], ...]
    prepayments: tuple[tuple[int, int], ...]
    credits: tuple[tuple[int, int], ...]
    cash: int


@dataclass(frozen=True, slots=True)
class Receivable:
    """What became of what an invoice asked for, in minor units; the four add up to its total.

    `paid` is what money, balance and credit paid, less payments that were taken back; `credited` what credit notes took
    off while it was unpaid.
    """

    unpaid: int = 0
    paid: int = 0
    credited: int = 0
    written_off: int = 0


@dataclass(frozen=True, slots=True)
class BalanceMovement:
    """An entry that moved an account's prepaid money or its promotional credit, in minor units.

    A change is below zero where something was taken; `balance_after` and `credit_after` are what the entry left.
    """

    entry: Movement
    balance_change: int
    credit_change: int
    balance_after: int
    credit_after: int


@asked_once
def unpaid_by_invoice(session: Session, account_ids: Collection[int]) -> Mapping[int, int]:
    """Return what is unpaid of each invoice of the accounts, in minor units; fully paid ones are left out."""
    amount = func.sum(PostingRow.amount_minor)
    rows = session.execute(
        select(PostingRow.invoice_id, amount)
        .where(PostingRow.ledger_account == LedgerAccount.receivable, among(PostingRow.account_id, account_ids))
        .group_by(PostingRow.invoice_id)
        .having(amount != 0)
    )
    return {invoice_id: int(minor or 0) for invoice_id, minor in rows if invoice_id is not None}


def unpaid_of(session: Session, invoice_id: int, account_id: int) -> int:
    """Return what is unpaid of one invoice, in minor units."""
    return _sum(
        session,
        PostingRow.ledger_account == LedgerAccount.receivable,
        PostingRow.account_id == account_id,
        PostingRow.invoice_id == invoice_id,
    )


def receivables(session: Session, account_ids: Collection[int], invoice_ids: Collection[int]) -> dict[int, Receivable]:
    """Return what became of issued invoices of the accounts, by invoice; those of a total of nothing are left out."""
    rows = session.execute(
        select(PostingRow.invoice_id, JournalEntry.reason, func.sum(PostingRow.amount_minor))
        .join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
        .where(
            PostingRow.ledger_account == LedgerAccount.receivable,
            among(PostingRow.account_id, account_ids),
            among(PostingRow.invoice_id, invoice_ids),
        )
        .group_by(PostingRow.invoice_id, JournalEntry.reason)
    )
    sums: dict[int, dict[str, int]] = {}
    for invoice_id, reason, minor in rows:
        sums.setdefault(int(invoice_id or 0), {})[reason] = int(minor or 0)
    return {
        invoice_id: Receivable(
            unpaid=sum(by_reason.values()),
            paid=-sum(by_reason.get(reason, 0) for reason in _PAYING),
            credited=-by_reason.get(Reason.credit_note, 0),
            written_off=-sum(by_reason.get(reason, 0) for reason in _WRITING_OFF),
        )
        for invoice_id, by_reason in sums.items()
    }


def prepayments_left(session: Session, account_ids: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """Return by account what is left of each prepayment, as (id, minor units) in order of arrival; spent ones not."""
    amount = -func.sum(PostingRow.amount_minor)
    rows = session.execute(
        select(PostingRow.account_id, PostingRow.prepayment_id, amount)
        .where(PostingRow.ledger_account == LedgerAccount.customer_balance, among(PostingRow.account_id, account_ids))
        .group_by(PostingRow.account_id, PostingRow.prepayment_id)
        .having(amount != 0)
        .order_by(PostingRow.prepayment_id)
    )
    left: dict[int, list[tuple[int, int]]] = {}
    for account_id, prepayment_id, minor in rows:
        left.setdefault(account_id, []).append((int(prepayment_id or 0), int(minor or 0)))
    return left


@asked_once
def credits_left(session: Session, account_ids: Collection[int]) -> Mapping[int, int]:
    """Return what is left of each credit of the accounts, in minor units; those used up are left out."""
    amount = -func.sum(PostingRow.amount_minor)
    rows = session.execute(
        select(PostingRow.credit_id, amount)
        .where(PostingRow.ledger_account == LedgerAccount.promotional_credit, among(PostingRow.account_id, account_ids))
        .group_by(PostingRow.credit_id)
        .having(amount != 0)
    )
    return {credit_id: int(minor or 0) for credit_id, minor in rows if credit_id is not None}


def credits_used(session: Session, account_ids: Collection[int]) -> dict[int, int]:
    """Return what each credit of the accounts paid of invoices so far, in minor units; what was given back is off.

    What expired of a credit paid nothing.
    """
    rows = session.execute(
        select(PostingRow.credit_id, func.sum(PostingRow.amount_minor))
        .join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
        .where(
            PostingRow.ledger_account == LedgerAccount.promotional_credit,
            among(PostingRow.account_id, account_ids),
            JournalEntry.reason.in_([Reason.settlement.value, Reason.credit_note.value]),
        )
        .group_by(PostingRow.credit_id)
    )
    return {credit_id: int(minor or 0) for credit_id, minor in rows if credit_id is not None}


def times_posted(
    session: Session, reason: Reason, *, credit_id: int | None = None, invoice_id: int | None = None
) -> int:
    """Return how many entries of a reason there are about a credit or an invoice: some may be posted more than once."""
    about = PostingRow.credit_id == credit_id if invoice_id is None else PostingRow.invoice_id == invoice_id
    query = (
        select(func.count(JournalEntry.id.distinct()))
        .join(PostingRow, PostingRow.entry_id == JournalEntry.id)
        .where(JournalEntry.reason == reason.value, about)
    )
    return session.scalar(query) or 0


def prepayments_of(session: Session, ids: Collection[int]) -> dict[int, Prepayment]:
    """Return prepayments by id."""
    return {row.id: row for row in session.scalars(select(Prepayment).where(among(Prepayment.id, ids)))}


def paid_with(session: Session, invoice_id: int) -> tuple[dict[int, int], dict[int, int], int]:
    """Return what paid an invoice: by credit id, by prepayment id, and in all by money that came in for it.

    Minor units; of a payment that was taken back, what it left unpaid again is off.
    """
    entries = select(PostingRow.entry_id).where(
        PostingRow.ledger_account == LedgerAccount.receivable, PostingRow.invoice_id == invoice_id
    )
    rows = session.execute(
        select(JournalEntry.reason, PostingRow)
        .join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
        .where(PostingRow.entry_id.in_(entries))
    ).all()
    granted: dict[int, int] = {}
    prepayments: dict[int, int] = {}
    direct = 0
    for reason, posting in rows:
        if reason == Reason.settlement and posting.credit_id is not None:
            granted[posting.credit_id] = granted.get(posting.credit_id, 0) + posting.amount_minor
        elif reason == Reason.settlement and posting.prepayment_id is not None:
            prepayments[posting.prepayment_id] = prepayments.get(posting.prepayment_id, 0) + posting.amount_minor
        elif reason in (Reason.payment, Reason.payment_return) and posting.invoice_id == invoice_id:
            direct -= posting.amount_minor
    return granted, prepayments, direct


def written_off_of(session: Session, invoice_id: int, account_id: int) -> int:
    """Return what of an account's invoice is written off, and was not reinstated, in minor units."""
    return receivables(session, [account_id], [invoice_id]).get(invoice_id, Receivable()).written_off


def balance_movements(session: Session, account_id: int, *, after: int = 0, limit: int = PAGE) -> list[BalanceMovement]:
    """Return what moved an account's prepaid money and credit, newest first, before the entry `after`.

    What each left is summed over everything before it, by one statement.
    """
    cash, credit = LedgerAccount.customer_balance, LedgerAccount.promotional_credit

    def change(kind: LedgerAccount) -> Label[int]:
        added = -func.sum(PostingRow.amount_minor).filter(PostingRow.ledger_account == kind)
        return func.coalesce(added, 0).label(kind)

    by_entry = (
        select(PostingRow.entry_id, change(cash), change(credit))
        .where(
            PostingRow.account_id == account_id,
            or_(PostingRow.ledger_account == cash, PostingRow.ledger_account == credit),
        )
        .group_by(PostingRow.entry_id)
        .subquery()
    )
    columns = by_entry.c
    running = select(
        columns.entry_id,
        columns[cash].label("balance_change"),
        columns[credit].label("credit_change"),
        func.sum(columns[cash]).over(order_by=columns.entry_id).label("balance_after"),
        func.sum(columns[credit]).over(order_by=columns.entry_id).label("credit_after"),
    ).subquery()
    query = select(running).order_by(running.c.entry_id.desc()).limit(limit)
    rows = session.execute(query.where(running.c.entry_id < after) if after else query).all()
    entries = session.scalars(select(JournalEntry).where(among(JournalEntry.id, [row.entry_id for row in rows]))).all()
    moved = {movement.entry_id: movement for movement in _with_postings(session, entries)}
    return [BalanceMovement(moved[entry_id], *(int(minor) for minor in minors)) for entry_id, *minors in rows]


def movements_of_invoice(session: Session, invoice_id: int, account_id: int) -> list[Movement]:
    """Return the entries that paid an invoice or gave something of it back, oldest first; not the one of its issue."""
    touched = select(PostingRow.entry_id).where(
        PostingRow.ledger_account == LedgerAccount.receivable,
        PostingRow.account_id == account_id,
        PostingRow.invoice_id == invoice_id,
    )
    query = select(JournalEntry).where(JournalEntry.id.in_(touched), JournalEntry.reason != Reason.invoice)
    return _with_postings(session, session.scalars(query.order_by(JournalEntry.id)).all())


def movements_by_source(session: Session, sources: Collection[str]) -> dict[str, Movement]:
    """Return the entries of payments, by source ("payment:5")."""
    query = select(JournalEntry).where(
        JournalEntry.source.in_(sources), JournalEntry.reason.in_([Reason.payment.value, Reason.top_up.value])
    )
    return {each.source: each for each in _with_postings(session, session.scalars(query).all())}


def balance_through(session: Session, account_id: int) -> int:
    """Return an account's prepaid money through its newest entry, in minor units."""
    return -_sum(
        session, PostingRow.ledger_account == LedgerAccount.customer_balance, PostingRow.account_id == account_id
    )


def _with_postings(session: Session, entries: Sequence[JournalEntry]) -> list[Movement]:
    postings: dict[int, list[PostingRow]] = {}
    found = (
        select(PostingRow).where(among(PostingRow.entry_id, [entry.id for entry in entries])).order_by(PostingRow.id)
    )
    for posting in session.scalars(found):
        postings.setdefault(posting.entry_id, []).append(posting)
    return [_movement(entry, postings.get(entry.id, [])) for entry in entries]


def _movement(entry: JournalEntry, postings: Sequence[PostingRow]) -> Movement:
    def touched(account: LedgerAccount, name: str) -> tuple[tuple[int, int], ...]:
        return tuple((getattr(each, name), each.amount_minor) for each in postings if each.ledger_account == account)

    return Movement(
        entry_id=entry.id,
        reason=Reason(entry.reason),
        source=entry.source,
        posted_at=entry.posted_at,
        invoices=touched(LedgerAccount.receivable, "invoice_id"),
        prepayments=touched(LedgerAccount.customer_balance, "prepayment_id"),
        credits=touched(LedgerAccount.promotional_credit, "credit_id"),
        cash=sum(each.amount_minor for each in postings if each.ledger_account == LedgerAccount.cash_clearing),
    )


def _sum(session: Session, *conditions: ColumnElement[bool]) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(PostingRow.amount_minor), 0)).where(*conditions)) or 0)
