from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from meterbook.database import Database, open_database
from meterbook.errors import Refused
from meterbook.postgres.server import LONGEST_SOCKET_PATH, SOCKET
from meterbook.settings import Settings

OPEN = """
import sys
from pathlib import Path
from sqlalchemy import text
from meterbook.database import open_database
from meterbook.settings import Settings
database = open_database(Settings(data_dir=Path(sys.argv[1])))
def run(statement):
    with database.transaction() as session:
        return session.execute(text(statement))
"""
HOLD = OPEN + "print('open', flush=True); sys.stdin.read(); database.dispose()"
WRITE_AND_HOLD = OPEN + "run('create table kept (value int)'); run('insert into kept values (7)');" + HOLD[len(OPEN) :]


def opened(folder: Path) -> Database:
    return open_database(Settings(data_dir=folder))


def one(database: Database, statement: str) -> object:
    with database.transaction() as session:
        return session.scalar(text(statement))


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


def start(
    script: str, folder: Path, user: int | None = None, interpreter: str = sys.executable
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [interpreter, "-W", "error", "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env=environment(),
    )


def await_open(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "open\n":
        raise AssertionError(process.communicate()[1])


def end(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    assert (process.returncode, said) == (0, "")


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def is_running(folder: Path) -> bool:
    return (folder / "postgres" / "postmaster.pid").exists()


def ordinary_user() -> tuple[int | None, str]:
    """Return an ordinary user and an interpreter for them: ourselves, or for root someone who can reach one."""
    if os.geteuid() != 0:
        return None, sys.executable
    nobody = pwd.getpwnam("nobody").pw_uid
    version = f"python3.{sys.version_info.minor}"
    for interpreter in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        with suppress(OSError, subprocess.CalledProcessError):
            command = [interpreter, "-c", "import meterbook.database"]
            subprocess.run(
                command,
                user=nobody,
                group=nobody,
                extra_groups=[],
                env=environment(),
                cwd="/",
                check=True,
                capture_output=True,
            )
            return nobody, interpreter
    return None, sys.executable  # no interpreter outside root's home: then as root, which other tests do too


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that every user can reach, with whatever server is left in it ended."""
    place = Path(tempfile.mkdtemp(prefix="meterbook-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place / "data"
    for left in place.rglob("postmaster.pid"):
        os.kill(int(left.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(place, ignore_errors=True)


def test_it_speaks_utc_and_listens_nowhere_and_is_private(folder: Path) -> None:
    database = opened(folder)
    assert one(database, "show timezone") == "UTC"
    assert one(database, "show listen_addresses") == ""
    assert one(database, "select current_database()") == "meterbook"
    assert one(database, "select 'ä' < 'z' collate \"default\"") is False
    owner = (folder / "postgres").stat()
    assert owner.st_mode & 0o777 == 0o700
    assert owner.st_uid != 0
    assert folder.stat().st_mode & 0o066 == 0
    database.dispose()
    assert not is_running(folder)


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    database = opened(folder)
    with database.transaction() as session:
        session.execute(text("create table kept (value int)"))
        session.execute(text("insert into kept values (7)"))
    database.dispose()
    database.dispose()
    again = opened(folder)
    assert one(again, "select value from kept") == 7
    again.dispose()


def test_the_last_to_let_go_stops_it_in_one_process(folder: Path) -> None:
    first, second = opened(folder), opened(folder)
    first.dispose()
    assert one(second, "select 1") == 1
    second.dispose()
    assert not is_running(folder)


def test_the_last_to_let_go_stops_it_among_processes(folder: Path) -> None:
    other = start(HOLD, folder)
    await_open(other)
    database = opened(folder)
    end(other)
    assert one(database, "select 1") == 1
    database.dispose()
    assert not is_running(folder)


def test_processes_that_open_a_new_folder_at_once_share_one_server(folder: Path) -> None:
    several = [start(HOLD, folder) for _ in range(4)]
    for each in several:
        await_open(each)
    for each in several:
        end(each)
    assert not is_running(folder)


def test_a_process_that_forgets_to_let_go_does_so_at_its_end(folder: Path) -> None:
    end(start(OPEN + "run('select 1'); database.engine.dispose()", folder))
    assert not is_running(folder)


def test_the_server_of_a_killed_process_is_taken_over_and_stopped(folder: Path) -> None:
    other = start(WRITE_AND_HOLD, folder)
    await_open(other)
    before = postmaster(folder)
    killed(other)
    database = opened(folder)
    assert postmaster(folder) == before
    assert one(database, "select value from kept") == 7
    database.dispose()
    assert not is_running(folder)


def test_a_crash_of_process_and_server_loses_nothing(folder: Path) -> None:
    other = start(WRITE_AND_HOLD, folder)
    await_open(other)
    server = postmaster(folder)
    os.kill(server, signal.SIGKILL)
    killed(other)
    assert is_running(folder), "the file is stale now"
    database = opened(folder)
    assert one(database, "select value from kept") == 7
    assert postmaster(folder) != server
    database.dispose()


def test_a_stale_file_that_names_a_living_stranger_does_not_stop_it(folder: Path) -> None:
    opened(folder).dispose()
    owner = (folder / "postgres").stat()
    root = os.geteuid() == 0
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid if root else None)
    (folder / "postgres" / "postmaster.pid").write_text(
        f"{stranger.pid}\n{folder}/postgres\n1\n5432\n.\n\n1 1\nready\n"
    )
    database = opened(folder)
    assert one(database, "select 1") == 1
    database.dispose()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_half_written_stale_file_does_not_stop_it(folder: Path) -> None:
    opened(folder).dispose()
    (folder / "postgres" / "postmaster.pid").write_text("")
    database = opened(folder)
    assert one(database, "select 1") == 1
    database.dispose()


def test_a_folder_left_half_made_is_made_anew(folder: Path) -> None:
    unfinished = folder / "postgres.unfinished-1"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    opened(folder).dispose()
    assert not unfinished.exists()


def test_a_way_that_was_closed_meanwhile_is_opened_to_stop_it(folder: Path) -> None:
    place = folder / "between" / "data"
    place.parent.mkdir(parents=True)
    database = opened(place)
    place.parent.chmod(0o700)
    assert one(database, "select 1") == 1
    database.dispose()
    assert not is_running(place)


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.2])
def test_a_process_killed_while_it_makes_the_folder_is_no_harm(folder: Path, seconds: float) -> None:
    other = start(HOLD, folder)
    time.sleep(seconds)
    killed(other)
    database = opened(folder)
    assert one(database, "select 1") == 1
    database.dispose()
    assert not is_running(folder)


@pytest.mark.parametrize("name", ["a b", 'a"b', "a'b", "a$HOME`id`;b", "å 데이터", "-k", "a%20b", "d" * 120])
def test_any_path_will_do(folder: Path, name: str) -> None:
    place = folder / name
    database = opened(place)
    assert one(database, "select 1") == 1
    database.dispose()
    assert not is_running(place)
    assert (place / "postgres" / "PG_VERSION").exists()
    if len(os.fsencode(place / "postgres" / SOCKET)) > LONGEST_SOCKET_PATH:
        assert not Path(str(database.engine.url.query["host"])).exists(), "the short way to it is gone again"


def test_an_ordinary_user_has_one_too(folder: Path) -> None:
    user, interpreter = ordinary_user()
    folder.mkdir()
    if user is not None:
        os.chown(folder, user, user)
    process = start(WRITE_AND_HOLD, folder, user, interpreter)
    await_open(process)
    assert user is None or (folder / "postgres").stat().st_uid == user
    end(process)
    # Root opens it as its owner, and leaves it so that the owner can open it again.
    database = opened(folder)
    assert one(database, "select value from kept") == 7
    database.dispose()
    end(start(OPEN + "run('select value from kept'); database.dispose()", folder, user, interpreter))


def test_a_folder_of_someone_else_is_refused(folder: Path) -> None:
    script = """
from pathlib import Path
from meterbook.errors import Refused
from meterbook.postgres.programs import server_user
try:
    server_user(Path("/"))
except Refused as refused:
    assert "belongs to root" in refused.message, refused.message
else:
    import os
    assert os.geteuid() == 0
"""
    end(start(script, folder, *ordinary_user()))


def test_a_place_that_cannot_be_written_is_refused_in_words() -> None:
    with pytest.raises(Refused, match="Choose another --data-dir"):
        opened(Path("/proc/meterbook"))


def test_a_folder_of_a_version_that_is_not_there_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("9\n")
    if os.geteuid() == 0:
        os.chown(folder / "postgres", pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(Refused, match="holds PostgreSQL 9") as refused:
        opened(folder)
    assert refused.value.slug == "database-unsuitable"


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    opened(folder).dispose()
    (folder / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(Refused, match="no_such_setting"):
        opened(folder)


def test_a_restart_is_quick(folder: Path) -> None:
    opened(folder).dispose()
    began = time.monotonic()
    opened(folder).dispose()
    assert time.monotonic() - began < 10
