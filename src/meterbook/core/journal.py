"""The journal: double entry in signed postings, debit positive (DOMAIN 6, Ledger)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from meterbook.core.money import Money


class LedgerAccount(StrEnum):
    """What an amount is booked on; the first six are kept by customer account as well."""

    receivable = "receivable"
    revenue = "revenue"
    promotions = "promotions"
    tax_payable = "tax_payable"
    customer_balance = "customer_balance"
    promotional_credit = "promotional_credit"
    cash_clearing = "cash_clearing"
    bad_debt = "bad_debt"


class Reason(StrEnum):
    """Why an entry was posted; with its source it happens once."""

    invoice = "invoice"
    credit_note = "credit_note"
    payment = "payment"
    top_up = "top_up"
    settlement = "settlement"
    refund = "refund"
    payment_return = "payment_return"
    credit_granted = "credit_granted"
    credit_expired = "credit_expired"
    credit_withdrawn = "credit_withdrawn"
    write_off = "write_off"
    reinstatement = "reinstatement"


@dataclass(frozen=True, slots=True)
class Posting:
    """One signed amount on a ledger account, with what it is about.

    `product` (a code) divides revenue, `redemption_id` promotions; `invoice_id`, `credit_id` and `prepayment_id` say
    whose receivable, credit or prepaid money it is.
    """

    ledger_account: LedgerAccount
    amount: Money
    product: str | None = None
    invoice_id: int | None = None
    redemption_id: int | None = None
    credit_id: int | None = None
    prepayment_id: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Postings of one cause that add up to nothing, in one currency, for one customer account; none for no money.

    `source` names the cause among those of its reason, as "invoice:17".
    """

    reason: Reason
    source: str
    account_id: int
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        assert len({posting.amount.currency.code for posting in self.postings}) <= 1, "an entry has one currency"
        assert sum(posting.amount.minor for posting in self.postings) == 0, "an entry balances"


def entry(reason: Reason, source: str, account_id: int, *postings: Posting) -> Entry:
    """Return an entry of the postings, those about the same thing added up and those of nothing left out."""
    sums: dict[tuple[object, ...], Posting] = {}
    for posting in postings:
        key = (
            posting.ledger_account,
            posting.product,
            posting.invoice_id,
            posting.redemption_id,
            posting.credit_id,
            posting.prepayment_id,
        )
        known = sums.get(key)
        sums[key] = posting if known is None else replace(known, amount=known.amount + posting.amount)
    return Entry(reason, source, account_id, tuple(each for each in sums.values() if each.amount.minor))
