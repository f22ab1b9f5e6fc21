"""A month's charges in the columns of FOCUS, for the tools in which a company adds up what all its clouds cost."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from meterbook.console.account_page import OfAccount
from meterbook.console.address import FOCUS
from meterbook.exports.files import focus_csv
from meterbook.exports.focus import Version, focus_rows
from meterbook.exports.month import billed
from meterbook.invoicing.draft import Payer

router = APIRouter(include_in_schema=False)


@router.get(FOCUS)
def focus(at: OfAccount, month: Annotated[str, Query(max_length=7)] = "") -> StreamingResponse:
    """Return a row for every charge of the projects that the reader may see billing of."""
    of = at.month(month)
    payer = Payer(at.account, at.projects(), at.sees_account)
    state = at.request.app.state
    shown = state.remembered.show(at.session, state.usage, payer, of, at.now)
    rows = focus_rows(billed(at.session, state.settings, payer, shown))
    name = f"focus-{at.account.code}-{of}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(focus_csv(rows, Version.v1_4), headers=headers, media_type="text/csv; charset=utf-8")
