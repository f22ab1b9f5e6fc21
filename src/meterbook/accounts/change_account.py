"""Change an account: its name, language, tax, and where its invoices go until it says so itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.tables import Account
from meterbook.accounts.unchanged import SAME, Unchanged
from meterbook.core.terms import TaxClass


def change_account(
    session: Session,
    account: Account,
    *,
    name: str | None = None,
    language: str | None = None,
    tax_percent: Decimal | None = None,
    tax_class: str | None = None,
    billing_email: str | Literal[Unchanged.same] | None = SAME,
) -> Account:
    """Change what is given and return the account; `billing_email` None takes the address away.

    It holds for every month that is not drafted yet: an issued invoice, and a draft that is kept, stay as they are.
    Code, currency, rounding and time zone never change. Raises `Invalid` naming the field, and then changes nothing.
    """
    wanted: dict[str, object] = {}
    if name is not None:
        wanted["name"] = check.name(name)
    if language is not None:
        wanted["language"] = check.language(language)
    if tax_percent is not None:
        wanted["tax_percent"] = check.tax_percent(tax_percent)
    if tax_class is not None:
        wanted["tax_class"] = check.choice(TaxClass, tax_class, "tax_class").value
    if billing_email is not SAME:
        wanted["billing_email"] = None if billing_email is None else check.email(billing_email, "billing_email")
    for field, value in wanted.items():
        setattr(account, field, value)
    session.flush()
    return account
