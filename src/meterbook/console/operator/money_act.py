"""Acts of money: looked at before they are done, done once, and done only if they are still what was looked at."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.tables import Account
from meterbook.console.operator.fields import Fields, Form
from meterbook.console.operator.operator_page import OperatorPage, Problems, status_of
from meterbook.errors import Invalid, MeterbookError, Refused
from meterbook.idempotency import Answer, once
from meterbook.invoicing.effect import Effect

HERE: Final = "accounts"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act of money comes to, told to whoever confirms it: facts (label, value), and what it changes.

    `to` is the page that shows what was done.
    """

    facts: tuple[tuple[str, str], ...]
    effect: Effect
    to: str

    @property
    def seen(self) -> str:
        """A hash of all that is told, to compare what was looked at with what is done."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MoneyAct:
    """An act of money: its page, the fields of its form, and the deed, which reads the fields and returns its outcome.

    `title`, `warning` and `button` are texts in the reader's language. `context` is what else its form shows.
    """

    account: Account
    path: str
    template: str
    title: str
    warning: str
    button: str
    back: str
    deed: Callable[[Fields], Outcome]
    context: Callable[[], dict[str, object]] = dict


def look(at: OperatorPage, act: MoneyAct, asked: Fields) -> Response:
    """Show the form, or with `look` among the fields what the act would come to, to be confirmed."""
    if not asked.text("look", 10):
        return _form(at, act, Form())
    try:
        outcome = at.tried(lambda: act.deed(asked))
    except Problems as problem:
        return _form(at, act, Form(asked, problem), status_of(problem))
    return _confirm(at, act, asked, outcome)


def carry_out(at: OperatorPage, act: MoneyAct, sent: Fields) -> Response:
    """Do the act that was confirmed, once for its key, and lead to what was done.

    What comes to something else by now than what was looked at is not done, and shown again.
    """
    key, request = sent.text("key", 100), repr((act.path, sorted(sent.typed()))).encode()
    if not key:
        raise Invalid("This form is incomplete: go back, reload the page and send it again.", field="key")

    def answer() -> Answer:
        outcome = act.deed(sent)
        if outcome.seen != sent.text("seen", 100):
            raise Refused("Something changed meanwhile: review what it comes to now, and confirm again.")
        return Answer(303, outcome.to.encode())

    try:
        given = at.attempt(lambda: once(at.session, at.now, f"console:{at.by}", key, request, answer))
    except Problems as problem:
        return _refused(at, act, sent, problem)
    return RedirectResponse(given.body.decode(), given.status)


def _refused(at: OperatorPage, act: MoneyAct, sent: Fields, problem: MeterbookError) -> Response:
    try:
        outcome = at.tried(lambda: act.deed(sent))
    except Problems as again:
        return _form(at, act, Form(sent, again), status_of(again))
    return _confirm(at, act, sent, outcome, problem)


def _form(at: OperatorPage, act: MoneyAct, form: Form, status: int = 200) -> Response:
    return at.show(act.template, HERE, status, act=act, account=act.account, form=form, **act.context())


def _confirm(
    at: OperatorPage, act: MoneyAct, fields: Fields, outcome: Outcome, problem: MeterbookError | None = None
) -> Response:
    return at.show(
        "confirm.html",
        HERE,
        200 if problem is None else status_of(problem),
        act=act,
        account=act.account,
        outcome=outcome,
        fields=[pair for pair in fields.typed() if pair[0] != "done"],
        key=secrets.token_urlsafe(16),
        problem=problem,
    )
