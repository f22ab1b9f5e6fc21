"""Reads of accounts, projects, people and keys, narrowed to what the access may see (DOMAIN 1).

What may not be seen raises the same `NotFound`, word for word, as what does not exist.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from meterbook.accounts import check
from meterbook.accounts.access import ALL, Access, Projects
from meterbook.accounts.tables import Account, ApiKey, Membership, PaymentInformation, Project, SeenProject, User
from meterbook.core.money import Currency, Rounding, currency
from meterbook.core.period import BillingZone, billing_zone
from meterbook.core.sentence import say
from meterbook.database import among, asked_once
from meterbook.errors import Invalid, NotFound

Need = Literal["billing", "member"]
PAGE: Final = 100
LONGEST_PAGE: Final = 1_000
_SEEN: Final = select(*(Project.__table__.c[name] for name in SeenProject._fields))


class Place(NamedTuple):
    """Where a project's usage belongs."""

    project_id: int
    account_id: int


def zone_of(account: Account) -> BillingZone:
    """Return the zone of the account's hours, days and months; whether it was allowed was decided when it was added."""
    return billing_zone(account.time_zone, True)


def currency_of(account: Account) -> Currency:
    """Return the account's currency with its rounding."""
    return currency(account.currency, None if account.rounding is None else Rounding(account.rounding))


def locked(session: Session, account_ids: Collection[int]) -> list[Account]:
    """Return accounts by id, held until the transaction ends: whoever moves an account's money queues here."""
    query = select(Account).where(among(Account.id, account_ids)).order_by(Account.id).with_for_update(key_share=True)
    return list(session.scalars(query.execution_options(populate_existing=True)))


@asked_once
def payment_information_of(session: Session, account_id: int) -> PaymentInformation | None:
    """Return how an account pays and where its invoices go, None while it has registered nothing."""
    return session.get(PaymentInformation, account_id)


def payment_informations(session: Session, account_ids: Collection[int]) -> dict[int, PaymentInformation]:
    """Return how accounts pay and where their invoices go, by account, those that have registered it."""
    rows = session.scalars(select(PaymentInformation).where(among(PaymentInformation.account_id, account_ids)))
    return {row.account_id: row for row in rows}


def all_projects(session: Session, account_ids: Collection[int]) -> dict[int, list[SeenProject]]:
    """Return every project of the accounts, by account and in order of code; for acts that bill them."""
    found: dict[int, list[SeenProject]] = {account_id: [] for account_id in account_ids}
    rows = session.execute(_SEEN.where(among(Project.account_id, account_ids)).order_by(Project.code))
    for project in map(SeenProject._make, rows):
        found[project.account_id].append(project)
    return found


def account_by_code(session: Session, code: str, access: Access) -> Account:
    """Return a visible account; raises `NotFound`."""
    account = session.scalars(select(Account).where(Account.code == check.comparable(code))).one_or_none()
    if account is None or not access.sees_account(account.id):
        raise NotFound(say("There is no account %(code)s.", code=check.shown(code)), "unknown-account")
    return account


def sole_account(session: Session, access: Access) -> Account:
    """Return the one visible account of a caller who named none; raises `Invalid` when there are several."""
    visible = visible_accounts(session, access, limit=2)
    if not visible:
        raise NotFound("There is no account.", "unknown-account")
    if len(visible) > 1:
        raise Invalid(
            "There are several accounts: name the one you mean, account=CODE.", "account-missing", field="account"
        )
    return visible[0]


def account_ids_in(session: Session, currency: str) -> frozenset[int]:
    """Return the accounts (ids) billed in a currency; for the operator's acts."""
    return frozenset(session.scalars(select(Account.id).where(Account.currency == currency)))


def account_ids_by_zone(session: Session) -> dict[BillingZone, list[int]]:
    """Return every account (id) by the zone of its clocks."""
    by_name: dict[str, list[int]] = {}
    for account_id, name in session.execute(select(Account.id, Account.time_zone).order_by(Account.id)):
        by_name.setdefault(name, []).append(account_id)
    return {billing_zone(name, True): ids for name, ids in by_name.items()}


def account_ids_of(session: Session, codes: Collection[str]) -> list[int]:
    """Return the accounts (ids) of some codes, unknown ones left out; for the operator's acts."""
    known = [code for code in codes if check.comparable(code) == code]
    return list(session.scalars(select(Account.id).where(Account.code.in_(known)).order_by(Account.id)))


def visible_accounts(session: Session, access: Access, *, after: str | None = None, limit: int = PAGE) -> list[Account]:
    """Return visible accounts in order of code, those `after` a code, at most `limit` (1,000)."""
    query = select(Account).order_by(Account.code).limit(min(limit, LONGEST_PAGE))
    ids = access.account_ids()
    if ids is not ALL:
        query = query.where(among(Account.id, ids))
    if after is not None:
        query = query.where(Account.code > check.comparable(after))
    return list(session.scalars(query))


def visible_projects(
    session: Session,
    account_id: int,
    access: Access,
    need: Need = "billing",
    *,
    after: str | None = None,
    limit: int | None = None,
) -> list[SeenProject]:
    """Return the account's projects on which the access holds the billing permission, or takes part, by code.

    Of all, those `after` a code, at most `limit`. Deleted ones are among them: their usage is still billed. An account
    has at most 10,000 (add_project.py).
    """
    query = _SEEN.where(Project.account_id == account_id).order_by(Project.code).limit(limit)
    if after is not None:
        query = query.where(Project.code > check.comparable(after))
    allowed = _allowed(access, account_id, need)
    if allowed is not ALL:
        query = query.where(Project.id.in_(allowed))
    return list(map(SeenProject._make, session.execute(query)))


