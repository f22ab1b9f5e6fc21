"""The usage store: opens and closes what it is made of, in a data folder or on a server, and reads it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from meterbook.core.period import BillingZone
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.settings import Settings
from meterbook.usage.connection import Connection, Parameter, instant, micros, statement
from meterbook.usage.engine import Engine
from meterbook.usage.flush import replay
from meterbook.usage.intake import Intake, OwnIntake, SharedIntake
from meterbook.usage.journal import Journal
from meterbook.usage.kept_readings import KeptReadings
from meterbook.usage.migrate import migrate
from meterbook.usage.record import Submission
from meterbook.usage.roll_up import RollUp
from meterbook.usage.rolled import Days
from meterbook.usage.server import Server, connect
from meterbook.usage.steps import OwnSteps, SharedSteps, Steps
from meterbook.usage.stored import complete_identities, identity_faults
from meterbook.usage.turn import answering, locked

# How many statements of one reading run side by side; ClickHouse divides a month of a few 100,000 rows poorly itself.
READERS: Final = max(1, min(4, os.cpu_count() or 1))
_BESIDE: Final = 4  # readings that go on beside what asked for them; others wait for one of these to end
_FOLDER: Final = "usage"
# Any constant: the key of the lock that migrating processes queue on, and how long a statement may take.
_MIGRATION_LOCK: Final = 0x6D626D6967
_MIGRATION_SECONDS_MAX: Final = 600

Answer = TypeVar("Answer")


class UsageStore:
    """The events of one installation; made by `open_usage`. Every method may be called from any thread."""

    def __init__(self, engine: Connection, intake: Intake, steps: Steps, readings_kept: int) -> None:
        self._engine = engine
        self._intake = intake
        self._roll_up = RollUp(engine, steps, self.received_through, lambda: intake.received().events)
        self._kept = KeptReadings(readings_kept)
        self._readers = ThreadPoolExecutor(READERS, "usage-reader")
        self._beside = ThreadPoolExecutor(_BESIDE, "usage-beside")

    def submit(self, submission: Submission) -> None:
        """Hand events over to be recorded; raises `Busy` when too many are waiting."""
        self._intake.submit(submission)

    def settle(self) -> None:
        """Wait until every event acknowledged before this call can be read; raises `Busy` when that fails."""
        self._intake.settle()

    def received_through(self) -> datetime:
        """Return the moment of receipt of the newest event, all up to which can be read when this returns."""
        received_through = instant(self._intake.received().through)
        self._intake.settle()
        return received_through

    @property
    def pending_count(self) -> int:
        """How many events are journalled and not yet on their way into ClickHouse."""
        return self._intake.waiting_rows

    def earliest_since(self, account_ids: Collection[int], received_after: datetime) -> datetime | None:
        """Return a time that no event of accounts is before that was received after a moment; None without any."""
        earliest = self._intake.earliest_since(account_ids, micros(received_after))
        return None if earliest is None else instant(earliest)

    def rolled(self, account_ids: Collection[int], zone: BillingZone) -> Days | None:
        """Return the roll-up's days of accounts; None while it has none of one of them, which is begun then."""
        return self._roll_up.days_of(account_ids, zone)

    def is_rolled(self, days: Days) -> bool:
        """Return whether the roll-up stayed since its days were given: what was read of it meanwhile is right."""
        return self._roll_up.is_as_it_was(days)

    def faults(self) -> list[str]:
        """Return what is off: events without identity or twice, and the first places where the roll-up differs.

        Events that come in meanwhile wait until the identities are looked through. The roll-up is brought up to now.
        """
        with self._intake.quiet():
            found = identity_faults(self._engine)
        return found + self._roll_up.faults()

    def read(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        """Run a reading statement; it sees every event acknowledged before this call."""
        self._intake.settle()
        return self._engine.query(sql, parameters)

    def read_rolled(
        self, days: Days, sql: str, parameters: Mapping[str, Parameter], received_through: datetime | None = None
    ) -> pa.Table:
        """Run a reading statement over the roll-up, or return what it returned before if nothing was added to that.

        With `received_through`, over events too: it returns what it returned when no event was received since.
        """
        return self._kept.read(days.done, received_through, sql, parameters, partial(self.read, sql))

    def read_before(
        self, account_ids: Collection[int], before: datetime, sql: str, parameters: Mapping[str, Parameter]
    ) -> pa.Table:
        """Run a reading statement over events of accounts before a time, the start of an hour.

        It returns what it returned before when no such events were received since.
        """
        newest = instant(self._intake.newest_before(account_ids, micros(before)))
        return self._kept.read(self._roll_up.done(), newest, sql, parameters, partial(self.read, sql))

    def read_each(self, sql: str, parameters: Sequence[Mapping[str, Parameter]]) -> pa.Table:
        """Run a reading statement once for each set of parameters, side by side, and return all their rows."""
        if len(parameters) == 1:
            return self.read(sql, parameters[0])
        self._intake.settle()
        return pa.concat_tables(self._readers.map(partial(self._engine.query, sql), parameters))

    def begin(self, read: Callable[[], Answer]) -> Future[Answer]:
        """Begin a reading of this store that goes on beside what its caller does until asking for the result."""
        return self._beside.submit(read)

    def stream(self, sql: str, parameters: Mapping[str, Parameter]) -> Iterator[pa.RecordBatch]:
        """Run a reading statement and yield its rows in batches, so that memory does not grow with the answer."""
        self._intake.settle()
        yield from self._engine.stream(sql, parameters)

    def close(self) -> None:
        """Record what was submitted and stop."""
        self._roll_up.close()
        self._beside.shutdown()
        self._readers.shutdown()
        self._intake.close()
        self._engine.close()


def open_usage(data_dir: Path, readings_kept: int = 0) -> UsageStore:
    """Open the usage store of a data folder, made if it is not there, with everything that was ever acknowledged in it.

    Of what was read, so many rows are kept in memory.
    Raises `Refused` ("folder-in-use") while another process has it open.
    """
    lock = hold_folder(data_dir)
    try:
        return _recover(data_dir, lock, readings_kept)
    except BaseException:
        os.close(lock)
        raise


def open_shared(settings: Settings, database: Database) -> UsageStore:
    """Open the usage store on the ClickHouse server of the settings, which other processes may have open too.

    `database` is the migrated money store, by which these agree on their turns. Raises `Refused`
    ("usage-unreachable") when the server cannot be reached.
    """
    server = connect(settings)
    try:
        migrate_shared(server, database)
        intake = SharedIntake(server, database)
        return UsageStore(server, intake, SharedSteps(database, server, intake.turns), settings.readings_kept)
    except BaseException:
        server.close()
        raise


def migrate_shared(server: Server, database: Database) -> None:
    """Bring a server's tables up to date; one process at a time does it."""
    with answering(), locked(database, _MIGRATION_LOCK, _MIGRATION_SECONDS_MAX):
        migrate(server)


def _recover(data_dir: Path, lock: int, readings_kept: int) -> UsageStore:
    engine = Engine(engine_folder(data_dir))
    try:
        migrate(engine)
        journal = Journal(data_dir / _FOLDER / "journal")
        replay(engine, journal)
        complete_identities(engine)
        (stored,) = engine.query(statement("stored_events")).to_pylist()
        intake = OwnIntake(engine, journal, stored["events"], micros(stored["latest"]), lock)
        return UsageStore(engine, intake, OwnSteps(engine), readings_kept)
    except BaseException:
        engine.close()
        raise


def engine_folder(data_dir: Path) -> Path:
    """Return where the engine keeps the tables of a data folder."""
    return data_dir / _FOLDER / "clickhouse"


def hold_folder(data_dir: Path) -> int:
    """Make the usage folder of a data folder and hold it until the returned file is closed.

    Raises `Refused` ("folder-in-use") while another process holds it, and ("no-folder") where none can be made.
    """
    folder = data_dir / _FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Refused(
            f"The data folder {data_dir} cannot be made or written ({error.strerror}): choose another one", "no-folder"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Refused(
            f"Another process has the folder {data_dir} open: stop it, and run the command again",
            "folder-in-use",
        ) from None
    return lock
