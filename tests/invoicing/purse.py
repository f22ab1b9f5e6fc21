"""Money of an account in a life: it comes in, goes back, is taken back, or is given up."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.money import Money
from meterbook.errors import NotFound, Refused
from meterbook.invoicing.correct import credit, left_to_credit
from meterbook.invoicing.queries import credit_notes_of, issued_history
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.invoicing.write_off import reinstate, write_off
from meterbook.ledger.queries import unpaid_by_invoice
from meterbook.ledger.tables import JournalEntry, PostingRow
from meterbook.payments.give_credit import give_credit
from meterbook.payments.queries import payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund
from meterbook.payments.tables import Payment, Refund
from meterbook.payments.take_back import take_back
from meterbook.promotions.queries import credits_of, redeemed
from meterbook.promotions.tables import CreditRow
from meterbook.promotions.withdraw import withdraw, withdraw_credit
from tests.invoicing.lives import NEVER, PER_DOLLAR, Move
from tests.office import Office


class Purse:
    """The money of one account; `given_up` of what it owed became bad debt, in minor units."""

    def __init__(self, office: Office, account: Account) -> None:
        self.office, self.account, self.money = office, account, currency_of(account)
        self.given_up = 0

    def make(self, move: Move) -> None:
        """Take money in, give some back, or give some up."""
        if move.what in ("record", "top up"):
            money = Money(move.amount * max(1, PER_DOLLAR[self.money.code] // 100), self.money)
            self.pay(money, ahead=move.what == "top up")
        elif move.what == "refund":
            self.give_back(move.which, move.part)
        elif move.what == "take back":
            self.take_back(move.which)
        elif move.what == "credit":
            self.correct(move.which, min(move.part, 100))
        elif move.what == "withdraw":
            self.withdraw(move.which)
        elif move.what == "give":
            self.give(move.amount, move.part)
        elif move.what == "take credit":
            self.take_credit(move.which)
        elif move.what == "reinstate":
            self.reinstate(move.which)
        else:
            self.give_up(move.which)

    def pay(self, money: Money, *, ahead: bool) -> None:
        now = self.office.now
        with self.office.database.transaction() as session:
            if ahead:
                top_up(session, now, account=self.account, amount=money, reference="life")
            else:
                record(session, now, account=self.account, amount=money, received_on=now.date(), reference="life")

    def give_back(self, which: int, part: int) -> None:
        with self.office.database.transaction() as session:
            payments = payments_of(session, self.account.id)
        if not payments:
            return
        payment = payments[which % len(payments)]
        money = Money(max(1, payment.amount_minor * part // 100), self.money)
        # what is more than there is in cash is refused
        with suppress(Refused), self.office.database.transaction() as session:
            refund(session, self.office.now, account=self.account, payment=payment, amount=money, reason="life")

    def take_back(self, which: int) -> None:
        """Take a payment back whole; what nothing is left of is refused. What was given up stays given up."""
        with suppress(Refused), self.office.database.transaction() as session:
            payments = payments_of(session, self.account.id)
            if payments:
                payment = payments[which % len(payments)]
                lost = self.bad_debt(session)
                take_back(session, self.office.now, account=self.account, payment=payment, reason="life")
                self.given_up += self.bad_debt(session) - lost

    def withdraw(self, which: int) -> None:
        """Take a promotion back; one that was taken back is refused."""
        with suppress(Refused), self.office.database.transaction() as session:
            held = redeemed(session, [self.account.id]).get(self.account.id, [])
            if held:
                code = held[which % len(held)][1].code
                withdraw(session, self.office.now, account=self.account, code=code, reason="life", by="life")

    def give(self, amount: int, days: int) -> None:
        """Give a credit by hand, of which one in two ends."""
        money, now = Money(amount * max(1, PER_DOLLAR[self.money.code] // 100), self.money), self.office.now
        ends_at = now + timedelta(days=days) if days % 2 else None
        with self.office.database.transaction() as session:
            give_credit(session, now, account=self.account, amount=money, name="life", ends_at=ends_at)

    def take_credit(self, which: int) -> None:
        """Take a credit back; one of a code, or of which nothing is left, is refused."""
        with suppress(Refused, NotFound), self.office.database.transaction() as session:
            if held := credits_of(session, self.account.id):
                credit_id = held[which % len(held)].id
                withdraw_credit(session, self.office.now, account=self.account, credit_id=credit_id)

    def bad_debt(self, session: Session) -> int:
        lost = select(func.coalesce(func.sum(PostingRow.amount_minor), 0)).where(
            PostingRow.account_id == self.account.id, PostingRow.ledger_account == LedgerAccount.bad_debt
        )
        return int(session.scalar(lost) or 0)

    def correct(self, which: int, part: int) -> None:
        """Give back a part of each line; what was written off, or is less by an adjustment, is refused."""
        with suppress(Refused), self.office.database.transaction() as session:
            invoices = issued_history(session, [self.account.id], NEVER).get(self.account.id, [])
            if not invoices:
                return
            invoice = invoices[which % len(invoices)]
            left = left_to_credit(invoice, credit_notes_of(session, [invoice.id]).get(invoice.id, []))
            nets = {place: Money(-(-minor * part // 100), self.money) for place, minor in left.items() if minor > 0}
            if nets:
                now, settings = self.office.now, self.office.settings
                credit(session, now, settings, account=self.account, invoice=invoice, reason="life", nets=nets)

    def give_up(self, which: int) -> None:
        with self.office.database.transaction() as session:
            unpaid = sorted(unpaid_by_invoice(session, [self.account.id]))
            if unpaid:
                invoice = session.get_one(Invoice, unpaid[which % len(unpaid)])
                self.given_up += write_off(session, self.office.now, account=self.account, invoice=invoice).minor

    def reinstate(self, which: int) -> None:
        """Undo a write-off; what is not written off is refused."""
        with suppress(Refused), self.office.database.transaction() as session:
            invoices = issued_history(session, [self.account.id], NEVER).get(self.account.id, [])
            if invoices:
                invoice = session.get_one(Invoice, invoices[which % len(invoices)].id)
                self.given_up -= reinstate(session, self.office.now, account=self.account, invoice=invoice).minor

    def owed_by_documents(self, session: Session) -> int:
        """Return what the account owes on the whole: its invoices less all that came in or was given."""
        own = self.account.id

        def total(column: Any, *conditions: Any) -> int:
            return int(session.scalar(select(func.coalesce(func.sum(column), 0)).where(*conditions)) or 0)

        issued = (Invoice.account_id == own, Invoice.number.is_not(None))
        taken = (Reason.credit_expired, Reason.credit_withdrawn)
        gone = select(JournalEntry.id).where(JournalEntry.reason.in_(taken))
        return (
            total(Invoice.total_minor, *issued)
            - total(CreditNote.total_minor, CreditNote.invoice_id.in_(select(Invoice.id).where(*issued)))
            - self.given_up
            - total(Payment.amount_minor, Payment.account_id == own)
            + total(Refund.amount_minor, Refund.account_id == own)
            - total(CreditRow.amount_minor, CreditRow.account_id == own)
            + total(
                PostingRow.amount_minor,
                PostingRow.account_id == own,
                PostingRow.ledger_account == LedgerAccount.promotional_credit,
                PostingRow.entry_id.in_(gone),
            )
        )
