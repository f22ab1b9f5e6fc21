"""Cards are charged on the due date, tried again on days 1, 3 and 7, and then the account is limited (DOMAIN 6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, text

from meterbook.accounts.change_project import change_project
from meterbook.accounts.tables import Project
from meterbook.core.money import Money
from meterbook.database import Database
from meterbook.errors import Denied, Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.queries import status_of
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.queries import balance_through, paid_with, unpaid_of
from meterbook.outbox import try_again
from meterbook.payments.collect import attempts_of
from meterbook.payments.gateway import GatewayNews, NewsKind
from meterbook.payments.news import take_news
from meterbook.payments.queries import payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund, refunded
from meterbook.payments.remind import remind_overdue
from meterbook.payments.tables import Refund
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def unpaid(office: Office, invoice: Invoice) -> str:
    with office.database.transaction() as session:
        return str(usd("0.00") + Money(unpaid_of(session, invoice.id, invoice.account_id), usd("0.00").currency))


def tries(office: Office, invoice: Invoice) -> list[tuple[int, str]]:
    with office.database.transaction() as session:
        return [(each.number, each.status) for each in attempts_of(session, invoice.id)]


def limited(office: Office, code: str) -> list[str | None]:
    with office.database.transaction() as session:
        return list(session.scalars(select(Project.limited_for).where(Project.account_id == office.row(code).id)))


def gave_up(office: Office) -> None:
    """Let what waits for another attempt have had its last one."""
    with office.database.transaction() as session:
        session.execute(text("update procrastinate_jobs set status = 'failed' where status = 'todo' and attempts > 0"))


def test_a_charge_that_was_asked_for_in_vain_is_asked_for_again_by_its_job(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_times_out_then_succeeds")
    invoice = office.issued(code, "100.00")
    office.work("2027-07-25T00:00Z")
    gave_up(office)
    office.work("2027-07-28T00:00Z")
    assert (unpaid(office, invoice), tries(office, invoice)) == ("100.00", [(1, "pending")])
    with office.database.transaction() as session:
        assert try_again(session, "collect") == 1
    office.work()
    assert (unpaid(office, invoice), tries(office, invoice)) == ("0.00", [(1, "succeeded")])
    office.check()


def reminders(office: Office) -> list[str]:
    """Remind of what is overdue, and return the letters of reminders."""
    with office.database.transaction() as session:
        remind_overdue(session, office.now, office.settings)
    office.work()
    return [path.name for path in office.letters() if ".overdue@" in path.name]


def test_a_card_is_charged_on_the_due_date(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    invoice = office.issued(code, "100.00")
    assert str(invoice.due_on) == "2027-07-25"
    office.work("2027-07-24T23:59Z")
    assert (unpaid(office, invoice), tries(office, invoice)) == ("100.00", [])
    office.work("2027-07-25T00:00Z")
    assert (unpaid(office, invoice), tries(office, invoice)) == ("0.00", [(1, "succeeded")])
    office.work("2027-08-25T00:00Z")
    assert tries(office, invoice) == [(1, "succeeded")]
    office.check()


def test_a_card_that_is_registered_by_the_due_date_pays(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    office.now = utc("2027-07-24T12:00Z")
    office.register(code, "card", "fake_succeeds")
    office.work("2027-07-25T00:00Z")
    assert (unpaid(office, invoice), tries(office, invoice)) == ("0.00", [(1, "succeeded")])
    assert reminders(office) == []
    office.check()


def test_a_card_that_is_registered_later_is_not_charged_and_the_invoice_is_reminded_of(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    office.work("2027-07-26T00:00Z")
    office.register(code, "card", "fake_succeeds")
    office.work("2027-07-26T09:00Z")
    assert (unpaid(office, invoice), tries(office, invoice)) == ("100.00", [])
    assert len(reminders(office)) == 1


def test_a_declined_card_is_tried_on_days_1_3_and_7_then_the_account_is_limited(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    invoice = office.issued(code, "100.00")
    for day, count in (("25", 1), ("26", 2), ("27", 2), ("28", 3), ("31", 3)):
        office.work(f"2027-07-{day}T01:00Z")
        assert len(tries(office, invoice)) == count, day
        assert limited(office, code) == [None]
    office.work("2027-08-01T01:00Z")
    assert tries(office, invoice) == [(number, "declined") for number in (1, 2, 3, 4)]
    assert limited(office, code) == ["overdue"]
    office.work("2027-09-01T00:00Z")
    assert len(tries(office, invoice)) == 4
    # the invoice itself, and a letter of each try
    assert len(office.letters()) == 5
    with office.database.transaction() as session:
        record(
            session,
            office.now,
            account=office.row(code),
            amount=usd("100.00"),
            received_on=office.now.date(),
            reference="",
        )
    assert (unpaid(office, invoice), limited(office, code)) == ("0.00", [None])
    office.check()


def test_tries_keep_their_distance_when_the_first_is_late(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    invoice = office.issued(code, "100.00")
    for day, count in (("10", 1), ("11", 2), ("12", 2), ("13", 3), ("16", 3), ("17", 4)):
        assert limited(office, code) == [None]
        office.work(f"2027-08-{day}T01:00Z")
        assert len(tries(office, invoice)) == count, day
    assert limited(office, code) == ["overdue"]


def test_a_project_that_staff_limits_meanwhile_stays_limited_when_the_bill_is_paid(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    office.issued(code, "100.00")
    for day in ("07-25", "07-26", "07-28", "08-01"):
        office.work(f"2027-{day}T01:00Z")
    with office.database.transaction() as session:
        account = office.row(code)
        (project,) = session.scalars(select(Project).where(Project.account_id == account.id))
        since = project.limited_at
        change_project(session, utc("2027-08-02T01:00Z"), account=account, project=project, limited=True)
        record(session, office.now, account=account, amount=usd("100.00"), received_on=office.now.date(), reference="")
        session.refresh(project)
        assert (project.limited_at, project.limited_for) == (since, "operator")


def test_a_credit_note_that_leaves_nothing_overdue_lifts_the_limit(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    invoice = office.issued(code, "100.00")
    for day in ("07-25", "07-26", "07-28", "08-01"):
        office.work(f"2027-{day}T01:00Z")
    assert limited(office, code) == ["overdue"]
    for net, limit in (("99.99", "overdue"), ("0.01", None)):
        with office.database.transaction() as session:
            stored, account = session.get_one(Invoice, invoice.id), office.row(code)
            nets = {1: usd(net)}
            credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)
        assert limited(office, code) == [limit]
    office.check()


def test_a_charge_whose_answer_was_lost_is_made_once(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_times_out_then_succeeds")
    invoice = office.issued(code, "100.00")
    office.work("2027-07-25T00:00Z")
    assert tries(office, invoice) == [(1, "pending")]
    office.work("2027-07-25T02:00Z")
    assert (tries(office, invoice), unpaid(office, invoice)) == ([(1, "succeeded")], "0.00")
    with office.database.transaction() as session:
        assert len(payments_of(session, invoice.account_id)) == 1
        assert session.scalar(text("select count(*) from fake_gateway_charge where status = 'succeeded'")) == 1
    office.check()


def test_news_of_a_confirmed_charge_counts_once_and_only_signed(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_needs_action")
    invoice = office.issued(code, "100.00")
    office.work("2027-07-25T00:00Z")
    assert tries(office, invoice) == [(1, "needs_action")]
    gateway = office.gateway()
    with office.database.transaction() as session:
        (attempt,) = attempts_of(session, invoice.id)
    assert attempt.gateway_reference is not None
    body = gateway.confirm(attempt.gateway_reference, office.now)
    with pytest.raises(Denied, match="signature"):
        gateway.news_of(body + b" ", gateway.signed(body, office.now), office.now)
    headers = {name.lower(): value for name, value in gateway.signed(body, office.now).items()}
    news = gateway.news_of(body, headers, office.now)
    for is_new in (True, False):
        with office.database.transaction() as session:
            assert take_news(session, office.now, office.settings, "fake", news) is is_new
    assert (tries(office, invoice), unpaid(office, invoice)) == ([(1, "succeeded")], "0.00")
    office.work("2027-07-27T00:00Z")
    assert tries(office, invoice) == [(1, "succeeded")]
    assert json.loads(body)
    office.check()


def test_partial_payments_and_an_overpayment(office: Office) -> None:
    code = office.account("10")
    first, second = office.issued(code, "100.00"), None
    office.now = utc("2027-08-03T00:00Z")
    second = office.issued(code, "50.00", "2027-07")
    for amount, left in (("30.00", ("80.00", "55.00")), ("100.00", ("0.00", "35.00")), ("40.00", ("0.00", "0.00"))):
        with office.database.transaction() as session:
            record(
                session,
                office.now,
                account=office.row(code),
                amount=usd(amount),
                received_on=office.now.date(),
                reference=amount,
            )
        assert (unpaid(office, first), unpaid(office, second)) == left
    with office.database.transaction() as session:
        assert balance_through(session, first.account_id) == 500
        assert paid_with(session, first.id) == ({}, {}, 11_000)
        assert status_of(first, 0, office.now.date()) == "paid"
    office.check()


def test_refunds_come_out_of_the_cash_balance_and_no_further(office: Office) -> None:
    code = office.account()
    with office.database.transaction() as session:
        payment = top_up(session, office.now, account=office.row(code), amount=usd("100.00"), reference="ahead")
    invoice = office.issued(code, "60.00")
    assert unpaid(office, invoice) == "0.00"
    account = office.row(code)
    with pytest.raises(Refused, match=r"40\.00 can be refunded"), office.database.transaction() as session:
        refund(session, office.now, account=account, payment=payment, amount=usd("40.01"), reason="")
    with office.database.transaction() as session:
        refund(session, office.now, account=account, payment=payment, amount=usd("25.00"), reason="asked for")
    with office.database.transaction() as session:
        assert (balance_through(session, account.id), refunded(session, payment.id)) == (1500, 2500)
    office.check()


def refunded_card(office: Office) -> tuple[int, Refund]:
    """Charge a card, credit 30.00 of it and refund that; return the account's id and the refund."""
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    invoice = office.issued(code, "80.00")
    office.work("2027-07-25T00:00Z")
    with office.database.transaction() as session:
        stored, account = session.get_one(Invoice, invoice.id), office.row(code)
        nets = {1: usd("30.00")}
        credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)
        (payment,) = payments_of(session, account.id)
        row = refund(session, office.now, account=account, payment=payment, amount=usd("30.00"), reason="")
        assert row.status == "pending"
    office.work()
    return account.id, row


