from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts import add_project as adding_projects
from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member, change_member, remove_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.accounts.change_account import change_account
from meterbook.accounts.change_project import change_project
from meterbook.accounts.queries import (
    currency_of,
    members,
    membership_of,
    user_by_email,
    zone_of,
)
from meterbook.accounts.read_users import find_users
from meterbook.accounts.tables import Account, Membership, Project, User
from meterbook.core.money import Rounding
from meterbook.database import Database
from meterbook.errors import Invalid, NotFound, Refused

from .conftest import NOW, PASSWORD, World

ACCOUNT: dict[str, Any] = {"code": "acme", "currency": "USD"}


def test_an_account_has_defaults_that_bill(session: Session) -> None:
    account = add_account(session, NOW, **ACCOUNT)
    assert (account.name, account.time_zone, account.language, account.tax_percent) == ("acme", "UTC", "en", 0)
    assert (account.created_at, currency_of(account).rounding, zone_of(account).name) == (NOW, Rounding.half_up, "UTC")


def test_all_of_an_account_is_kept(session: Session) -> None:
    wanted = {
        "code": "acme-1.kr_x",
        "currency": "KRW",
        "name": "  <script>회사 \U0001f600  ",
        "time_zone": "Asia/Seoul",
        "language": "ko",
        "tax_percent": Decimal("10.1250"),
        "rounding": "half_even",
        "billing_email": "Billing@Example.COM",
    }
    account = add_account(session, NOW, **wanted)
    session.flush()
    session.expire_all()
    assert account.name == "<script>회사 \U0001f600"
    assert account.tax_percent == Decimal("10.125")
    assert account.billing_email == "billing@example.com"
    assert currency_of(account).rounding is Rounding.half_even
    assert zone_of(account).name == "Asia/Seoul"


def test_adding_the_very_same_again_returns_what_is_there(world: World) -> None:
    session = world.session
    assert add_account(session, NOW + timedelta(days=1), **ACCOUNT).id == world.acme.id
    project = add_project(session, NOW, account=world.acme, code="same", labels={"team": "core"})
    assert add_project(session, NOW, account=world.acme, code="same", labels={"team": "core"}).id == project.id
    user = add_user(session, NOW, email="Ann@example.com", name="Ann", password=PASSWORD)
    assert add_user(session, NOW, email="ann@EXAMPLE.com", name="Ann", password=PASSWORD).id == user.id
    for place in (None, project):
        first = add_member(session, NOW, user=user, account=world.acme, project=place, role="admin", billing=True)
        again = add_member(session, NOW, user=user, account=world.acme, project=place, role="admin", billing=True)
        assert first.id == again.id
    assert world.acme.created_at == NOW


def test_adding_something_else_under_the_same_key_says_what_differs(world: World) -> None:
    session = world.session
    with pytest.raises(Refused, match=r"currency is USD there, tax_percent is 0\.0000 there") as refused:
        add_account(session, NOW, code="acme", currency="KRW", tax_percent=Decimal(10))
    assert (refused.value.slug, refused.value.details) == ("exists", {"differs": ["currency", "tax_percent"]})
    with pytest.raises(Refused, match="plan is subscribed there"):
        add_project(session, NOW, account=world.acme, code="p1", plan="free")
    user = add_user(session, NOW, email="ann@example.com", password=PASSWORD)
    with pytest.raises(Refused, match="another password"):
        add_user(session, NOW, email="ann@example.com", password=PASSWORD + "!")
    add_member(session, NOW, user=user, account=world.acme, project=None, role="viewer")
    with pytest.raises(Refused, match="billing is False there"):
        add_member(session, NOW, user=user, account=world.acme, project=None, role="viewer", billing=True)


def test_a_code_taken_by_another_account_tells_nothing_about_it(world: World) -> None:
    with pytest.raises(Refused) as refused:
        add_project(world.session, NOW, account=world.acme, code="far")
    assert refused.value.message == "The project code far is taken: choose another."


def test_eight_at_once_add_one_of_each(database: Database) -> None:
    errors: list[BaseException] = []

    def add() -> None:
        try:
            with database.transaction() as session:
                account = add_account(session, NOW, **ACCOUNT)
                project = add_project(session, NOW, account=account, code="web")
                user = add_user(session, NOW, email="ann@example.com")
                add_member(session, NOW, user=user, account=account, project=project, role="viewer")
                add_member(session, NOW, user=user, account=account, project=None, role="viewer")
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with database.transaction() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Account, Project, User)]
        assert counts == [1, 1, 1]
        assert session.scalar(select(func.count()).select_from(Membership)) == 2


