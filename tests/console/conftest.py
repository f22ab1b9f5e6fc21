"""A company of people, new for each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterbook.database import Database
from meterbook.main import House
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_usage
from tests.console.company import Company


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
