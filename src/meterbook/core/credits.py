"""Settlement: which credit and which prepaid money pays which invoice (DOMAIN 5).

The oldest unpaid invoice is served first; promotional credit before cash, the credit that ends first before others,
cash in the order it came in. Nothing here ever goes below nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from meterbook.core.money import Money

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Credit:
    """Promotional credit with what is left of it; it pays for months that touch `[starts_at, ends_at)`."""

    id: int
    left: Money
    starts_at: datetime
    ends_at: datetime | None = None

    def pays_for(self, owed: Owed) -> bool:
        """Whether it was in force at some time of the month that is owed for."""
        return self.starts_at < owed.ends_at and (self.ends_at is None or owed.starts_at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Prepayment:
    """Money paid ahead, with what is left of it; in order of arrival by `id`."""

    id: int
    left: Money


@dataclass(frozen=True, slots=True)
class Owed:
    """What is unpaid of one invoice, whose month is `[starts_at, ends_at)`; `invoice_id` None is the draft's own."""

    invoice_id: int | None
    unpaid: Money
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """An account's open items: unpaid invoices oldest first, credits, prepayments."""

    owed: tuple[Owed, ...] = ()
    credits: tuple[Credit, ...] = ()
    prepayments: tuple[Prepayment, ...] = ()


@dataclass(frozen=True, slots=True)
class Application:
    """Some credit or some prepaid money that pays some of an invoice."""

    owed: Owed
    source: Credit | Prepayment
    amount: Money


def settle(books: Books) -> tuple[Application, ...]:
    """Return who pays what, until nothing is owed or nothing is left that may pay it."""
    sources: list[Credit | Prepayment] = [*books.credits, *books.prepayments]
    left = {_key(each): each.left.minor for each in sources}
    applied = []
    for owed in books.owed:
        unpaid = owed.unpaid.minor
        for source in _sources(owed, books):
            amount = min(unpaid, left[_key(source)])
            if amount > 0:
                left[_key(source)] -= amount
                unpaid -= amount
                applied.append(Application(owed, source, Money(amount, owed.unpaid.currency)))
    return tuple(applied)


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a new invoice stands: what earlier ones leave unpaid, and what credit and balance pay of it."""

    unpaid: Money
    credit_used: Money
    balance_used: Money


def settlement(owed: Owed, books: Books) -> Settlement:
    """Return how an invoice that becomes the newest of the open items will stand once everything is settled."""
    applied = settle(replace(books, owed=(*books.owed, owed)))
    nothing = Money.zero(owed.unpaid.currency)
    own = [each for each in applied if each.owed is owed]
    earlier = sum((each.unpaid for each in books.owed), nothing)
    return Settlement(
        unpaid=earlier - sum((each.amount for each in applied if each.owed is not owed), nothing),
        credit_used=sum((each.amount for each in own if isinstance(each.source, Credit)), nothing),
        balance_used=sum((each.amount for each in own if isinstance(each.source, Prepayment)), nothing),
    )


def _sources(owed: Owed, books: Books) -> Iterator[Credit | Prepayment]:
    usable = (credit for credit in books.credits if credit.pays_for(owed))
    yield from sorted(usable, key=lambda credit: (credit.ends_at or _NEVER, credit.id))
    yield from sorted(books.prepayments, key=lambda prepayment: prepayment.id)


def _key(source: Credit | Prepayment) -> tuple[type, int]:
    return type(source), source.id
