"""The accounts of a month that is being closed, as a sheet."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.responses import Response

from meterbook.console.operator.operator_page import OperatorPage
from meterbook.console.operator.present_close import CloseRow
from meterbook.console.sheet import sheet
from meterbook.core.period import BillingMonth


def close_sheet(at: OperatorPage, month: BillingMonth, rows: Sequence[CloseRow]) -> Response:
    """Return where each account's month stands, with the amounts of its draft or invoice, as a sheet."""
    _ = at.gettext
    columns = (
        _("Code"),
        _("Name"),
        _("Time zone"),
        _("State"),
        _("Invoice"),
        _("Currency"),
        _("Net"),
        _("Tax"),
        _("Total"),
        _("Letter"),
    )
    states = {"none": _("Not drafted"), "drafted": _("Drafted"), "issued": _("Issued")}
    letters = {
        "": "",
        "sent": _("sent"),
        "waiting": _("waiting"),
        "failed": _("failed"),
        "nowhere": _("no address"),
    }
    cells = (
        (
            row.code,
            row.name,
            row.zone,
            states[row.state] if row.left is None else _("left unbilled"),
            row.number,
            row.currency,
            row.net,
            row.tax,
            row.total,
            letters[row.mail],
        )
        for row in rows
    )
    return sheet(f"close-{month}.csv", columns, cells)
