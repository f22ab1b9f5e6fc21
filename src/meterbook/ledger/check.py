"""Check the books: every entry balances, every receivable, balance and credit is what it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from meterbook.core.journal import LedgerAccount
from meterbook.core.money import Money, currency
from meterbook.ledger.tables import PostingRow

_CHECKS: Final = {
    "an entry does not balance": """
        select 'entry ' || e.reason || ' ' || e.source || ': ' || sum(p.amount_minor)
        from journal_entry e
        join posting p on p.entry_id = e.id
        group by e.id
        having sum(p.amount_minor) <> 0
        """,
    "an entry has another currency than its postings, or another account": """
        select 'entry ' || e.reason || ' ' || e.source
        from journal_entry e
        join posting p on p.entry_id = e.id
        join account a on a.id = e.account_id
        where p.currency <> e.currency or e.currency <> a.currency or p.account_id <> e.account_id
        """,
    "an entry has no postings": """
        select 'entry ' || e.reason || ' ' || e.source
        from journal_entry e
        where not exists (select from posting p where p.entry_id = e.id)
        """,
    "an invoice is paid more than it is": """
        select 'account ' || account_id || ', invoice ' || invoice_id || ': ' || sum(amount_minor)
        from posting
        where ledger_account = 'receivable'
        group by account_id, invoice_id
        having sum(amount_minor) < 0
        """,
    "more was taken from a prepayment than came in, or less came in than it says": """
        select 'prepayment ' || r.id || ' (' || r.source || '): ' || coalesce(sum(-p.amount_minor), 0)
        from prepayment r
        left join posting p on p.prepayment_id = r.id and p.ledger_account = 'customer_balance'
        group by r.id
        having coalesce(sum(-p.amount_minor), 0) < 0
            or coalesce(sum(-p.amount_minor) filter (where p.amount_minor < 0), 0) <> r.amount_minor
        """,
    "more was used of a credit than was granted, or it was not granted as it says": """
        select 'credit ' || c.id || ': ' || coalesce(sum(-p.amount_minor), 0)
        from credit c
        left join posting p on p.credit_id = c.id and p.ledger_account = 'promotional_credit'
        left join journal_entry e on e.id = p.entry_id
        group by c.id
        having coalesce(sum(-p.amount_minor), 0) < 0
            or coalesce(sum(-p.amount_minor) filter (where e.reason = 'credit_granted'), 0) <> c.amount_minor
        """,
    "a posting speaks of a credit or a prepayment that is not there": """
        select 'posting ' || p.id
        from posting p
        where (p.credit_id is not null and not exists (select from credit c where c.id = p.credit_id))
            or (p.prepayment_id is not null and not exists (select from prepayment r where r.id = p.prepayment_id))
            or (p.invoice_id is not null and not exists (select from invoice i where i.id = p.invoice_id))
        """,
}


def checked(session: Session) -> Iterator[tuple[str, list[str]]]:
    """Yield every rule, told as what would be wrong, with where the books break it, each as one line."""
    for rule, statement in _CHECKS.items():
        yield rule, list(session.scalars(text(statement)))


def faults(session: Session) -> Iterator[str]:
    """Yield what is wrong with the books, each as one line; nothing when they hold."""
    for rule, found in checked(session):
        yield from (f"{rule}: {told}" for told in found)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """What stands on each ledger account in one currency, debit positive; all of it adds up to `total`, nothing."""

    currency: str
    amounts: tuple[tuple[LedgerAccount, Money], ...]
    total: Money


def trial_balances(session: Session) -> list[TrialBalance]:
    """Return the sums of all postings by currency and ledger account."""
    query = select(PostingRow.currency, PostingRow.ledger_account, func.sum(PostingRow.amount_minor))
    sums: dict[str, dict[str, int]] = {}
    for code, name, minor in session.execute(query.group_by(PostingRow.currency, PostingRow.ledger_account)):
        sums.setdefault(code, {})[name] = int(minor or 0)
    return [
        TrialBalance(
            code,
            tuple((name, Money(sums[code].get(name, 0), money)) for name in LedgerAccount),
            Money(sum(sums[code].values()), money),
        )
        for code in sorted(sums)
        for money in [currency(code)]
    ]
