"""Verify: re-derive every invoice from stored usage and prices, and hold books and numbers against what was issued."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core import invoice as core
from meterbook.core.invoice import InvoiceDraft, Line
from meterbook.core.money import Money, plain
from meterbook.core.tax import tax_on
from meterbook.database import Transactions
from meterbook.invoicing.adjust import adjustments_of, rerated_use
from meterbook.invoicing.queries import credit_notes_of, draft_of, frame_of_invoice
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.ledger import check
from meterbook.usage.store import UsageStore

PAGE: Final = 50

_BOOKED: Final = {
    "the entry of an invoice is not what the invoice says": """
        select i.number
        from invoice i
        left join journal_entry e on e.reason = 'invoice' and e.source = 'invoice:' || i.id
        left join posting p on p.entry_id = e.id and p.ledger_account = 'receivable'
        where i.number is not null
        group by i.id
        having coalesce(sum(p.amount_minor), 0) <> i.total_minor
        """,
    "the entry of a credit note is not what the credit note says": """
        select n.number
        from credit_note n
        left join journal_entry e on e.reason = 'credit_note' and e.source = 'credit_note:' || n.id
        left join posting p on p.entry_id = e.id and p.ledger_account in ('revenue', 'tax_payable')
        group by n.id
        having coalesce(sum(p.amount_minor), 0) <> n.total_minor
        """,
    "the entry of a payment is not what came in": """
        select 'payment ' || m.id
        from payment m
        left join journal_entry e on e.reason in ('payment', 'top_up') and e.source = 'payment:' || m.id
        left join posting p on p.entry_id = e.id and p.ledger_account = 'cash_clearing'
        group by m.id
        having coalesce(sum(p.amount_minor), 0) <> m.amount_minor
        """,
    "the entry of a refund, or of a payment that was taken back, is not what went": """
        select r.kind || ' ' || r.id
        from refund r
        left join journal_entry e on e.reason in ('refund', 'payment_return')
            and e.source in ('refund:' || r.id, 'refund:' || r.id || '\\:returned')
        left join posting p on p.entry_id = e.id and p.ledger_account = 'cash_clearing'
        group by r.id
        having coalesce(sum(p.amount_minor), 0)
            <> case when r.status in ('pending', 'succeeded') then -r.amount_minor else 0 end
        """,
    "the receivable of an account is not the sum of what its invoices leave unpaid": """
        select a.code
        from account a
        join posting p on p.account_id = a.id and p.ledger_account = 'receivable'
        group by a.id
        having sum(p.amount_minor) <> (
            select coalesce(sum(i.total_minor), 0)
                - coalesce((select sum(n.total_minor - n.returned_minor) from credit_note n
                    join invoice c on c.id = n.invoice_id where c.account_id = a.id), 0)
                + coalesce((select sum(q.amount_minor) from posting q join journal_entry e on e.id = q.entry_id
                    where q.account_id = a.id and q.ledger_account = 'receivable'
                    and e.reason not in ('invoice', 'credit_note')), 0)
            from invoice i
            where i.account_id = a.id and i.number is not null)
        """,
    "a series of numbers has a gap or a number twice": """
        select document_type || ' ' || year || ': ' || last_number || ' given, ' || found || ' there'
        from (
            select s.document_type, s.year, s.last_number,
                case s.document_type
                    when 'invoice' then (select count(distinct i.number) from invoice i
                        where i.number is not null and extract(year from i.issued_at at time zone 'UTC') = s.year
                            and substring(i.number from '[0-9]+$')::bigint between 1 and s.last_number)
                    else (select count(distinct n.number) from credit_note n
                        where extract(year from n.issued_at at time zone 'UTC') = s.year
                            and substring(n.number from '[0-9]+$')::bigint between 1 and s.last_number)
                end as found
            from number_series s
        ) as series
        where last_number <> found
        """,
    "a later number has an earlier date": """
        select number
        from (
            select number, issued_at,
                lag(issued_at) over (partition by extract(year from issued_at at time zone 'UTC') order by number)
                    as earlier
            from invoice
            where number is not null
            union all
            select number, issued_at,
                lag(issued_at) over (partition by extract(year from issued_at at time zone 'UTC') order by number)
            from credit_note
        ) as dated
        where issued_at < earlier
        """,
}


@dataclass(frozen=True, slots=True)
class BookCheck:
    """A rule that the books have to keep, told as what would be wrong, and where it is broken."""

    rule: str
    faults: tuple[str, ...]


def check_books(session: Session) -> list[BookCheck]:
    """Hold the books and the numbers to every rule that needs no usage to be read."""
    booked = [BookCheck(rule, tuple(session.scalars(text(statement)))) for rule, statement in _BOOKED.items()]
    return [BookCheck(rule, tuple(found)) for rule, found in check.checked(session)] + booked


def verify(
    transactions: Transactions, usage: UsageStore, progress: Callable[[int], None] = lambda _: None
) -> tuple[int, list[str]]:
    """Return how many invoices were re-derived, and what is off as one line each; nothing when all agrees.

    `progress` is told how many invoices each step looked at.
    """
    with transactions() as session:
        found = [f"{each.rule}: {told}" for each in check_books(session) for told in each.faults]
    found += usage.faults()
    seen, last = 0, 0
    while True:
        with transactions() as session:
            rows = session.execute(
                select(Invoice, Account)
                .join(Account, Account.id == Invoice.account_id)
                .where(Invoice.number.is_not(None), Invoice.id > last)
                .order_by(Invoice.id)
                .limit(PAGE)
            ).all()
            for invoice, account in rows:
                found += [f"{invoice.number}: {fault}" for fault in _faults(session, usage, invoice, account)]
        if not rows:
            return seen, found
        seen, last = seen + len(rows), rows[-1].Invoice.id
        progress(len(rows))


def _faults(session: Session, usage: UsageStore, invoice: Invoice, account: Account) -> Iterator[str]:
    """Yield what of one invoice does not follow from usage, prices and terms, or does not add up."""
    stored, again = draft_of(invoice, account.code), _again(session, usage, invoice, account)
    yield from _different_lines(stored, again)
    for name in ("subtotal", "net", "total"):
        kept, new = getattr(stored, name), getattr(again, name)
        if kept != new:
            yield f"{name} is {kept}, its usage and prices give {new}"
    if [(tax.rate, tax.amount) for tax in stored.tax] != [(tax.rate, tax.amount) for tax in again.tax]:
        yield "the tax does not follow from the net"
    took = [(each.promotion.key, each.amount) for each in stored.discounts]
    if took != [(each.promotion.key, each.amount) for each in again.discounts]:
        yield "the promotions would take off something else"
    nothing = Money.zero(stored.currency)
    late = sum((each.amount for each in stored.adjustments), nothing)
    if sum((line.amount for line in stored.lines), late) != stored.subtotal:
        yield "the lines do not add up to the subtotal"
    if sum((line.net for line in stored.lines), late) != stored.net:
        yield "the lines' nets do not add up to the net"
    yield from _wrong_notes(invoice, credit_notes_of(session, [invoice.id]).get(invoice.id, []))


def _again(session: Session, usage: UsageStore, invoice: Invoice, account: Account) -> InvoiceDraft:
    """Draft an invoice again, by its own terms and from what had been received when it was drafted."""
    frame = frame_of_invoice(invoice)
    terms, used = rerated_use(session, usage, invoice, account, invoice.usage_through)
    late = adjustments_of(session, usage, [account], frame, invoice.usage_through).get(account.id, ())
    return core.draft(terms.account, frame, used.uses, used.until, used.data_through, terms.promotions, late)


def _different_lines(stored: InvoiceDraft, again: InvoiceDraft) -> Iterator[str]:
    def told(line: Line) -> tuple[str, ...]:
        charge = line.charge
        return (
            f"{line.project.code} {charge.product.code} from {charge.starts_at:%Y-%m-%dT%H:%MZ}",
            plain(charge.quantity),
            charge.formula,
            str(line.amount),
            str(line.discount),
        )

    kept, new = {told(line) for line in stored.lines}, {told(line) for line in again.lines}
    for line in sorted(kept - new):
        yield f"line {line[0]}: {line[1]} units, {line[3]} less {line[4]}, does not follow from usage and prices"
    for line in sorted(new - kept):
        yield f"line {line[0]}: {line[1]} units, {line[3]} less {line[4]}, is missing"
    late, anew = (
        {(str(each.month), each.project.code, each.product.code, str(each.amount)) for each in draft.adjustments}
        for draft in (stored, again)
    )
    for each in sorted(late ^ anew):
        yield f"adjustment of {' '.join(each)} is {'not explained by late usage' if each in late else 'missing'}"


def _wrong_notes(invoice: Invoice, notes: list[CreditNote]) -> Iterator[str]:
    """Yield credit notes that give back more than a line had, or another tax than that of all net given back."""
    net_of = {line.position: line.net_minor for line in invoice.lines}
    credited: dict[int, int] = {}
    money = draft_of(invoice, "").currency
    bases: dict[str, int] = {}
    taxes: dict[str, int] = {}
    for note in notes:
        for line in note.lines:
            credited[line.line_position] = credited.get(line.line_position, 0) + line.net_minor
        for tax in note.taxes:
            rate = plain(tax.rate)
            bases[rate] = bases.get(rate, 0) + tax.base_minor
            taxes[rate] = taxes.get(rate, 0) + tax.amount_minor
            if taxes[rate] != tax_on(Money(bases[rate], money), tax.rate).amount.minor:
                yield f"{note.number}: its tax is not that of the net given back so far"
    for place, minor in credited.items():
        if minor > max(0, net_of.get(place, 0)):
            yield f"line {place}: more was given back than it had"
