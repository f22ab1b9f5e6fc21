"""Idempotency keys: the answer to a write, kept in its transaction and given again to the same request.

Of requests with one key at once, one acts and the others wait for its answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import LargeBinary, Text, select, update
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
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Invalid(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", "wrong-idempotency-key")
    digest = hashlib.sha256(request).digest()
    mine = session.execute(
        insert(IdempotencyKey)
        .values(caller=caller, key=key, request_sha256=digest, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    ).scalar_one_or_none()
    if mine is None:
        return _known(session, caller, key, digest)
    answer = act()
    session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)
        .values(status=answer.status, body=answer.body)
    )
    return answer


def _known(session: Session, caller: str, key: str, digest: bytes) -> Answer:
    row = session.execute(
        select(IdempotencyKey.request_sha256, IdempotencyKey.status, IdempotencyKey.body).where(
            IdempotencyKey.caller == caller, IdempotencyKey.key == key
        )
    ).one()
    if row.request_sha256 != digest:
        raise Refused(
            "This Idempotency-Key was used with another request: use a new key for each new request.",
            "idempotency-key-reused",
        )
    assert row.status is not None and row.body is not None, "a committed key has its answer"  # noqa: PT018 - one fact
    return Answer(row.status, row.body)
