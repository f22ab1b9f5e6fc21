"""Tries of late, of which only so many are allowed: in the money store, so that all processes count the same ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meterbook.database import Base, Database

# Any constant: the locks on which tries of one kind by one person queue are apart from all others by it.
_LOCKS: Final = 0x74726965
# How many that count no longer are taken away with each that is counted: more than come in.
_SWEPT: Final = 100


class RecentTry(Base):
    """A try that counts until a moment; `of_sha256` is a hash of its kind and of who tried, whom it does not name."""

    __tablename__ = "recent_try"
    __table_args__ = (Index(None, "of_sha256", "counts_until"), Index(None, "counts_until"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    of_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    counts_until: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries of a kind within a time."""

    kind: str
    most: int
    within: timedelta


class Tries:
    """Counts tries by whoever makes them, each in a transaction of its own: what is refused afterwards counts too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def may(self, now: datetime, limit: Limit, *who: str) -> bool:
        """Return whether one more is within the limit."""
        with self._database.transaction() as session:
            return _count(session, now, _of(limit, who)) < limit.most

    def take(self, now: datetime, limit: Limit, *who: str) -> bool:
        """Count one more if it is within the limit, and return whether it is; of many at once no more than that are."""
        of = _of(limit, who)
        with self._database.transaction() as session:
            session.execute(select(func.pg_advisory_xact_lock(_LOCKS, int.from_bytes(of[:4], signed=True))))
            if _count(session, now, of) >= limit.most:
                return False
            session.add(RecentTry(of_sha256=of, counts_until=now + limit.within))
            over = select(RecentTry.id).where(RecentTry.counts_until <= now).limit(_SWEPT)
            session.execute(delete(RecentTry).where(RecentTry.id.in_(over.with_for_update(skip_locked=True))))
        return True

    def forget(self, limit: Limit, *who: str) -> None:
        """Count none of those that were made."""
        with self._database.transaction() as session:
            session.execute(delete(RecentTry).where(RecentTry.of_sha256 == _of(limit, who)))


def _of(limit: Limit, who: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join((limit.kind, *who)).encode(errors="surrogatepass")).digest()


def _count(session: Session, now: datetime, of: bytes) -> int:
    query = select(func.count()).where(RecentTry.of_sha256 == of, RecentTry.counts_until > now)
    return session.scalar(query) or 0
