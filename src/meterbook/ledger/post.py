"""Post entries: the only writer of the books, and of the prepayments they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from meterbook.core.journal import Entry
from meterbook.core.money import Money
from meterbook.database import actor_of, insert_rows
from meterbook.ledger.tables import JournalEntry, PostingRow, Prepayment


def post(session: Session, now: datetime, entry: Entry) -> int | None:
    """Append an entry and return its id; an entry without postings leaves no trace.

    The caller holds the lock on the account (`accounts.queries.locked`), so that balances it decided by still hold.
    A second entry of the same reason and source is refused by the database.
    """
    return next(iter(post_all(session, now, [entry])), None)


def post_all(session: Session, now: datetime, entries: Sequence[Entry]) -> list[int]:
    """Append entries as `post` does, and return the ids of those that have postings."""
    kept = [entry for entry in entries if entry.postings]
    if not kept:
        return []
    heads = [
        {
            "reason": entry.reason,
            "source": entry.source,
            "account_id": entry.account_id,
            "currency": entry.postings[0].amount.currency.code,
            "posted_at": now,
            "posted_by": actor_of(session),
        }
        for entry in kept
    ]
    ids = list(session.scalars(insert(JournalEntry).returning(JournalEntry.id, sort_by_parameter_order=True), heads))
    postings = [
        {
            "entry_id": entry_id,
            "ledger_account": posting.ledger_account.value,
            "amount_minor": posting.amount.minor,
            "currency": posting.amount.currency.code,
            "account_id": entry.account_id,
            "product": posting.product,
            "invoice_id": posting.invoice_id,
            "redemption_id": posting.redemption_id,
            "credit_id": posting.credit_id,
            "prepayment_id": posting.prepayment_id,
        }
        for entry_id, entry in zip(ids, kept, strict=True)
        for posting in entry.postings
    ]
    insert_rows(session, PostingRow, postings)
    return ids


def add_prepayment(session: Session, now: datetime, *, account_id: int, amount: Money, source: str) -> int:
    """Note money that comes into an account's balance from a source, and return its id; its entry is the caller's."""
    row = Prepayment(
        account_id=account_id,
        currency=amount.currency.code,
        amount_minor=amount.minor,
        source=source,
        received_at=now,
    )
    session.add(row)
    session.flush()
    return row.id
