"""All pages about the person who reads."""

from fastapi import APIRouter

from meterbook.console.person import invitation, keys, own_account, password, people, sign_in

router = APIRouter(include_in_schema=False)
for module in (sign_in, password, invitation, own_account, people, keys):
    router.include_router(module.router)
