"""All pages of the operator's staff, under /operator."""

from typing import Final

from meterbook.console.operator import (
    account,
    accounts,
    audit_log,
    catalog,
    closes,
    given_credit,
    invoices,
    journal,
    money,
    people,
    projects,
    promotions,
    report,
    simulation,
    start,
    unbilled,
    users,
    verification,
)

PREFIX: Final = "/operator"
ROUTERS: Final = tuple(
    module.router
    for module in (
        start,
        accounts,
        account,
        projects,
        people,
        users,
        money,
        given_credit,
        invoices,
        promotions,
        catalog,
        simulation,
        closes,
        unbilled,
        report,
        journal,
        verification,
        audit_log,
    )
)
