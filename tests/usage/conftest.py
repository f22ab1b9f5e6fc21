from collections.abc import Iterator
from itertools import count

import pytest

from meterbook.database import Database
from meterbook.usage.store import UsageStore, open_shared, open_usage
from tests.server_process import ServerProcess
from tests.usage.sending import Sender

_accounts = count(1)


@pytest.fixture(scope="module", params=["embedded", "server", "cluster"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    """One store for a module, as a process can have one folder open at a time; each test has an account of its own.

    What holds, holds in the engine of this process, over the network, and over the shards of a cluster.
    """
    if request.param == "embedded":
        store = open_usage(tmp_path_factory.mktemp("usage"), 10_000)
    else:
        database: Database = request.getfixturevalue("migrated")
        process: ServerProcess = request.getfixturevalue("server")
        store = shared_store(process, database, is_cluster=request.param == "cluster")
    yield store
    store.close()


@pytest.fixture
def sender(store: UsageStore) -> Sender:
    return Sender(store, next(_accounts))


def shared_store(process: ServerProcess, database: Database, *, is_cluster: bool = False) -> UsageStore:
    """Open a store in a new database of a server."""
    return open_shared(process.another_database(is_cluster=is_cluster), database)
