from __future__ import annotations

import statistics
import threading
import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.add_user import add_user, set_password
from meterbook.accounts.create_key import create_key, revoke_key
from meterbook.accounts.proof_cache import MOST_KEPT, ProofCache
from meterbook.accounts.prove import KEY_FORM, prove_key, prove_local, prove_session
from meterbook.accounts.queries import key_by_prefix, keys
from meterbook.accounts.sign_in import sign_in, sign_out
from meterbook.accounts.tables import SignIn
from meterbook.database import Database
from meterbook.errors import Denied, Invalid, NotFound

from .conftest import NOW, PASSWORD, World

HOUR = timedelta(hours=1)


def test_a_key_is_told_once_and_its_text_is_stored_nowhere(world: World) -> None:
    made = create_key(world.session, NOW, scope="events", account=world.acme, name="importer")
    assert KEY_FORM.fullmatch(made.secret)
    assert made.secret.startswith(f"{made.key.prefix}_")
    assert made.secret.startswith("mbk_e_")
    assert made.secret not in repr(made)
    world.session.flush()
    row = world.session.execute(text("select * from api_key")).mappings().one()
    assert made.secret not in str(dict(row))
    assert len(row["secret_sha256"]) == 32
    assert create_key(world.session, NOW, scope="events", account=world.acme).secret != made.secret


def test_a_proof_costs_one_query_after_the_first_of_a_day(database: Database) -> None:
    with database.transaction() as session:
        made = create_key(session, NOW, scope="operator")
    statements: list[str] = []
    with database.reading() as session:
        assert prove_key(session, made.secret, NOW).subject == made.key.prefix
    with database.reading() as session:
        event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        prove_key(session, made.secret, NOW)
        assert len(statements) == 1
        assert "secret_sha256" in statements[0]
        prove_key(session, made.secret, NOW + timedelta(days=1))
    with database.reading() as session:
        assert key_by_prefix(session, made.key.prefix).last_used_on == (NOW + timedelta(days=1)).date()


def test_noting_the_use_of_a_key_waits_for_nobody(database: Database) -> None:
    with database.transaction() as session:
        secret = create_key(session, NOW, scope="operator").secret
    with database.transaction() as one, database.transaction() as other:
        assert prove_key(one, secret, NOW).may_operate()
        other.execute(text("set local lock_timeout = '50ms'"))
        assert prove_key(other, secret, NOW).may_operate()


@pytest.mark.parametrize(
    "bearer", ["", "mbk_o_aaaaaaaaaa_" + "a" * 40, "x" * 100_000, "mbk_o_\0", "\ud800", "Bearer x"]
)
def test_a_wrong_key_is_denied_with_the_same_words(world: World, bearer: str) -> None:
    expired = create_key(world.session, NOW, scope="operator", expires_at=NOW + HOUR).secret
    revoked = create_key(world.session, NOW, scope="operator")
    revoke_key(world.session, NOW, key=revoked.key)
    said = set()
    for secret in (bearer, expired, revoked.secret):
        with pytest.raises(Denied) as denied:
            prove_key(world.session, secret, NOW + HOUR)
        said.add((denied.value.message, denied.value.slug))
    assert said == {("A valid key or sign-in is needed.", "unauthenticated")}
    assert prove_key(world.session, expired, NOW + HOUR - timedelta(seconds=1)).may_operate()


def test_revoking_again_keeps_the_first_moment(world: World) -> None:
    made = create_key(world.session, NOW, scope="operator")
    revoke_key(world.session, NOW, key=made.key)
    revoke_key(world.session, NOW + HOUR, key=made.key)
    assert made.key.revoked_at == NOW


def test_keys_are_listed_and_found_by_prefix(world: World) -> None:
    first = create_key(world.session, NOW, scope="operator").key
    second = create_key(world.session, NOW, scope="events", account=world.acme).key
    assert [key.id for key in keys(world.session)] == [first.id, second.id]
    assert [key.id for key in keys(world.session, account_id=world.acme.id)] == [second.id]
    assert [key.id for key in keys(world.session, after=first.id)] == [second.id]
    with pytest.raises(NotFound) as unknown:
        key_by_prefix(world.session, "mbk_o_zzzzzzzzzz_and_a_secret")
    assert "secret" not in unknown.value.message


