"""Laws of rating that hold for every price and every month (Hypothesis)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from meterbook.core.allocation import allocate
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money, Rounding, currency, half_up, plain, rounded
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel
from tests.core.months import LONG_AGO, drafted, frame_of, price, product, trial

FRAME = frame_of("2026-06")
amounts = st.decimals("0", "999", places=4).map(str)
TIERS = [("10", "5"), ("50", "4"), (None, "3")]


@st.composite
def prices(draw: st.DrawFn, per: st.SearchStrategy[Per]) -> Price:
    model = draw(st.sampled_from(PriceModel))
    tiered = model in (PriceModel.graduated, PriceModel.volume)
    each = draw(per)
    rest: dict[str, object] = {}
    if model is PriceModel.package:
        rest["package_size"] = draw(st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(1000)]))
    if model is not PriceModel.flat and draw(st.booleans()):
        rest |= {"free_quantity": Decimal(draw(st.integers(0, 500))), "free_unit": FreeUnit.quantity}
    if draw(st.booleans()):
        rest["minimum_amount"] = Decimal(draw(st.integers(0, 900)))
    if model is PriceModel.flat:
        each = Per.month if each is Per.quantity else each
    return price(None if tiered else draw(amounts), model=model, per=each, tiers=TIERS if tiered else (), **rest)


timed = prices(st.sampled_from([Per.month, Per.hour]))
counted = prices(st.just(Per.quantity))
hours = st.integers(0, 720)


@st.composite
def months(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    """Products with any prices, and what three projects had on of them."""
    products = [
        product("server", draw(timed)),
        product("log", draw(timed), kind=MeterKind.stock),
        product("requests", draw(counted), kind=MeterKind.counter),
    ]
    spells = []
    for _ in range(draw(st.integers(1, 8))):
        start, length = draw(hours), draw(hours)
        begins = FRAME.starts_at + timedelta(hours=min(start, 719))
        spells.append(
            (
                draw(st.sampled_from(["api", "shop", "web"])),
                draw(st.sampled_from(["server", "log", "requests"])),
                begins,
                min(begins + timedelta(hours=length), FRAME.ends_at),
                draw(st.decimals("0", "50", places=3)),
            )
        )
    return products, spells


@given(months(), st.sampled_from(["USD", "KRW"]), st.sampled_from(["0", "10", "8.875"]))
def test_lines_sum_to_the_subtotal_and_both_groupings_agree(case, code: str, tax: str) -> None:  # type: ignore[no-untyped-def]
    products, spells = case
    products = [replace(p, prices=tuple(replace(v, currency=code) for v in p.prices)) for p in products]
    draft = drafted(FRAME, products, spells, code=code, tax=tax)
    nothing = Money.zero(draft.currency)
    assert sum((line.amount for line in draft.lines), nothing) == draft.subtotal
    for by in ("project", "product"):
        groups = draft.groups(by)
        assert sum((group.total_cost for group in groups), nothing) == draft.subtotal
        assert sorted(map(id, (line for g in groups for line in g.lines))) == sorted(map(id, draft.lines))
    assert draft.total == sum((t.amount for t in draft.tax), draft.subtotal)


@given(months(), hours)
def test_splitting_a_price_into_two_equal_ones_changes_at_most_a_rounding(case, at: int) -> None:  # type: ignore[no-untyped-def]
    products, spells = case
    whole = drafted(FRAME, products, spells)
    change = FRAME.starts_at + timedelta(hours=at)
    halves = [replace(p, prices=(*p.prices, replace(p.prices[0], effective_from=change))) for p in products]
    split = drafted(FRAME, halves, spells)
    before, after = _by_use(whole), _by_use(split)
    for use in before | after:
        assert abs(before.get(use, 0) - after.get(use, 0)) <= 1


def _by_use(draft: InvoiceDraft) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for line in draft.lines:
        key = (line.project.code, line.charge.product.code)
        sums[key] = sums.get(key, 0) + line.amount.minor
    return sums


@given(months(), st.lists(hours, max_size=5))
def test_cutting_usage_anywhere_changes_nothing(case, cuts: list[int]) -> None:  # type: ignore[no-untyped-def]
    products, spells = case
    extra = [FRAME.starts_at + timedelta(hours=cut) for cut in cuts]
    plainly = drafted(FRAME, products, spells)
    cut = drafted(FRAME, products, spells, extra_cuts=extra)
    assert [line.amount for line in cut.lines] == [line.amount for line in plainly.lines]


@given(months(), st.integers(1, 719))
def test_a_trial_costs_nothing_until_it_ends(case, ends: int) -> None:  # type: ignore[no-untyped-def]
    products, spells = case
    until = FRAME.starts_at + timedelta(hours=ends)
    terms = [trial(code, until) for code in ("api", "shop", "web")]
    draft = drafted(FRAME, products, spells, projects=terms)
    for line in draft.lines:
        if line.charge.starts_at < until:
            assert line.amount.minor == 0
            assert line.charge.waiver == "trial"


@given(st.fractions(), st.sampled_from(Rounding), st.sampled_from(["USD", "KRW", "KWD"]))
def test_rounding_is_to_a_neighbour(exact: Fraction, rounding: Rounding, code: str) -> None:
    money = rounded(exact, currency(code, rounding))
    scaled = exact * 10**money.currency.digits
    assert abs(money.minor - scaled) < 1
    if scaled.denominator == 1:
        assert money.minor == scaled
    if rounding in (Rounding.half_up, Rounding.half_even):
        assert abs(money.minor - scaled) <= Fraction(1, 2)
    if rounding is Rounding.down:
        assert abs(money.minor) <= abs(scaled)


@given(st.integers(-(10**12), 10**12), st.lists(st.fractions(0, 1000), min_size=1, max_size=20))
def test_allocated_parts_add_up_and_are_near_their_share(minor: int, weights: list[Fraction]) -> None:
    amount = Money(minor, currency("USD"))
    parts = allocate(amount, weights)
    assert sum(part.minor for part in parts) == minor
    if total := sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part.minor - minor * weight / total) < 1


@given(
    st.integers(0, 10**9),
    st.lists(st.fractions(0, 50, max_denominator=60), min_size=30, max_size=80)
    | st.lists(st.fractions(0, 10**6, max_denominator=10**12), min_size=30, max_size=80),
)
@example(7, [Fraction(1, each) for each in range(2, 40)] + [Fraction(1, 3)] * 9)
@example(10**6, [Fraction(1, 10**200 + each) for each in range(30)])
def test_many_parts_are_allocated_by_largest_remainder_and_ties_to_the_earlier(
    minor: int, weights: list[Fraction]
) -> None:
    total = sum(weights)
    shares = [minor * weight / total for weight in weights] if total else [Fraction(minor, len(weights))] * len(weights)
    expected = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: (int(shares[i]) - shares[i], i))
    for i in by_remainder[: minor - sum(expected)]:
        expected[i] += 1
    assert [part.minor for part in allocate(Money(minor, currency("USD")), weights)] == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_plain_text_keeps_the_number(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert Decimal(plain(Fraction(value))) == value
    assert "E" not in plain(value).upper()


@given(st.fractions(), st.integers(0, 6))
def test_display_rounding_is_half_away_from_zero(value: Fraction, places: int) -> None:
    shown = half_up(value, places)
    assert abs(Fraction(shown) - value) <= Fraction(1, 2 * 10**places)
    assert half_up(-value, places) == shown.copy_negate()  # a minus sign would round to the context


def test_the_price_in_force_is_the_latest_begun() -> None:
    early, late = price("1", since=LONG_AGO), price("2", since=LONG_AGO + timedelta(days=1))
    draft = drafted(
        FRAME, [product("server", late, early)], [("web", "server", FRAME.starts_at, FRAME.ends_at, Decimal(1))]
    )
    assert str(draft.total) == "2.00"
