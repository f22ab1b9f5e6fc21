"""Give an account promotional credit by hand, without a code: for an outage, or as goodwill."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.queries import locked
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.errors import Invalid
from meterbook.invoicing.settle import settle_account
from meterbook.promotions.grant import grant
from meterbook.promotions.tables import CreditRow

LONGEST_NAME: Final = 200


def give_credit(
    session: Session,
    now: datetime,
    *,
    account: Account,
    amount: Money,
    name: str,
    ends_at: datetime | None = None,
) -> CreditRow:
    """Give a credit under the name that the customer reads, and return it.

    It pays bills of the running month and later ones that touch the time until `ends_at`; what was used before is made
    good by a credit note. Raises `Invalid` for no name and for an end that is not ahead.
    """
    told = check.name(name, "name", LONGEST_NAME)
    if ends_at is not None and ends_at <= now:
        raise Invalid("The end has to lie ahead.", "wrong-until", field="until")
    locked(session, [account.id])
    credit = grant(session, now, account, amount=amount, name=told, starts_at=now, ends_at=ends_at)
    settle_account(session, now, account, f"credit:{credit.id}")
    return credit
