"""All routes under /api/v1."""

from fastapi import APIRouter

from meterbook.api import (
    accounts,
    archives,
    audit,
    balance,
    budgets,
    catalog,
    closes,
    events,
    exports,
    invoices,
    jobs,
    keys,
    members,
    payments,
    projects,
    promotions,
    reports,
    usage,
    webhook,
)

router = APIRouter()
for module in (
    accounts,
    projects,
    members,
    keys,
    catalog,
    events,
    usage,
    invoices,
    exports,
    closes,
    promotions,
    payments,
    balance,
    budgets,
    archives,
    reports,
    audit,
    jobs,
    webhook,
):
    router.include_router(module.router)
