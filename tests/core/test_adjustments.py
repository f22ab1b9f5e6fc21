"""Late usage on an invoice: taken as far as the invoice reaches, untouched by promotions, taxed by its own rate."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.invoice import Adjustment
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.terms import ProjectTerms
from tests.core.june import (
    PRODUCTS,
    SERVER,
    USD,
    Case,
    all_june,
    any_bill,
    bill,
    took,
)
from tests.core.months import promotion


def adjustment(amount: int, rate: str = "0", month: int = 5) -> Adjustment:
    money = Money(amount, USD)
    web, earlier = ProjectTerms("web", "web"), BillingMonth(2026, month)
    return Adjustment(
        web, SERVER, earlier, Money(max(amount, 0), USD), Money(max(-amount, 0), USD), money, Decimal(rate)
    )


def test_an_adjustment_below_nothing_is_taken_as_far_as_the_invoice_reaches() -> None:
    draft = bill(spells=[all_june("server", "1")], adjustments=[adjustment(-1500), adjustment(100, month=4)])
    assert (str(draft.net), str(draft.total)) == ("0.00", "0.00")
    assert [str(each.amount) for each in draft.adjustments] == ["-13.00", "1.00"]
    assert draft.deferred_months == (BillingMonth(2026, 5),)


def test_promotions_leave_adjustments_alone() -> None:
    half = promotion("percent", "50", applies_to="invoice")
    draft = bill(half, spells=[all_june("server", "1")], adjustments=[adjustment(100), adjustment(-200, month=4)])
    assert (took(draft), str(draft.subtotal), str(draft.net)) == (["6.00"], "11.00", "5.00")
    assert draft.deferred_months == ()


def test_each_rate_is_taxed_once() -> None:
    draft = bill(spells=[all_june("server", "1")], adjustments=[adjustment(105, "8")], tax="10")
    assert [(str(tax.rate), str(tax.base), str(tax.amount)) for tax in draft.tax] == [
        ("10", "12.00", "1.20"),
        ("8", "1.05", "0.08"),
    ]
    assert str(draft.total) == "14.33"


def test_what_an_earlier_rate_takes_back_reaches_to_nothing_with_its_tax() -> None:
    # 12.00 without tax: 10.91 of the adjustment, with 1.09 of its tax, use it up
    draft = bill(spells=[all_june("server", "1")], adjustments=[adjustment(-1200, "10")])
    assert (str(draft.adjustments[0].amount), str(draft.net), str(draft.total)) == ("-10.91", "1.09", "0.00")
    assert draft.deferred_months == (BillingMonth(2026, 5),)


late = st.builds(adjustment, st.integers(-3_000, 3_000), st.sampled_from(["0", "8", "10"]), st.sampled_from([4, 5]))


@given(any_bill, st.lists(late, max_size=4))
def test_any_adjustments_leave_net_and_total_at_or_above_nothing(case: Case, some: list[Adjustment]) -> None:
    _, spells, _, tax = case
    draft = bill(*case[0], spells=spells, products=PRODUCTS["USD"], tax=tax, adjustments=some)
    nothing = Money.zero(USD)
    assert draft.net.minor >= 0 <= draft.total.minor
    assert (
        sum((each.amount for each in draft.adjustments), sum((line.net for line in draft.lines), nothing)) == draft.net
    )
    assert sum((each.base for each in draft.tax), nothing) == draft.net
    wanted, taken = sum(each.amount.minor for each in some), sum(each.amount.minor for each in draft.adjustments)
    assert taken >= wanted
    if taken > wanted:
        assert draft.deferred_months
        assert min(draft.net.minor, draft.total.minor) <= 1, "the rest waits only when nothing more can be taken"
