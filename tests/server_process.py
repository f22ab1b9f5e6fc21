"""The process of `clickhouse_server.py`: started, killed, started again on the same folder and port."""

import subprocess
import sys
from itertools import count
from pathlib import Path

from meterbook.database import Database
from meterbook.settings import Settings
from meterbook.usage.server import connect

_databases = count(1)
_PROGRAM = Path(__file__).with_name("clickhouse_server.py")
CLUSTER = "usage"


class ServerProcess:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(self.folder), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        process.kill()
        process.wait()
        process.stdout.close()

    def settings(self, database: str, *, is_cluster: bool = False, password: str = "secret") -> Settings:
        return Settings(
            clickhouse_url=f"http://meterbook@127.0.0.1:{self.port}/{database}",
            clickhouse_password=password,
            clickhouse_cluster=CLUSTER if is_cluster else None,
        )

    def another_database(self, *, is_cluster: bool = False) -> Settings:
        """Make a new database and return the settings by which stores are opened there."""
        name = f"{'sharded' if is_cluster else 'plain'}_{next(_databases)}"
        whole = connect(self.settings("default"))
        whole.run(f"create database {name}")
        whole.close()
        return self.settings(name, is_cluster=is_cluster)


def environment_of(settings: Settings, database: Database) -> dict[str, str]:
    """Return the variables by which another process opens the same stores."""
    given = {
        "CLICKHOUSE_URL": settings.clickhouse_url and settings.clickhouse_url.get_secret_value(),
        "CLICKHOUSE_PASSWORD": settings.clickhouse_password and settings.clickhouse_password.get_secret_value(),
        "CLICKHOUSE_CLUSTER": settings.clickhouse_cluster,
        "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
    }
    return {f"METERBOOK_{name}": value for name, value in given.items() if value}
