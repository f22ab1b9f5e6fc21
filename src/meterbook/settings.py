"""Every setting, read from METERBOOK_* environment variables once, at the door, and frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from meterbook.errors import Invalid

ENV_PREFIX = "METERBOOK_"
_DATABASE_SCHEMES = ("postgres://", "postgresql://", "postgresql+psycopg://")


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
    dst_zones: bool = Field(
        default=False,
        description="Allow billing time zones whose clocks change; a unit's hours are then capped "
        "at the month's reference hours.",
    )
    session_hours: int = Field(default=12, ge=1, le=24 * 31, description="Hours until a sign-in to the console ends.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="Address under which people reach the console, for links and cookies: https://billing.example.com.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How log lines are written: text for people, json for programs."
    )

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


def load_settings(**given: object) -> Settings:
    """Read the settings of the environment; what is `given` (not None) wins, as the options of a command do.

    Raises `Invalid` naming each variable that is wrong, never repeating its value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = [
            f"{ENV_PREFIX}{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise Invalid("Settings are wrong: " + "; ".join(wrong), "wrong-settings") from None
