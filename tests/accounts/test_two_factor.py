"""Two-factor authentication: codes of an app and for recovery, each once, beside a right password alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyotp import TOTP
from sqlalchemy import text
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.add_user import add_user
from meterbook.accounts.manage_sign_ins import open_sign_ins
from meterbook.accounts.prove import prove_local, prove_session
from meterbook.accounts.sign_in import awaiting_code, end_awaiting, sign_in
from meterbook.accounts.tables import User
from meterbook.accounts.two_factor import (
    RECOVERY_CODES,
    address_for_app,
    codes_left,
    renew_codes,
    secret_or_new,
    take_code,
    turn_off,
    turn_off_for,
    turn_on,
)
from meterbook.database import Database
from meterbook.errors import Denied, Invalid, Refused

NOW = datetime(2026, 11, 20, 14, 10, 5, tzinfo=UTC)
HALF_MINUTE = timedelta(seconds=30)
EMAIL, PASSWORD = "ann@two.example", "correct horse battery"


def ann(session: Session) -> User:
    return add_user(session, NOW, email=EMAIL, password=PASSWORD)


def code_of(secret: str, at: datetime) -> str:
    return TOTP(secret).at(at)


def turned_on(session: Session, user: User, secret: str) -> list[str]:
    code = code_of(secret, NOW - HALF_MINUTE)
    return turn_on(session, NOW, user=user, secret=secret, code=code, present=PASSWORD, token="", language="en")


def test_a_password_alone_opens_nothing(database: Database) -> None:
    secret = secret_or_new()
    with database.transaction() as session:
        user = ann(session)
        assert not sign_in(session, EMAIL, PASSWORD, NOW).awaits_code
        turned_on(session, user, secret)
        began = sign_in(session, EMAIL, PASSWORD, NOW)
        assert began.awaits_code
        with pytest.raises(Denied):
            prove_session(session, began.token, NOW)
        assert open_sign_ins(session, NOW, user.id) == [], "what the password alone let in has ended"
        assert awaiting_code(session, began.token, NOW).id == user.id
        assert take_code(session, NOW, user=user, code=code_of(secret, NOW))
        made = end_awaiting(session, began.token, NOW)
        assert prove_session(session, made.token, NOW)[1].id == user.id
        for over in (began.token, made.token, "nothing"):
            with pytest.raises(Denied):
                awaiting_code(session, over, NOW)


def test_what_awaits_a_code_is_soon_over(database: Database) -> None:
    with database.transaction() as session:
        turned_on(session, ann(session), secret_or_new())
        began = sign_in(session, EMAIL, PASSWORD, NOW)
        with pytest.raises(Denied):
            end_awaiting(session, began.token, NOW + timedelta(minutes=10))


def test_a_code_counts_once_and_none_before_it(database: Database) -> None:
    secret = secret_or_new()
    with database.transaction() as session:
        user = ann(session)
        turned_on(session, user, secret)
        later = NOW + 4 * HALF_MINUTE
        assert not take_code(session, later, user=user, code=code_of(secret, NOW))
        assert take_code(session, later, user=user, code=f" {code_of(secret, later)[:3]} {code_of(secret, later)[3:]}")
        assert not take_code(session, later, user=user, code=code_of(secret, later))
        assert not take_code(session, later, user=user, code=code_of(secret, later - HALF_MINUTE))
        full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in code_of(secret, later + HALF_MINUTE))
        assert take_code(session, later, user=user, code=full_width)
        for wrong in ("", "000000", "1" * 400, "\u0660" * 6, "\ud800", code_of(secret_or_new(), later)):
            assert not take_code(session, later, user=user, code=wrong)


def test_the_code_that_turned_it_on_does_not_let_in(database: Database) -> None:
    secret = secret_or_new()
    with database.transaction() as session:
        user, code = ann(session), code_of(secret, NOW)
        turn_on(session, NOW, user=user, secret=secret, code=code, present=PASSWORD, token="", language="en")
        assert not take_code(session, NOW, user=user, code=code)


def test_a_recovery_code_lets_in_once(database: Database) -> None:
    with database.transaction() as session:
        user = ann(session)
        codes = turned_on(session, user, secret_or_new())
        assert len(set(codes)) == RECOVERY_CODES == codes_left(session, user.id)
        assert take_code(session, NOW, user=user, code=codes[0].upper().replace("-", " "))
        assert not take_code(session, NOW, user=user, code=codes[0])
        assert codes_left(session, user.id) == RECOVERY_CODES - 1
        renewed = renew_codes(session, NOW, user=user, present=PASSWORD, language="en")
        assert codes_left(session, user.id) == RECOVERY_CODES
        assert not take_code(session, NOW, user=user, code=codes[1])
        assert take_code(session, NOW, user=user, code=renewed[1])
        kept = session.scalars(text("select code_sha256 from recovery_code")).all()
        assert not any(code.replace("-", "").encode() in bytes(each) for code in codes for each in kept)


def test_what_is_wrong_turns_nothing_on(database: Database) -> None:
    secret = secret_or_new()
    good = {"secret": secret, "code": code_of(secret, NOW), "present": PASSWORD}
    with database.transaction() as session:
        user = ann(session)
        for wrong, field in (
            ({"present": "another password"}, "present_password"),
            ({"code": code_of(secret, NOW + timedelta(hours=1))}, "code"),
            ({"secret": "SHORT"}, "secret"),
            ({"secret": secret.lower()}, "secret"),
        ):
            with pytest.raises(Invalid) as refused:
                turn_on(session, NOW, user=user, token="", language="en", **(good | wrong))
            assert refused.value.details["field"] == field
        assert (user.totp_secret, codes_left(session, user.id)) == (None, 0)
        with pytest.raises(Refused, match="off"):
            renew_codes(session, NOW, user=user, present=PASSWORD, language="en")
        turned_on(session, user, secret)
        with pytest.raises(Refused, match="already"):
            turned_on(session, user, secret_or_new())
        assert user.totp_secret == secret


def test_turned_off_the_password_is_enough(database: Database) -> None:
    with database.transaction() as session:
        user = ann(session)
        codes = turned_on(session, user, secret_or_new())
        with pytest.raises(Invalid, match="present password"):
            turn_off(session, NOW, user=user, present="another password", language="en")
        turn_off(session, NOW, user=user, present=PASSWORD, language="en")
        assert not take_code(session, NOW, user=user, code=codes[0])
        assert not sign_in(session, EMAIL, PASSWORD, NOW).awaits_code
        jobs = session.scalars(
            text("select args->>'is_on' from procrastinate_jobs where task_name = 'tell_two_factor'")
        )
        assert sorted(jobs) == ["false", "true"]


def test_the_staff_turn_it_off_for_others_alone(database: Database) -> None:
    with database.transaction() as session:
        user = ann(session)
        turned_on(session, user, secret_or_new())
        own: Access = prove_session(session, end_awaiting_of(session), NOW)[0]
        with pytest.raises(Refused, match="asks for the password"):
            turn_off_for(session, NOW, by=own, user=user)
        turn_off_for(session, NOW, by=prove_local("a", "a"), user=user)
        assert user.totp_secret is None
        turn_off_for(session, NOW, by=prove_local("a", "a"), user=user)
        told = session.scalars(
            text("select args->>'is_on' from procrastinate_jobs where task_name = 'tell_two_factor'")
        )
        assert sorted(told) == ["false", "true"]


def end_awaiting_of(session: Session) -> str:
    return end_awaiting(session, sign_in(session, EMAIL, PASSWORD, NOW).token, NOW).token


def test_the_address_for_an_app_names_who_and_where() -> None:
    address = address_for_app("A" * 32, EMAIL, "Acme Cloud & Co.")
    assert address.startswith("otpauth://totp/Acme%20Cloud%20%26%20Co.:ann%40two.example?secret=" + "A" * 32)
    assert "issuer=Acme%20Cloud%20%26%20Co." in address