@pytest.mark.parametrize(
    ("field", "value", "slug"),
    [
        *[("code", code, "wrong-code") for code in ("", "Acme", "a b", "a/b", "-a", ".", "a" * 65, "ä", "a\n", "a\0")],
        *[("name", name, "wrong-name") for name in ("", " ", "a" * 201, "a\nb", "a\0b", "a\u2028b", "\ud800")],
        *[("currency", code, "unknown-currency") for code in ("usd", "USX", "", "US Dollar", "\0")],
        *[
            ("time_zone", zone, "wrong-time-zone")
            for zone in ("Mars/X", "", "+25:00", "America/New_York", "../etc", "\0")
        ],
        *[("language", language, "wrong-language") for language in ("de", "", "EN", "\0")],
        *[
            ("tax_percent", Decimal(text), "wrong-tax-percent")
            for text in ("-1", "100.0001", "1.00001", "NaN", "Infinity", "1e400", "1e-9", "-0.00001")
        ],
        ("rounding", "sideways", "wrong-rounding"),
        *[
            ("billing_email", email, "wrong-billing-email")
            for email in (
                "",
                "ann",
                "ann@",
                "@x.y",
                "a@b",
                "a b@c.de",
                "a@b..c",
                "a@b.c\nd",
                "a@b.c\0",
                "<a@b.c>",
                "a@b@c.d",
            )
        ],
        ("billing_email", "a" * 65 + "@example.com", "wrong-billing-email"),
        ("billing_email", "a@" + "b" * 250 + ".com", "wrong-billing-email"),
    ],
)
def test_a_wrong_field_of_an_account_is_named(session: Session, field: str, value: object, slug: str) -> None:
    with pytest.raises(Invalid) as invalid:
        add_account(session, NOW, **ACCOUNT | {field: value})
    assert (invalid.value.slug, invalid.value.details["field"]) == (slug, field)
    assert invalid.value.message.isprintable()
    assert len(invalid.value.message) < 400
    assert session.scalar(select(func.count()).select_from(Account)) == 0


