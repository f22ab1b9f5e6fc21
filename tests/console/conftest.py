"""A company of people, new for each test that asks for it; the staff's desk and metered usage, shared by a module's."""

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
from tests.conftest import emptied
from tests.console.browser import Browser, browsing
from tests.console.browser import sign_in as signed_in
from tests.console.company import Company
from tests.console.metered import NOW, metered_house
from tests.console.staff import at_the_desk, staffed
from tests.office import Office


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


@pytest.fixture(scope="module")
def installation(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, House]]:
    with staffed(emptied(migrated), tmp_path_factory.mktemp("staff")) as found:
        yield found


@pytest.fixture
def office(installation: tuple[Office, House]) -> Office:
    return installation[0]


@pytest.fixture
def house(installation: tuple[Office, House]) -> House:
    return installation[1]


@pytest.fixture
def staff(installation: tuple[Office, House]) -> Iterator[Browser]:
    """A browser in which one of the staff is signed in."""
    with at_the_desk(*installation) as browser:
        yield browser


@pytest.fixture(scope="module")
def metered(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with metered_house(migrated, tmp_path_factory.mktemp("metered")) as found:
        yield found


@pytest.fixture
def client(metered: House) -> Iterator[Browser]:
    """A browser in which somebody is signed in who sees all of an account with metered usage."""
    with browsing(metered, NOW) as browser:
        signed_in(browser, "all@acme.example")
        yield browser
