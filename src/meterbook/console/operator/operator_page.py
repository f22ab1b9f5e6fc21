"""The operator's pages: what each starts from (who of the staff, when), and the frame it is shown in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from meterbook.accounts.queries import account_by_code
from meterbook.accounts.tables import Account
from meterbook.console.account_page import Heading
from meterbook.console.address import address_of
from meterbook.console.languages import translations
from meterbook.console.operator.fields import Fields, Form
from meterbook.console.pages import render
from meterbook.console.protection import form_token
from meterbook.console.requests import Books, Now, OfOperator, Reader
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.sentence import say
from meterbook.errors import Invalid, MeterbookError, NotFound, Refused
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore

HOME: Final = "/operator"
# The menu, in order: keys of the layout, with where they lead.
MENU: Final = (
    ("operator/start", HOME),
    ("operator/accounts", f"{HOME}/accounts"),
    ("operator/closes", f"{HOME}/closes"),
    ("operator/report", f"{HOME}/report"),
    ("operator/journal", f"{HOME}/journal"),
    ("operator/promotions", f"{HOME}/promotions"),
    ("operator/catalog", f"{HOME}/catalog"),
    ("operator/verification", f"{HOME}/verification"),
    ("operator/people", f"{HOME}/people"),
    ("operator/audit-log", f"{HOME}/audit-log"),
)
UTC: Final = billing_zone("UTC")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """What a page of the operator's starts from."""

    request: Request
    session: Session
    reader: Reader
    now: datetime

    @property
    def language(self) -> str:
        """The language the page is written in."""
        return self.reader.language

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        settings: Settings = self.request.app.state.settings
        return settings

    @property
    def usage(self) -> UsageStore:
        """The store of usage."""
        usage: UsageStore = self.request.app.state.usage
        return usage

    @property
    def by(self) -> str:
        """Who is acting, as it is noted beside what they did."""
        return self.reader.access.subject

    def gettext(self, text: str) -> str:
        """Return a text of the console in the reader's language."""
        return translations(self.language).gettext(text)

    def account(self, code: str) -> Account:
        """Return an account; raises `NotFound`."""
        return account_by_code(self.session, code, self.reader.access)

    def month(self, text: str) -> BillingMonth:
        """Read a month of an address, the one before the running one (UTC) for none. Raises `Invalid`."""
        try:
            return BillingMonth.parse(text) if text else BillingMonth.of(self.now, UTC).previous()
        except ValueError as error:
            raise Invalid(say("%(what)s.", what=error.args[0]), field="month") from None

    def attempt(self, act: Callable[[], Result]) -> Result:
        """Return what an act returns; one that is refused leaves nothing behind, and the page can still be shown."""
        with self.session.begin_nested():
            return act()

    def tried(self, act: Callable[[], Result]) -> Result:
        """Return what an act would return now, and undo it."""
        with self.session.begin_nested() as point:
            result = act()
            point.rollback()
        return result

    def show(self, template: str, here: str, status: int = 200, **values: object) -> Response:
        """Return the page made of a template of templates/operator; `here` is its key of `MENU`."""
        token = form_token(self.reader.token)
        heading = Heading(email=self.by, form_token=token, is_operator=True, menu=MENU)
        name = f"operator/{template}"
        return render(
            self.request,
            name,
            self.language,
            status,
            None,
            here=f"operator/{here}",
            at=self,
            reader=heading,
            done=self.request.query_params.get("done", ""),
            **values,
        )

    def show_again(
        self, template: str, here: str, fields: Fields, problem: MeterbookError, **values: object
    ) -> Response:
        """Return a page with the form that was refused, as it was filled in."""
        return self.show(template, here, status_of(problem), form=Form(fields, problem), **values)


def status_of(problem: MeterbookError) -> int:
    """Return the HTTP status of a form that is shown again for a problem."""
    return 422 if isinstance(problem, Invalid) else 404 if isinstance(problem, NotFound) else 409


def led_to(path: str, done: str, **state: object) -> Response:
    """Return the way to the page that says what was done (`done`: a key that the page knows)."""
    return RedirectResponse(address_of(path, **state, done=done), 303)


def _operator_page(request: Request, session: Books, reader: OfOperator, now: Now) -> OperatorPage:
    return OperatorPage(request, session, reader, now)


# The page of somebody of the staff; anybody else learns that there is no such page. It comes first among what a route
# depends on, before the proof of a form.
AsOperator = Annotated[OperatorPage, Depends(_operator_page, scope="function")]
Problems: Final = (Invalid, Refused, NotFound)
