"""The list of handlers: the name under which a job is queued, and the function that does it.

A handler is handler(workplace, now, **arguments). It is synchronous, runs in a thread of the worker, opens its own
transactions and calls one act. It may be run again after it was done (a crash before that was written down).
`Busy` and unexpected errors are tried again later, other errors of the world are not (`jobs/retries.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from meterbook import webhook
from meterbook.accounts import send_letters
from meterbook.announce import TASK
from meterbook.budgets import tell, watch
from meterbook.invoicing.close_run import do_close
from meterbook.invoicing.deliver import deliver
from meterbook.invoicing.schedule import close_due
from meterbook.jobs.workplace import Handler, Workplace
from meterbook.payments.collect import collect
from meterbook.payments.gateways.open import open_card_gateway, open_gateway
from meterbook.payments.methods import takes_cards
from meterbook.payments.refund import send_refund
from meterbook.payments.remind import remind_overdue
from meterbook.payments.set_up_card import end_left_forms

_log = structlog.get_logger(__name__)
KEEP_DONE_DAYS: Final = 30
DELETED_AT_ONCE_MAX: Final = 5_000
_DELETE_DONE: Final = text("""
    delete from procrastinate_jobs
    where id in (
        select job.id
        from procrastinate_jobs as job
        where job.status = 'succeeded'
        and not exists (
            select 1
            from procrastinate_events as event
            where event.job_id = job.id
            and event.at >= :before
        )
        order by job.id
        limit :most
    )
    returning id
""")


def delete_finished_jobs(place: Workplace, now: datetime) -> None:
    """Delete jobs that succeeded more than `KEEP_DONE_DAYS` ago; failed ones stay for someone to look at."""
    before = now - timedelta(days=KEEP_DONE_DAYS)
    deleted = DELETED_AT_ONCE_MAX
    while deleted == DELETED_AT_ONCE_MAX:
        with place.database.transaction() as session:
            found = session.scalars(_DELETE_DONE, {"before": before, "most": DELETED_AT_ONCE_MAX})
            deleted = len(found.all())


def deliver_letter(place: Workplace, _now: datetime, *, delivery_id: int) -> None:
    """Send an invoice, a credit note or a reminder by mail."""
    deliver(place.database.transaction, place.mailer, place.settings, place.clock, delivery_id=delivery_id)


def send_password_link(place: Workplace, now: datetime, *, email: str, language: str) -> None:
    """Send a link to choose a new password, if somebody has the e-mail."""
    send_letters.send_password_link(_sending(place), now, email=email, language=language)


def send_email_link(place: Workplace, now: datetime, *, user_id: int, email: str, language: str) -> None:
    """Send a link to an e-mail that somebody wants to sign in with, unless somebody has it."""
    send_letters.send_email_link(_sending(place), now, user_id=user_id, email=email, language=language)


def tell_email_changed(
    place: Workplace, _now: datetime, *, user_id: int, before: str, changed_at: str, language: str
) -> None:
    """Tell the e-mail that somebody signed in with before that it is another one now."""
    moment = datetime.fromisoformat(changed_at)
    send_letters.tell_email_changed(
        _sending(place), user_id=user_id, before=before, changed_at=moment, language=language
    )


def send_invitation(place: Workplace, now: datetime, *, membership_id: int, inviter: str | None) -> None:
    """Tell somebody by mail what they now belong to."""
    send_letters.send_invitation(_sending(place), now, membership_id=membership_id, inviter=inviter)


def send_staff_invitation(place: Workplace, now: datetime, *, user_id: int, inviter: str | None, language: str) -> None:
    """Tell somebody by mail that they are of the staff."""
    send_letters.send_staff_invitation(_sending(place), now, user_id=user_id, inviter=inviter, language=language)


def tell_password_changed(place: Workplace, _now: datetime, *, user_id: int, changed_at: str, language: str) -> None:
    """Tell somebody by mail that their password was changed."""
    moment = datetime.fromisoformat(changed_at)
    send_letters.tell_password_changed(_sending(place), user_id=user_id, changed_at=moment, language=language)


def tell_two_factor(
    place: Workplace, _now: datetime, *, user_id: int, changed_at: str, is_on: bool, language: str
) -> None:
    """Tell somebody by mail that two-factor authentication is on, with new recovery codes, or off."""
    moment = datetime.fromisoformat(changed_at)
    send_letters.tell_two_factor(_sending(place), user_id=user_id, changed_at=moment, is_on=is_on, language=language)


def _sending(place: Workplace) -> send_letters.Sending:
    return send_letters.Sending(place.database.transaction, place.mailer, place.settings, place.served_at)


def collect_invoice(place: Workplace, _now: datetime, *, invoice_id: int, attempt: int) -> None:
    """Charge what is unpaid of an invoice to the account's card."""
    collect(
        place.database.transaction,
        lambda name: open_gateway(name, place.settings, place.database),
        place.settings,
        place.clock,
        invoice_id=invoice_id,
        attempt=attempt,
    )


