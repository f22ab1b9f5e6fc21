"""Terms as they were: what decided a month's invoice, written to JSON and read back exactly.

Numbers are text, instants ISO 8601. A month is re-rated, and an invoice shown, by these and not by what holds today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.money import Currency
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel, Product, Tier
from meterbook.core.promotion import AppliesTo, Promotion, PromotionKind
from meterbook.core.rating import Waiver
from meterbook.core.terms import AccountTerms, ProjectTerms, TaxClass

Json = dict[str, Any]


def frozen_terms(account: AccountTerms, projects: Iterable[ProjectTerms], promotions: Iterable[Promotion]) -> Json:
    """Write the terms of an account's month; projects that are simply charged are left out."""
    return {
        "tax_rate": str(account.tax_rate),
        "tax_class": account.tax_class.value,
        "projects": {
            project.code: {"free_until": _at(project.free_until), "free_as": project.free_as.value}
            for project in projects
            if project.free_until is not None
        },
        "promotions": [frozen_promotion(promotion) for promotion in promotions],
    }


def thawed_account(code: str, currency: Currency, terms: Json) -> AccountTerms:
    """Read an account's terms back."""
    return AccountTerms(code, currency, Decimal(terms["tax_rate"]), TaxClass(terms["tax_class"]))


def thawed_project(code: str, name: str, terms: Json) -> ProjectTerms:
    """Read a project's terms back."""
    known = terms["projects"].get(code)
    if known is None:
        return ProjectTerms(code, name)
    return ProjectTerms(code, name, _instant(known["free_until"]), Waiver(known["free_as"]))


def thawed_promotions(terms: Json) -> tuple[Promotion, ...]:
    """Read the promotions that were in force back."""
    return tuple(thawed_promotion(each) for each in terms["promotions"])


def frozen_promotion(promotion: Promotion) -> Json:
    """Write a promotion."""
    return {
        "key": promotion.key,
        "code": promotion.code,
        "name": promotion.name,
        "kind": promotion.kind.value,
        "applies_to": promotion.applies_to.value,
        "value": str(promotion.value),
        "starts_at": _at(promotion.starts_at),
        "ends_at": _at(promotion.ends_at),
        "products": sorted(promotion.products),
        "projects": sorted(promotion.projects),
        "priority": promotion.priority,
        "free_unit": promotion.free_unit.value,
        "carried": str(promotion.carried),
    }


def thawed_promotion(written: Json) -> Promotion:
    """Read a promotion back."""
    return Promotion(
        key=written["key"],
        code=written["code"],
        name=written["name"],
        kind=PromotionKind(written["kind"]),
        applies_to=AppliesTo(written["applies_to"]),
        value=Decimal(written["value"]),
        starts_at=_instant(written["starts_at"]),
        ends_at=_instant(written["ends_at"]),
        products=frozenset(written["products"]),
        projects=frozenset(written["projects"]),
        priority=written["priority"],
        free_unit=FreeUnit(written["free_unit"]),
        carried=Fraction(written["carried"]),
    )


def frozen_product(product: Product) -> Json:
    """Write what a line shows of its product."""
    meter = product.meter
    return {
        "name": dict(product.name),
        "unit": product.unit,
        "meter": {
            "type": meter.type,
            "kind": meter.kind.value,
            "hourly": meter.hourly.value,
            "retention_days": meter.retention_days,
        },
    }


def thawed_product(code: str, written: Json) -> Product:
    """Read a line's product back, without prices."""
    meter = written["meter"]
    read = Meter(meter["type"], MeterKind(meter["kind"]), Hourly(meter["hourly"]), meter["retention_days"])
    return Product(code, written["name"], written["unit"], read)


def frozen_price(price: Price | None) -> Json | None:
    """Write a price version, None for usage that had none."""
    if price is None:
        return None
    numbers = ("unit_price", "package_size", "free_quantity", "minimum_amount")
    return {
        "currency": price.currency,
        "effective_from": _at(price.effective_from),
        "model": price.model.value,
        "per": price.per.value,
        "free_unit": None if price.free_unit is None else price.free_unit.value,
        "tiers": [[_number(tier.up_to), str(tier.unit_price)] for tier in price.tiers],
        **{name: _number(getattr(price, name)) for name in numbers},
    }


def thawed_price(written: Mapping[str, Any] | None) -> Price | None:
    """Read a price version back."""
    if written is None:
        return None
    effective_from = _instant(written["effective_from"])
    assert effective_from is not None, "a price begins"
    return Price(
        currency=written["currency"],
        effective_from=effective_from,
        model=PriceModel(written["model"]),
        per=Per(written["per"]),
        unit_price=_decimal(written["unit_price"]),
        tiers=tuple(Tier(_decimal(up_to), Decimal(unit_price)) for up_to, unit_price in written["tiers"]),
        package_size=_decimal(written["package_size"]),
        free_quantity=_decimal(written["free_quantity"]),
        free_unit=None if written["free_unit"] is None else FreeUnit(written["free_unit"]),
        minimum_amount=_decimal(written["minimum_amount"]),
    )


def _at(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
