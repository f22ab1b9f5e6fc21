"""A company of people, new for each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from meterbook.accounts import sign_in
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_usage
from tests.console.company import Company


@pytest.fixture(scope="package", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords quickly, which is slow on purpose; tests/accounts does it as the product does."""
    hasher = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_in, "_hasher", lambda: hasher)
        sign_in._hash_of_nobody.cache_clear()
        yield
    sign_in._hash_of_nobody.cache_clear()


@pytest.fixture(scope="module")
def people_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    """A usage store that nothing is sent to."""
    store = open_usage(tmp_path_factory.mktemp("people"))
    yield store
    store.close()


@pytest.fixture
def company(database: Database, people_store: UsageStore, tmp_path: Path) -> Company:
    company = Company(House(Settings(data_dir=tmp_path), database, people_store))
    company.furnish()
    return company
