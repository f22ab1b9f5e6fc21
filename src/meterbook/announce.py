"""Announcements: what happens to bills, payments, projects and accounts, for the service that sells by them.

An announcement is a job of the transaction that causes it, which `webhook.py` sends; where no webhook is set, none is
made. It names what changed and how to find it: whoever hears of it reads the state from the API, since announcements
may come twice, late, or in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy.orm import Session

from meterbook.database import ANNOUNCES
from meterbook.outbox import Job, defer_all

TASK: Final = "announce"


class Happening(StrEnum):
    """What is announced, as the `type` of a CloudEvent."""

    invoice_issued = "meterbook.invoice.issued"
    invoice_paid = "meterbook.invoice.paid"
    invoice_overdue = "meterbook.invoice.overdue"
    invoice_written_off = "meterbook.invoice.written_off"
    invoice_reinstated = "meterbook.invoice.reinstated"
    credit_note_issued = "meterbook.credit_note.issued"
    payment_received = "meterbook.payment.received"
    payment_declined = "meterbook.payment.declined"
    payment_refunded = "meterbook.payment.refunded"
    payment_returned = "meterbook.payment.returned"
    project_limited = "meterbook.project.limited"
    project_unlimited = "meterbook.project.unlimited"
    account_closed = "meterbook.account.closed"
    account_reopened = "meterbook.account.reopened"
    budget_reached = "meterbook.budget.reached"
    ping = "meterbook.ping"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened to a `subject` (a number, code or id) of an account (its code); `data` says how much."""

    happening: Happening
    account: str
    subject: str
    data: Mapping[str, object]


def announces(session: Session) -> bool:
    """Return whether anybody listens; what is read only to be announced need not be read otherwise."""
    return bool(session.info.get(ANNOUNCES))


def announce(session: Session, now: datetime, *announcements: Announcement) -> None:
    """Queue announcements in the session's transaction, if anybody listens."""
    if announces(session):
        events = [
            event_of(each.happening, each.subject, now, {"account": each.account, **each.data})
            for each in announcements
        ]
        defer_all(session, TASK, [Job({"event": event}) for event in events])


def event_of(happening: Happening, subject: str, now: datetime, data: Mapping[str, object]) -> dict[str, object]:
    """Return a CloudEvent without its source, which the sender knows."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "type": happening.value,
        "subject": subject,
        "time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(data),
    }
