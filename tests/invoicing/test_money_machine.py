"""Any sequence of usage, closes, promotions, payments, refunds, credit notes and late usage keeps the books right.

On the real stores. After every step the ledger's own checks hold; at the end everything is verified: each invoice is
re-derived, no unit is billed twice, and what was previewed before a close was issued, in every field.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from meterbook.accounts.queries import all_projects, currency_of
from meterbook.api.shapes import preview
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.invoicing.correct import credit, left_to_credit
from meterbook.invoicing.queries import credit_notes_of, draft_of, invoices_of_month, issued_invoices
from meterbook.invoicing.show import show_month
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.write_off import write_off
from meterbook.ledger import check
from meterbook.ledger.queries import balance_through, credits_left, is_written_off, unpaid_by_invoice
from meterbook.payments.queries import payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_usage
from tests.office import Office, utc

UTC_ZONE = billing_zone("UTC")
FIRST = BillingMonth(2027, 1)
MONEY = st.integers(1, 30_000)
ISSUING_CHANGES = ("status", "forecast")


class Machine(RuleBasedStateMachine):
    """One account's life; `office` is given by the test."""

    office: ClassVar[Office]
    codes: ClassVar[Iterator[int]]

    @initialize(tax=st.sampled_from(["0", "10", "8.25"]))
    def begin(self, tax: str) -> None:
        self.office.now = utc("2027-01-15T00:00Z")
        self.code = self.office.account(tax)
        self.office.register(self.code)
        self.row = self.office.row(self.code)
        self.month = FIRST
        self.used: dict[BillingMonth, Decimal] = {}
        self.sent: list[tuple[str, str]] = []

    @rule(amount=MONEY, back=st.integers(0, 3), day=st.integers(1, 28), hour=st.integers(0, 23))
    def use(self, amount: int, back: int, day: int, hour: int) -> None:
        """Meter something in the running month, or late in one before it."""
        month = self.month
        for _ in range(back):
            month = month.previous() if month > FIRST else month
        value = str(Decimal(amount).scaleb(-2))
        at = f"{month}-{day:02}T{hour:02}:00:00Z"
        self.office.now = max(self.office.now, utc(at))
        self.office.use(self.code, value, at)
        self.used[month] = self.used.get(month, Decimal(0)) + Decimal(value)

    @rule(
        kind=st.sampled_from(["percent", "amount", "free_quantity", "fixed_price", "credit"]),
        value=st.integers(1, 99),
        applies_to=st.sampled_from(["line", "invoice"]),
        priority=st.integers(0, 2),
        carry_over=st.booleans(),
        days=st.none() | st.integers(1, 90),
    )
    def promote(
        self, kind: str, value: int, applies_to: str, priority: int, carry_over: bool, days: int | None
    ) -> None:
        with self.office.database.transaction() as session:
            promotion = add_promotion(
                session,
                self.office.now,
                code=f"M-{next(self.codes)}",
                kind=kind,
                value=Decimal(value).scaleb(-2) if kind == "fixed_price" else Decimal(value),
                currency="USD",
                applies_to=applies_to if kind in ("percent", "amount") else None,
                priority=priority,
                carry_over=carry_over,
                ends_at=None if days is None else self.office.now + timedelta(days=days),
            )
            redeem(session, self.office.now, account=self.row, code=promotion.code, by="machine")

    @rule(draft_first=st.booleans())
    def close(self, draft_first: bool) -> None:
        """Go to the third of the next month and close: what was previewed is what is issued."""
        closing = self.month
        self.month = closing.next()
        self.office.now = self.month.starts_at(UTC_ZONE) + timedelta(days=2)
        # what came late for a month that had nothing has that month closed first
        for month in sorted(month for month in self.used if month < closing):
            with suppress(Refused):
                self.office.close(self.code, str(month))
        if draft_first:
            self.office.close(self.code, str(closing), confirm=False)
            self.office.close(self.code, str(closing), confirm=False)
        before = self.shown(closing)
        self.office.close(self.code, str(closing))
        self.office.close(self.code, str(closing))
        with self.office.database.transaction() as session:
            invoice = invoices_of_month(session, [self.row.id], closing).get(self.row.id)
            if invoice is None:
                assert before["groups"] == []
                return
            issued = preview(draft_of(invoice, self.code), "project")
        for name in ISSUING_CHANGES:
            before.pop(name), issued.pop(name)
        assert issued == before

    @rule(amount=MONEY, ahead=st.booleans())
    def pay(self, amount: int, ahead: bool) -> None:
        with self.office.database.transaction() as session:
            money = Money(amount, currency_of(self.row))
            if ahead:
                top_up(session, self.office.now, account=self.row, amount=money, reference="machine")
            else:
                day = self.office.now.date()
                record(session, self.office.now, account=self.row, amount=money, received_on=day, reference="machine")

    @rule(amount=MONEY, which=st.integers(0, 5))
    def give_back(self, amount: int, which: int) -> None:
        with self.office.database.transaction() as session:
            payments = payments_of(session, self.row.id)
        if not payments:
            return
        payment = payments[which % len(payments)]
        # most of what is asked for is more than there is, and refused
        with suppress(Refused), self.office.database.transaction() as session:
            money = Money(amount, currency_of(self.row))
            refund(session, self.office.now, account=self.row, payment=payment, amount=money, reason="machine")

    @precondition(lambda self: self.month > FIRST)
    @rule(which=st.integers(0, 5), part=st.integers(1, 100))
    def correct(self, which: int, part: int) -> None:
        with self.office.database.transaction() as session:
            invoices = [invoice for invoice, _ in issued_invoices(session, [self.row.id])]
            if not invoices:
                return
            invoice = invoices[which % len(invoices)]
            left = left_to_credit(invoice, credit_notes_of(session, [invoice.id]).get(invoice.id, []))
            wanted = {place: minor * part // 100 for place, minor in left.items() if minor * part // 100 > 0}
            if wanted and not is_written_off(session, invoice.id):
                nets = {place: Money(minor, currency_of(self.row)) for place, minor in wanted.items()}
                credit(
                    session,
                    self.office.now,
                    self.office.settings,
                    account=self.row,
                    invoice=invoice,
                    reason="machine",
                    nets=nets,
                )

    @precondition(lambda self: self.month > FIRST)
    @rule()
    def give_up(self) -> None:
        with self.office.database.transaction() as session:
            unpaid = unpaid_by_invoice(session, [self.row.id])
            if unpaid:
                invoice = session.get_one(Invoice, min(unpaid))
                write_off(session, self.office.now, account=self.row, invoice=invoice)

    @invariant()
    def the_books_hold(self) -> None:
        if not hasattr(self, "row"):
            return
        with self.office.database.transaction() as session:
            assert list(check.faults(session)) == []
            unpaid = unpaid_by_invoice(session, [self.row.id])
            balance = balance_through(session, self.row.id)
            assert all(minor > 0 for minor in unpaid.values())
            assert balance >= 0
            assert all(minor > 0 for minor in credits_left(session, [self.row.id]).values())
            assert not (unpaid and balance), "whatever may pay has paid"

    def teardown(self) -> None:
        if not hasattr(self, "row"):
            return
        self.office.check()
        self.nothing_is_billed_twice()

    def nothing_is_billed_twice(self) -> None:
        """Compare what all invoices billed for each month before discounts of later months with what was metered."""
        with self.office.database.transaction() as session:
            rows = session.execute(
                select(Invoice.month, func.sum(InvoiceLine.quantity))
                .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
                .where(Invoice.account_id == self.row.id, InvoiceLine.adjusts_month.is_(None))
                .group_by(Invoice.month)
            ).all()
        for month, quantity in rows:
            assert quantity <= self.used[BillingMonth.parse(month)]

    def shown(self, month: BillingMonth) -> dict[str, Any]:
        office = self.office
        with office.database.transaction() as session:
            projects = all_projects(session, [self.row.id])[self.row.id]
            shown = show_month(session, office.usage, self.row, projects, month, office.now, whole=True)
        return preview(shown.draft, "project")


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    store = open_usage(tmp_path_factory.mktemp("usage"))
    yield store
    store.close()


def test_any_life_of_an_account_keeps_the_books_right(
    database: Database, usage: UsageStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Machine.office = Office(database, usage, Settings(data_dir=tmp_path_factory.mktemp("office")))
    Machine.codes = iter(range(10**9))
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
