"""Settlement through the pure core: what pays what, in which order, and how a new invoice stands (DOMAIN 5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.credits import Application, Books, Credit, Owed, Prepayment, settle, settlement
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money, currency
from meterbook.core.pricing import Per
from tests.core.months import Spell, drafted, frame_of, price, product, promotion, utc

USD, KRW = currency("USD"), currency("KRW")
JUNE, JULY = frame_of("2026-06"), frame_of("2026-07")
SINCE = utc("2026-01-01T00:00+00:00")
MONTHS = ["2026-04", "2026-05", "2026-06", "2026-07"]


def owed(id_: int | None, minor: int, month: str = "2026-06") -> Owed:
    frame = frame_of(month)
    return Owed(id_, Money(minor, USD), frame.starts_at, frame.ends_at)


def credit(id_: int, minor: int, since: str = "2026-01-01", until: str | None = None) -> Credit:
    ends = None if until is None else utc(f"{until}T00:00+00:00")
    return Credit(id_, Money(minor, USD), utc(f"{since}T00:00+00:00"), ends)


def cash(id_: int, minor: int) -> Prepayment:
    return Prepayment(id_, Money(minor, USD))


def told(applied: tuple[Application, ...]) -> list[tuple[int | None, str, int, int]]:
    return [(each.owed.invoice_id, type(each.source).__name__, each.source.id, each.amount.minor) for each in applied]


def standing(draft: InvoiceDraft) -> tuple[str, ...]:
    return tuple(
        str(each)
        for each in (
            draft.total,
            draft.unpaid,
            draft.amount_including_unpaid,
            draft.credit_used,
            draft.balance_used,
            draft.due,
        )
    )


def won(month: str, books: Books) -> InvoiceDraft:
    """Draft E09's lines: 60,018 with 10% tax are 66,019."""
    frame = frame_of(month)
    products, spells = [], list[Spell]()
    for number, amount in enumerate([10_005, 20_006, 30_007]):
        code = f"p{number}"
        products.append(product(code, price("1", currency="KRW", per=Per.quantity), kind=MeterKind.counter))
        spells.append(("web", code, frame.starts_at, frame.ends_at, Decimal(amount)))
    return drafted(frame, products, spells, code="KRW", tax="10", books=books)


def test_e11_balance_then_a_payment_then_the_next_month() -> None:
    assert standing(won("2026-06", Books(prepayments=(Prepayment(1, Money(50_000, KRW)),)))) == (
        "66019",
        "0",
        "66019",
        "0",
        "50000",
        "16019",
    )
    # 10,000 were paid of the 16,019
    june = Owed(1, Money(6_019, KRW), JUNE.starts_at, JUNE.ends_at)
    assert standing(won("2026-07", Books((june,)))) == ("66019", "6019", "72038", "0", "0", "72038")


def test_e17_the_credit_that_ends_first_then_the_other_then_cash() -> None:
    apm = product("apm", price("40.00"), kind=MeterKind.gauge)
    server = product("server", price("12.00"))
    spells = [
        ("web", "apm", JUNE.starts_at, JUNE.ends_at, Decimal(4)),
        ("web", "server", JUNE.starts_at, JUNE.ends_at, Decimal(5)),
    ]
    promotions = [
        promotion("percent", "15", 1, products=frozenset({"apm"})),
        promotion("percent", "10", 2, applies_to="invoice"),
        promotion("amount", "30", 3, applies_to="invoice"),
    ]
    granted = (credit(1, 5_000, until="2026-12-31"), credit(2, 2_000, until="2026-06-30"))
    books = Books((), granted, (cash(1, 10_000),))
    draft = drafted(JUNE, [apm, server], spells, promotions=promotions, books=books)
    assert standing(draft) == ("146.40", "0.00", "146.40", "70.00", "76.40", "0.00")
    assert told(settle(replace(books, owed=(owed(1, 14_640),)))) == [
        (1, "Credit", 2, 2_000),
        (1, "Credit", 1, 5_000),
        (1, "Prepayment", 1, 7_640),
    ]


def test_the_oldest_invoice_is_served_first_also_by_a_draft() -> None:
    books = Books((owed(1, 300, "2026-04"), owed(2, 200, "2026-05")), (), (cash(1, 400), cash(2, 150)))
    assert told(settle(books)) == [(1, "Prepayment", 1, 300), (2, "Prepayment", 1, 100), (2, "Prepayment", 2, 100)]
    stands = settlement(owed(None, 1_000), books)
    assert (stands.unpaid.minor, stands.credit_used.minor, stands.balance_used.minor) == (0, 0, 50)


