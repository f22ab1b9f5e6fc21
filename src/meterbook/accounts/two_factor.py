"""Two-factor authentication: codes of an app beside the password (TOTP, RFC 6238), and recovery codes for a lost app.

A code counts once: one that was used, or that is older than the last that was, is none. Recovery codes are told once
and kept as hashes alone; each works once.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import unicodedata
from datetime import datetime
from typing import Final

from pyotp import TOTP, random_base32
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.manage_sign_ins import end_other_sign_ins
from meterbook.accounts.prove import hashed
from meterbook.accounts.sign_in import check_present_password
from meterbook.accounts.tables import RecoveryCode, User
from meterbook.errors import Invalid, Refused
from meterbook.outbox import defer

RECOVERY_CODES: Final = 10
LONGEST_CODE: Final = 40
_RECOVERY_BYTES: Final = 10
_STEPS: Final = (-1, 0, 1)  # of 30 seconds: clocks of phones differ
_BETWEEN: Final = re.compile(r"[\s-]+")
_SECRET: Final = re.compile(r"[A-Z2-7]{32}")


def secret_or_new(secret: str = "") -> str:
    """Return a secret that an app may be given: the one that it has, or a new one in place of what is none."""
    return secret if _SECRET.fullmatch(secret) else random_base32()


def address_for_app(secret: str, email: str, issuer: str) -> str:
    """Return the address (otpauth:) by which an app takes a secret over; a QR code holds it."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def turn_on(
    session: Session, now: datetime, *, user: User, secret: str, code: str, present: str, token: str, language: str
) -> list[str]:
    """Ask for codes of a secret at each sign-in from now on, tell it by mail, and return the recovery codes.

    Sign-ins that the password alone let in end, but for that of `token`. `present` is the password, `language` that of
    the letter where the person has none. Raises `Refused` ("two-factor-on") where it is on, `Invalid` for a wrong
    password, code or secret. How often is limited by the door.
    """
    if user.totp_secret is not None:
        raise Refused("Two-factor authentication is on already.", "two-factor-on")
    if not _SECRET.fullmatch(secret):
        raise Invalid("This form is incomplete: reload the page and send it again.", field="secret")
    check_present_password(user, present)
    step = _step_of(secret, code, now)
    if step is None:
        raise _wrong_code()
    user.totp_secret, user.totp_since, user.totp_used = secret, now, step
    end_other_sign_ins(session, now, user_id=user.id, token=token)
    return _changed(session, now, user, language)


def renew_codes(session: Session, now: datetime, *, user: User, present: str, language: str) -> list[str]:
    """Return new recovery codes in place of all there are, and tell it by mail; raises `Invalid`, `Refused`."""
    if user.totp_secret is None:
        raise Refused("Two-factor authentication is off.", "two-factor-off")
    check_present_password(user, present)
    return _changed(session, now, user, language)


def turn_off(session: Session, now: datetime, *, user: User, present: str, language: str) -> None:
    """Ask for no more codes, and tell it by mail; raises `Invalid` for a wrong password."""
    check_present_password(user, present)
    _forget(session, now, user, language)


def turn_off_for(session: Session, now: datetime, *, by: Access, user: User, language: str = "en") -> None:
    """Ask somebody who lost their app for no more codes, and tell them by mail.

    Raises `Refused` ("own-rights") for oneself: whoever sits at an open sign-in is not known to be its holder.
    """
    if by.user_id == user.id:
        raise Refused("Turn your own off under Your account: it asks for the password.", "own-rights", field="step")
    _forget(session, now, user, language)


def take_code(session: Session, now: datetime, *, user: User, code: str) -> bool:
    """Whether a code is the user's, of the app or for recovery; it is none from now on."""
    written = _plain(code)
    session.refresh(user, with_for_update=True)
    if user.totp_secret is None or not written:
        return False
    step = _step_of(user.totp_secret, written, now)
    if step is not None:
        if user.totp_used is not None and step <= user.totp_used:
            return False
        user.totp_used = step
        session.flush()
        return True
    used = session.scalars(
        delete(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.code_sha256 == hashed(written))
        .returning(RecoveryCode.id)
    ).all()
    return bool(used)


def codes_left(session: Session, user_id: int) -> int:
    """Return how many recovery codes of a user are unused."""
    return session.scalar(select(func.count()).where(RecoveryCode.user_id == user_id)) or 0


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the number of the half minute that a code is of, None for one that is not of now."""
    app, written = TOTP(secret), _plain(code)
    steps = [app.timecode(now) + step for step in _STEPS]
    return max((step for step in steps if hmac.compare_digest(app.generate_otp(step), written)), default=None)


def _plain(code: str) -> str:
    """Return a code without what people write between its parts, in plain letters; nothing for what is none."""
    written = _BETWEEN.sub("", unicodedata.normalize("NFKC", code)).lower()
    return written if written.isascii() and len(written) <= LONGEST_CODE else ""


def _wrong_code() -> Invalid:
    return Invalid("This code is wrong or over. Take the one that the app shows now.", "wrong-code", field="code")


def _changed(session: Session, now: datetime, user: User, language: str) -> list[str]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user.id, code_sha256=hashed(code)) for code in codes)
    session.flush()
    _tell(session, now, user, language, is_on=True)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _forget(session: Session, now: datetime, user: User, language: str) -> None:
    if user.totp_secret is None:
        return
    user.totp_secret = user.totp_since = user.totp_used = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    session.flush()
    _tell(session, now, user, language, is_on=False)


def _tell(session: Session, now: datetime, user: User, language: str, *, is_on: bool) -> None:
    known = check.language(language)
    defer(session, "tell_two_factor", user_id=user.id, changed_at=now.isoformat(), is_on=is_on, language=known)
