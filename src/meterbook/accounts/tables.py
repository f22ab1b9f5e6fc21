"""Rows of accounts, their payment information, projects, users, memberships, keys and sign-ins."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from meterbook.database import Base


class Account(Base):
    """A paying customer (DOMAIN 1)."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("tax_percent >= 0 and tax_percent <= 100", "tax_percent_range"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", "currency_form"),
        CheckConstraint("tax_class in ('standard', 'zero_rated', 'reverse_charge', 'exempt')", "tax_class_known"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    tax_percent: Mapped[Decimal] = mapped_column(Numeric(7, 4))
    tax_class: Mapped[str] = mapped_column(Text, server_default="standard")
    rounding: Mapped[str | None] = mapped_column(Text)
    billing_email: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class PaymentInformation(Base):
    """How an account pays and where its invoices go; the last one written holds."""

    __tablename__ = "payment_information"
    __table_args__ = (CheckConstraint("method in ('card', 'bank_transfer', 'send_invoice')", "method_known"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    method: Mapped[str] = mapped_column(Text)
    gateway: Mapped[str | None] = mapped_column(Text)
    method_reference: Mapped[str | None] = mapped_column(Text)
    method_label: Mapped[str | None] = mapped_column(Text)
    company: Mapped[str] = mapped_column(Text)
    registration_number: Mapped[str | None] = mapped_column(Text)
    recipient: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    cc: Mapped[list[str]] = mapped_column(JSONB)
    language: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]


class Project(Base):
    """A metered part of an account; its code is unique in the installation.

    `limited_for` says who limited it: "operator", or "overdue" for a bill that stayed unpaid.
    """

    __tablename__ = "project"
    __table_args__ = (
        UniqueConstraint("account_id", "id"),
        CheckConstraint("plan in ('free', 'subscribed')", "plan_known"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)
    plan: Mapped[str] = mapped_column(Text)
    trial_until: Mapped[datetime | None]
    limited_at: Mapped[datetime | None]
    limited_for: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()


class SeenProject(NamedTuple):
    """A project as it is read to be shown or billed: a plain value, as an account may have thousands of them."""

    id: int
    account_id: int
    code: str
    name: str
    labels: dict[str, str]
    plan: str
    trial_until: datetime | None
    limited_at: datetime | None
    created_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, project: Project) -> SeenProject:
        """Return what is seen of a row."""
        return cls._make(getattr(project, name) for name in cls._fields)


class User(Base):
    """A person who signs in; `email` is kept in lower case. Staff, who may do everything, `is_operator`.

    `totp_secret` is what their app makes codes of, since `totp_since`; the last that was used is of the half minute
    `totp_used`.
    """

    __tablename__ = "user"
    __table_args__ = (
        CheckConstraint("email = lower(email)", "email_lower_case"),
        CheckConstraint("theme in ('auto', 'light', 'dark')", "theme_known"),
        CheckConstraint("(totp_secret is null) = (totp_since is null)", "totp_whole"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    theme: Mapped[str | None] = mapped_column(Text)
    is_operator: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]
    totp_secret: Mapped[str | None] = mapped_column(Text)
    totp_since: Mapped[datetime | None]
    totp_used: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """A code that stands in once for that of a person's app; a SHA-256 of it alone is kept."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("user_id", "code_sha256"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary)


class Membership(Base):
    """What a user is in one project, or (no project) in every present and future project of the account."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("user_id", "account_id", "project_id", postgresql_nulls_not_distinct=True),
        ForeignKeyConstraint(["account_id", "project_id"], ["project.account_id", "project.id"]),
        CheckConstraint("role in ('viewer', 'member', 'admin')", "role_known"),
        Index(None, "account_id", "project_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    project_id: Mapped[int | None] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(Text)
    billing: Mapped[bool]
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key of a program; of its text only `prefix` and a SHA-256 are kept."""

    __tablename__ = "api_key"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "project_id"], ["project.account_id", "project.id"]),
        CheckConstraint("scope in ('events', 'account', 'operator')", "scope_known"),
        CheckConstraint("(scope = 'operator') = (account_id is null)", "account_by_scope"),
        CheckConstraint("project_id is null or account_id is not null", "project_in_account"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    prefix: Mapped[str] = mapped_column(Text, unique=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scope: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    project_id: Mapped[int | None] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_on: Mapped[date | None]


class SignIn(Base):
    """A person's open session in the console; of its token only a SHA-256 is kept.

    `browser` names where it was opened from, as the browser calls itself, cut short. One that `awaits_code` opens
    nothing: the password was right, the code of the person's app is to come.
    """

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    browser: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    awaits_code: Mapped[bool] = mapped_column(server_default=false())


class OneTimeLink(Base):
    """A link in a letter that works once: to choose a new password, or the first one (an invitation), or a new e-mail.

    Of its token only a SHA-256 is kept. A person has one of a kind at most, the newest, and none once it was used.
    """

    __tablename__ = "one_time_link"
    __table_args__ = (
        UniqueConstraint("user_id", "purpose"),
        CheckConstraint("purpose in ('password', 'invitation', 'email')", "purpose_known"),
        CheckConstraint("(purpose = 'email') = (new_email is not null)", "email_by_purpose"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    purpose: Mapped[str] = mapped_column(Text)
    new_email: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
