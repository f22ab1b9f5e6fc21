"""All routes under /api/v1."""

from fastapi import APIRouter

from meterbook.api import accounts, catalog, events, invoices, keys, members, projects, usage

router = APIRouter()
for module in (accounts, projects, members, keys, catalog, events, usage, invoices):
    router.include_router(module.router)
