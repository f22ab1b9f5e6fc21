"""All pages of the operator's staff, under /operator."""

from fastapi import APIRouter

from meterbook.console.operator import accounts, catalog, closes, promotions

router = APIRouter(prefix="/operator", include_in_schema=False)
for module in (accounts, catalog, closes, promotions):
    router.include_router(module.router)
