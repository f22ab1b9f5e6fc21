"""Remember proofs of keys for some seconds, so that a client sending all the time costs no query per request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from meterbook.accounts.access import Access
from meterbook.accounts.prove import hashed

# A revoked key works for this long at most in a process that has just seen it.
KEPT_FOR: Final = timedelta(seconds=5)
MOST_KEPT: Final = 10_000


class ProofCache:
    """Proofs of one process, by the hash of the key; only those that succeeded. Threads may share it."""

    def __init__(self, kept_for: timedelta = KEPT_FOR) -> None:
        self._kept_for = kept_for
        self._proofs: dict[bytes, tuple[datetime, Access]] = {}

    def prove(self, bearer: str, now: datetime, prove: Callable[[str], Access]) -> Access:
        """Return the proof of `bearer`, remembered or else made by `prove`, whose errors pass through."""
        if (known := self.known(bearer, now)) is not None:
            return known
        access = prove(bearer)
        if len(self._proofs) >= MOST_KEPT:
            self._proofs.clear()
        self._proofs[hashed(bearer)] = (now, access)
        return access

    def known(self, bearer: str, now: datetime) -> Access | None:
        """Return the proof of `bearer` if it is remembered."""
        known = self._proofs.get(hashed(bearer))
        return known[1] if known is not None and known[0] <= now < known[0] + self._kept_for else None

    def forget(self) -> None:
        """Drop every proof, as after a key was revoked or a membership changed in this process."""
        self._proofs.clear()
