"""One process's hold on the embedded server: make its folder, start or join it, and stop it when the last one goes.

The hold is a shared file lock, which the kernel drops when a process dies, however it dies. Starting and stopping
happen in turns, by a second lock.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import psycopg
from sqlalchemy import URL

from meterbook.errors import Refused
from meterbook.postgres.programs import Programs, let_through, programs, server_user

NAME: Final = "meterbook"  # of the database and of its superuser
SOCKET: Final = ".s.PGSQL.5432"
# A socket's address takes 107 bytes on Linux, 103 on macOS.
LONGEST_SOCKET_PATH: Final = 103
# Recovery after a crash reads all that was written since the last checkpoint: minutes at the worst.
START_SECONDS: Final = 600
STOP_SECONDS: Final = 60
LOG_BYTES: Final = 10_000_000
LOG_TAIL_BYTES: Final = 2_000
_RETRY_SECONDS: Final = 0.1


class EmbeddedPostgres:
    """This process's hold on the server of `data_dir / "postgres"`, which is made and started if need be.

    `url` is where it answers. Raises `Refused` when it cannot be had.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.resolve() / "postgres"
        self._process_id = os.getpid()
        with ExitStack() as undo:
            try:
                self._open(undo)
            except OSError as error:
                raise Refused(
                    f"The embedded PostgreSQL cannot use {self.folder}: {error}. Choose another --data-dir, or set "
                    "METERBOOK_DATABASE_URL to a PostgreSQL of yours.",
                    "database-unreachable",
                ) from error
            self._undo = undo.pop_all()
        self.url = URL.create("postgresql+psycopg", NAME, database=NAME, query={"host": str(self._socket_dir)})
        atexit.register(self.release)

    def release(self) -> None:
        """Let go of the server, and stop it if no one else holds it; safe to repeat."""
        if self._hold.closed or os.getpid() != self._process_id:
            return
        atexit.unregister(self.release)
        with self._turn():
            if self._is_ours_alone():
                self._stop()
            self._undo.close()

    def _open(self, undo: ExitStack) -> None:
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._user = server_user(self.folder)
        with self._turn():
            self._hold = undo.enter_context(_lock_file(self.folder, "held"))
            fcntl.flock(self._hold, fcntl.LOCK_SH)
            self._programs = self._make_folder()
            self._socket_dir = undo.enter_context(_short_path(self.folder))
            self._ensure_running()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process is starting or stopping this server."""
        with _lock_file(self.folder, "turn") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _is_ours_alone(self) -> bool:
        """Whether no one else holds the server; to be asked in our turn, when no one can join."""
        try:
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        else:
            alone = True
        fcntl.flock(self._hold, fcntl.LOCK_SH)  # a lock is converted by dropping it, even in vain
        return alone

    def _make_folder(self) -> Programs:
        """Make the folder of a new server, whole or not at all, and return the programs that fit it."""
        # What a killed process left; its last program may still be writing there, so each attempt has its own.
        for left in self.folder.parent.glob("postgres.unfinished-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self.folder.exists():
            return programs(self._user, int((self.folder / "PG_VERSION").read_text()))
        newest = programs(self._user)
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.unfinished-", dir=self.folder.parent))
        if self._user is not None:
            os.chown(unfinished, self._user.uid, self._user.gid)
            let_through(unfinished, self._user)
        names = ["--username", NAME, "--auth-local=trust", "--auth-host=reject"]
        # The same order of texts on every machine, whatever its C library.
        locale = [
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        try:
            newest.run("initdb", [*names, *locale], unfinished)
        except subprocess.CalledProcessError as error:
            raise Refused(
                f"The embedded PostgreSQL cannot be made in {self.folder}:\n{error.output}",
                "database-unreachable",
            ) from error
        unfinished.rename(self.folder)
        return newest

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise self._failed("does not answer")
            if self._is_coming_or_going():
                time.sleep(_RETRY_SECONDS)
            else:
                self._start()

    def _answers(self) -> bool:
        """Whether the server takes connections; makes our database in it the first time."""
        try:
            with psycopg.connect(
                host=str(self._socket_dir), user=NAME, dbname="postgres", autocommit=True
            ) as connection:
                known = connection.execute("select 1 from pg_database where datname = %s", [NAME]).fetchone()
                if known is None:
                    # whose process was killed in the middle, the server may be at it still
                    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                        connection.execute("create database meterbook")
        except psycopg.OperationalError:
            return False
        return True

    def _is_coming_or_going(self) -> bool:
        """Whether the process named in postmaster.pid is alive and a server of this very folder.

        Its number alone says little: after a crash, or in a new container, it may be anyone's.
        """
        with suppress(OSError, ValueError, IndexError):
            process_id = int((self.folder / "postmaster.pid").read_text().split()[0])
            return self._identity in _command_line(process_id)
        return False

    @property
    def _identity(self) -> str:
        """What a server of this folder carries on its command line, whatever the folder is called."""
        status = self.folder.stat()
        return f"meterbook-{status.st_dev}-{status.st_ino}"

    def _start(self) -> None:
        # PostgreSQL refuses to start while a stale file names a living process, which may be anyone's by now.
        if self._is_ours_alone():
            for stale in ("postmaster.pid", f"{SOCKET}.lock"):
                (self.folder / stale).unlink(missing_ok=True)
        log = self._log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.rename(log.with_suffix(".log.1"))
        options = (
            f"-k . -c listen_addresses='' -c cluster_name={self._identity} -c timezone=UTC -c log_timezone=UTC "
            "-c log_checkpoints=off"
        )
        try:
            self._control("start", "--wait", f"--timeout={START_SECONDS}", f"--log={log.name}", f"--options={options}")
        except subprocess.CalledProcessError as error:
            # The backends of a server that was killed live on for a moment and keep its memory in use.
            if "is still in use" not in self._log_tail():
                raise self._failed("does not start") from error
            time.sleep(_RETRY_SECONDS)

    def _stop(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it may be down already
            self._control("stop", "--mode=fast", "--wait", f"--timeout={STOP_SECONDS}")

    def _control(self, *arguments: str) -> None:
        """Run pg_ctl on the folder, to which someone may have closed the way since the last time."""
        if self._user is not None:
            let_through(self.folder, self._user)
        self._programs.run("pg_ctl", list(arguments), self.folder)

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _log_tail(self) -> str:
        try:
            return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _failed(self, what: str) -> Refused:
        return Refused(
            f"The embedded PostgreSQL {what}. The end of {self._log}:\n{self._log_tail()}",
            "database-unreachable",
        )


def _lock_file(folder: Path, name: str) -> IO[bytes]:
    # Made private: whoever can open it could keep everyone waiting.
    descriptor = os.open(folder.with_name(f"postgres.{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+b")


@contextmanager
def _short_path(folder: Path) -> Iterator[Path]:
    """Give a path to the folder short enough for the address of a socket in it."""
    if len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET_PATH:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="meterbook-", dir="/tmp") as private:
        link = Path(private, "postgres")
        link.symlink_to(folder)
        yield link


def _command_line(process_id: int) -> str:
    """Return a process's command line, empty when there is no such process."""
    if Path("/proc/self/cmdline").exists():
        return Path(f"/proc/{process_id}/cmdline").read_bytes().decode(errors="replace")
    return subprocess.run(  # noqa: S603 - a number is all that is given
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(process_id)],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
