"""Every setting, read from METERBOOK_* environment variables once, at the door, and frozen."""

from __future__ import annotations

import base64
import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from meterbook.errors import Invalid

ENV_PREFIX = "METERBOOK_"
ServiceCategory = Literal[
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Multicloud",
    "Networking",
    "Security",
    "Storage",
    "Web",
    "Other",
]
_NUMBER_PREFIX = r"^[A-Z0-9]{1,10}$"
_DATABASE_SCHEMES = ("postgres://", "postgresql://", "postgresql+psycopg://")
_WEB_SCHEMES = ("http", "https")
_SMTP_SCHEMES = ("smtp", "smtp+starttls", "smtps")
# What begins like a setting and is none: the browser of our own tests; what Kubernetes tells of a service of our name.
_OF_OTHERS: Final = re.compile(r"chromium|service_host|service_port(_\w+)?|port(_\d+_(tcp|udp|sctp)(_\w+)?)?")
_SIGNING_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)
RETRIES_MAX: Final = 10
RETRY_DAY_MAX: Final = 60


class Settings(BaseSettings):
    """What an operator may set; each field is the variable METERBOOK_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("meterbook"),
        description="Folder of the embedded stores and of what the server keeps on disk.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 15 or newer to use in place of the embedded one: "
        "postgresql://user:password@host:5432/database.",
    )
    clickhouse_url: SecretStr | None = Field(
        default=None,
        description="ClickHouse server to keep usage in, in place of the embedded store: "
        "https://user:password@host:8443/database; several processes may share it.",
    )
    clickhouse_password: SecretStr | None = Field(
        default=None, description="Password of the ClickHouse user, where it is not part of the address."
    )
    clickhouse_ca_file: Path | None = Field(
        default=None, description="File of the certificates that the ClickHouse server's is checked against."
    )
    clickhouse_query_seconds: int = Field(
        default=120, ge=1, le=3600, description="How long the ClickHouse server may work on one question."
    )
    clickhouse_cluster: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Name of a cluster in the configuration of the ClickHouse server, to spread usage over its shards "
        "by account.",
    )
    readings_kept: int = Field(
        default=200_000,
        ge=0,
        le=100_000_000,
        description="How many rows of what was read of usage a process keeps in memory while they are right, "
        "some 30 MB; 0 reads everything each time.",
    )
    dst_zones: bool = Field(
        default=False,
        description="Allow billing time zones whose clocks change; a unit's hours are then capped "
        "at the month's reference hours.",
    )
    session_hours: int = Field(default=12, ge=1, le=24 * 31, description="Hours until a sign-in to the console ends.")
    staff_two_factor: bool = Field(
        default=False, description="Let nobody of the staff see a page before they turned two-factor authentication on."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="Address under which people reach the console, for links and cookies: https://billing.example.com.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How log lines are written: text for people, json for programs."
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Server that takes mail: smtp://user:password@host:25, smtp+starttls://host:587 or "
        "smtps://host:465; without one, mail is written to the folder mail in the data folder.",
    )
    mail_from: str = Field(
        default="billing@localhost",
        max_length=320,
        description="Sender of mail: billing@example.com, or Example Billing <billing@example.com>.",
    )
    legal_entity_name: str = Field(
        default="Meterbook", min_length=1, max_length=200, description="Who issues the invoices, as printed on them."
    )
    legal_entity_address: str = Field(
        default="", max_length=1000, description="The issuer's postal address; | parts its lines."
    )
    legal_entity_registration_number: str | None = Field(
        default=None, max_length=100, description="The issuer's registration or tax number, as printed on invoices."
    )
    focus_service_category: ServiceCategory = Field(
        default="Other", description="What is sold, by the categories of FOCUS: Management and Governance, Compute, ..."
    )
    number_prefix_invoice: str = Field(
        default="INV", pattern=_NUMBER_PREFIX, description="What invoice numbers begin with: INV-2026-000001."
    )
    number_prefix_credit_note: str = Field(
        default="CN", pattern=_NUMBER_PREFIX, description="What the numbers of credit notes begin with: CN-2026-000001."
    )
    payment_instruction: str = Field(default="", max_length=2000, description="How to pay, printed on invoices.")
    due_day: int = Field(
        default=25, ge=1, le=28, description="Day of the month after the billed one on which an invoice is due."
    )
    close_grace_hours: int = Field(
        default=48, ge=0, le=720, description="Hours after a month's end before the schedule closes it."
    )
    close_schedule: Literal["off", "draft", "issue"] = Field(
        default="draft",
        description="What the schedule does with a month that is over: nothing, drafts that wait for confirmation, "
        "or issued invoices.",
    )
    stripe_secret_key: SecretStr | None = Field(
        default=None, description="Secret key of the Stripe account, for cards."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="Secret that signs Stripe's calls to the webhook."
    )
    stripe_api_base: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="Address of a server to use in place of Stripe's own, for tests.",
    )
    fake_gateway: bool | None = Field(
        default=None,
        description="Whether cards may be tokens of the fake gateway, which moves no money; if left out, with the "
        "embedded database alone. Off where Stripe is set up.",
    )
    webhook_url: SecretStr | None = Field(
        default=None,
        description="Address that is told what happens to bills, payments and projects: "
        "https://example.com/billing; without one, nobody is.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that signs what the webhook gets: whsec_ and the base64 of 24 to 64 random bytes.",
    )
    retry_days: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(1, 3, 7),
        max_length=RETRIES_MAX,
        description="Days after the due date on which a declined card is charged again: 1,3,7.",
    )

    @property
    def mail_domain(self) -> str:
        """The domain of `mail_from` in the letters of the DNS, of which Message-IDs are made."""
        domain = self.mail_from.rpartition("@")[2].removesuffix(">")
        return domain if domain.isascii() else domain.encode("idna").decode()

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_DATABASE_SCHEMES):
            raise ValueError(f"has to start with {', '.join(_DATABASE_SCHEMES[:2])}")
        return value

    @field_validator("clickhouse_url")
    @classmethod
    def _clickhouse(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = _whole(value, _WEB_SCHEMES)
        if url is None or "/" in url.path.strip("/") or url.query or url.fragment:
            raise ValueError("has to look like https://user:password@host:8443/database")
        return value

    @model_validator(mode="after")
    def _of_clickhouse(self) -> Settings:
        alone = (self.clickhouse_password, self.clickhouse_ca_file, self.clickhouse_cluster)
        if self.clickhouse_url is None and any(each is not None for each in alone):
            raise ValueError("METERBOOK_CLICKHOUSE_PASSWORD, _CA_FILE and _CLUSTER need METERBOOK_CLICKHOUSE_URL")
        return self

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = _whole(value, _SMTP_SCHEMES)
        if url is None or url.path.strip("/") or url.query or url.fragment:
            raise ValueError("has to look like smtp://user:password@host:25, smtp+starttls://... or smtps://...")
        if (url.username is None) != (url.password is None):
            raise ValueError("has to give a user and a password, or neither")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _web(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ((url := _whole(value, _WEB_SCHEMES)) is None or url.fragment):
            raise ValueError("has to look like https://example.com/billing")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _signing(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(webhook_key(value)) not in _SECRET_BYTES:
            raise ValueError("has to be whsec_ and the base64 of 24 to 64 random bytes")
        return value

    @model_validator(mode="after")
    def _of_webhook(self) -> Settings:
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("METERBOOK_WEBHOOK_URL and METERBOOK_WEBHOOK_SECRET need each other")
        return self

    @field_validator("mail_from")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(r"[^\s<>@]+@[^\s<>@]+|[^\x00-\x1f\x7f]+<[^\s<>@]+@[^\s<>@]+>", value):
            raise ValueError("has to be an address: billing@example.com, or Example Billing <billing@example.com>")
        return value

    @field_validator("retry_days", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("retry_days")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or any(not 1 <= day <= RETRY_DAY_MAX for day in value):
            raise ValueError(f"has to be rising days between 1 and {RETRY_DAY_MAX}, parted by commas")
        return value


def webhook_key(secret: SecretStr) -> bytes:
    """Return the bytes that sign, of a secret as Standard Webhooks writes it; none of what is no such secret."""
    before, prefix, text = secret.get_secret_value().partition(_SIGNING_PREFIX)
    try:
        return base64.b64decode(text, validate=True) if prefix and not before else b""
    except ValueError:
        return b""


def _whole(address: SecretStr, schemes: tuple[str, ...]) -> SplitResult | None:
    """Return the parts of an address that has one of these schemes and a host, None of any other."""
    try:
        url = urlsplit(address.get_secret_value())
        return url if url.scheme in schemes and url.hostname and url.port != 0 else None
    except ValueError:
        return None


def load_settings(**given: object) -> Settings:
    """Read the settings of the environment; what is `given` (not None) wins, as the options of a command do.

    Raises `Invalid` naming each variable that is wrong or that no setting is read from, never repeating its value.
    """
    wrong = list(_unknown())
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks each
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name, said = ".".join(map(str, problem["loc"])).upper(), problem["msg"].removeprefix("Value error, ")
            # what is wrong of several together names them itself
            wrong.append(f"{ENV_PREFIX}{name}: {said}" if name else said)
    if wrong:
        raise Invalid("Settings are wrong: " + "; ".join(wrong), "wrong-settings")
    return settings


def _unknown() -> Iterator[str]:
    """Yield what is wrong about each variable that begins like a setting and is none."""
    known = list(Settings.model_fields)
    for variable, value in sorted(os.environ.items()):
        name = variable.lower().removeprefix(ENV_PREFIX.lower())
        if name == variable.lower() or name in known or not value:
            continue
        # the address that Kubernetes gives is no port of ours
        if _OF_OTHERS.fullmatch(name) and (name != "port" or "://" in value):
            continue
        near = difflib.get_close_matches(name, known, 1)
        yield f"{variable} is not known" + (f": did you mean {ENV_PREFIX}{near[0].upper()}?" if near else "")
