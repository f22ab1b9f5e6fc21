from collections.abc import Iterator
from itertools import count

import pytest

from meterbook.usage.store import UsageStore, open_usage
from tests.usage.sending import Sender

_accounts = count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    """One store for a module, as a process can have one folder open at a time; each test has an account of its own."""
    store = open_usage(tmp_path_factory.mktemp("usage"))
    yield store
    store.close()


@pytest.fixture
def sender(store: UsageStore) -> Sender:
    return Sender(store, next(_accounts))
