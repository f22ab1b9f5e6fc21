"""Tell by mail that a threshold of a budget was reached, to where the account's invoices go."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, payment_information_of
from meterbook.accounts.tables import Account
from meterbook.budgets.tables import Budget, BudgetAlert
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.database import Transactions
from meterbook.formats import Formats
from meterbook.mail import Letter, Mailer, fit_for_letter
from meterbook.settings import Settings


def tell_budget(
    transactions: Transactions,
    mailer: Mailer,
    settings: Settings,
    served_at: str | None,
    *,
    budget_id: int,
    month: str,
    percent: int,
) -> None:
    """Send the letter of an alert; of one that was taken back, or that has nowhere to go, none.

    Sent again after a crash, it has the same Message-ID. Raises what the mailer raises.
    """
    with transactions() as session:
        alert = session.get(BudgetAlert, (budget_id, month, percent))
        letter = None if alert is None else _letter(session, settings, served_at, alert)
    if letter is not None:
        mailer.send(letter)


def _letter(session: Session, settings: Settings, served_at: str | None, alert: BudgetAlert) -> Letter | None:
    budget = session.get_one(Budget, alert.budget_id)
    account = session.get_one(Account, budget.account_id)
    information = payment_information_of(session, account.id)
    recipient = information.email if information else account.billing_email
    # whoever signed in to set it has an address; a key has none
    recipient = recipient or (budget.set_by if "@" in budget.set_by else None)
    if recipient is None:
        return None
    language = information.language if information else account.language
    formats, money, words = Formats(language, {}), currency_of(account), _words()
    base = settings.public_url or served_at
    values = {
        "account": fit_for_letter(account.name),
        "month": formats.month(BillingMonth.parse(alert.month)),
        "percent": alert.percent,
        "budget": formats.money(Money(alert.budget_minor, money)),
        "spent": formats.money(Money(alert.spent_minor, money)),
        "forecast": formats.money(Money(alert.forecast_minor, money)),
        "link": "" if base is None else f"{base.rstrip('/')}/overview?{urlencode({'account': account.code})}",
    }
    text = words["body"][language].lstrip("\n").format(**values).rstrip() + f"\n\n{settings.legal_entity_name}\n"
    return Letter(
        to=recipient,
        cc=tuple(information.cc) if information else (),
        subject=words["subject"][language].format(**values),
        text=text,
        message_id=f"<budget-{budget.id}-{alert.month}-{alert.percent}-{alert.budget_minor}@{settings.mail_domain}>",
        date=alert.reached_at,
        language=language,
    )


@cache
def _words() -> dict[str, Any]:
    text = files("meterbook.budgets").joinpath("letters.toml").read_text("utf-8")
    words: dict[str, Any] = tomllib.loads(text)["reached"]
    return words