def end_card_forms(place: Workplace, now: datetime) -> None:
    """Register cards that were entered in the gateway's form by people who did not come back from it."""
    if takes_cards(place.settings):
        gateway = open_card_gateway(place.settings, place.database)
        end_left_forms(place.database.transaction, gateway, now)


def give_back(place: Workplace, _now: datetime, *, refund_id: int) -> None:
    """Have a gateway give a refund back."""
    send_refund(
        place.database.transaction,
        lambda name: open_gateway(name, place.settings, place.database),
        place.clock,
        refund_id=refund_id,
    )


def close_what_is_due(place: Workplace, now: datetime) -> None:
    """Draft, and by the setting issue, the months whose grace period is over; the log names who was passed over."""
    for closed in close_due(place.database.transaction, place.usage, place.settings, now):
        for each in closed.skipped:
            _log.warning("close.passed_over", account=each.account, reason=each.reason)


def close_as_asked(place: Workplace, _now: datetime, *, run_id: int) -> None:
    """Close a month for the accounts that the operator chose."""
    do_close(place.database.transaction, place.usage, place.settings, place.clock, run_id=run_id)


def remind(place: Workplace, now: datetime) -> None:
    """Remind of invoices that are overdue."""
    with place.database.transaction() as session:
        remind_overdue(session, now, place.settings)


def watch_budgets(place: Workplace, now: datetime) -> None:
    """Note which budgets the running months have come near to, or gone past."""
    watch.watch_budgets(place.database.transaction, place.usage, now)


def tell_budget(place: Workplace, _now: datetime, *, budget_id: int, month: str, percent: int) -> None:
    """Tell by mail that so much of a budget is used."""
    tell.tell_budget(
        place.database.transaction,
        place.mailer,
        place.settings,
        place.served_at,
        budget_id=budget_id,
        month=month,
        percent=percent,
    )


def announce(place: Workplace, now: datetime, *, event: Mapping[str, object]) -> None:
    """Tell the webhook what happened; it fails where this worker was not told of one, and may be tried again."""
    webhook.send(place.settings, event, now)


HANDLERS: Final[Mapping[str, Handler]] = {
    "delete_finished_jobs": delete_finished_jobs,
    "deliver": deliver_letter,
    "send_password_link": send_password_link,
    "send_invitation": send_invitation,
    "send_staff_invitation": send_staff_invitation,
    "send_email_link": send_email_link,
    "tell_email_changed": tell_email_changed,
    "tell_password_changed": tell_password_changed,
    "tell_two_factor": tell_two_factor,
    "collect": collect_invoice,
    "end_card_forms": end_card_forms,
    "send_refund": give_back,
    "close_due": close_what_is_due,
    "close_month": close_as_asked,
    "remind_overdue": remind,
    "watch_budgets": watch_budgets,
    "tell_budget": tell_budget,
    TASK: announce,
}
