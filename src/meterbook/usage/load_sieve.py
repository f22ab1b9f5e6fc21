"""Fills the filter of known identities while everything else starts: only who records events waits for it."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import closing
from threading import Thread

import structlog

from meterbook.errors import Busy
from meterbook.usage.connection import Connection
from meterbook.usage.sieve import Sieve
from meterbook.usage.stored import identity_keys

_log = structlog.get_logger(__name__)


class SieveLoader:
    """The filter of the identities that ClickHouse has when this is made, about `expected`; none may come meanwhile."""

    def __init__(self, engine: Connection, expected: int) -> None:
        self._engine = engine
        self._expected = expected
        self._open = True
        self._loaded: Future[Sieve] = Future()
        self._thread = Thread(target=self._run, name="usage-sieve", daemon=True)
        self._thread.start()

    def loaded(self) -> Sieve:
        """Wait for the filter. Raises `Busy` when it was closed before, and what went wrong if anything did."""
        return self._loaded.result()

    def close(self) -> None:
        """Stop, loaded or not."""
        self._open = False
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loaded.set_result(self._load())
        except Exception as error:  # noqa: BLE001 - whatever failed, who records has to hear of it
            if self._open:
                _log.exception("usage.identities_unreadable")
            self._loaded.set_exception(error)

    def _load(self) -> Sieve:
        sieve = Sieve(self._expected)
        with closing(identity_keys(self._engine)) as parts:
            for keys in parts:
                if not self._open:
                    raise Busy("The usage store closes: send the events again in a moment")
                sieve.add(keys, ascending=True)
        return sieve
