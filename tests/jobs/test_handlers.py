"""The jobs that there are: each that is queued or scheduled has a handler, and what those do that no room tests."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import meterbook
from meterbook.accounts.add_account import add_account
from meterbook.accounts.queries import payment_information_of
from meterbook.errors import Refused
from meterbook.jobs.handlers import HANDLERS, KEEP_DONE_DAYS
from meterbook.jobs.schedule import SCHEDULE
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.register import checked
from meterbook.payments.set_up_card import begin
from tests.jobs.conftest import change, failing, jobs, queue


def test_the_schedule_names_handlers_that_exist() -> None:
    assert [each for each in SCHEDULE if each.task not in HANDLERS] == []


def deferred_names() -> set[str]:
    """Return the names under which the package queues jobs."""
    package = Path(meterbook.__file__).parent
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in package.rglob("*.py"))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = [call.args[1] for call in calls if ast.unparse(call.func).endswith("defer") and len(call.args) == 2]
    return {str(name.value) for name in named if isinstance(name, ast.Constant)}


def test_every_job_that_is_queued_has_a_handler() -> None:
    assert "deliver" in deferred_names()
    assert deferred_names() - HANDLERS.keys() == set()


def test_jobs_that_succeeded_long_ago_are_deleted(place: Workplace) -> None:
    for note in (None, None, Refused("no")):
        queue(place.database, "note")
        drain(place, handlers={"note": failing(note)[0]})
    newest = queue(place.database, "note")
    change(
        place.database,
        "update procrastinate_events set at = at - interval '31 days' where job_id <> :id",
        id=newest,
    )
    queue(place.database, "delete_finished_jobs")
    assert KEEP_DONE_DAYS == 30
    assert drain(place, handlers={"delete_finished_jobs": HANDLERS["delete_finished_jobs"], "note": failing(None)[0]})
    statuses = [(name, status) for name, status, _ in jobs(place.database)]
    assert statuses == [("note", "failed"), ("note", "succeeded"), ("delete_finished_jobs", "succeeded")]


def test_cards_that_were_left_at_the_gateway_are_registered(place: Workplace) -> None:
    now = place.clock()
    with place.database.transaction() as session:
        account = add_account(session, now, code="left", currency="USD", billing_email="left@card.example")
    fields = {"company": None, "registration_number": None, "recipient": None, "email": None, "language": None}
    information = checked(account, method="card", cc=[], **fields)
    gateway = FakeGateway(place.database, "secret")
    form = begin(
        place.database.transaction,
        gateway,
        now,
        account=account,
        information=information,
        return_url="https://billing.example.com/payment-information/card?account=left",
        language="en",
        key="key",
    )
    gateway.choose_card("left", form.reference, "fake_succeeds")
    without_cards = replace(place, settings=place.settings.model_copy(update={"fake_gateway": False}))
    for at, method in ((without_cards, None), (place, "card")):
        queue(place.database, "end_card_forms")
        assert drain(at, handlers=HANDLERS) == 1
        with place.database.transaction() as session:
            registered = payment_information_of(session, account.id)
        assert (registered.method if registered else None) == method
    assert {status for _, status, _ in jobs(place.database)} == {"succeeded"}
