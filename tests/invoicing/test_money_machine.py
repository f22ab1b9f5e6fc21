"""Any life of an account keeps the books right: usage (late, sent again), promotions, closes, money in and out.

On the real stores. After every step the ledger, documents and payments agree. Each invoice is what was previewed, in
every field, and what the test's own count of the usage gives; its export adds up to it. All invoices together have
billed for a month what it costs by all that is known, so that nothing is billed twice or left out. At the end
everything is verified.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import chain, count, zip_longest
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_project import add_project
from meterbook.accounts.queries import all_projects, currency_of, zone_of
from meterbook.api.shapes import preview
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.credits import settle
from meterbook.core.journal import Reason
from meterbook.core.period import BillingMonth, hour_floor
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.invoicing.close import close_month
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.facts import open_items
from meterbook.invoicing.leave_unbilled import leave_unbilled
from meterbook.invoicing.queries import (
    draft_of,
    invoices_of_month,
    issued_history,
)
from meterbook.invoicing.remembered import RememberedMonths
from meterbook.invoicing.settle import settle_account
from meterbook.invoicing.show import show_month
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.turn import Obstacle
from meterbook.ledger import check
from meterbook.ledger.queries import balance_through, credits_left, unpaid_by_invoice
from meterbook.ledger.tables import JournalEntry, PostingRow
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.promotions.tables import CreditRow, Withdrawal
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.conftest import emptied
from tests.invoicing.bills import Bills
from tests.invoicing.lives import (
    CATALOG,
    HOW,
    MOVES,
    NEVER,
    PER_DOLLAR,
    PROMOTIONS,
    USES,
    Move,
    Promote,
    Use,
)
from tests.invoicing.meters import Meters
from tests.invoicing.purse import Purse
from tests.invoicing.tally import Tally
from tests.office import Office, utc

FIRST = BillingMonth(2027, 1)
STANDING = ("unpaid", "amount_including_unpaid", "credit_used", "balance_used", "due")
_numbers = count(1)


class Life(RuleBasedStateMachine):
    """One account's life in an installation of its own; the stores are given by the test.

    `open` is the month to close next; `kept` the draft that is kept of it, as it was previewed; `left` what was left
    unbilled; `remembered` what the console keeps all the while; `counted` how many of the readings the newest draft has
    counted, `billed` how many the newest invoice has.
    """

    database: ClassVar[Database]
    usage: ClassVar[UsageStore]
    settings: ClassVar[Settings]

    @initialize(
        tax=st.sampled_from(["0", "10", "8.25"]),
        money=st.sampled_from(list(PER_DOLLAR)),
        zone=st.sampled_from(["UTC", "Asia/Seoul", "+05:30"]),
        on_trial=st.booleans(),
    )
    def begin(self, tax: str, money: str, zone: str, on_trial: bool) -> None:
        self.office = office = Office(emptied(self.database), self.usage, self.settings, utc("2027-01-15T00:00Z"))
        self.code = f"life-{next(_numbers)}"
        projects = [f"{self.code}-a", f"{self.code}-b"]
        with office.database.transaction() as session:
            apply_catalog(session, parse_catalog(CATALOG), office.now, lambda *_: False)
            account = add_account(
                session, office.now, code=self.code, currency=money, time_zone=zone, tax_percent=Decimal(tax)
            )
            trial = hour_floor(utc("2027-02-05T00:00Z"), zone_of(account)) if on_trial else None
            add_project(session, office.now, account=account, code=projects[0])
            add_project(session, office.now, account=account, code=projects[1], trial_until=trial)
        office.register(self.code)
        self.account = office.row(self.code)
        self.zone = zone_of(self.account)
        self.money = currency_of(self.account)
        self.tally = Tally(self.zone)
        self.meters = Meters(office, self.zone, projects, self.tally)
        self.open, self.closed = FIRST, FIRST.previous()
        self.kept: dict[str, Any] | None = None
        self.remembered = RememberedMonths()
        self.left: set[BillingMonth] = set()
        self.purse, self.bills = Purse(office, self.account), Bills(office, self.account, self.tally)
        self.counted = self.billed = 0

    # one rule: how often each thing happens is ours to choose, and each life has some of everything
    @rule(
        uses=st.lists(USES, max_size=4),
        does=st.lists(PROMOTIONS | MOVES, max_size=3),
        days=st.integers(0, 9),
        again=st.booleans(),
        how=HOW,
    )
    def live(self, uses: list[Use], does: list[Promote | Move], days: int, again: bool, how: str) -> None:
        """Live for some days, then end the next month: close it, draft it, or try what else may be asked for."""
        self.office.now += timedelta(days=days)
        for each in chain.from_iterable(zip_longest(uses, does)):
            match each:
                case Use():
                    self.meter(each)
                case Promote():
                    self.promote(each)
                case Move():
                    self.purse.make(each)
            self.the_books_hold()
        if again and self.tally.readings:
            self.meters.send_again(days)
        if how == "out of order":
            self.close_out_of_order()
        elif how == "draft":
            self.draft()
        elif how == "leave" and (self.kept is not None or self.open in self.tally.months()):
            self.leave_open()
        elif not (how == "again" and self.close_again()) and not (how == "earlier" and self.close_passed_over()):
            self.close()

    @invariant()
    def the_books_hold(self) -> None:
        with self.office.database.transaction() as session:
            assert list(check.faults(session)) == []
            unpaid = unpaid_by_invoice(session, [self.account.id])
            left = credits_left(session, [self.account.id])
            balance = balance_through(session, self.account.id)
            assert all(minor > 0 for minor in (*unpaid.values(), *left.values()))
            withdrawn = select(CreditRow.id).join(Withdrawal, Withdrawal.redemption_id == CreditRow.redemption_id)
            taken = select(PostingRow.credit_id).join(JournalEntry, JournalEntry.id == PostingRow.entry_id)
            by_entry = taken.where(JournalEntry.reason == Reason.credit_withdrawn)
            back = {*session.scalars(withdrawn), *session.scalars(by_entry)}
            assert not left.keys() & back, "nothing is left of what was taken back"
            assert balance >= 0
            assert settle(open_items(session, [self.account])[self.account.id]) == (), "what may pay has paid"
            assert sum(unpaid.values()) - balance - sum(left.values()) == self.purse.owed_by_documents(session)

    def teardown(self) -> None:
        if hasattr(self, "account"):
            self.office.check()

    def meter(self, spell: Use) -> None:
        """Meter something in the running month, or late in one before it."""
        month = self.meters.use(spell)
        if month is not None:
            self.reopen(month)
            if month < FIRST and self.last_issued() is None:
                self.leave_history(month)

    def promote(self, made: Promote) -> None:
        """Register a promotion code; a credit pays what is unpaid at once."""
        value, now = Decimal(made.value), self.office.now
        worth = value * PER_DOLLAR[self.money.code]
        values = {"amount": worth, "credit": worth, "fixed_price": worth / 4, "free_quantity": value}
        with self.office.database.transaction() as session:
            promotion = add_promotion(
                session,
                now,
                code=f"L-{next(_numbers)}",
                kind=made.kind,
                value=values.get(made.kind, value),
                currency=self.money.code,
                applies_to=made.applies_to if made.kind in ("percent", "amount") else None,
                products=made.products,
                priority=made.priority,
                carry_over=made.carry_over,
                months=made.months,
                starts_at=now - timedelta(days=made.back, minutes=7),
                ends_at=None if made.days is None else now + timedelta(days=made.days),
            )
            redemption, _ = redeem(session, now, account=self.account, code=promotion.code, by="life")
            settle_account(session, now, self.account, f"redemption:{redemption.id}")

    def reopen(self, month: BillingMonth) -> None:
        """A month that was passed over as empty, and has usage now, is closed before the next one."""
        last = self.last_issued()
        if FIRST <= month < self.open and (last is None or last < month) and not self.left & {month} and not self.kept:
            self.open = month

    def leave_history(self, month: BillingMonth) -> None:
        """Leave a month before the first one unbilled, which stands in the way of the others until then."""
        if month not in self.left and self.kept is None:
            self.go_to_the_end()
            with pytest.raises(Refused, match="or leave it unbilled"):
                self.office.close(self.code, str(self.open))
        self.leave(month)

    def leave_open(self) -> None:
        """Leave the month unbilled: its draft goes, and a close of every account's passes it over."""
        self.go_to_the_end()
        month, office = self.open, self.office
        self.leave(month)
        for confirm in (False, True):
            closed = close_month(
                office.database.transaction, office.usage, office.settings, month, office.now, confirm=confirm
            )
            assert [each.why.obstacle for each in closed.skipped] == [Obstacle.left_unbilled]
        with office.database.transaction() as session:
            assert self.invoice(session, month) is None
        self.open, self.kept = month.next(), None

    def leave(self, month: BillingMonth) -> None:
        with self.office.database.transaction() as session:
            leave_unbilled(
                session,
                self.office.usage,
                self.office.now,
                month=month,
                account_ids=[self.account.id],
                reason="A trial",
                by="life",
            )
        self.left.add(month)

    def draft(self) -> None:
        """Draft the month, and draft it anew: what is kept is what is previewed."""
        self.go_to_the_end()
        if self.passed_over():
            with pytest.raises(Refused, match="close it first"):
                self.office.close(self.code, str(self.open), confirm=False)
            return
        self.left.discard(self.open)
        for _ in range(2):
            self.office.close(self.code, str(self.open), confirm=False)
        before = self.shown(self.open)
        with self.office.database.transaction() as session:
            invoice = self.invoice(session, self.open)
            self.kept = None if invoice is None else preview(draft_of(invoice, self.code), "project")
        assert self.kept == (before if before["groups"] else None)
        self.counted = len(self.tally.readings)

    def close(self) -> None:
        """Close the month, twice: what was previewed, or kept before, is what is issued."""
        self.go_to_the_end()
        if self.last_issued() is None and (months := self.passed_over()):
            # what came in for a month before the first invoice has to be billed before it
            with pytest.raises(Refused, match="close it first"):
                self.office.close(self.code, str(self.open))
            self.open, self.kept = months[0], None
        month, kept, before = self.open, self.kept, self.shown(self.open)
        if kept is None:
            self.counted = len(self.tally.readings)
        self.left.discard(month)
        for _ in range(2):
            self.office.close(self.code, str(month))
        self.open, self.kept, self.closed = month.next(), None, month
        with self.office.database.transaction() as session:
            ends = [each.ends_at for each in open_items(session, [self.account])[self.account.id].credits]
            assert all(end is None or end > month.ends_at(self.zone) for end in ends), (
                "what is left of a credit expires"
            )
            invoice = self.invoice(session, month)
            if invoice is None:
                assert before["groups"] == []
                return
            issued = preview(draft_of(invoice, self.code), "project")
            # a kept draft is issued as it was; what it leaves to pay is decided now
            assert issued == (before if kept is None else kept | {name: issued[name] for name in STANDING})
            self.billed = self.counted
            self.bills.follow_from_what_was_sent(session, invoice, self.billed)
            self.bills.add_up_in_their_export(session, invoice)
            self.bills.bill_all_once(session, self.billed, self.left)

    def close_again(self) -> bool:
        """Close a month again: nothing changes, but one that had nothing to bill may have something now."""
        if not FIRST <= self.closed < self.open or self.kept is not None:
            return False
        with self.office.database.transaction() as session:
            is_issued = self.invoice(session, self.closed) is not None
        if is_issued:
            before = self.documents()
            self.office.close(self.code, str(self.closed))
            assert self.documents() == before
        else:
            self.open = self.closed
            self.close()
        return True

    def close_passed_over(self) -> bool:
        """Close a month that was passed over, while a draft of a later one is kept: that is thrown away."""
        months = self.passed_over()
        if months:
            self.open, self.kept = months[0], None
            self.close()
        return bool(months)

    def close_out_of_order(self) -> None:
        """Neither a month before the last that is issued, nor one after a month that is open."""
        last = self.last_issued()
        if last is None:
            return
        with self.office.database.transaction() as session:
            passed_over = self.invoice(session, last.previous()) is None
        if passed_over:
            with pytest.raises(Refused, match="is issued already"):
                self.office.close(self.code, str(last.previous()))
        # what was left unbilled stands in no month's way
        if self.kept is not None or self.open in self.tally.months() - self.left:
            later, now = self.open.next(), self.office.now
            self.office.now = max(now, later.ends_at(self.zone))
            with pytest.raises(Refused, match="not issued"):
                self.office.close(self.code, str(later))
            self.office.now = now

    def passed_over(self) -> list[BillingMonth]:
        """Months that were passed over as empty and have usage now, while a draft of a later one is kept."""
        if self.kept is None:
            return []
        last = self.last_issued() or FIRST.previous()
        return sorted(month for month in self.tally.months() if last < month < self.open and month not in self.left)

    def go_to_the_end(self) -> None:
        end = self.open.ends_at(self.zone)
        if self.office.now < end:
            self.office.now = end + timedelta(days=2)

    def shown(self, month: BillingMonth) -> dict[str, Any]:
        office = self.office
        with office.database.transaction() as session:
            projects = all_projects(session, [self.account.id])[self.account.id]
            payer = Payer(self.account, projects, True)
            shown = show_month(session, office.usage, payer, month, office.now)
            assert self.remembered.show(session, office.usage, payer, month, office.now).draft == shown.draft
        return preview(shown.draft, "project")

    def invoice(self, session: Session, month: BillingMonth) -> Invoice | None:
        return invoices_of_month(session, [self.account.id], month).get(self.account.id)

    def last_issued(self) -> BillingMonth | None:
        with self.office.database.transaction() as session:
            history = issued_history(session, [self.account.id], NEVER).get(self.account.id)
        return BillingMonth.parse(history[-1].month) if history else None

    def documents(self) -> list[tuple[str, str | None, int]]:
        own = Invoice.account_id == self.account.id
        with self.office.database.transaction() as session:
            rows = session.execute(select(Invoice.month, Invoice.number, Invoice.total_minor).where(own)).all()
        return sorted((month, number, total) for month, number, total in rows)


def test_any_life_of_an_account_keeps_the_books_right(
    database: Database, usage: UsageStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Life.database, Life.usage = database, usage
    Life.settings = Settings(data_dir=tmp_path_factory.mktemp("office"))
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
