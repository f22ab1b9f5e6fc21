"""The invoice preview: what makes up the open month's amount, by project or by product."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from meterbook.catalog.queries import current_catalog
from meterbook.console.account_page import AccountPage, OfAccount
from meterbook.console.address import PREVIEW, PreviewState, opened_in
from meterbook.console.chart import chart_data
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.present_preview import Preview, Scope, present_preview
from meterbook.errors import Invalid
from meterbook.invoicing.show import show_month

router = APIRouter(include_in_schema=False)


@router.get(PREVIEW)
def invoice_preview(
    at: OfAccount,
    month: str = "",
    by: str = "project",
    open: str = "",  # noqa: A002 - a field's name
    toggle: str = "",
) -> Response:
    """Show a month's draft; `toggle` opens or closes a group for browsers without JavaScript."""
    state = _state(at, month, by, open)
    page = _page(at, state)
    if toggle:
        keys = frozenset(group.key for group in page.groups)
        return RedirectResponse(state.toggled(toggle, keys).href(), 303)
    not_over = translations(at.language).gettext("not over yet")
    data = chart_data(page.chart, formats(at.language), not_over) if page.chart else None
    return at.show("invoice_preview.html", "invoice-preview", page=page, chart_data=data)


def _state(at: AccountPage, month: str, by: str, opened: str) -> PreviewState:
    if by not in ("project", "product"):
        raise Invalid("The invoice is grouped by project or by product.", field="by")
    return PreviewState(at.account.code, at.month(month), by, opened_in(opened))  # type: ignore[arg-type]  # checked above


def _page(at: AccountPage, state: PreviewState) -> Preview:
    projects, whole, usage = at.projects(), at.sees_account, at.request.app.state.usage
    shown = show_month(at.session, usage, at.account, projects, state.month, at.now, whole=whole, by_day=True)
    assert shown.daily is not None, "the days were asked for"
    positions = {product.code: position for position, product in enumerate(current_catalog(at.session))}
    scope = Scope(len(projects), whole)
    is_final = shown.issued is not None
    return present_preview(shown.draft, shown.daily, state, scope, at.language, at.now, positions, is_final)
