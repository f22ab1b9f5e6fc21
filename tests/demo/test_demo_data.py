"""The demo's data: repeatable, bounded, and priced."""

import tomllib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from meterbook.catalog.load import parse_catalog
from meterbook.core.metering import Hourly, MeterKind
from meterbook.core.pricing import Per, PriceModel
from meterbook.demo.accounts import DEMO_USERS, demo_accounts
from meterbook.demo.billing import demo_billing
from meterbook.demo.catalog import demo_catalog, examples_folder
from meterbook.demo.generate import SCHEMA, generated_usage
from meterbook.demo.recorded import recorded_files

NOW = datetime(2026, 11, 23, 6, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def usage() -> pa.Table:
    return pa.Table.from_batches(list(generated_usage(NOW)))


def by_id(table: pa.Table) -> dict[tuple[str, str], tuple[object, ...]]:
    columns = table.set_column(3, "time", table["time"].cast(pa.int64()))
    rows = zip(*(columns[name].to_pylist() for name in ("source", "id", "resource", "time", "value")), strict=True)
    return {(source, id_): (resource, time, value) for source, id_, resource, time, value in rows}


def test_events_have_the_columns_of_an_import_and_ids_of_their_own(usage: pa.Table) -> None:
    usage.validate(full=True)
    assert usage.schema == SCHEMA
    assert all(usage[name].null_count == 0 for name in SCHEMA.names)
    assert 150_000 <= usage.num_rows <= 400_000
    assert len(by_id(usage)) == usage.num_rows


def test_events_reach_from_the_third_month_back_until_now(usage: pa.Table) -> None:
    times = usage["time"].cast(pa.int64()).to_pylist()
    assert times == sorted(times)
    first, last = usage["time"][0].as_py(), usage["time"][-1].as_py()
    assert datetime(2026, 8, 1, tzinfo=UTC) <= first < datetime(2026, 8, 1, 1, tzinfo=UTC)
    assert NOW - timedelta(minutes=30) < last < NOW


def test_a_later_run_repeats_the_events_and_adds_to_them(usage: pa.Table) -> None:
    now, later = by_id(usage), by_id(pa.Table.from_batches(list(generated_usage(NOW + timedelta(hours=30)))))
    assert now.items() <= {key: later[key] for key in now}.items()
    assert len(later) > len(now)


def test_the_shop_grows_on_the_ninth(usage: pa.Table) -> None:
    def hosts(day: int) -> int:
        noon = datetime(2026, 11, day, 12, tzinfo=UTC)
        seen = (
            (pc.field("project") == "shop")
            & (pc.field("type") == "host.seen")
            & (pc.field("time") >= noon)
            & (pc.field("time") < noon + timedelta(hours=1))
        )
        return usage.filter(seen).num_rows

    assert hosts(9) - hosts(6) == 4


def test_every_type_has_a_product_and_every_project_an_account(usage: pa.Table) -> None:
    products = tomllib.loads(demo_catalog(NOW))["products"]
    used = {name: set(usage[name].unique().to_pylist()) for name in ("type", "project")}
    types = {product["meter"]["type"] for product in products}
    projects = {project.code for account in demo_accounts(NOW) for project in account.projects}
    recorded = recorded_files()
    assert len(recorded) == 8
    assert {*used["type"], *(file.type for file in recorded)} == types
    assert {*used["project"], *(file.project for file in recorded)} == projects
    for account in demo_accounts(NOW):
        if account.code != "cloudwatch":
            assert account.name.endswith("(generated)")


@pytest.mark.parametrize("month", range(1, 13))
def test_three_months_always_hold_a_price_change_of_apm(month: int) -> None:
    for now in (datetime(2027, month, 1, tzinfo=UTC), datetime(2030, month, 28, tzinfo=UTC)):
        changes = [price["from"] for price in apm_prices(now) if price["currency"] == "USD"]
        assert changes == sorted(set(changes))
        assert any(now - timedelta(days=92) <= change <= now for change in changes)
        assert changes[-1] > now + timedelta(days=270)


def test_the_price_list_is_a_catalog_with_every_kind_and_model() -> None:
    products = parse_catalog(demo_catalog(NOW)).products
    assert {product.meter.kind for product in products} == set(MeterKind)
    assert {product.meter.hourly for product in products if product.meter.kind is MeterKind.gauge} == set(Hourly)
    assert {price.model for product in products for price in product.prices} == set(PriceModel)
    assert {price.per for product in products for price in product.prices} == set(Per)
    assert all(set(product.name) == {"en", "ko", "ja"} for product in products)
    assert all({price.currency for price in product.prices} == {"USD", "KRW", "JPY"} for product in products)


def test_a_later_price_list_only_adds_prices() -> None:
    today, later = apm_prices(NOW), apm_prices(NOW + timedelta(days=200))
    known = [price for price in later if price in today]
    assert known == today
    assert min(price["from"] for price in later if price not in today) > NOW + timedelta(days=365)


def apm_prices(now: datetime) -> list[dict[str, object]]:
    products = tomllib.loads(demo_catalog(now))["products"]
    return [price for product in products if product["code"] == "apm" for price in product["prices"]]


def test_users_see_what_their_memberships_say() -> None:
    projects = {account.code: {project.code for project in account.projects} for account in demo_accounts(NOW)}
    staff, finance, developer, viewer, admin = DEMO_USERS
    assert staff.is_operator
    assert [(each.account, each.project, each.role) for each in admin.memberships] == [("acme", None, "admin")]
    assert all(membership.project is None and membership.billing for membership in finance.memberships)
    assert {membership.account for membership in finance.memberships} == set(projects)
    assert len(developer.memberships) == 5
    assert sum(membership.billing for membership in developer.memberships) == 2
    assert not any(membership.billing for membership in viewer.memberships)
    for user in (developer, viewer):
        assert all(membership.project in projects[membership.account] for membership in user.memberships)


def test_the_examples_are_where_the_package_looks() -> None:
    assert (examples_folder() / "cloudwatch" / "LICENSE").is_file()


@pytest.mark.parametrize("now", [NOW, datetime(2026, 11, 30, 18, 50, tzinfo=UTC), datetime(2026, 12, 5, tzinfo=UTC)])
def test_every_month_of_usage_that_is_over_is_closed_and_paid_by_now(now: datetime) -> None:
    for account in demo_billing(now):
        # in Seoul a month begins nine hours before it does in the usage
        assert [month.month for month in account.months][:2] == [f"2026-{now.month - 3:02}", f"2026-{now.month - 2:02}"]
        assert all(month.paid_on <= f"{now + timedelta(hours=9):%Y-%m-%d}" for month in account.months if month.paid_on)
        assert all(datetime.fromisoformat(month.closed_at) <= now for month in account.months)
