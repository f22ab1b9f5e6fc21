"""All pages of the operator's staff, under /operator."""

from typing import Final

from fastapi import APIRouter

from meterbook.console.operator import (
    account,
    accounts,
    catalog,
    closes,
    invoices,
    money,
    people,
    projects,
    promotions,
    simulation,
    start,
    verification,
)

PREFIX: Final = "/operator"
PAGES: Final = (
    start,
    accounts,
    account,
    projects,
    people,
    money,
    invoices,
    promotions,
    catalog,
    simulation,
    closes,
    verification,
)
router = APIRouter(include_in_schema=False)
for module in PAGES:
    router.include_router(module.router, prefix=PREFIX)
