"""The invoices of a life: what each and all of them have to come to, by what was sent and as they are exported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.catalog.queries import current_catalog
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.rating import Frame
from meterbook.exports.focus import focus_rows
from meterbook.exports.month import billed
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.facts import billed_before
from meterbook.invoicing.queries import credit_notes_of_account, draft_of, issued_history
from meterbook.invoicing.show import show_month
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.terms import thawed_account, thawed_project, thawed_promotions
from tests.invoicing.lives import NEVER
from tests.invoicing.tally import Tally
from tests.office import Office


class Bills:
    """The invoices of one account; `counted` says how many of the readings the newest of them has counted."""

    def __init__(self, office: Office, account: Account, tally: Tally) -> None:
        self.office, self.account, self.tally, self.money = office, account, tally, currency_of(account)

    def follow_from_what_was_sent(self, session: Session, invoice: Invoice, counted: int) -> None:
        """The invoice is the one that the test's own count of the usage gives."""
        stored = draft_of(invoice, self.account.code)
        again = self._drafted(session, invoice, BillingMonth.parse(invoice.month), stored, counted)
        assert told(stored) == told(again)

    def add_up_in_their_export(self, session: Session, invoice: Invoice) -> None:
        """The rows of FOCUS come to the invoice less the credit it used, and to what each credit note gives back."""
        projects = all_projects(session, [self.account.id])[self.account.id]
        payer, month = Payer(self.account, projects, True), BillingMonth.parse(invoice.month)
        shown = show_month(session, self.office.usage, payer, month, self.office.now)
        costs: dict[Any, Any] = {}
        for row in focus_rows(billed(session, self.office.settings, payer, shown)):
            costs[row["InvoiceId"]] = costs.get(row["InvoiceId"], 0) + row["BilledCost"]
        frame = shown.draft.frame
        notes = credit_notes_of_account(session, self.account.id, within=(frame.starts_at, frame.ends_at))
        wanted = {note.number: Money(-note.total_minor, self.money).decimal for note, _ in notes}
        wanted[str(invoice.number)] = Money(invoice.total_minor - invoice.credit_used_minor, self.money).decimal
        assert costs == wanted

    def bill_all_once(self, session: Session, counted: int, left: Collection[BillingMonth]) -> None:
        """All invoices together billed for each month what it costs by all that the last of them counted.

        For what was `left` unbilled they billed nothing.
        """
        history = issued_history(session, [self.account.id], NEVER)[self.account.id]
        month, last = (BillingMonth.parse(each.month) for each in (history[0], history[-1]))
        while month <= last:
            own = next((each for each in history if each.month == str(month)), history[0])
            costs: dict[tuple[str, str], int] = {}
            for line in () if month in left else self._drafted(session, own, month, None, counted).lines:
                key = (line.project.code, line.charge.product.code)
                costs[key] = costs.get(key, 0) + line.net.minor
            billed = billed_before(session, self.account.id, month, last.next()).net
            for key in costs.keys() | billed.keys():
                more = billed.get(key, 0) - costs.get(key, 0)
                assert more == 0 or (more > 0 and str(month) in history[-1].deferred_months)
            month = month.next()

    def _drafted(
        self, session: Session, like: Invoice, month: BillingMonth, stored: InvoiceDraft | None, counted: int
    ) -> InvoiceDraft:
        """Draft a month from what was sent, by an invoice's terms; its promotions are its own month's alone."""
        known = all_projects(session, [self.account.id])[self.account.id]
        return self.tally.drafted(
            Frame(month, zone_of(self.account)),
            thawed_account(self.account.code, self.money, like.terms),
            [thawed_project(each.code, each.name, like.terms) for each in known],
            current_catalog(session),
            thawed_promotions(like.terms) if like.month == str(month) else (),
            () if stored is None else stored.adjustments,
            counted,
        )


def told(draft: InvoiceDraft) -> Any:
    """All amounts of a draft, and what its lines metered."""
    lines = {
        (line.project.code, line.charge.product.code, line.charge.starts_at, line.charge.ends_at): (
            line.charge.quantity,
            line.charge.usage_hours,
            line.charge.formula,
            line.charge.waiver,
            line.amount,
            line.discount,
        )
        for line in draft.lines
    }
    assert len(lines) == len(draft.lines), "no period of a project and a product is charged twice"
    discounts = [(each.promotion.code, each.amount, each.quantity) for each in draft.discounts]
    return lines, discounts, draft.subtotal, draft.net, draft.tax, draft.total