def projects_page(
    session: Session, account_id: int, *, search: str = "", after: str = "", limit: int = PAGE
) -> list[Project]:
    """Return an account's projects by code, those `after` a code; `search` is a part of a code or name.

    For the operator.
    """
    query = select(Project).where(Project.account_id == account_id).order_by(Project.code).limit(limit)
    if after:
        query = query.where(Project.code > check.comparable(after))
    if search.strip():
        wanted = check.comparable(search.strip()) or " "
        query = query.where(
            or_(Project.code.icontains(wanted, autoescape=True), Project.name.icontains(wanted, autoescape=True))
        )
    return list(session.scalars(query))


def limited_counts(session: Session) -> dict[str, int]:
    """Return how many projects are limited, by who limited them: the operator, or a bill that stayed unpaid."""
    query = select(Project.limited_for, func.count()).where(Project.limited_at.is_not(None))
    return {str(by): count for by, count in session.execute(query.group_by(Project.limited_for))}


def project_by_code(session: Session, code: str, access: Access, need: Need = "billing") -> Project:
    """Return a project, with its account, on which the access holds the billing permission, or takes part.

    Raises `NotFound`.
    """
    query = select(Project).options(joinedload(Project.account)).where(Project.code == check.comparable(code))
    project = session.scalars(query).one_or_none()
    if project is not None:
        allowed = _allowed(access, project.account_id, need)
        if allowed is ALL or project.id in allowed:
            return project
    raise NotFound(say("There is no project %(code)s.", code=check.shown(code)), "unknown-project")


def projects_by_codes(session: Session, codes: Collection[str]) -> dict[str, Place]:
    """Return where usage sent for these codes belongs; unknown and deleted projects are left out.

    Whom the sender may send for is `Access.may_send_to`.
    """
    known = {code for code in codes if check.comparable(code) == code}
    rows = session.execute(
        select(Project.code, Project.id, Project.account_id).where(
            Project.code.in_(known), Project.deleted_at.is_(None)
        )
    )
    return {code: Place(project_id, account_id) for code, project_id, account_id in rows}


def deleted_projects(session: Session, codes: Collection[str]) -> dict[str, Place]:
    """Return where those of the codes belong whose projects are deleted, alone or with their account."""
    known = {code for code in codes if check.comparable(code) == code}
    rows = session.execute(
        select(Project.code, Project.id, Project.account_id).where(
            Project.code.in_(known), Project.deleted_at.is_not(None)
        )
    )
    return {code: Place(project_id, account_id) for code, project_id, account_id in rows}


def projects_there(session: Session, codes: Collection[str]) -> set[str]:
    """Return which of some codes are projects', of whatever account, deleted ones too; for the operator's acts."""
    known = {code for code in codes if check.comparable(code) == code}
    return set(session.scalars(select(Project.code).where(Project.code.in_(known))))


def user_by_email(session: Session, email: str) -> User:
    """Return a user; for the operator's acts, not for sign-in. Raises `NotFound`."""
    user = session.scalars(select(User).where(User.email == check.comparable(check.address(email)))).one_or_none()
    if user is None:
        raise NotFound(say("There is no user %(email)s.", email=check.shown(email)), "unknown-user")
    return user


def membership_of(session: Session, user: User, account_id: int, project_id: int | None) -> Membership:
    """Return a user's membership of one project, or (None) the account-wide one; raises `NotFound`."""
    membership = session.scalars(
        select(Membership).where(
            Membership.user_id == user.id,
            Membership.account_id == account_id,
            Membership.project_id.is_not_distinct_from(project_id),
        )
    ).one_or_none()
    if membership is None:
        raise NotFound(say("%(email)s is no member there.", email=user.email), "unknown-member")
    return membership


def members(session: Session, account_id: int, *, after: int = 0, limit: int = PAGE) -> list[tuple[Membership, User]]:
    """Return an account's memberships with their users as they were added, those `after` a membership's id."""
    rows = session.execute(
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.account_id == account_id, Membership.id > after)
        .order_by(Membership.id)
        .limit(min(limit, LONGEST_PAGE))
    )
    return [(row.Membership, row.User) for row in rows]


def key_by_prefix(session: Session, prefix: str) -> ApiKey:
    """Return a key by its prefix, which is no secret ("mbk_e_abcdefghij"); raises `NotFound`."""
    key = session.scalars(select(ApiKey).where(ApiKey.prefix == check.comparable(prefix))).one_or_none()
    if key is None:
        raise NotFound(say("There is no key %(key)s.", key=check.shown(prefix[:16])), "unknown-key")
    return key


def keys(session: Session, *, account_id: int | None = None, after: int = 0, limit: int = PAGE) -> list[ApiKey]:
    """Return keys, of one account or of all, in the order they were made, those `after` a key's id."""
    query = select(ApiKey).where(ApiKey.id > after).order_by(ApiKey.id).limit(min(limit, LONGEST_PAGE))
    return list(session.scalars(query if account_id is None else query.where(ApiKey.account_id == account_id)))


def _allowed(access: Access, account_id: int, need: Need) -> Projects:
    return access.billing_projects(account_id) if need == "billing" else access.member_projects(account_id)
