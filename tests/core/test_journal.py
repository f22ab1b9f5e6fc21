"""The journal: an entry adds up to nothing, in one currency, with one posting for each thing it is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.journal import Entry, LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money, currency

USD, KRW = currency("USD"), currency("KRW")

amounts = st.integers(-(10**9), 10**9).map(lambda minor: Money(minor, USD))
postings = st.builds(
    Posting,
    st.sampled_from(LedgerAccount),
    amounts,
    product=st.none() | st.sampled_from(["apm", "server"]),
    invoice_id=st.none() | st.integers(1, 2),
    credit_id=st.none() | st.just(1),
)


def usd(minor: int) -> Money:
    return Money(minor, USD)


def test_an_invoice_books_revenue_before_and_the_promotions_after_discount() -> None:
    # E07 with 10% tax: 220.00 less 73.60, and 14.64 on 146.40
    made = entry(
        Reason.invoice,
        "invoice:1",
        7,
        Posting(LedgerAccount.receivable, usd(16_104), invoice_id=1),
        Posting(LedgerAccount.revenue, usd(-16_000), product="apm"),
        Posting(LedgerAccount.revenue, usd(-6_000), product="server"),
        Posting(LedgerAccount.promotions, usd(2_400), redemption_id=1),
        Posting(LedgerAccount.promotions, usd(1_960), redemption_id=2),
        Posting(LedgerAccount.promotions, usd(3_000), redemption_id=3),
        Posting(LedgerAccount.tax_payable, usd(-1_464)),
    )
    assert len(made.postings) == 7
    assert sum(posting.amount.minor for posting in made.postings) == 0


def test_postings_about_the_same_thing_are_one_and_those_of_nothing_none() -> None:
    made = entry(
        Reason.payment,
        "payment:1",
        7,
        Posting(LedgerAccount.cash_clearing, usd(1_000)),
        Posting(LedgerAccount.receivable, usd(-400), invoice_id=1),
        Posting(LedgerAccount.receivable, usd(-100), invoice_id=1),
        Posting(LedgerAccount.receivable, usd(-500), invoice_id=2),
        Posting(LedgerAccount.tax_payable, usd(0)),
    )
    assert [(each.invoice_id, each.amount.minor) for each in made.postings] == [(None, 1_000), (1, -500), (2, -500)]


@given(st.lists(postings, max_size=8))
def test_any_postings_that_are_balanced_keep_their_sums(some: list[Posting]) -> None:
    rest = -sum(posting.amount.minor for posting in some)
    balanced = [*some, Posting(LedgerAccount.cash_clearing, usd(1)), Posting(LedgerAccount.bad_debt, usd(rest - 1))]
    made = entry(Reason.write_off, "invoice:1", 7, *balanced)
    keys = [(each.ledger_account, each.product, each.invoice_id, each.credit_id) for each in made.postings]
    assert len(set(keys)) == len(keys)
    for account in LedgerAccount:
        before = sum(each.amount.minor for each in balanced if each.ledger_account is account)
        assert sum(each.amount.minor for each in made.postings if each.ledger_account is account) == before
    assert all(each.amount.minor for each in made.postings)


@given(st.lists(amounts, min_size=1, max_size=5))
def test_what_does_not_balance_is_no_entry(some: list[Money]) -> None:
    off = sum(each.minor for each in some) or 1
    rows = [Posting(LedgerAccount.cash_clearing, each) for each in some]
    if off == 1:
        rows.append(Posting(LedgerAccount.cash_clearing, usd(1)))
    with pytest.raises(AssertionError, match="an entry balances"):
        Entry(Reason.payment, "payment:1", 7, tuple(rows))


def test_what_moves_no_money_has_no_postings() -> None:
    # the invoice of a month that was on trial
    nothing = Posting(LedgerAccount.receivable, usd(0), invoice_id=1)
    assert entry(Reason.invoice, "invoice:1", 7, nothing).postings == ()


def test_currencies_never_meet_in_an_entry() -> None:
    with pytest.raises(AssertionError, match="one currency"):
        Entry(
            Reason.payment,
            "payment:1",
            7,
            (
                Posting(LedgerAccount.cash_clearing, usd(1_000)),
                Posting(LedgerAccount.receivable, Money(-1_000, KRW), invoice_id=1),
            ),
        )
