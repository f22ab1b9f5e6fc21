"""Days of a month: its lines spread over them, project by project or together, add up to the invoice."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.daily import DailyCosts, Together, daily_costs
from meterbook.core.invoice import draft
from meterbook.core.money import currency
from meterbook.core.period import day_starts
from meterbook.core.rating import Part
from meterbook.core.terms import AccountTerms, ProjectTerms, Use
from tests.core.months import frame_of, price, product

FRAME = frame_of("2026-06")
CHANGE = FRAME.starts_at + timedelta(days=9, hours=5)
SERVER = product("server", price("12.00"), price("13.50", since=CHANGE))
QUANTITIES = st.lists(st.integers(0, 240), min_size=31, max_size=31)


def parts_of(quantities: list[int]) -> tuple[Part, ...]:
    cuts = sorted({*day_starts(FRAME.starts_at, FRAME.ends_at, FRAME.zone), CHANGE})
    bounds: list[datetime] = [*cuts, FRAME.ends_at]
    return tuple(
        Part(start, end, Fraction(quantity), min(quantity, 24))
        for start, end, quantity in zip(bounds, bounds[1:], quantities, strict=False)
    )


def minors(daily: DailyCosts) -> list[int | None]:
    [series] = daily.series
    return [None if cost is None else cost.minor for cost in series.costs]


@given(st.lists(QUANTITIES, min_size=1, max_size=5), st.booleans())
def test_projects_together_add_up_to_the_invoice_and_are_near_those_one_by_one(
    uses: list[list[int]], has_trial: bool
) -> None:
    trial = ProjectTerms("p0", "p0", CHANGE) if has_trial else ProjectTerms("p0", "p0")
    projects = [trial, *(ProjectTerms(f"p{number}", f"p{number}") for number in range(1, len(uses)))]
    used = [Use(project, SERVER, parts_of(each)) for project, each in zip(projects, uses, strict=True)]
    account = AccountTerms("acme", currency("USD"), Decimal(0))
    drafted = draft(account, FRAME, used, FRAME.ends_at, None)
    if not drafted.lines:
        return
    apart = used[: int(has_trial)]
    summed = [sum(each) for each in zip(*uses[int(has_trial) :], strict=True)] or [0] * 31
    together = Together(SERVER, frozenset(use.project.code for use in apart), parts_of(summed))
    one_by_one, as_one = minors(daily_costs(drafted, used)), minors(daily_costs(drafted, apart, [together]))
    assert sum(filter(None, as_one)) == sum(filter(None, one_by_one)) == drafted.subtotal.minor
    for singly, jointly in zip(one_by_one, as_one, strict=True):
        assert (singly is None) == (jointly is None)
        assert abs((singly or 0) - (jointly or 0)) <= 2 * len(uses)
