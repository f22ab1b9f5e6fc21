"""Tell two catalogs apart: what was added, changed and removed, in words and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from meterbook.core.metering import Meter
from meterbook.core.pricing import Price, Product, Tier


class ChangeKind(StrEnum):
    """What happened to a product or a price."""

    added = "added"
    changed = "changed"
    removed = "removed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field as it is and as it is wanted, both written plainly; None where it is absent."""

    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.field} {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of a product, or of the price that begins in `currency` at `effective_from`."""

    kind: ChangeKind
    product: str
    currency: str | None = None
    effective_from: datetime | None = None
    fields: tuple[FieldChange, ...] = ()

    def __str__(self) -> str:
        what = f"product {self.product}"
        if self.effective_from is not None:
            what = f"price of {self.product} in {self.currency} from {_written(self.effective_from)}"
        told = ", ".join(map(str, self.fields))
        return f"{what} {self.kind}" + (f": {told}" if told else "")

    def as_json(self) -> dict[str, object]:
        """Return the change for a JSON answer, with its words as "text"."""
        return {
            "change": self.kind.value,
            "product": self.product,
            "currency": self.currency,
            "from": None if self.effective_from is None else _written(self.effective_from),
            "fields": [{"field": each.field, "before": each.before, "after": each.after} for each in self.fields],
            "text": str(self),
        }


def diff(current: Sequence[Product], wanted: Sequence[Product]) -> list[Change]:
    """Return what turns `current` into `wanted`: products in the wanted order, then the removed ones.

    Numbers are compared by value, so "12" and "12.00" are the same price.
    """
    before = {product.code: product for product in current}
    after = {product.code: product for product in wanted}
    kept = [code for code in before if code in after]
    moved = dict(zip(kept, [code for code in after if code in before], strict=True))
    changes: list[Change] = []
    for code, product in after.items():
        if code not in before:
            changes.append(Change(ChangeKind.added, code))
            changes += _price_changes(code, (), product.prices)
            continue
        place = [] if moved[code] == code else [FieldChange("position", str(kept.index(code) + 1), _place(code, moved))]
        if differences := (*_product_fields(before[code], product), *place):
            changes.append(Change(ChangeKind.changed, code, fields=differences))
        changes += _price_changes(code, before[code].prices, product.prices)
    return changes + [Change(ChangeKind.removed, code) for code in before if code not in after]


def _place(code: str, moved: Mapping[str, str]) -> str:
    return str(list(moved.values()).index(code) + 1)


def _product_fields(before: Product, after: Product) -> Iterator[FieldChange]:
    if dict(before.name) != dict(after.name):
        yield FieldChange("name", _written(before.name), _written(after.name))
    if before.unit != after.unit:
        yield FieldChange("unit", before.unit, after.unit)
    if before.meter != after.meter:
        yield FieldChange("meter", _written(before.meter), _written(after.meter))


def _price_changes(code: str, before: Sequence[Price], after: Sequence[Price]) -> list[Change]:
    old = {(price.currency, price.effective_from): price for price in before}
    new = {(price.currency, price.effective_from): price for price in after}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            changes.append(Change(ChangeKind.added, code, *key))
        elif key not in new:
            changes.append(Change(ChangeKind.removed, code, *key))
        elif old[key] != new[key]:
            changes.append(Change(ChangeKind.changed, code, *key, tuple(_price_fields(old[key], new[key]))))
    return changes


def _price_fields(before: Price, after: Price) -> Iterator[FieldChange]:
    for field in fields(Price):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            yield FieldChange(field.name, _written(old) or None, _written(new) or None)


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Meter():
            parts = [value.type, value.kind.value, value.hourly.value if value.kind == "gauge" else ""]
            parts.append("" if value.retention_days is None else f"{value.retention_days} days")
            return " ".join(part for part in parts if part)
        case Tier():
            return (
                f"{'above' if value.up_to is None else 'to ' + _written(value.up_to)} at {_written(value.unit_price)}"
            )
        case tuple():
            return "; ".join(map(_written, value))
        case Mapping():
            return "; ".join(f"{key}: {text}" for key, text in sorted(value.items()))
        case _:
            return str(value)
