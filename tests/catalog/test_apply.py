from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.diff import diff
from meterbook.catalog.load import parse_catalog
from meterbook.catalog.queries import current_catalog
from meterbook.database import Database
from meterbook.errors import Refused

NOW = datetime(2026, 6, 10, tzinfo=UTC)


def price(month: str, amount: str = "12.00", currency: str = "USD") -> str:
    return (
        f'[[products.prices]]\ncurrency = "{currency}"\nfrom = {month}-01T00:00:00Z\nmodel = "per_unit"\n'
        f'per = "month"\nunit_price = "{amount}"\n'
    )


def product(code: str, *prices: str, kind: str = '"presence"', name: str = '"Server"') -> str:
    head = (
        f'[[products]]\ncode = "{code}"\nname = {name}\nunit = "host"\nmeter = {{ type = "{code}", kind = {kind} }}\n'
    )
    return head + "".join(prices)


def catalog(*products: str) -> str:
    return "version = 1\n" + "\n".join(products)


def used(*hours: tuple[str, str, datetime]) -> Callable[[str, str, datetime, datetime | None], bool]:
    """Return an `is_metered` for usage of (type, currency) at some hours."""

    def is_metered(type_: str, currency: str, from_: datetime, until: datetime | None) -> bool:
        return any(
            (type_, currency) == (usage[0], usage[1]) and from_ <= usage[2] and (until is None or usage[2] < until)
            for usage in hours
        )

    return is_metered


unused = used()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as session:
        yield session


def apply(session: Session, source: str, is_metered: Any = unused) -> list[str]:
    return [str(change) for change in apply_catalog(session, parse_catalog(source), NOW, is_metered)]


def refused(session: Session, source: str, is_metered: Any) -> list[str]:
    before = current_catalog(session)
    with pytest.raises(Refused) as refusal:
        apply(session, source, is_metered)
    assert refusal.value.slug == "in-use"
    session.expire_all()
    assert current_catalog(session) == before
    reasons = refusal.value.details["reasons"]
    assert isinstance(reasons, list)
    return reasons


RICH = """
version = 1
[[products]]
code = "log"
name = { en = "Log", ko = "로그", ja = "ログ" }
unit = "line"
meter = { type = "log.line", kind = "stock", retention_days = 3 }
prices = [
  { currency = "KRW", from = 2014-01-01T00:00:00Z, model = "package", per = "month", package_size = "1000", \
unit_price = "7", free_quantity = "1.50", free_unit = "unit-hours" },
  { currency = "USD", from = 2014-01-01T00:00:00Z, model = "graduated", per = "month", minimum_amount = "100.10", \
tiers = [ { up_to = "10.50", unit_price = "5.0" }, { unit_price = "0.000000000003" } ] },
]
[[products]]
code = "core"
name = "Core"
unit = "core"
meter = { type = "cores", kind = "gauge", hourly = "average" }
"""


def test_what_was_applied_is_read_back_exactly(session: Session) -> None:
    apply(session, RICH)
    session.expire_all()
    stored, wanted = current_catalog(session), parse_catalog(RICH).products
    assert stored == wanted
    written = [[repr(each) for each in product.prices] for product in wanted]
    assert [[repr(each) for each in product.prices] for product in stored] == written, "12.00 stays 12.00"
    assert {product.meter.type for product in current_catalog(session)} == {"log.line", "cores"}


def test_applying_again_changes_nothing(session: Session) -> None:
    assert len(apply(session, RICH)) == 4
    before = session.execute(text("select * from product_price order by id")).all()
    assert apply(session, RICH, used(("log.line", "USD", NOW))) == []
    assert apply(session, RICH.replace('"7"', '"7.00"'), used(("log.line", "KRW", NOW))) == []
    assert session.execute(text("select * from product_price order by id")).all() == before


def test_changes_are_told_in_words_and_for_programs(session: Session) -> None:
    apply(session, catalog(product("a", price("2014-01"), price("2014-02", "13")), product("b"), product("c")))
    wanted = parse_catalog(
        catalog(
            product("c", name='{ en = "C", ko = "씨" }', kind='"gauge", hourly = "last"'),
            product("a", price("2014-01", "12.50"), price("2014-03", currency="KRW")),
            product("d", price("2014-01")),
        )
    )
    changes = diff(current_catalog(session), wanted.products)
    assert [str(change) for change in changes] == [
        "product c changed: name en: Server -> en: C; ko: 씨, meter c presence -> c gauge last, position 2 -> 1",
        "product a changed: position 1 -> 2",
        "price of a in KRW from 2014-03-01T00:00:00Z added",
        "price of a in USD from 2014-01-01T00:00:00Z changed: unit_price 12.00 -> 12.50",
        "price of a in USD from 2014-02-01T00:00:00Z removed",
        "product d added",
        "price of d in USD from 2014-01-01T00:00:00Z added",
        "product b removed",
    ]
    told = json.loads(json.dumps([change.as_json() for change in changes]))
    assert told[3] == {
        "change": "changed",
        "product": "a",
        "currency": "USD",
        "from": "2014-01-01T00:00:00Z",
        "fields": [{"field": "unit_price", "before": "12.00", "after": "12.50"}],
        "text": "price of a in USD from 2014-01-01T00:00:00Z changed: unit_price 12.00 -> 12.50",
    }
    assert apply_catalog(session, wanted, NOW, unused) == changes
    session.expire_all()
    assert current_catalog(session) == wanted.products
    assert diff(current_catalog(session), wanted.products) == []


