"""Problems as pages: what went wrong in the reader's words, and the way on; 401 leads to the sign-in page."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.pages import language_of, render


def page_of(request: Request, status: int, message: str = "") -> Response:
    """Return the page of an error; `message` says what to do about a wrong request.

    Without proof (401) the answer leads to the sign-in page and from there back.
    """
    if status == 401:
        return _to_sign_in(request)
    language = language_of(request)
    title, general = _words(language, status)
    # What may not be seen and what broke inside is described in general words alone.
    text = formats(language).said(message) if message and status in (400, 409, 413, 422) else general
    return render(request, "problem.html", language, status, code=status, title=title, message=text)


def _to_sign_in(request: Request) -> Response:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    to = "/sign-in" + (f"?{urlencode({'next': back})}" if request.method == "GET" else "")
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"hx-redirect": to})
    return RedirectResponse(to, 303)


def _words(language: str, status: int) -> tuple[str, str]:
    _ = translations(language).gettext
    match status:
        case 403:
            return _("This is not open to you"), _(
                "If a form brought you here, go back, reload the page and try again."
            )
        case 404 | 405:
            return _("This page does not exist"), _("Or it is not yours to see. Check the address.")
        case 429 | 503:
            return _("Meterbook is busy"), _("Nothing was changed. Try again in a moment.")
        case _ if status < 500:
            return _("This address does not work"), _("Check the address, or start again from the first page.")
        case _:
            return _("Something went wrong on our side"), _("Nothing was changed. Try again, and tell us if it stays.")
