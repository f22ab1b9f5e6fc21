"""Presenting the promotions that an account applied: what each gives, what it is for, and what it saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Currency, Money
from meterbook.core.period import BillingZone
from meterbook.core.pricing import Product
from meterbook.core.promotion import PromotionKind
from meterbook.invoicing.applied import AppliedPromotion, saved_in

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PromotionItem:
    """One applied code as a row.

    `rate` is a percent, a unit price or a quantity, by `kind`; `amount` is that of an amount or a credit. `products`
    and `projects` are names, none for all. `this_month` is what it takes off the running month's preview, None for a
    credit, which pays and takes nothing off. `standing` is used when nothing is left of a credit.
    """

    code: str
    name: str
    kind: str
    applies_to: str
    rate: Decimal
    amount: Money | None
    free_unit: str
    carries_over: bool
    products: tuple[str, ...]
    projects: tuple[str, ...]
    first_on: date
    last_on: date | None
    standing: Literal["upcoming", "active", "ended", "taken_back", "used"]
    saved: Money
    this_month: Money | None
    left: Money | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class PromotionsView:
    """The promotions card: what was typed and why it was refused, and the applied codes.

    `new` is the one that was applied a moment ago; `data_through` is the preview's, on the account's clocks.
    """

    is_open: bool
    typed: str
    refusal: str
    currency: str
    items: tuple[PromotionItem, ...]
    new: PromotionItem | None
    data_through: datetime | None
    key: str


def promotions_view(
    applied: Sequence[AppliedPromotion],
    draft: InvoiceDraft | None,
    products: Sequence[Product],
    language: str,
    currency: Currency,
    zone: BillingZone,
    *,
    is_open: bool,
    typed: str,
    refusal: str,
    new_code: str,
    key: str,
) -> PromotionsView:
    """Present what an account applied, the newest first; `draft` is the running month's, None when nothing needs it."""
    taken = {} if draft is None else saved_in(draft)
    names = {product.code: product.name_in(language) for product in products}
    items = tuple(_item(each, taken, names, currency, zone, new_code) for each in reversed(applied))
    return PromotionsView(
        is_open=is_open,
        typed=typed,
        refusal=refusal,
        currency=currency.code,
        items=items,
        new=next((item for item in items if item.is_new), None),
        data_through=zone.local(draft.data_through) if draft is not None and draft.data_through else None,
        key=key,
    )


def last_day(ends_at: datetime, zone: BillingZone) -> date:
    """Return the last day of a time that ends before an instant."""
    return zone.local(ends_at - _INSTANT).date()


def _item(
    applied: AppliedPromotion,
    taken: Mapping[int, Money],
    products: Mapping[str, str],
    currency: Currency,
    zone: BillingZone,
    new_code: str,
) -> PromotionItem:
    row = applied.promotion
    is_credit = row.kind == PromotionKind.credit
    used_up = applied.left is not None and not applied.left.minor and applied.standing == "active"
    return PromotionItem(
        code=row.code,
        name=row.name,
        kind=row.kind,
        applies_to=row.applies_to,
        rate=row.value,
        amount=Money.parse(f"{row.value:f}", currency)
        if row.kind in (PromotionKind.amount, PromotionKind.credit)
        else None,
        free_unit=row.free_unit,
        carries_over=row.carry_over,
        products=tuple(products.get(code, code) for code in row.products),
        projects=tuple(project.name for project in applied.projects),
        first_on=zone.local(applied.starts_at).date(),
        last_on=None if applied.ends_at is None else last_day(applied.ends_at, zone),
        standing="used" if used_up else applied.standing,
        saved=applied.saved,
        this_month=None if is_credit else taken.get(applied.redemption.id, Money.zero(currency)),
        left=applied.left,
        is_new=row.code == new_code and applied.standing != "taken_back",
    )
