"""Readings of the roll-up and of what is newer, kept while they are of use: pages ask for the same again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from threading import Lock
from typing import Final

import pyarrow as pa

from meterbook.usage.connection import Parameter
from meterbook.usage.rolled import Done

_LEAST: Final = 100  # what keeping anything weighs, in rows
_ROW_BYTES: Final = 150  # of rows with lists in them, so much counts as one

_Key = tuple[Done, datetime | None, str, tuple[tuple[str, object], ...]]


class KeptReadings:
    """The tables that statements returned, those asked for last; used by many threads at once.

    They have so many rows together at most.
    """

    def __init__(self, rows_max: int) -> None:
        self._tables: OrderedDict[_Key, Future[pa.Table]] = OrderedDict()
        self._weights: dict[_Key, int] = {}
        self._rows_max, self._rows, self._lock = rows_max, 0, Lock()

    def read(
        self,
        done: Done,
        received_through: datetime | None,
        sql: str,
        parameters: Mapping[str, Parameter],
        query: Callable[[Mapping[str, Parameter]], pa.Table],
    ) -> pa.Table:
        """Return what `query` returns for those parameters that a statement names, now or when it was asked before.

        Who asks for what another is reading waits for it. `received_through` says which events the answer has to know,
        if it is one of events. A reading beside an addition to the roll-up may have it or not and is wrong for nobody:
        who began before the addition reads again (`Days.done`), and who begins after it gets no reading from before.
        """
        named = {name: value for name, value in parameters.items() if f"{{{name}:" in sql}
        values = ((name, tuple(value) if isinstance(value, list) else value) for name, value in named.items())
        key = done, received_through, sql, tuple(values)
        with self._lock:
            table = self._tables.get(key)
            is_mine = table is None
            if table is None:
                table = self._tables[key] = Future()
            self._tables.move_to_end(key)
        if is_mine:
            try:
                rows = query(named)
            except BaseException as error:
                with self._lock:
                    self._tables.pop(key, None)
                table.set_exception(error)
                raise
            table.set_result(rows)
            self._weigh(key, _LEAST + max(rows.num_rows, rows.nbytes // _ROW_BYTES))
        return table.result()

    def _weigh(self, key: _Key, weight: int) -> None:
        """Let go of what was not asked for the longest, or of a table that would take too much of the place."""
        with self._lock:
            if key not in self._tables:
                return
            self._weights[key] = weight
            self._rows += weight
            if weight > self._rows_max // 4:
                self._tables.move_to_end(key, last=False)
                self._let_go()
            while self._rows > self._rows_max:
                self._let_go()

    def _let_go(self) -> None:
        oldest, _ = self._tables.popitem(last=False)
        self._rows -= self._weights.pop(oldest, 0)
