"""Routes of the budget: what an account means to spend in a month, how much of it is used, and what was told."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from meterbook.accounts.queries import all_projects, currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.api.permission import Now, Reader, Transaction, Usage
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import Json, answer, instant
from meterbook.budgets.queries import alerts_of, budget_of, budget_standing
from meterbook.budgets.set_budget import remove_budget, set_budget
from meterbook.budgets.tables import BudgetAlert
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.errors import NotFound
from meterbook.invoicing.draft import Payer, draft_month

router = APIRouter(tags=["budget"])


class NewBudget(BaseModel):
    """What an account means to spend in a month, tax included."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = Field(default=None, max_length=64)
    amount: str = Field(max_length=40, description="In the account's currency, such as 400.00.")


@router.get("/budget", summary="The budget and how much of it is used")
def get_budget(session: Transaction, usage: Usage, access: Reader, now: Now, account: AccountCode = None) -> Response:
    """Return an account's budget beside its running month, and the alerts it gave; 404 while none is set."""
    owner = billed_account(session, access, account)
    budget = budget_of(session, owner.id)
    if budget is None:
        raise NotFound("No budget is set.", "no-budget")
    month = BillingMonth.of(now, zone_of(owner))
    payer = Payer(owner, all_projects(session, [owner.id])[owner.id], True)
    standing = budget_standing(session, owner, draft_month(session, usage, payer, month, now))
    assert standing is not None, "the budget was just read"
    return answer(
        {
            "account": owner.code,
            "currency": owner.currency,
            "amount": str(standing.amount),
            "set_by": budget.set_by,
            "set_at": instant(budget.set_at),
            "month": str(month),
            "spent": str(standing.spent),
            "used_percent": str(standing.used_percent),
            "forecast": str(standing.forecast),
            "alerts": [_alert(each, owner) for each in alerts_of(session, budget)],
        }
    )


@router.put("/budget", summary="Set the budget")
def put_budget(body: NewBudget, session: Transaction, access: Reader, now: Now) -> Response:
    """Set what an account means to spend in a month; a letter goes out when 50, 80 and 100% of it are used."""
    owner = billed_account(session, access, body.account)
    budget = set_budget(session, now, account=owner, amount=body.amount, by=access.subject)
    amount = Money(budget.amount_minor, currency_of(owner))
    return answer({"account": owner.code, "currency": owner.currency, "amount": str(amount), "set_by": budget.set_by})


@router.delete("/budget", status_code=204, summary="Take the budget back")
def delete_budget(session: Transaction, access: Reader, account: AccountCode = None) -> Response:
    """Take an account's budget back, with the alerts it gave."""
    remove_budget(session, account=billed_account(session, access, account))
    return Response(status_code=204)


def _alert(alert: BudgetAlert, account: Account) -> Json:
    money = currency_of(account)
    return {
        "month": alert.month,
        "percent": alert.percent,
        "reached_at": instant(alert.reached_at),
        "budget": str(Money(alert.budget_minor, money)),
        "spent": str(Money(alert.spent_minor, money)),
        "forecast": str(Money(alert.forecast_minor, money)),
    }
