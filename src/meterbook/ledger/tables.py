"""Rows of the journal (entries and their signed postings) and of prepaid money."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from meterbook.database import Base


class JournalEntry(Base):
    """One cause, booked once: `source` names it among those of its reason, as "invoice:17".

    `posted_by` is who had it posted: somebody's e-mail, a key's prefix, or "local" for a command on the server's own
    machine; None for what the schedule or a gateway brought about.
    """

    __tablename__ = "journal_entry"
    __table_args__ = (UniqueConstraint("reason", "source"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    currency: Mapped[str] = mapped_column(Text)
    posted_at: Mapped[datetime]
    posted_by: Mapped[str | None] = mapped_column(Text)


class PostingRow(Base):
    """A signed amount in minor units, debit positive, on a ledger account (core/journal.py)."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", "amount_present"),
        CheckConstraint(
            "(ledger_account = 'receivable') <= (invoice_id is not null)"
            " and (ledger_account = 'customer_balance') <= (prepayment_id is not null)"
            " and (ledger_account = 'promotional_credit') <= (credit_id is not null)"
            " and (ledger_account = 'revenue') <= (product is not null)",
            "dimensions_named",
        ),
        Index(None, "entry_id"),
        Index(
            "ix_posting_receivable", "account_id", "invoice_id", postgresql_where=text("ledger_account = 'receivable'")
        ),
        Index(
            "ix_posting_prepayment",
            "account_id",
            "prepayment_id",
            postgresql_where=text("ledger_account = 'customer_balance'"),
        ),
        Index(
            "ix_posting_credit",
            "account_id",
            "credit_id",
            postgresql_where=text("ledger_account = 'promotional_credit'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("journal_entry.id"))
    ledger_account: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    product: Mapped[str | None] = mapped_column(Text)
    invoice_id: Mapped[int | None] = mapped_column(BigInteger)
    redemption_id: Mapped[int | None] = mapped_column(BigInteger)
    credit_id: Mapped[int | None] = mapped_column(BigInteger)
    prepayment_id: Mapped[int | None] = mapped_column(BigInteger)


class Prepayment(Base):
    """Money in an account's balance from one `source` ("payment:5", "credit_note:2"); what is left of it is derived."""

    __tablename__ = "prepayment"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_sign"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    currency: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text, unique=True)
    received_at: Mapped[datetime]
