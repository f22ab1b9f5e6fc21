"""The console as one door: puts its routes, its built files and its headers on an application."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from meterbook.console.account_page import Heading, NoAccount
from meterbook.console.my_usage import routes as my_usage
from meterbook.console.operator import routes as operator
from meterbook.console.pages import STATIC_PATH, render, static_files
from meterbook.console.person import routes as person
from meterbook.console.person.attempts import Attempts, LettersAsked
from meterbook.console.protection import PageHeaders, form_token
from meterbook.console.requests import TWO_FACTOR_PATH, TwoFactorWanted
from meterbook.database import Database
from meterbook.invoicing.remembered import RememberedMonths
from meterbook.tries import Tries


def mount(app: FastAPI) -> None:
    """Add the pages to an application whose `state` has `database`, `usage`, `settings` and `clock`.

    Errors are the application's to handle: `problems.page_of` shows them to people.
    """
    for router in (*person.ROUTERS, *my_usage.ROUTERS):
        app.include_router(router, include_in_schema=False)
    for router in operator.ROUTERS:
        app.include_router(router, prefix=operator.PREFIX, include_in_schema=False)
    app.mount(STATIC_PATH, static_files(), name="static")
    app.add_middleware(PageHeaders)

    @app.exception_handler(NoAccount)
    def without_an_account(request: Request, error: NoAccount) -> Response:
        reader = error.reader
        if reader.access.may_operate():
            return RedirectResponse("/operator", 303)
        heading = Heading(reader.access.subject, form_token(reader.token), is_operator=False)
        return render(request, "my_usage/no_account.html", reader.language, reader=heading)

    @app.exception_handler(TwoFactorWanted)
    def without_two_factor(_request: Request, _error: TwoFactorWanted) -> Response:
        return RedirectResponse(TWO_FACTOR_PATH, 303)


def remember_nothing(app: FastAPI, database: Database) -> None:
    """Begin with nothing in mind of earlier requests."""
    tries = Tries(database)
    app.state.sign_in_attempts, app.state.letters_asked = Attempts(tries), LettersAsked(tries)
    app.state.remembered = RememberedMonths()
