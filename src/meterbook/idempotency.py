"""Idempotency keys: the answer to a write, kept in its transaction and given again to the same request.

Of requests with one key at once, one acts and the others wait for its answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import LargeBinary, Text, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from meterbook.database import Base
from meterbook.errors import Invalid, Refused

LONGEST_KEY: Final = 255


class IdempotencyKey(Base):
    """A caller's key with a hash of its request and the answer that was given."""

    __tablename__ = "idempotency_key"

    caller: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answered: an HTTP status and a body."""

    status: int
    body: bytes


def once(
    session: Session, now: datetime, caller: str, key: str | None, request: bytes, act: Callable[[], Answer]
) -> Answer:
    """Return the answer of `act`, or without acting the one that the same caller, key and request got before.

    Without a key it acts. A refusal is not kept: whoever asks again after one is answered anew. Raises `Invalid` for a
    key that is none, `Refused` ("idempotency-key-reused") for one that came with another request.
    """
    if key is None:
        return act()
    if not _noted(session, now, caller, key, request):
        known = _known(session, caller, key, request)
        assert known is not None, "an act of one transaction commits its key with its answer"
        return known
    answer = act()
    session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)
        .values(status=answer.status, body=answer.body)
    )
    return answer


def claim(session: Session, now: datetime, caller: str, key: str, request: bytes) -> Answer | None:
    """Note the key of an act of several transactions that is safe to repeat; return the answer that it has already.

    None means: act. An act that was cut off, or is under way, has no answer yet, and is done (again). Raises as `once`.
    """
    return None if _noted(session, now, caller, key, request) else _known(session, caller, key, request)


def keep(session: Session, now: datetime, caller: str, key: str, request: bytes, answer: Answer) -> Answer:
    """Keep the answer of a claimed key in the transaction that ends its act, and return the one that was kept first."""
    digest = hashlib.sha256(request).digest()
    kept = insert(IdempotencyKey).values(
        caller=caller, key=key, request_sha256=digest, created_at=now, status=answer.status, body=answer.body
    )
    first = {name: func.coalesce(getattr(IdempotencyKey, name), kept.excluded[name]) for name in ("status", "body")}
    same = IdempotencyKey.request_sha256 == digest
    statement = kept.on_conflict_do_update(index_elements=["caller", "key"], set_=first, where=same)
    row = session.execute(statement.returning(IdempotencyKey.status, IdempotencyKey.body)).one_or_none()
    return _answer(row) or answer


def kept_answer(session: Session, caller: str, key: str) -> Answer | None:
    """Return the answer that a claimed key has got so far."""
    query = select(IdempotencyKey.status, IdempotencyKey.body)
    return _answer(
        session.execute(query.where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)).one_or_none()
    )


def give_up(session: Session, caller: str, key: str) -> None:
    """Forget a claimed key that has no answer: its act was refused."""
    mine = (IdempotencyKey.caller == caller, IdempotencyKey.key == key)
    session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.status.is_(None)))


def _noted(session: Session, now: datetime, caller: str, key: str, request: bytes) -> bool:
    """Whether the key is new, and noted now."""
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Invalid(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", "wrong-idempotency-key")
    mine = session.execute(
        insert(IdempotencyKey)
        .values(caller=caller, key=key, request_sha256=hashlib.sha256(request).digest(), created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    ).scalar_one_or_none()
    return mine is not None


def _known(session: Session, caller: str, key: str, request: bytes) -> Answer | None:
    row = session.execute(
        select(IdempotencyKey.request_sha256, IdempotencyKey.status, IdempotencyKey.body).where(
            IdempotencyKey.caller == caller, IdempotencyKey.key == key
        )
    ).one_or_none()
    if row is not None and row.request_sha256 != hashlib.sha256(request).digest():
        raise Refused(
            "This Idempotency-Key was used with another request: use a new key for each new request.",
            "idempotency-key-reused",
        )
    return _answer(row)


def _answer(row: Any | None) -> Answer | None:
    return None if row is None or row.status is None else Answer(row.status, row.body or b"")
