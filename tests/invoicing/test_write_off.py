"""What nobody will pay is written off, and owed again when somebody does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Project
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.invoicing.limit import limit_projects
from meterbook.invoicing.queries import Standing, credit_notes_of, standing_of
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.write_off import reinstate, write_off
from meterbook.ledger.queries import balance_through
from meterbook.payments.history import settlings_of
from meterbook.payments.record import record, top_up
from meterbook.payments.timeline import Kind, timeline_of
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def act(office: Office, what: Callable[..., object], code: str, invoice: Invoice) -> str:
    with office.database.transaction() as session:
        stored = session.get_one(Invoice, invoice.id)
        return str(what(session, office.now, account=office.row(code), invoice=stored))


def standing(office: Office, code: str, invoice: Invoice) -> Standing:
    with office.database.transaction() as session:
        return standing_of(session, session.get_one(Invoice, invoice.id), office.row(code), office.now)


def pay(office: Office, code: str, amount: str) -> None:
    with office.database.transaction() as session:
        day = office.now.date()
        account = office.row(code)
        record(session, office.now, account=account, amount=usd(amount), received_on=day, reference="wire")


def balance(office: Office, code: str) -> int:
    with office.database.transaction() as session:
        return balance_through(session, office.row(code).id)


def test_what_is_paid_after_all_is_owed_again_first(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    pay(office, code, "40.00")
    for _ in range(2):
        assert act(office, write_off, code, invoice) == "60.00"
        assert standing(office, code, invoice).status == "written_off"
        assert act(office, reinstate, code, invoice) == "60.00"
        stands = standing(office, code, invoice)
        assert (stands.status, str(stands.unpaid), str(stands.written_off)) == ("partially_paid", "60.00", "0.00")
    pay(office, code, "60.00")
    assert standing(office, code, invoice).status == "paid"
    with office.database.transaction() as session:
        stored, account = session.get_one(Invoice, invoice.id), office.row(code)
        notes = credit_notes_of(session, [invoice.id]).get(invoice.id, [])
        told = timeline_of(stored, settlings_of(session, account, stored, notes), notes, [], [])
    moved = [(each.kind, str(each.amount)) for each in told if each.amount is not None][1:]
    assert sorted(moved) == sorted(
        [(Kind.payment, "40.00"), (Kind.payment, "60.00")]
        + [(Kind.write_off, "60.00"), (Kind.reinstatement, "-60.00")] * 2
    )
    assert told[-1].kind is Kind.paid
    office.check()


def test_the_balance_pays_what_is_owed_again(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    act(office, write_off, code, invoice)
    with office.database.transaction() as session:
        top_up(session, office.now, account=office.row(code), amount=usd("70.00"), reference="")
    assert balance(office, code) == 7000
    act(office, reinstate, code, invoice)
    stands = standing(office, code, invoice)
    assert (str(stands.unpaid), balance(office, code)) == ("30.00", 0)
    office.check()


def test_a_limit_for_the_bill_is_lifted_with_it(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    account = office.row(code)

    def limited(session: Session) -> list[str | None]:
        return list(session.scalars(select(Project.limited_for).where(Project.account_id == account.id)))

    with office.database.transaction() as session:
        limit_projects(session, office.now, account)
        assert limited(session) == ["overdue"]
    act(office, write_off, code, invoice)
    with office.database.transaction() as session:
        assert limited(session) == [None]


def test_what_is_not_written_off_is_not_reinstated(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    with pytest.raises(Refused, match="is written off"):
        act(office, reinstate, code, invoice)
    assert standing(office, code, invoice).status == "issued"
