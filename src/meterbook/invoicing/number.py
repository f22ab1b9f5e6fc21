"""Give numbers: gapless and chronological per legal entity, document type and year (DOMAIN 6)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import case
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.invoicing.tables import NumberSeries
from meterbook.settings import Settings


class DocumentType(StrEnum):
    """What is numbered in a series of its own."""

    invoice = "invoice"
    credit_note = "credit_note"


def next_number(
    session: Session, now: datetime, settings: Settings, document_type: DocumentType
) -> tuple[str, datetime]:
    """Return the next number ("INV-2026-000001") and the moment it is given at; as `next_numbers`."""
    numbers, given_at = next_numbers(session, now, settings, document_type, 1)
    return numbers[0], given_at


def next_numbers(
    session: Session, now: datetime, settings: Settings, document_type: DocumentType, count: int
) -> tuple[list[str], datetime]:
    """Return the next numbers, ascending, and the moment they are given at; `count` is 1 or more.

    The series stays locked until the transaction ends, so a number that is given up leaves no gap. Numbers follow time:
    the moment is `now`, or that of the number before when that lies later.
    """
    statement = insert(NumberSeries).values(
        legal_entity=settings.legal_entity_name,
        document_type=document_type.value,
        year=now.year,
        last_number=count,
        last_issued_at=now,
    )
    later = case((NumberSeries.last_issued_at > now, NumberSeries.last_issued_at), else_=now)
    row = session.execute(
        statement.on_conflict_do_update(
            index_elements=["legal_entity", "document_type", "year"],
            set_={"last_number": NumberSeries.last_number + count, "last_issued_at": later},
        ).returning(NumberSeries.last_number, NumberSeries.last_issued_at)
    ).one()
    prefix = settings.number_prefix_invoice
    if document_type is DocumentType.credit_note:
        prefix = settings.number_prefix_credit_note
    first = row.last_number - count + 1
    return [f"{prefix}-{now.year}-{number:06}" for number in range(first, first + count)], row.last_issued_at
