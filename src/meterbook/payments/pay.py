"""Pay an invoice by card because a person asks: charged once, however often the same wish arrives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.database import Transactions
from meterbook.errors import MeterbookError
from meterbook.idempotency import Answer, claim, give_up, keep, kept_answer
from meterbook.payments.collect import OpenGateway, collect
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings

Tell = Callable[[Session, PaymentAttempt], Answer]


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's wish to pay: who asks, for what, and the key that makes it one wish, if there is one."""

    caller: str
    key: str | None
    request: bytes


def pay(
    transactions: Transactions,
    open_gateway: OpenGateway,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    invoice_id: int,
    wish: Wish,
    tell: Tell,
) -> Answer:
    """Charge what is unpaid of an invoice to the account's card and return the answer that `tell` makes of the attempt.

    No transaction is open while the gateway is asked. The same wish again gets the answer that was kept with the end of
    the attempt; at the same time, both make the one attempt. Raises as `collect` does, and then no answer is kept:
    whoever asks again is answered anew.
    """
    if wish.key is not None:
        with transactions() as session:
            known = claim(session, clock(), wish.caller, wish.key, wish.request)
        if known is not None:
            return known
    told: list[Answer] = []

    def is_done(session: Session) -> bool:
        return wish.key is not None and kept_answer(session, wish.caller, wish.key) is not None

    def ended(session: Session, attempt: PaymentAttempt) -> None:
        answer = tell(session, attempt)
        if wish.key is not None:
            answer = keep(session, clock(), wish.caller, wish.key, wish.request, answer)
        told.append(answer)

    try:
        collect(transactions, open_gateway, settings, clock, invoice_id=invoice_id, is_done=is_done, ended=ended)
    except MeterbookError:
        known = _given_up(transactions, wish)
        if known is None:
            raise
        return known
    if told:
        return told[-1]
    known = _given_up(transactions, wish)
    assert known is not None, "what is done has its answer"
    return known


def _given_up(transactions: Transactions, wish: Wish) -> Answer | None:
    """Return the answer that the same wish got meanwhile; without one, its key is free again."""
    if wish.key is None:
        return None
    with transactions() as session:
        give_up(session, wish.caller, wish.key)
        return kept_answer(session, wish.caller, wish.key)