@pytest.mark.parametrize(
    ("scope", "account", "project", "expires", "message"),
    [
        ("all", None, None, None, "use events, account, operator"),
        ("operator", "acme", None, None, "no account"),
        ("events", None, None, None, "needs the account"),
        ("account", None, None, None, "needs the account"),
        ("events", "acme", "p1", NOW, "expired already"),
    ],
)
def test_a_key_that_makes_no_sense_is_invalid(
    world: World, scope: str, account: str | None, project: str | None, expires: datetime | None, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        create_key(
            world.session,
            NOW,
            scope=scope,
            account=None if account is None else world.acme,
            project=None if project is None else world.projects[project],
            expires_at=expires,
        )


def test_a_sign_in_ends_by_time_and_by_sign_out(session: Session) -> None:
    add_user(session, NOW, email="ann@example.com", password=PASSWORD)
    token = sign_in(session, " ANN@Example.com ", PASSWORD, NOW, hours=2).token
    assert prove_session(session, token, NOW + HOUR)[0].subject == "ann@example.com"
    assert token not in str(session.execute(text("select token_sha256 from sign_in")).all())
    with pytest.raises(Denied):
        prove_session(session, token, NOW + 2 * HOUR)
    sign_out(session, token, NOW + HOUR)
    sign_out(session, token, NOW + HOUR)
    sign_out(session, "unknown", NOW)
    for wrong in (token, "", "x", "x" * 10_000, "\ud800"):
        with pytest.raises(Denied, match="A valid key or sign-in is needed"):
            prove_session(session, wrong, NOW + HOUR)


def test_a_new_password_ends_every_sign_in(session: Session) -> None:
    user = add_user(session, NOW, email="ann@example.com", password=PASSWORD)
    token = sign_in(session, user.email, PASSWORD, NOW).token
    set_password(session, NOW, user=user, password="another good one")
    with pytest.raises(Denied):
        prove_session(session, token, NOW)
    with pytest.raises(Denied):
        sign_in(session, user.email, PASSWORD, NOW)
    sign_in(session, user.email, "another good one", NOW)


def test_a_password_typed_on_another_system_is_the_same(session: Session) -> None:
    composed, decomposed = "caf\u00e9 caf\u00e9 12", "cafe\u0301 cafe\u0301 12"
    assert composed != decomposed
    user = add_user(session, NOW, email="ann@example.com", password=composed)
    sign_in(session, user.email, decomposed, NOW)
    assert user.password_hash is not None
    # of 64 MiB and three rounds (RFC 9106, 4)
    assert user.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "password", ["", "wrong horse battery", PASSWORD + " ", "x" * 100_000, "\ud800" * 12, "\0" * 12]
)
def test_every_wrong_sign_in_says_the_same(session: Session, password: str) -> None:
    add_user(session, NOW, email="ann@example.com", password=PASSWORD)
    add_user(session, NOW, email="nopassword@example.com")
    for email in ("ann@example.com", "nobody@example.com", "nopassword@example.com", "", "\0", "\ud800"):
        with pytest.raises(Denied) as denied:
            sign_in(session, email, password, NOW)
        assert (denied.value.message, denied.value.slug) == ("The e-mail or the password is wrong.", "wrong-sign-in")
    assert session.query(SignIn).count() == 0


def test_an_unknown_person_takes_as_long_as_a_known_one(session: Session) -> None:
    add_user(session, NOW, email="ann@example.com", password=PASSWORD)

    def seconds(email: str) -> float:
        began = time.perf_counter()
        with pytest.raises(Denied):
            sign_in(session, email, "wrong horse battery", NOW)
        return time.perf_counter() - began

    seconds("nobody@example.com")
    known, unknown = [], []
    for _ in range(5):
        known.append(seconds("ann@example.com"))
        unknown.append(seconds("nobody@example.com"))
    assert statistics.median(unknown) > 0.5 * statistics.median(known)


def test_the_secret_of_the_local_server() -> None:
    assert prove_local("secret", "secret").may_operate()
    for token, expected in (("wrong", "secret"), ("", ""), ("secret", ""), ("\ud800", "secret")):
        with pytest.raises(Denied, match="A valid key"):
            prove_local(token, expected)


def test_proofs_are_remembered_for_five_seconds() -> None:
    cache, asked = ProofCache(), []

    def prove(bearer: str) -> Access:
        asked.append(bearer)
        return prove_local(bearer, "good")

    first = cache.prove("good", NOW, prove)
    assert cache.prove("good", NOW + timedelta(seconds=4.9), prove) is first
    assert asked == ["good"]
    assert cache.prove("good", NOW + timedelta(seconds=5), prove) is not first
    cache.prove("good", NOW + timedelta(seconds=1), prove)
    assert len(asked) == 3, "a clock that was set back trusts nothing from the future"
    cache.forget()
    cache.prove("good", NOW, prove)
    assert len(asked) == 4
    for _ in range(2):
        with pytest.raises(Denied):
            cache.prove("bad", NOW, prove)
    assert len(asked) == 6, "a refusal is not remembered"


def test_the_cache_has_a_limit_and_threads_may_share_it() -> None:
    cache = ProofCache()
    proof = prove_local("x", "x")

    def fill(part: int) -> None:
        for number in range(MOST_KEPT // 2):
            assert cache.prove(f"{part}-{number}", NOW, lambda _: proof) is proof

    threads = [threading.Thread(target=fill, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache._proofs) <= MOST_KEPT + len(threads)
