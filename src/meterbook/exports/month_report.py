"""What a month came to in the books, by currency, for the company's finance: the journal, added up.

The month is one of UTC, as the journal's file counts it. The parts agree: what revenue and tax payable moved by is the
revenue by product and the tax by rate, and what is owed at the end is what stands on receivable then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.money import Currency, Money, currency
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.sentence import say
from meterbook.errors import Invalid
from meterbook.invoicing.tables import CreditNote, CreditNoteTax, Invoice, InvoiceTax
from meterbook.ledger.tables import JournalEntry, PostingRow

# How late what is owed is, by the last day that is still of a part; None for all that is later.
AGES: Final[Mapping[str, int | None]] = {
    "not_due": 0,
    "to_30_days": 30,
    "to_60_days": 60,
    "to_90_days": 90,
    "over_90_days": None,
}
_MONTHS_ZONE: Final = billing_zone("UTC")


@dataclass(frozen=True, slots=True)
class Movement:
    """How a ledger account moved, debit positive: what stood on it before, why it changed, what stood on it after."""

    ledger_account: LedgerAccount
    opening: Money
    changes: tuple[tuple[Reason, Money], ...]

    @property
    def change(self) -> Money:
        """All changes together."""
        return sum((amount for _, amount in self.changes), Money.zero(self.opening.currency))

    @property
    def closing(self) -> Money:
        """What stood on it after."""
        return self.opening + self.change


@dataclass(frozen=True, slots=True)
class ProductRevenue:
    """What a product brought before promotions and tax: on invoices, and what credit notes gave back of it."""

    product: str
    billed: Money
    credited: Money

    @property
    def left(self) -> Money:
        """What was billed and not given back."""
        return self.billed - self.credited


@dataclass(frozen=True, slots=True)
class RateTax:
    """The tax of one rate, in percent, of invoices less credit notes, and what it is a part of."""

    rate: Decimal
    base: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class MonthReport:
    """A month of the books in one currency; `owed` is what is unpaid at its end by how late it is (`AGES`)."""

    currency: Currency
    movements: tuple[Movement, ...]
    revenue: tuple[ProductRevenue, ...]
    taxes: tuple[RateTax, ...]
    owed: Mapping[str, Money]

    def of(self, name: LedgerAccount) -> Movement:
        """Return how one ledger account moved."""
        return next(each for each in self.movements if each.ledger_account == name)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Postings of a ledger account added up: before the month (`reason` None), or in it for a reason and a product."""

    ledger_account: str
    reason: str | None
    product: str | None
    minor: int


def begun(month: BillingMonth, now: datetime) -> tuple[datetime, datetime]:
    """Return when a month (UTC) begins and ends; raises `Invalid` ("month-not-begun") for one still to come."""
    if now < month.starts_at(_MONTHS_ZONE):
        what = say("%(month)s has not begun yet: ask for a month up to now.", month=month)
        raise Invalid(what, "month-not-begun", field="month")
    return month.starts_at(_MONTHS_ZONE), month.ends_at(_MONTHS_ZONE)


def month_reports(session: Session, starts_at: datetime, ends_at: datetime, now: datetime) -> list[MonthReport]:
    """Return the books of `[starts_at, ends_at)` by currency; of a time that is not over, as far as it is."""
    sums = _sums(session, starts_at, ends_at)
    taxes = _taxes(session, starts_at, ends_at)
    last_day = (min(ends_at, now) - timedelta(microseconds=1)).astimezone(UTC).date()
    owed = _owed(session, ends_at, last_day)
    return [
        MonthReport(
            money,
            tuple(_movements(found, money)),
            tuple(_revenue(found, money)),
            tuple(taxes.get(code, ())),
            {name: Money(owed.get((code, name), 0), money) for name in AGES},
        )
        for code, found in sorted(sums.items())
        for money in [currency(code)]
    ]


