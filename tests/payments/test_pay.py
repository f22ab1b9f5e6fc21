"""A person's wish to pay: one charge and one answer, no connection held while the gateway is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.core.money import Money
from meterbook.database import Database
from meterbook.errors import Busy, Refused
from meterbook.idempotency import Answer, IdempotencyKey
from meterbook.payments.collect import attempts_of
from meterbook.payments.gateway import ChargeResult
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.pay import Wish, pay
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


class CountingGateway(FakeGateway):
    """Notes how many connections were out when it was asked."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.database, "secret")
        self.office = office
        self.out: list[str] = []

    def charge(
        self, method_reference: str, amount: Money, key: str, description: str, metadata: Mapping[str, str]
    ) -> ChargeResult:
        self.out.append(self.office.database.engine.pool.status().rpartition("Checked out connections: ")[2])
        return super().charge(method_reference, amount, key, description, metadata)


def told(_session: Session, attempt: PaymentAttempt) -> Answer:
    return Answer(200, f"{attempt.number} {attempt.status}".encode())


def wish(office: Office, invoice_id: int, key: str | None, request: bytes = b"pay") -> str:
    gateway = CountingGateway(office)
    answer = pay(
        office.database.transaction,
        lambda _: gateway,
        office.settings,
        lambda: office.now,
        invoice_id=invoice_id,
        wish=Wish("somebody", key, request),
        tell=told,
    )
    assert set(gateway.out) <= {"0"}
    return answer.body.decode()


def keys(office: Office) -> list[tuple[str, int | None]]:
    with office.database.transaction() as session:
        rows = session.execute(select(IdempotencyKey.key, IdempotencyKey.status).order_by(IdempotencyKey.key))
        return [(row.key, row.status) for row in rows]


def tries(office: Office, invoice_id: int) -> list[tuple[int, str]]:
    with office.database.transaction() as session:
        return [(each.number, each.status) for each in attempts_of(session, invoice_id)]


def unpaid_invoice(office: Office, token: str) -> int:
    code = office.account()
    office.register(code, "card", token)
    return office.issued(code, "80.00").id


def test_the_same_wish_again_is_answered_as_before(office: Office) -> None:
    invoice = unpaid_invoice(office, "fake_declines_once")
    assert wish(office, invoice, "a") == wish(office, invoice, "a") == "101 declined"
    assert wish(office, invoice, "b") == "102 succeeded"
    assert wish(office, invoice, "a") == "101 declined"
    assert tries(office, invoice) == [(101, "declined"), (102, "succeeded")]
    with pytest.raises(Refused, match="used with another request"):
        wish(office, invoice, "a", b"something else")
    office.check()


def test_a_refusal_is_not_kept(office: Office) -> None:
    invoice = unpaid_invoice(office, "fake_succeeds")
    assert wish(office, invoice, None) == "101 succeeded"
    for _ in range(2):
        with pytest.raises(Refused, match=r"Nothing of INV-\d+-\d+ is unpaid"):
            wish(office, invoice, "a")
        assert keys(office) == []


def test_a_wish_whose_answer_was_lost_resumes_its_attempt(office: Office) -> None:
    invoice = unpaid_invoice(office, "fake_times_out_then_succeeds")
    with pytest.raises(Busy):
        wish(office, invoice, "a")
    assert (tries(office, invoice), keys(office)) == ([(101, "pending")], [])
    assert wish(office, invoice, "a") == "101 succeeded"
    assert keys(office) == [("a", 200)]
    office.check()


def test_a_wish_that_was_cut_off_is_done_when_it_comes_again(office: Office) -> None:
    invoice = unpaid_invoice(office, "fake_succeeds")

    def killed(_session: Session, _attempt: PaymentAttempt) -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pay(
            office.database.transaction,
            lambda _: office.gateway(),
            office.settings,
            lambda: office.now,
            invoice_id=invoice,
            wish=Wish("somebody", "a", b"pay"),
            tell=killed,
        )
    assert keys(office) == [("a", None)]
    assert wish(office, invoice, "a") == "101 succeeded"
    assert keys(office) == [("a", 200)]
    office.check()
