"""The journal of the books: entries as they are read on a page, and a file with a row for each posting.

The file is for the program that keeps the company's own books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.money import Money, currency
from meterbook.database import among
from meterbook.exports.files import csv_file
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.tables import JournalEntry, PostingRow

COLUMNS: Final = (
    *("entry", "posted_at", "posted_by", "account", "reason", "source"),
    *("ledger_account", "product", "invoice", "currency", "debit", "credit"),
)
_ROWS_AT_ONCE: Final = 5_000
Reading = Callable[[], AbstractContextManager[Session]]


def journal_csv(reading: Reading, starts_at: datetime, ends_at: datetime, account_id: int | None) -> Iterator[str]:
    """Yield a CSV file in parts: the postings of entries posted in `[starts_at, ends_at)`, in the order of booking.

    Of each currency the debits are the credits. `reading` opens the transaction that is read in until the last part;
    memory does not grow with the journal.
    """
    query = (
        select(
            JournalEntry.id,
            JournalEntry.posted_at,
            JournalEntry.posted_by,
            Account.code,
            JournalEntry.reason,
            JournalEntry.source,
            PostingRow.ledger_account,
            PostingRow.product,
            Invoice.number,
            PostingRow.currency,
            PostingRow.amount_minor,
        )
        .join(PostingRow, PostingRow.entry_id == JournalEntry.id)
        .join(Account, Account.id == JournalEntry.account_id)
        .outerjoin(Invoice, Invoice.id == PostingRow.invoice_id)
        .where(JournalEntry.posted_at >= starts_at, JournalEntry.posted_at < ends_at)
        .order_by(JournalEntry.id, PostingRow.id)
    )
    if account_id is not None:
        query = query.where(JournalEntry.account_id == account_id)
    with reading() as session:
        rows = session.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
        yield from csv_file(COLUMNS, (_written(row) for row in rows))


@dataclass(frozen=True, slots=True)
class PostedLine:
    """A posting of an entry; `amount` is debit positive, `invoice` the number of the one it is about."""

    ledger_account: LedgerAccount
    product: str | None
    invoice: str | None
    amount: Money


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An entry of the journal with its account's code and its postings, debits first."""

    entry: JournalEntry
    account: str
    lines: tuple[PostedLine, ...]


@dataclass(frozen=True, slots=True)
class SoughtEntries:
    """Which entries are meant, those that fit all that is given: of an account (its code), a reason, and who acted."""

    account: str | None = None
    reason: Reason | None = None
    by: str | None = None


def journal_entries(session: Session, sought: SoughtEntries, *, before: int | None, limit: int) -> list[PostedEntry]:
    """Return entries, the newest first, from the one before a number on."""
    query = select(JournalEntry, Account.code).join(Account, Account.id == JournalEntry.account_id)
    if sought.account:
        query = query.where(Account.code == check.comparable(sought.account))
    if sought.reason:
        query = query.where(JournalEntry.reason == sought.reason)
    if sought.by:
        query = query.where(JournalEntry.posted_by == check.comparable(sought.by))
    if before:
        query = query.where(JournalEntry.id < before)
    found = session.execute(query.order_by(JournalEntry.id.desc()).limit(limit)).all()
    lines: dict[int, list[PostedLine]] = {}
    postings = (
        select(PostingRow, Invoice.number)
        .outerjoin(Invoice, Invoice.id == PostingRow.invoice_id)
        .where(among(PostingRow.entry_id, [entry.id for entry, _ in found]))
        .order_by((PostingRow.amount_minor < 0), PostingRow.id)
    )
    for row, number in session.execute(postings):
        amount = Money(row.amount_minor, currency(row.currency))
        line = PostedLine(LedgerAccount(row.ledger_account), row.product, number, amount)
        lines.setdefault(row.entry_id, []).append(line)
    return [PostedEntry(entry, code, tuple(lines.get(entry.id, ()))) for entry, code in found]


def begun(parts: Iterator[str]) -> Iterator[str]:
    """Return the parts of a file, the first of them read by now: a store that cannot answer refuses here."""
    return chain([next(parts)], parts)


def _written(row: Any) -> tuple[str, ...]:
    amount = str(Money(abs(row.amount_minor), currency(row.currency)))
    return (
        str(row.id),
        f"{row.posted_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        row.posted_by or "",
        row.code,
        row.reason,
        row.source,
        row.ledger_account,
        row.product or "",
        row.number or "",
        row.currency,
        *((amount, "") if row.amount_minor > 0 else ("", amount)),
    )
