"""The overview: what the month will cost, and why it is more than the last."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from meterbook.console.account_page import OfAccount, pages_open_to

router = APIRouter(include_in_schema=False)


@router.get("/")
def first_page(at: OfAccount) -> Response:
    """Lead to the first page that shows the reader something."""
    if at.reader.access.may_operate():
        return RedirectResponse("/operator", 303)
    return RedirectResponse(f"/{pages_open_to(at.reader.access, at.account)[0]}", 303)
