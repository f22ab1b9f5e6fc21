"""Add an account: who pays, in which currency, by which clock."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.repeat import same_or_refused
from meterbook.accounts.tables import Account
from meterbook.core.sentence import say
from meterbook.core.terms import TaxClass


def add_account(
    session: Session,
    now: datetime,
    *,
    code: str,
    currency: str,
    name: str | None = None,
    time_zone: str = "UTC",
    language: str = "en",
    tax_percent: Decimal = Decimal(0),
    tax_class: str = TaxClass.standard,
    rounding: str | None = None,
    billing_email: str | None = None,
    dst_zones: bool = False,
) -> Account:
    """Add an account and return it; the very same account again is the one that is there.

    `name` is the code unless given; `rounding` None means the currency's own (DOMAIN 4); `dst_zones` is the setting
    that allows zones with daylight saving time. Raises `Invalid` naming the field, `Refused` ("exists") when the code
    is taken by an account that differs.
    """
    wanted = {
        "code": check.code(code),
        "name": check.name(code if name is None else name),
        "currency": check.currency(currency),
        "time_zone": check.time_zone(time_zone, dst_zones),
        "language": check.language(language),
        "tax_percent": check.tax_percent(tax_percent),
        "tax_class": check.choice(TaxClass, tax_class, "tax_class").value,
        "rounding": check.rounding(rounding),
        "billing_email": None if billing_email is None else check.email(billing_email, "billing_email"),
    }
    session.execute(insert(Account).values(**wanted, created_at=now).on_conflict_do_nothing(index_elements=["code"]))
    account = session.scalars(select(Account).where(Account.code == code)).one()
    same_or_refused(say("The account %(code)s", code=code), account, wanted)
    return account
