"""Add a promotion under a code."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts.queries import projects_there
from meterbook.catalog.queries import current_catalog
from meterbook.core.money import Money, UnknownCurrency
from meterbook.core.money import currency as known_currency
from meterbook.core.pricing import FreeUnit
from meterbook.core.promotion import AppliesTo, PromotionKind
from meterbook.core.sentence import say
from meterbook.errors import Invalid, Refused
from meterbook.promotions.tables import PromotionRow

LONGEST_NAME: Final = 200
MOST_NAMED: Final = 1_000  # products or projects of one promotion
MOST_MONTHS: Final = 120
_MOST_SHOWN: Final = 5
LARGEST: Final = Decimal(10) ** 15
_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,39}")
_NEEDS_CURRENCY: Final = (PromotionKind.amount, PromotionKind.fixed_price, PromotionKind.credit)


def promotion_code(text: str) -> str:
    """Return a code as it is compared: trimmed, in upper case (DOMAIN 5)."""
    return text.strip().upper()


def add_promotion(
    session: Session,
    now: datetime,
    *,
    code: str,
    kind: str,
    value: Decimal,
    name: str | None = None,
    currency: str | None = None,
    applies_to: str | None = None,
    products: Sequence[str] = (),
    projects: Sequence[str] = (),
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    redemptions_max: int | None = None,
    stackable: bool = True,
    priority: int = 0,
    months: int | None = None,
    carry_over: bool = False,
    free_unit: str = FreeUnit.unit_hours,
) -> PromotionRow:
    """Add a promotion and return it; the very same one again is the one that is there.

    Without `starts_at` it holds from `now`; without `applies_to`, on the invoice, or on lines when it names products
    or projects, which have to be there. Raises `Invalid` naming the field ("unknown-product", "unknown-project"),
    `Refused` ("exists") when the code is there and differs.
    """
    chosen, of_products, of_projects = _kind(kind), _named("products", products), _named("projects", projects)
    wanted = {
        "name": checked_name(name or code.strip()),
        "kind": chosen.value,
        "value": _value(chosen, value, currency),
        "currency": _currency(chosen, currency),
        "applies_to": _applies_to(chosen, applies_to, bool(products or projects)).value,
        "products": of_products,
        "projects": of_projects,
        "ends_at": ends_at,
        "redemptions_max": checked_count(redemptions_max),
        "stackable": stackable,
        "priority": priority,
        "months": _count("months", months, MOST_MONTHS),
        "carry_over": carry_over,
        "free_unit": _free_unit(free_unit).value,
    }
    checked_period(starts_at or now, ends_at)
    row = {"code": _code(code), "starts_at": starts_at or now, "created_at": now, **wanted}
    if session.scalar(select(PromotionRow.id).where(PromotionRow.code == row["code"])) is None:
        _check_there(session, of_products, of_projects)
    session.execute(insert(PromotionRow).values(**row).on_conflict_do_nothing(index_elements=["code"]))
    stored = session.scalars(select(PromotionRow).where(PromotionRow.code == row["code"])).one()
    compared = wanted if starts_at is None else {**wanted, "starts_at": starts_at}
    differs = sorted(field for field, given in compared.items() if getattr(stored, field) != given)
    if differs:
        raise Refused(
            say(
                "The code %(code)s is there already with another %(differs)s: choose another code.",
                code=stored.code,
                differs=", ".join(differs),
            ),
            "exists",
            differs=differs,
        )
    return stored


def _code(text: str) -> str:
    code = promotion_code(text)
    if not _CODE.fullmatch(code):
        raise _wrong("code", "A promotion code has 2 to 40 letters, digits, dashes, underscores and dots.")
    return code


def _kind(text: str) -> PromotionKind:
    try:
        return PromotionKind(text)
    except ValueError:
        raise _wrong("kind", say("A promotion is one of %(choices)s.", choices=", ".join(PromotionKind))) from None


def _free_unit(text: str) -> FreeUnit:
    try:
        return FreeUnit(text)
    except ValueError:
        raise _wrong(
            "free_unit", say("A free quantity is counted in %(choices)s.", choices=" or ".join(FreeUnit))
        ) from None


def _applies_to(kind: PromotionKind, text: str | None, is_narrow: bool) -> AppliesTo:
    try:
        asked = None if text is None else AppliesTo(text)
    except ValueError:
        raise _wrong("applies_to", "A promotion applies to a line or to an invoice.") from None
    if kind in (PromotionKind.fixed_price, PromotionKind.free_quantity):
        if asked is AppliesTo.invoice and text is not None:
            raise _wrong("applies_to", say("A promotion of the kind %(kind)s applies to lines.", kind=kind))
        return AppliesTo.line
    return asked or (AppliesTo.line if is_narrow else AppliesTo.invoice)


def _value(kind: PromotionKind, value: Decimal, currency: str | None) -> Decimal:
    if not value.is_finite() or not 0 < value < LARGEST:
        raise _wrong("value", "The value is a number above zero.")
    if kind is PromotionKind.percent and value > 100:
        raise _wrong("value", "A percent is 100 at most.")
    if kind in (PromotionKind.amount, PromotionKind.credit) and currency is not None:
        try:
            Money.parse(f"{value:f}", known_currency(currency))
        except ValueError as error:
            raise _wrong("value", say("%(what)s.", what=error.args[0])) from None
    return value


def _currency(kind: PromotionKind, currency: str | None) -> str | None:
    if currency is None:
        if kind in _NEEDS_CURRENCY:
            raise _wrong("currency", say("A promotion of the kind %(kind)s needs its currency.", kind=kind))
        return None
    try:
        return known_currency(currency).code
    except UnknownCurrency as error:
        raise Invalid(say("%(what)s.", what=error.args[0]), "unknown-currency", field="currency") from None


def _named(field: str, codes: Sequence[str]) -> list[str]:
    named = sorted(set(codes))
    if len(named) > MOST_NAMED or any(not 0 < len(code) <= 64 or not code.isprintable() for code in named):
        raise _wrong(field, say("Name products and projects by their codes, %(most)s at most.", most=f"{MOST_NAMED:,}"))
    return named


def _check_there(session: Session, products: Sequence[str], projects: Sequence[str]) -> None:
    if unknown := _without(products, {product.code for product in current_catalog(session)}):
        told = say(
            "The catalog has no product %(codes)s: name products by their codes, or none for all.", codes=unknown
        )
        raise Invalid(told, "unknown-product", field="products")
    if unknown := _without(projects, projects_there(session, projects)):
        told = say("There is no project %(codes)s: name projects by their codes, or none for all.", codes=unknown)
        raise Invalid(told, "unknown-project", field="projects")


def _without(codes: Sequence[str], there: Collection[str]) -> str:
    """Return the first codes of which there is nothing, to be told."""
    return ", ".join([code for code in codes if code not in there][:_MOST_SHOWN])


def checked_period(starts_at: datetime, ends_at: datetime | None) -> None:
    """Raise `Invalid` when a promotion would end before it begins."""
    if ends_at is not None and ends_at <= starts_at:
        raise _wrong("until", "A promotion has to end after it begins.")


def checked_count(redemptions_max: int | None) -> int | None:
    """Return how many accounts may register a promotion, None for any number; raises `Invalid`."""
    return _count("redemptions_max", redemptions_max, 10**9)


def _count(field: str, count: int | None, most: int) -> int | None:
    if count is not None and not 1 <= count <= most:
        raise _wrong(field, say("%(field)s is a whole number of 1 to %(most)s.", field=field, most=f"{most:,}"))
    return count


def checked_name(text: str) -> str:
    """Return a promotion's name as it is stored; raises `Invalid`."""
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise _wrong("name", say("The name has 1 to %(most)s characters, without line breaks.", most=LONGEST_NAME))
    return name


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, f"wrong-{field.replace('_', '-')}", field=field)
