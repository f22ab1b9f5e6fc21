"""Laws of promotions: whatever is registered and used, an invoice adds up and nothing goes below nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.metering import MeterKind
from meterbook.core.money import Money
from meterbook.core.pricing import FreeUnit
from tests.core.june import (
    CODES,
    JUNE,
    PRODUCTS,
    PROJECTS,
    Case,
    all_june,
    any_bill,
    bill,
    billed,
)
from tests.core.months import promotion


@given(any_bill)
def test_any_promotions_leave_an_invoice_that_adds_up(case: Case) -> None:
    plain, draft = billed(case), billed(case, *case[0])
    nothing = Money.zero(draft.currency)
    assert draft.subtotal == plain.subtotal
    assert [line.amount for line in draft.lines] == [line.amount for line in plain.lines]
    assert all(nothing.minor <= line.net.minor <= line.amount.minor for line in draft.lines)
    assert sum((line.net for line in draft.lines), nothing) == draft.net
    assert sum((each.amount for each in draft.discounts), nothing) == draft.discount
    for by in ("project", "product"):
        assert sum((group.net_cost for group in draft.groups(by)), nothing) == draft.net
    by_line = [0] * len(draft.lines)
    for each in draft.discounts:
        assert each.amount.minor > 0
        assert sum((share for _, share in each.shares), nothing) == each.amount
        for place, share in each.shares:
            by_line[place] += share.minor
    assert by_line == [line.discount.minor for line in draft.lines]
    assert draft.total == sum((each.amount for each in draft.tax), draft.net)


@given(any_bill)
def test_a_discount_stays_with_its_products_projects_and_time(case: Case) -> None:
    draft = billed(case, *case[0])
    for each in draft.discounts:
        made = each.promotion
        for place, _ in each.shares:
            line = draft.lines[place]
            assert not made.products or line.charge.product.code in made.products
            assert not made.projects or line.project.code in made.projects
            assert made.starts_at is None or made.starts_at < line.charge.ends_at
            assert made.ends_at is None or line.charge.starts_at < made.ends_at


@given(any_bill)
def test_a_promotion_never_raises_what_is_left_of_the_invoice(case: Case) -> None:
    made = case[0]
    alone = billed(case)
    assert all(billed(case, each).net.minor <= alone.net.minor for each in made)
    left = [billed(case, *made[:count]).net.minor for count in range(len(made) + 1)]
    for before, after in pairwise(left):
        assert after <= before + len(alone.lines), "one more among others changes at most how each line is rounded"


@given(any_bill)
def test_a_free_quantity_is_no_more_than_was_granted_and_used(case: Case) -> None:
    draft = billed(case, *case[0])
    for each in draft.discounts:
        if each.quantity is None:
            continue
        made = each.promotion
        assert 0 < each.quantity <= Fraction(made.value) + made.carried
        used = Fraction(0)
        for line in draft.lines:
            if made.projects <= {line.project.code} and (
                not made.products or line.charge.product.code in made.products
            ):
                by_units = made.free_unit is FreeUnit.quantity and line.is_time_based
                used += line.charge.quantity / (720 if by_units else 1)
        assert each.quantity <= used


@given(any_bill)
def test_a_free_quantity_or_a_fixed_price_leaves_commitments_whole(case: Case) -> None:
    kept = [each for each in case[0] if each.kind in ("free_quantity", "fixed_price")]
    draft = billed(case, *kept)
    disks = [line for line in draft.lines if line.charge.product.code == "disk"]
    for _, lines in groupby(disks, key=lambda line: line.project.code):
        found = list(lines)
        roundings = sum(line.discount.minor > 0 for line in found) * len(kept)
        assert sum(line.net.minor for line in found) >= 40 * 10**draft.currency.digits - roundings


@given(any_bill)
def test_all_off_the_invoice_leaves_nothing(case: Case) -> None:
    draft = billed(case, *case[0], promotion("percent", "100", 99, applies_to="invoice"))
    assert (draft.net.minor, draft.total.minor) == (0, 0)


@given(
    any_bill,
    st.lists(
        st.tuples(st.sampled_from(CODES), st.decimals("0.1", "50", places=1), st.sampled_from(PROJECTS)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 719),
)
def test_what_goes_on_all_month_comes_to_its_forecast(
    case: Case, used: list[tuple[str, Decimal, str]], hours: int
) -> None:
    made, _, code, tax = case
    items = [item for item in PRODUCTS[code] if item.meter.kind is not MeterKind.counter]
    spells = [all_june(product, str(units), project) for product, units, project in used]
    early = JUNE.starts_at + timedelta(hours=hours)
    so_far = bill(*made, spells=spells, products=items, code=code, tax=tax, at=early)
    assert so_far.forecast == bill(*made, spells=spells, products=items, code=code, tax=tax).total