def test_zones_with_daylight_saving_time_need_the_setting(session: Session) -> None:
    account = add_account(session, NOW, **ACCOUNT, time_zone="America/New_York", dst_zones=True)
    assert zone_of(account).has_dst
    assert zone_of(add_account(session, NOW, code="india", currency="INR", time_zone="+05:30")).name == "+05:30"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({str(n): "" for n in range(51)}, "at most 50"),
        ({"": "x"}, "1 to 64"),
        ({"a" * 65: "x"}, "1 to 64"),
        ({"a": "x" * 201}, "1 to 200"),
        ({"a": "x\0"}, "control"),
        ({"a": "x", " a ": "y"}, "same name"),
    ],
)
def test_wrong_labels_are_invalid(world: World, labels: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        add_project(world.session, NOW, account=world.acme, code="new", labels=labels)


def test_a_trial_ends_at_the_start_of_an_hour_of_the_account(session: Session) -> None:
    india = add_account(session, NOW, code="india", currency="INR", time_zone="Asia/Kolkata")
    half_past = datetime(2026, 6, 20, 4, 30, tzinfo=UTC)
    assert add_project(session, NOW, account=india, code="a", trial_until=half_past).trial_until == half_past
    for wrong in (half_past - timedelta(minutes=30), half_past + timedelta(microseconds=1)):
        with pytest.raises(Invalid, match="start of an hour in Asia/Kolkata"):
            add_project(session, NOW, account=india, code="b", trial_until=wrong)
    with pytest.raises(Invalid, match="needs a zone"):
        add_project(session, NOW, account=india, code="b", trial_until=half_past.replace(tzinfo=None))
    with pytest.raises(Invalid, match="use free, subscribed"):
        add_project(session, NOW, account=india, code="b", plan="trial")


def test_a_project_changes_only_in_what_is_given(world: World) -> None:
    session, project = world.session, world.projects["p1"]
    trial = datetime(2026, 7, 1, tzinfo=UTC)

    def change(**given: Any) -> Project:
        return change_project(session, NOW + timedelta(hours=1), account=world.acme, project=project, **given)

    change(name="Web", labels={"team": "core"}, plan="free", trial_until=trial, limited=True)
    change(limited=True)
    session.expire_all()
    assert (project.name, project.labels, project.plan, project.trial_until) == ("Web", {"team": "core"}, "free", trial)
    assert project.limited_at == NOW + timedelta(hours=1)
    change(trial_until=None, limited=False, deleted=True)
    session.expire_all()
    assert (project.name, project.trial_until, project.limited_at) == ("Web", None, None)
    assert project.deleted_at == NOW + timedelta(hours=1)
    change(deleted=False)
    assert project.deleted_at is None
    with pytest.raises(Invalid, match="start of an hour"):
        change(trial_until=trial + timedelta(minutes=1))
    assert project.account.code == "acme"


def test_an_account_changes_only_in_what_is_given(world: World) -> None:
    session, account = world.session, world.acme
    fixed = (account.code, account.currency, account.time_zone, account.rounding)
    change_account(session, account, name="Acme Ltd", language="ko", billing_email="Pay@Acme.example")
    change_account(session, account, tax_percent=Decimal("8.25"), tax_class="reverse_charge")
    session.expire_all()
    assert (account.name, account.language, account.billing_email) == ("Acme Ltd", "ko", "pay@acme.example")
    assert (account.tax_percent, account.tax_class) == (Decimal("8.25"), "reverse_charge")
    for wrong in ({"name": " "}, {"language": "fr"}, {"tax_percent": Decimal(101)}, {"tax_class": "none"}):
        with pytest.raises(Invalid) as refusal:
            change_account(session, account, billing_email=None, **wrong)  # type: ignore[arg-type]  # of many types
        assert refusal.value.details["field"] == next(iter(wrong))
    assert account.billing_email == "pay@acme.example"
    change_account(session, account, billing_email=None)
    session.expire_all()
    assert (account.name, account.billing_email) == ("Acme Ltd", None)
    assert fixed == (account.code, account.currency, account.time_zone, account.rounding)


def test_an_account_has_a_limit_of_projects(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding_projects, "MOST_PROJECTS", 5)
    add_project(world.session, NOW, account=world.acme, code="p1")
    with pytest.raises(Refused, match="at most 5 projects"):
        add_project(world.session, NOW, account=world.acme, code="p6")


def test_a_membership_changes_and_ends(world: World) -> None:
    session = world.session
    user = add_user(session, NOW, email="ann@example.com")
    project = world.projects["p1"]
    membership = add_member(session, NOW, user=user, account=world.acme, project=project, role="viewer")
    change_member(session, membership=membership, role="admin")
    change_member(session, membership=membership, billing=True)
    session.expire_all()
    found = membership_of(session, user, world.acme.id, project.id)
    assert (found.role, found.billing) == ("admin", True)
    assert [(each.id, who.email) for each, who in members(session, world.acme.id)] == [(found.id, user.email)]
    assert members(session, world.acme.id, after=found.id) == members(session, world.other.id) == []
    with pytest.raises(Invalid, match="use viewer, member, admin"):
        change_member(session, membership=membership, role="owner")
    remove_member(session, membership=membership)
    with pytest.raises(NotFound):
        membership_of(session, user, world.acme.id, project.id)


@pytest.mark.parametrize("password", ["", "seven c", "x" * 1001])
def test_a_password_has_a_length(session: Session, password: str) -> None:
    with pytest.raises(Invalid, match="at least 8 characters, and at most 1000") as invalid:
        add_user(session, NOW, email="ann@example.com", password=password)
    assert invalid.value.slug == "wrong-password"


def test_users_are_found_in_any_case_and_listed(session: Session) -> None:
    for name in ("cy", "ann", "bob"):
        add_user(session, NOW, email=f"{name}@example.com", language="ja")
    assert user_by_email(session, "ANN@example.com").email == "ann@example.com"
    assert [user.email[:3] for user in find_users(session, after="ann@example.com", limit=2)] == ["bob", "cy@"]
    for unknown in ("dan@example.com", "", "\0", "\ud800"):
        with pytest.raises(NotFound):
            user_by_email(session, unknown)