JANUARY, FEBRUARY, MARCH = (datetime(2014, month, 15, tzinfo=UTC) for month in (1, 2, 3))
TWO = catalog(product("server", price("2014-01"), price("2014-03", "14")))


def test_a_price_in_use_may_only_be_followed(session: Session) -> None:
    apply(session, TWO)
    in_january = used(("server", "USD", JANUARY))
    changed = catalog(product("server", price("2014-01", "12.01"), price("2014-03", "14")))
    (reason,) = refused(session, changed, in_january)
    assert reason.startswith("the price of server in USD from 2014-01-01T00:00:00Z cannot be changed: usage was priced")
    assert reason.endswith("let another price follow it.")
    assert "cannot be removed" in refused(session, catalog(product("server", price("2014-03", "14"))), in_january)[0]
    followed = catalog(product("server", price("2014-01"), price("2014-02", "13"), price("2014-03", "15")))
    assert apply(session, followed, in_january) == [
        "price of server in USD from 2014-02-01T00:00:00Z added",
        "price of server in USD from 2014-03-01T00:00:00Z changed: unit_price 14 -> 15",
    ]
    assert apply(session, catalog(product("server", price("2014-01"))), in_january) == [
        "price of server in USD from 2014-02-01T00:00:00Z removed",
        "price of server in USD from 2014-03-01T00:00:00Z removed",
    ]


@pytest.mark.parametrize("month", ["2013-12", "2014-02"])
def test_nothing_is_put_before_or_between_prices_in_use(session: Session, month: str) -> None:
    apply(session, TWO)
    wanted = catalog(product("server", price("2014-01"), price("2014-03", "14"), price(month, "1")))
    reasons = refused(session, wanted, used(("server", "USD", JANUARY), ("server", "USD", MARCH)))
    (reason,) = reasons
    assert reason.startswith(f"the price of server in USD from {month}-01T00:00:00Z cannot be added: usage was priced")
    assert reason.endswith("Let it begin after that one.")
    assert len(apply(session, wanted, used(("server", "KRW", MARCH), ("other", "USD", MARCH)))) == 1


def test_usage_of_another_currency_or_span_keeps_nothing(session: Session) -> None:
    both = catalog(product("server", price("2014-01"), price("2014-03", "14"), price("2014-01", "9", "KRW")))
    apply(session, both)
    wanted = catalog(product("server", price("2014-01"), price("2014-03", "15"), price("2014-01", "8", "KRW")))
    assert len(refused(session, wanted, used(("server", "KRW", MARCH), ("server", "USD", MARCH)))) == 2
    assert len(apply(session, wanted, used(("server", "USD", FEBRUARY)))) == 2


def test_a_product_in_use_is_neither_removed_nor_metered_otherwise(session: Session) -> None:
    apply(session, catalog(product("server", price("2014-01")), product("db", price("2014-01"))))
    in_use = used(("server", "USD", JANUARY))
    kept_db = product("db", price("2014-01"))
    assert "server cannot be removed" in refused(session, catalog(kept_db), in_use)[0]
    other_kind = catalog(product("server", price("2014-01"), kind='"gauge"'), kept_db)
    assert "server cannot be metered otherwise" in refused(session, other_kind, in_use)[0]
    other_type = catalog(product("server", price("2014-01")).replace('type = "server"', 'type = "x"'), kept_db)
    assert "server cannot be metered otherwise" in refused(session, other_type, in_use)[0]
    renamed = catalog(product("server", price("2014-01"), name='"Host"'))
    assert apply(session, renamed, in_use) == [
        "product server changed: name en: Server -> en: Host",
        "product db removed",
    ]
    assert {product.meter.type for product in current_catalog(session)} == {"server"}


def test_every_refusal_is_told_and_nothing_else_is_done(session: Session) -> None:
    apply(session, catalog(product("a", price("2014-01")), product("b", price("2014-01"))))
    wanted = catalog(product("a", price("2014-01", "1")), product("new"))
    in_use = used(("a", "USD", JANUARY), ("b", "USD", JANUARY))
    assert len(refused(session, wanted, in_use)) == 2
    assert {product.meter.type for product in current_catalog(session)} == {"a", "b"}


def test_usage_is_asked_for_only_where_it_matters_and_once(session: Session) -> None:
    apply(session, catalog(product("a", price("2014-01"), price("2014-02")), product("b", price("2014-01"))))
    asked: list[tuple[str, str, datetime, datetime | None]] = []

    def is_metered(*question: Any) -> bool:
        asked.append(question)
        return False

    wanted = catalog(product("a", price("2013-11"), price("2013-12"), price("2014-01", "1"), price("2014-02")))
    apply(session, wanted + product("b", price("2014-01")), is_metered)
    january, february = (datetime(2014, month, 1, tzinfo=UTC) for month in (1, 2))
    assert sorted(asked, key=str) == [("a", "USD", january, february), ("a", "USD", february, None)]


def test_two_at_once_apply_one_after_the_other(database: Database) -> None:
    done: list[int] = []

    def run() -> None:
        with database.transaction() as session:
            done.append(len(apply(session, TWO)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, 0, 3]