def standing(office: Office, account_id: int, row: Refund) -> tuple[str, int]:
    """Return a refund's status, and what is in the balance."""
    with office.database.transaction() as session:
        return session.get_one(Refund, row.id).status, balance_through(session, account_id)


def test_a_cards_overpayment_is_refunded_through_its_gateway(office: Office) -> None:
    account_id, row = refunded_card(office)
    assert standing(office, account_id, row) == ("succeeded", 0)
    office.check()


def test_a_refund_that_the_bank_sends_back_weeks_later_is_in_the_balance_again(office: Office) -> None:
    account_id, row = refunded_card(office)

    def told(event: str, kind: NewsKind) -> None:
        news = GatewayNews(event, kind, office.now, refund_reference="re_1", key=f"refund/{row.id}")
        with office.database.transaction() as session:
            assert take_news(session, office.now, office.settings, "fake", news)

    told("late", NewsKind.refund_succeeded)
    assert standing(office, account_id, row) == ("succeeded", 0)
    for event in ("failed", "failed again"):
        told(event, NewsKind.refund_failed)
        assert standing(office, account_id, row) == ("declined", 3000)
    told("much too late", NewsKind.refund_succeeded)
    assert standing(office, account_id, row) == ("declined", 3000)
    with office.database.transaction() as session:
        assert refunded(session, row.payment_id) == 0
    office.check()


def test_what_is_overdue_is_reminded_of_once(office: Office) -> None:
    code = office.account(language="ja")
    office.register(code)
    office.issued(code, "80.00")
    office.work()
    assert len(office.letters()) == 1
    found = []
    for day in ("25", "26", "27"):
        office.now = utc(f"2027-07-{day}T09:00Z")
        found.append(len(reminders(office)))
    assert found == [0, 1, 1]
    assert len(office.letters()) == 2