def _sums(session: Session, starts_at: datetime, ends_at: datetime) -> dict[str, list[_Sum]]:
    is_within = JournalEntry.posted_at >= starts_at
    why = case((is_within, JournalEntry.reason)).label("why")
    what = case((is_within, PostingRow.product)).label("what")
    rows = session.execute(
        select(PostingRow.currency, PostingRow.ledger_account, why, what, func.sum(PostingRow.amount_minor))
        .join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
        .where(JournalEntry.posted_at < ends_at)
        .group_by(PostingRow.currency, PostingRow.ledger_account, "why", "what")
    )
    found: dict[str, list[_Sum]] = {}
    for code, name, reason, product, minor in rows:
        found.setdefault(code, []).append(_Sum(name, reason, product, int(minor or 0)))
    return found


def _movements(sums: list[_Sum], money: Currency) -> Iterator[Movement]:
    for name in LedgerAccount:
        own = [each for each in sums if each.ledger_account == name]
        opening = sum(each.minor for each in own if each.reason is None)
        changes = {why: sum(each.minor for each in own if each.reason == why) for why in Reason}
        yield Movement(
            name, Money(opening, money), tuple((why, Money(minor, money)) for why, minor in changes.items() if minor)
        )


def _revenue(sums: list[_Sum], money: Currency) -> Iterator[ProductRevenue]:
    own = [each for each in sums if each.ledger_account == LedgerAccount.revenue and each.product is not None]
    for product in sorted({each.product for each in own if each.product is not None}):
        by_reason = {each.reason: each.minor for each in own if each.product == product}
        billed, credited = -by_reason.get(Reason.invoice, 0), by_reason.get(Reason.credit_note, 0)
        yield ProductRevenue(product, Money(billed, money), Money(credited, money))


def _taxes(session: Session, starts_at: datetime, ends_at: datetime) -> dict[str, list[RateTax]]:
    invoiced = (
        select(Invoice.currency, InvoiceTax.rate, InvoiceTax.base_minor, InvoiceTax.amount_minor)
        .join(Invoice, Invoice.id == InvoiceTax.invoice_id)
        .where(Invoice.number.is_not(None), Invoice.issued_at >= starts_at, Invoice.issued_at < ends_at)
    )
    credited = (
        select(Invoice.currency, CreditNoteTax.rate, -CreditNoteTax.base_minor, -CreditNoteTax.amount_minor)
        .join(CreditNote, CreditNote.id == CreditNoteTax.credit_note_id)
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .where(CreditNote.issued_at >= starts_at, CreditNote.issued_at < ends_at)
    )
    both = invoiced.union_all(credited).subquery()
    base, tax = func.sum(both.c.base_minor), func.sum(both.c.amount_minor)
    rows = session.execute(
        select(both.c.currency, both.c.rate, base, tax)
        .group_by(both.c.currency, both.c.rate)
        .order_by(both.c.rate.desc())
    )
    found: dict[str, list[RateTax]] = {}
    for code, rate, base_minor, tax_minor in rows:
        money = currency(code)
        found.setdefault(code, []).append(RateTax(rate, Money(int(base_minor), money), Money(int(tax_minor), money)))
    return found


def _owed(session: Session, ends_at: datetime, last_day: date) -> dict[tuple[str, str], int]:
    amount = func.sum(PostingRow.amount_minor)
    rows = session.execute(
        select(PostingRow.currency, Invoice.due_on, amount)
        .join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
        .join(Invoice, Invoice.id == PostingRow.invoice_id)
        .where(PostingRow.ledger_account == LedgerAccount.receivable, JournalEntry.posted_at < ends_at)
        .group_by(PostingRow.currency, Invoice.due_on)
        .having(amount != 0)
    )
    found: dict[tuple[str, str], int] = {}
    for code, due_on, minor in rows:
        assert due_on is not None, "an issued invoice has its due date"
        late = (last_day - due_on).days
        age = next(name for name, most in AGES.items() if most is None or late <= most)
        found[code, age] = found.get((code, age), 0) + int(minor)
    return found
