"""Letters to people: links for a new password or e-mail, invitations, and word of what was changed of their way in.

Done by jobs. A link is made when its letter is written, so that no queue holds one; sent again after a crash, a letter
has another link, and the newest works.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import select

from meterbook.accounts.one_time_link import HOURS, Purpose, make_link
from meterbook.accounts.tables import Account, Membership, Project, User
from meterbook.database import Transactions
from meterbook.errors import Busy
from meterbook.mail import Letter, Mailer, fit_for_letter
from meterbook.settings import Settings

_HOURS_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Sending:
    """How letters leave: the stores, the way out, and where links lead.

    `served_at` is the address of this process's own server, None where there is none; links lead there while no
    public address is set. What a browser calls the server is never asked.
    """

    transactions: Transactions
    mailer: Mailer
    settings: Settings
    served_at: str | None

    def address(self, path: str) -> str:
        """Return the address of a page; raises `Busy` ("no-address") when nobody knows where the console is."""
        base = self.settings.public_url or self.served_at
        if base is None:
            raise Busy(
                "A letter with a link waits: set METERBOOK_PUBLIC_URL to the address under which people reach the "
                "console.",
                "no-address",
            )
        return base.rstrip("/") + path

    def message_id(self, name: str) -> str:
        """Return the Message-ID of a letter."""
        return f"<{name}@{self.settings.mail_domain}>"


def send_password_link(sending: Sending, now: datetime, *, email: str, language: str) -> None:
    """Send a link to choose a new password; to an e-mail that nobody has, nothing.

    Raises what the mailer raises, and `Busy` ("no-address").
    """
    with sending.transactions() as session:
        user = session.scalars(select(User).where(User.email == email)).one_or_none()
        if user is None:
            return
        link = make_link(session, now, user=user, purpose=Purpose.password)
        values = {
            "name": fit_for_letter(user.name),
            "email": user.email,
            "link": sending.address(f"/password/{link.token}"),
        }
        letter = _letter(sending, now, user, "password", user.language or language, values, f"password-{link.id}")
    sending.mailer.send(letter)


def send_email_link(sending: Sending, now: datetime, *, user_id: int, email: str, language: str) -> None:
    """Send a link to an e-mail that somebody wants to sign in with; to one that somebody has, nothing.

    Raises what the mailer raises, and `Busy` ("no-address").
    """
    with sending.transactions() as session:
        user = session.get(User, user_id)
        if user is None or session.scalars(select(User.id).where(User.email == email)).one_or_none() is not None:
            return
        link = make_link(session, now, user=user, purpose=Purpose.email, new_email=email)
        values = {
            "name": fit_for_letter(user.name),
            "email": email,
            "before": user.email,
            "link": sending.address(f"/email/{link.token}"),
        }
        letter = _letter(sending, now, user, "email", user.language or language, values, f"email-{link.id}", to=email)
    sending.mailer.send(letter)


def tell_email_changed(sending: Sending, *, user_id: int, before: str, changed_at: datetime, language: str) -> None:
    """Tell the e-mail that somebody signed in with before that it is another one now.

    Whoever was removed since gets no letter. Raises what the mailer raises.
    """
    with sending.transactions() as session:
        user = session.get(User, user_id)
    if user is None:
        return
    values = {"name": fit_for_letter(user.name), "email": user.email, "before": before}
    name = f"email-changed-{user.id}-{changed_at:%Y%m%d%H%M%S}"
    language = user.language or language
    sending.mailer.send(_letter(sending, changed_at, user, "email_changed", language, values, name, to=before))


def send_invitation(sending: Sending, now: datetime, *, membership_id: int, inviter: str | None) -> None:
    """Tell a member what they belong to; until they have a password, with a link to choose one.

    `inviter` is the e-mail of whom invited them, None for the operator. A membership that ended gets no letter. Raises
    what the mailer raises, and `Busy` ("no-address").
    """
    with sending.transactions() as session:
        member = session.get(Membership, membership_id)
        if member is None:
            return
        user, account = session.get_one(User, member.user_id), session.get_one(Account, member.account_id)
        project = None if member.project_id is None else session.get_one(Project, member.project_id)
        language = user.language or account.language
        values = {
            "name": fit_for_letter(user.name),
            "email": user.email,
            "inviter": inviter or sending.settings.legal_entity_name,
            "account": fit_for_letter(account.name),
            "place": _place(account, project, language),
            "role": _words()["roles"][member.role][language],
        }
        if user.password_hash is None:
            link = make_link(session, now, user=user, purpose=Purpose.invitation)
            values["link"] = sending.address(f"/invitation/{link.token}")
            letter = _letter(sending, now, user, "invitation", language, values, f"invitation-{link.id}")
        else:
            values["link"] = sending.address("/")
            letter = _letter(sending, now, user, "member", language, values, f"member-{member.id}")
    sending.mailer.send(letter)


def send_staff_invitation(sending: Sending, now: datetime, *, user_id: int, inviter: str | None, language: str) -> None:
    """Tell somebody that they are of the operator's staff; until they have a password, with a link to choose one.

    Whoever is of the staff no more gets no letter. Raises what the mailer raises, and `Busy` ("no-address").
    """
    with sending.transactions() as session:
        user = session.get(User, user_id)
        if user is None or not user.is_operator:
            return
        entity, language = sending.settings.legal_entity_name, user.language or language
        values = {
            "name": fit_for_letter(user.name),
            "email": user.email,
            "inviter": inviter or entity,
            "entity": fit_for_letter(entity),
        }
        if user.password_hash is None:
            link = make_link(session, now, user=user, purpose=Purpose.invitation)
            values["link"] = sending.address(f"/invitation/{link.token}")
            letter = _letter(sending, now, user, "staff_invitation", language, values, f"invitation-{link.id}")
        else:
            values["link"] = sending.address("/")
            letter = _letter(sending, now, user, "staff", language, values, f"staff-{user.id}-{now:%Y%m%d%H%M%S}")
    sending.mailer.send(letter)


def tell_password_changed(sending: Sending, *, user_id: int, changed_at: datetime, language: str) -> None:
    """Tell a person that their password was changed; whoever was removed since gets no letter.

    Raises what the mailer raises, and `Busy` ("no-address").
    """
    _tell_changed(sending, user_id, changed_at, language, "password_changed")


def tell_two_factor(sending: Sending, *, user_id: int, changed_at: datetime, is_on: bool, language: str) -> None:
    """Tell a person that two-factor authentication is on, with new recovery codes, or off.

    Whoever was removed since gets no letter. Raises what the mailer raises, and `Busy` ("no-address").
    """
    _tell_changed(sending, user_id, changed_at, language, f"two_factor_{'on' if is_on else 'off'}")


def _tell_changed(sending: Sending, user_id: int, changed_at: datetime, language: str, form: str) -> None:
    """Tell a person what of their way in was changed, and where they choose a new password if it was somebody else."""
    with sending.transactions() as session:
        user = session.get(User, user_id)
    if user is None:
        return
    values = {"name": fit_for_letter(user.name), "email": user.email, "link": sending.address("/forgotten-password")}
    name = f"{form.replace('_', '-')}-{user.id}-{changed_at:%Y%m%d%H%M%S}"
    sending.mailer.send(_letter(sending, changed_at, user, form, user.language or language, values, name))


def _letter(
    sending: Sending,
    now: datetime,
    user: User,
    form: str,
    language: str,
    values: Mapping[str, str],
    message_id: str,
    to: str | None = None,
) -> Letter:
    words = _words()[form]
    told = {
        **values,
        "hours": HOURS[Purpose.password],
        "days": HOURS[Purpose.invitation] // _HOURS_A_DAY,
    }
    return Letter(
        to=to or user.email,
        subject=words["subject"][language].format(**told),
        text=words["body"][language].lstrip("\n").format(**told) + f"\n{sending.settings.legal_entity_name}\n",
        message_id=sending.message_id(message_id),
        date=now,
        language=language,
    )


def _place(account: Account, project: Project | None, language: str) -> str:
    if project is None:
        return fit_for_letter(account.name)
    form: str = _words()["place"]["project"][language]
    return form.format(project=fit_for_letter(project.name), account=fit_for_letter(account.name))


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(files("meterbook.accounts").joinpath("letters.toml").read_text("utf-8"))
