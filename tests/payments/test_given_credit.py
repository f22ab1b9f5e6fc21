"""Credit that is given by hand: it pays bills of the running month and later, and what is left of it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from meterbook.core.money import Money
from meterbook.database import Database
from meterbook.errors import Invalid, NotFound, Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.queries import credits_left, unpaid_of
from meterbook.payments.give_credit import give_credit
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.promotions.withdraw import withdraw_credit
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import USD, Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def do(office: Office, act: Callable[[Session], object]) -> None:
    with office.database.transaction() as session:
        act(session)


def give(office: Office, code: str, amount: str, until: str | None = None) -> int:
    account, ends_at = office.row(code), utc(until) if until else None
    with office.database.transaction() as session:
        return give_credit(
            session, office.now, account=account, amount=usd(amount), name=" Outage ", ends_at=ends_at
        ).id


def take(office: Office, code: str, credit_id: int) -> None:
    account = office.row(code)
    do(office, lambda session: withdraw_credit(session, office.now, account=account, credit_id=credit_id))


def left(office: Office, code: str) -> Money:
    with office.database.transaction() as session:
        return Money(sum(credits_left(session, [office.row(code).id]).values()), USD)


def unpaid(office: Office, invoice: Invoice) -> Money:
    with office.database.transaction() as session:
        return Money(unpaid_of(session, invoice.id, invoice.account_id), USD)


def test_it_pays_the_running_months_bill_and_not_what_was_issued_before(office: Office) -> None:
    code = office.account()
    office.register(code)
    june = office.issued(code, "100.00")
    give(office, code, "30.00")
    assert (unpaid(office, june), left(office, code)) == (usd("100.00"), usd("30.00"))
    office.now = utc("2027-08-03T00:17Z")
    office.use(code, "20.00", "2027-07-10T10:00:00Z")
    july = office.issued(code, month="2027-07")
    assert (unpaid(office, july), left(office, code)) == (usd("0.00"), usd("10.00"))
    office.check()


def test_what_is_left_at_its_end_expires_with_its_month(office: Office) -> None:
    code = office.account()
    give(office, code, "30.00", "2027-07-20T00:00Z")
    office.now = utc("2027-08-03T00:17Z")
    office.use(code, "20.00", "2027-07-10T10:00:00Z")
    office.issued(code, month="2027-07")
    assert left(office, code) == usd("0.00")
    office.check()


def test_what_is_left_is_taken_back_once(office: Office) -> None:
    code, other = office.account(), office.account()
    given = give(office, code, "30.00")
    with pytest.raises(NotFound, match="given by hand"):
        take(office, other, given)
    take(office, code, given)
    assert left(office, code) == usd("0.00")
    with pytest.raises(Refused, match="Nothing of this credit is left"):
        take(office, code, given)
    office.check()


def test_what_a_credit_note_gives_back_to_it_later_goes_too(office: Office) -> None:
    code = office.account()
    office.issued(code, "10.00")
    given = give(office, code, "30.00")
    office.now = utc("2027-08-03T00:17Z")
    office.use(code, "20.00", "2027-07-10T10:00:00Z")
    july = office.issued(code, month="2027-07")
    take(office, code, given)

    def correct(session: Session) -> None:
        stored, account = session.get_one(Invoice, july.id), office.row(code)
        nets = {1: usd("5.00")}
        credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)

    do(office, correct)
    assert left(office, code) == usd("0.00")
    office.check()


def test_a_credit_of_a_code_is_taken_back_with_its_code_alone(office: Office) -> None:
    code = office.account()
    office.register(code)
    account, now = office.row(code), office.now
    do(
        office,
        lambda session: add_promotion(session, now, code="GIFT", kind="credit", value=usd("5").decimal, currency="USD"),
    )
    do(office, lambda session: redeem(session, now, account=account, code="GIFT", by="ann"))
    with office.database.transaction() as session:
        (of_code,) = credits_left(session, [account.id])
    with pytest.raises(NotFound, match="given by hand"):
        take(office, code, of_code)
    given = give(office, code, "30.00")
    take(office, code, given)
    assert left(office, code) == usd("5.00")


@pytest.mark.parametrize(
    ("name", "until", "slug"),
    [
        ("", None, "wrong-name"),
        ("x" * 201, None, "wrong-name"),
        ("two\nlines", None, "wrong-name"),
        ("a", "past", "wrong-until"),
    ],
)
def test_what_is_refused_gives_nothing(office: Office, name: str, until: str | None, slug: str) -> None:
    account = office.row(office.account())
    ends_at = office.now if until else None
    with pytest.raises(Invalid) as refused, office.database.transaction() as session:
        give_credit(session, office.now, account=account, amount=usd("1.00"), name=name, ends_at=ends_at)
    assert refused.value.slug == slug
    assert left(office, account.code) == usd("0.00")
