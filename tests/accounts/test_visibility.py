"""DOMAIN 1: what a caller may not see answers as if it did not exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.accounts.access import ALL, NONE, SEAL, Access, Grant
from meterbook.accounts.add_project import add_project
from meterbook.accounts.change_project import change_project
from meterbook.accounts.queries import (
    account_by_code,
    deleted_projects,
    project_by_code,
    projects_by_codes,
    sole_account,
    visible_accounts,
    visible_projects,
)
from meterbook.core.roles import Role
from meterbook.errors import Invalid, NotFound

from .conftest import NOW, World


def codes(world: World, access: Access, need: str) -> list[str]:
    found = visible_projects(world.session, world.acme.id, access, need="billing" if need == "billing" else "member")
    return [project.code for project in found]


def test_billing_on_two_of_five_projects_shows_two_and_five(world: World) -> None:
    person = world.person(*[("acme", f"p{n}", n <= 2) for n in range(1, 6)])
    assert codes(world, person, "billing") == ["p1", "p2"]
    assert codes(world, person, "member") == ["p1", "p2", "p3", "p4", "p5"]
    assert not person.has_account_billing(world.acme.id)
    assert not person.may_operate()


def test_an_account_wide_membership_covers_present_and_future_projects(world: World) -> None:
    person = world.person(("acme", None, True))
    add_project(world.session, NOW, account=world.acme, code="p6")
    assert codes(world, person, "billing") == ["p1", "p2", "p3", "p4", "p5", "p6"]
    assert person.has_account_billing(world.acme.id)
    assert not person.sees_account(world.other.id)


def test_account_wide_without_billing_and_one_project_with_it(world: World) -> None:
    person = world.person(("acme", None, False), ("acme", "p3", True))
    assert codes(world, person, "billing") == ["p3"]
    assert codes(world, person, "member") == ["p1", "p2", "p3", "p4", "p5"]
    assert not person.has_account_billing(world.acme.id)


def test_nobody_sees_an_account_without_a_membership(world: World) -> None:
    person = world.person(("acme", "p1", True))
    assert [account.code for account in visible_accounts(world.session, person)] == ["acme"]
    assert visible_projects(world.session, world.other.id, person, need="member") == []
    assert person.billing_projects(world.other.id) == NONE


def test_what_may_not_be_seen_answers_like_what_is_not_there(world: World) -> None:
    person = world.person(("acme", "p1", False))
    for hidden, absent in (("other", "none"),):
        with pytest.raises(NotFound) as unseen:
            account_by_code(world.session, hidden, person)
        with pytest.raises(NotFound) as unknown:
            account_by_code(world.session, absent, person)
        assert unseen.value.message == unknown.value.message.replace(absent, hidden)
        assert (unseen.value.slug, unseen.value.details) == (unknown.value.slug, unknown.value.details)
    for hidden in ("far", "p2", "p1"):
        with pytest.raises(NotFound) as unseen:
            project_by_code(world.session, hidden, person, need="billing")
        with pytest.raises(NotFound) as unknown:
            project_by_code(world.session, "none", person, need="billing")
        assert unseen.value.message == unknown.value.message.replace("none", hidden)
    assert project_by_code(world.session, "p1", person, need="member").code == "p1"


def test_an_account_key_sees_its_account_and_nothing_else(world: World) -> None:
    key = world.key("account")
    assert codes(world, key, "billing") == ["p1", "p2", "p3", "p4", "p5"]
    assert key.has_account_billing(world.acme.id)
    assert not key.has_account_billing(world.other.id)
    assert sole_account(world.session, key).code == "acme"
    assert key.may_send_to(world.projects["p1"].id, world.acme.id)
    assert not key.may_send_to(world.projects["far"].id, world.other.id)
    with pytest.raises(NotFound):
        account_by_code(world.session, "other", key)


def test_a_key_of_one_project_sees_and_sends_that_alone(world: World) -> None:
    key = world.key("account", "p2")
    assert codes(world, key, "billing") == codes(world, key, "member") == ["p2"]
    assert not key.has_account_billing(world.acme.id)
    sender = world.key("events", "p2")
    assert sender.may_send_to(world.projects["p2"].id, world.acme.id)
    assert not sender.may_send_to(world.projects["p1"].id, world.acme.id)


def test_an_events_key_sends_and_reads_nothing(world: World) -> None:
    key = world.key("events")
    assert (key.may_send(), key.may_read(), key.may_operate()) == (True, False, False)
    assert key.may_send_to(world.projects["p1"].id, world.acme.id)
    assert not key.may_send_to(world.projects["far"].id, world.other.id)
    assert codes(world, key, "billing") == codes(world, key, "member") == []
    assert visible_accounts(world.session, key) == []
    for act in (lambda: account_by_code(world.session, "acme", key), lambda: sole_account(world.session, key)):
        with pytest.raises(NotFound):
            act()


def test_the_operator_may_do_everything(world: World) -> None:
    for access in (world.operator(), world.key("operator")):
        assert access.may_operate()
        assert access.has_account_billing(world.other.id)
        assert access.may_send_to(world.projects["far"].id, world.other.id)
        assert [account.code for account in visible_accounts(world.session, access)] == ["acme", "other"]
        assert [account.code for account in visible_accounts(world.session, access, after="acme")] == ["other"]
        assert [account.code for account in visible_accounts(world.session, access, limit=1)] == ["acme"]
        with pytest.raises(Invalid, match="name the one you mean"):
            sole_account(world.session, access)


def test_a_person_sends_no_usage(world: World) -> None:
    person = world.person(("acme", None, True))
    assert (person.may_send(), person.may_read()) == (False, True)
    assert not person.may_send_to(world.projects["p1"].id, world.acme.id)


def test_usage_goes_to_known_projects_that_are_not_deleted(world: World) -> None:
    change_project(world.session, NOW, account=world.acme, project=world.projects["p2"], deleted=True)
    found = projects_by_codes(world.session, {"p1", "p2", "far", "none", "p1\0", "\ud800", ""})
    assert found == {
        "p1": (world.projects["p1"].id, world.acme.id),
        "far": (world.projects["far"].id, world.other.id),
    }
    deleted = deleted_projects(world.session, {"p1", "p2", "none", "p1\0", "\ud800", ""})
    assert deleted == {"p2": (world.projects["p2"].id, world.acme.id)}


@pytest.mark.parametrize("text", ["", "p1\0", "\ud800", "P1", "p1 ", "x" * 100_000, "'; drop table project; --"])
def test_any_text_may_be_asked_for(world: World, text: str) -> None:
    for query in (project_by_code, account_by_code):
        with pytest.raises(NotFound) as unknown:
            query(world.session, text, world.operator())
        assert len(unknown.value.message) < 400
        assert unknown.value.message.isprintable()


def test_an_access_cannot_be_made_without_proof() -> None:
    with pytest.raises(AssertionError, match="proving"):
        Access(kind="operator", subject="me", seal=object())


grants = st.builds(
    Grant,
    account_id=st.integers(1, 3),
    project_id=st.none() | st.integers(1, 4),
    role=st.sampled_from(Role),
    billing=st.booleans(),
)


@given(held=st.lists(grants, max_size=6), account_id=st.integers(1, 4))
def test_laws_of_what_a_person_sees(held: list[Grant], account_id: int) -> None:
    person = Access(kind="user", subject="x", seal=SEAL, user_id=1, grants=tuple(held))
    billing, member = person.billing_projects(account_id), person.member_projects(account_id)
    assert member is ALL or (billing is not ALL and billing <= member)
    assert person.sees_account(account_id) == any(grant.account_id == account_id for grant in held)
    assert person.has_account_billing(account_id) == any(
        grant.billing and grant.project_id is None and grant.account_id == account_id for grant in held
    )
    ids = person.account_ids()
    assert ids is not ALL
    assert (account_id in ids) == person.sees_account(account_id)
