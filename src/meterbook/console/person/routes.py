"""All pages about the person who reads."""

from fastapi import APIRouter

from meterbook.console.person import invitation, own_account, password, sign_in

router = APIRouter(include_in_schema=False)
for module in (sign_in, password, invitation, own_account):
    router.include_router(module.router)