@pytest.mark.parametrize(
    ("since", "until", "pays"),
    [
        ("2026-07-01", None, False),
        ("2026-06-30", None, True),
        ("2026-01-01", "2026-06-01", False),
        ("2026-01-01", "2026-06-02", True),
    ],
)
def test_a_credit_pays_for_months_it_was_in_force_in(since: str, until: str | None, pays: bool) -> None:
    books = Books((owed(1, 100),), (credit(1, 5_000, since, until),))
    assert bool(settle(books)) is pays


def test_credits_that_never_end_come_last_and_the_earlier_granted_first() -> None:
    books = Books((owed(1, 700),), (credit(3, 300), credit(2, 300), credit(4, 300, until="2030-01-01")))
    assert told(settle(books)) == [(1, "Credit", 4, 300), (1, "Credit", 2, 300), (1, "Credit", 3, 100)]


@st.composite
def open_books(draw: st.DrawFn) -> Books:
    minor = st.integers(1, 1_000)
    unpaid = [owed(id_, draw(minor), month) for id_, month in enumerate(MONTHS) if draw(st.booleans())]
    days = st.dates(SINCE.date(), utc("2026-09-01T00:00+00:00").date())
    granted = []
    for id_ in range(draw(st.integers(0, 4))):
        since, until = draw(days), draw(st.none() | days)
        if until is None or until > since:
            granted.append(credit(id_, draw(minor), str(since), None if until is None else str(until)))
    prepaid = [cash(id_, draw(minor)) for id_ in range(draw(st.integers(0, 3)))]
    shuffled = draw(st.permutations(granted)), draw(st.permutations(prepaid))
    return Books(tuple(unpaid), *map(tuple, shuffled))


def paid_of(item: Owed, applied: tuple[Application, ...]) -> int:
    return sum(each.amount.minor for each in applied if each.owed is item)


def used_of(source: Credit | Prepayment, applied: tuple[Application, ...]) -> int:
    return sum(each.amount.minor for each in applied if each.source is source)


@given(open_books())
def test_nothing_pays_more_than_is_owed_or_left_and_what_may_pay_has_paid(books: Books) -> None:
    applied = settle(books)
    assert all(each.amount.minor > 0 for each in applied)
    assert all(paid_of(item, applied) <= item.unpaid.minor for item in books.owed)
    assert all(used_of(each, applied) <= each.left.minor for each in (*books.credits, *books.prepayments))
    rest = Books(
        tuple(replace(item, unpaid=Money(item.unpaid.minor - paid_of(item, applied), USD)) for item in books.owed),
        tuple(replace(each, left=Money(each.left.minor - used_of(each, applied), USD)) for each in books.credits),
        tuple(replace(each, left=Money(each.left.minor - used_of(each, applied), USD)) for each in books.prepayments),
    )
    assert settle(rest) == (), "settling again changes nothing"


@given(open_books())
def test_older_invoices_earlier_ends_and_earlier_money_come_first(books: Books) -> None:
    applied = settle(books)
    places = {id(item): place for place, item in enumerate(books.owed)}
    assert [places[id(each.owed)] for each in applied] == sorted(places[id(each.owed)] for each in applied)
    for item in books.owed:
        sources = [each.source for each in applied if each.owed is item]
        kinds = [isinstance(source, Prepayment) for source in sources]
        assert kinds == sorted(kinds), "credit comes before cash"
        ends = [
            source.ends_at.timestamp() if source.ends_at else 1e12 for source in sources if isinstance(source, Credit)
        ]
        assert ends == sorted(ends)
        arrivals = [source.id for source in sources if isinstance(source, Prepayment)]
        assert arrivals == sorted(arrivals)
        if any(kinds):
            usable = [each for each in books.credits if each.pays_for(item)]
            assert all(used_of(each, applied) == each.left.minor for each in usable), "cash is touched last"
    if any(paid_of(item, applied) < item.unpaid.minor for item in books.owed):
        assert all(used_of(each, applied) == each.left.minor for each in books.prepayments)


@given(open_books(), st.integers(0, 3_000))
def test_a_new_invoice_stands_as_it_will_once_all_is_settled(books: Books, total: int) -> None:
    new = owed(9, total, "2026-08")
    stands = settlement(new, books)
    applied = settle(replace(books, owed=(*books.owed, new)))
    assert stands.credit_used.minor + stands.balance_used.minor == paid_of(new, applied) <= total
    earlier = sum(item.unpaid.minor - paid_of(item, applied) for item in books.owed)
    assert stands.unpaid.minor == earlier
    assert settle(books) == applied[: len(settle(books))], "the newest takes nothing from those before it"
