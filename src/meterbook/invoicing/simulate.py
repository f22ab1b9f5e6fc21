"""Simulate other prices over a month that was used: what each account would have come to, beside what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import Product
from meterbook.invoicing.draft import Payer, draft_months
from meterbook.usage.store import UsageStore

GROUP: Final = 50  # accounts whose usage is read in one pass
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Simulated:
    """An account's month, tax included: by the prices in force, and by the others."""

    account: Account
    now: Money
    then: Money

    @property
    def change(self) -> Money:
        """How much more the others come to."""
        return self.then - self.now


@dataclass(frozen=True, slots=True)
class SimulatedTotals:
    """The sums of the accounts of one currency; `more` and `less` count those whose month changes."""

    currency: str
    accounts: int
    more: int
    less: int
    now: Money
    then: Money
    change: Money


def newest_prices(products: Sequence[Product]) -> tuple[Product, ...]:
    """Return products that have one price in each currency, their newest, in force since ever."""
    return tuple(
        replace(
            product,
            prices=tuple(
                replace(product.prices_in(code)[-1], effective_from=_EVER)
                for code in sorted({price.currency for price in product.prices})
            ),
        )
        for product in products
    )


def simulate(
    session: Session,
    usage: UsageStore,
    accounts: Sequence[Account],
    month: BillingMonth,
    at: datetime,
    products: Sequence[Product],
) -> list[Simulated]:
    """Draft the month of accounts twice, by the prices in force and by those of `products`, and keep neither.

    Both count the same usage, promotions and late usage of earlier months; the newest price of each currency holds all
    month. Those whose month has not begun in their zone are left out.
    """
    wanted = newest_prices(products)
    found = []
    in_zones = sorted(accounts, key=lambda account: (account.time_zone, account.id))
    for _, group in groupby(in_zones, key=lambda account: account.time_zone):
        own = [account for account in group if at > month.starts_at(zone_of(account))]
        for start in range(0, len(own), GROUP):
            part = own[start : start + GROUP]
            projects = all_projects(session, [account.id for account in part])
            payers = [Payer(account, projects[account.id], True) for account in part]
            before = draft_months(session, usage, payers, month, at)
            after = draft_months(session, usage, payers, month, at, products=wanted)
            found += [
                Simulated(one.payer.account, one.draft.total, other.draft.total)
                for one, other in zip(before, after, strict=True)
            ]
    return sorted(found, key=lambda each: (each.account.currency, -abs(each.change.minor), each.account.code))


def simulated_totals(found: Sequence[Simulated]) -> list[SimulatedTotals]:
    """Return the sums by currency of accounts in order of currency."""
    totals = []
    for code, group in groupby(found, key=lambda each: each.account.currency):
        own = list(group)
        now = Money(sum(each.now.minor for each in own), own[0].now.currency)
        then = Money(sum(each.then.minor for each in own), own[0].now.currency)
        totals.append(
            SimulatedTotals(
                currency=code,
                accounts=len(own),
                more=sum(each.change.minor > 0 for each in own),
                less=sum(each.change.minor < 0 for each in own),
                now=now,
                then=then,
                change=then - now,
            )
        )
    return totals
