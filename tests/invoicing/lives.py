"""What may happen in the life of an account: a catalog, usage of it, promotions, and money that moves."""

from __future__ import annotations

import re
from typing import NamedTuple

from hypothesis import strategies as st

from meterbook.core.period import BillingMonth

PER_DOLLAR = {"USD": 1, "KRW": 1000, "JPY": 100}
KINDS = {"server": "presence", "cores": "gauge", "calls": "counter", "lines": "counter", "aid": "presence"}
# in dollars' worth
PRICES = {
    "server": 'model = "per_unit", per = "month", unit_price = "<12>"',
    # late usage that reaches the second tier makes its month cheaper
    "cores": (
        'model = "volume", per = "month", tiers = [{ up_to = "0.2", unit_price = "<120>" }, { unit_price = "<30>" }]'
    ),
    "calls": (
        'model = "graduated", per = "quantity", tiers = [{ up_to = "20", unit_price = "<1>" }, { unit_price = "<2>" }]'
    ),
    "lines": (
        'model = "per_unit", per = "quantity", unit_price = "<3>", minimum_amount = "<7>", free_quantity = "5", '
        'free_unit = "quantity"'
    ),
    "aid": 'model = "flat", per = "month", unit_price = "<15>"',
}
RISES = {"server": "2027-02-16T05:00:00Z"}  # to twice as much
NEVER = BillingMonth(9998, 12)
TYPES = frozenset(f"lives.{code}" for code in KINDS)


class Use(NamedTuple):
    """Some hours of use in a month that is `back` from the running one, from a `place` in it (percent) on."""

    project: int
    product: str
    resource: str
    back: int
    place: int
    hours: int
    units: int


class Promote(NamedTuple):
    """A promotion code that is made and registered; it holds from some days before now until some days after."""

    kind: str
    value: int
    applies_to: str
    products: tuple[str, ...]
    priority: int
    carry_over: bool
    months: int | None
    back: int
    days: int | None


class Move(NamedTuple):
    """Money that moves: an amount, or a part (percent) of one of the payments, invoices, promotions or credits."""

    what: str
    amount: int
    which: int
    part: int


USES = st.builds(
    Use,
    project=st.integers(0, 1),
    product=st.sampled_from([*KINDS, "cores", "cores"]),
    resource=st.sampled_from(["a", "b"]),
    back=st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    place=st.integers(0, 99),
    hours=st.integers(1, 60),
    units=st.integers(1, 40),
)
PROMOTIONS = st.builds(
    Promote,
    kind=st.sampled_from(["percent", "amount", "free_quantity", "fixed_price", "credit"]),
    value=st.integers(1, 60),
    applies_to=st.sampled_from(["line", "invoice"]),
    products=st.sampled_from([(), (), (), ("server",), ("calls", "cores")]),
    priority=st.integers(0, 2),
    carry_over=st.booleans(),
    months=st.none() | st.integers(1, 3),
    back=st.integers(0, 40),
    days=st.none() | st.integers(1, 90) | st.integers(1, 40),
)
MOVES = st.builds(
    Move,
    what=st.sampled_from(
        [
            "record",
            "top up",
            "refund",
            "take back",
            "credit",
            "write off",
            "reinstate",
            "withdraw",
            "give",
            "take credit",
        ]
    ),
    amount=st.integers(1, 10_000),
    which=st.integers(0, 5),
    part=st.integers(1, 110),
)
HOW = st.sampled_from(["close", "close", "close", "draft", "again", "earlier", "out of order", "leave"])


def catalog() -> str:
    """Write the catalog in three currencies."""

    def price(code: str, money: str, since: str, times: int) -> str:
        def worth(dollars: re.Match[str]) -> str:
            return str(int(dollars[1]) * PER_DOLLAR[money] * times)

        return f'{{ currency = "{money}", from = {since}, {re.sub("<([0-9]+)>", worth, PRICES[code])} }}'

    parts = ["version = 1"]
    for code, kind in KINDS.items():
        prices = [price(code, money, "2010-01-01T00:00:00Z", 1) for money in PER_DOLLAR]
        prices += [price(code, money, RISES[code], 2) for money in PER_DOLLAR if code in RISES]
        parts.append(
            f'[[products]]\ncode = "{code}"\nname = "{code}"\nunit = "unit"\n'
            f'meter = {{ type = "lives.{code}", kind = "{kind}" }}\nprices = [{", ".join(prices)}]'
        )
    return "\n".join(parts)


CATALOG = catalog()
