"""Routes of the catalog: read it, check a file, see what it would change, apply it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Response
from sqlalchemy.orm import Session

from meterbook.accounts.queries import account_ids_in
from meterbook.api.permission import Now, Operator, Reader, Transaction, Usage
from meterbook.api.shapes import Json, answer, instant
from meterbook.catalog.apply import IsMetered, apply_catalog
from meterbook.catalog.diff import Change, diff
from meterbook.catalog.load import parse_catalog
from meterbook.catalog.queries import current_catalog
from meterbook.core.pricing import Price, Product
from meterbook.errors import Invalid
from meterbook.invoicing.queries import issued_until
from meterbook.usage.queries import is_metered
from meterbook.usage.store import UsageStore

router = APIRouter(tags=["catalog"])

CatalogFile = Annotated[bytes, Body(media_type="application/toml", description="A catalog file in TOML.")]


@router.get("/catalog", summary="Read the catalog")
def get_catalog(session: Transaction, _access: Reader) -> Response:
    """Return every product with its meter and its prices."""
    return answer({"products": [_product(product) for product in current_catalog(session)]})


@router.post("/catalog/check", summary="Check a catalog file")
def post_check(_access: Operator, body: CatalogFile = b"") -> Response:
    """Answer how many products a file holds, or a problem with every mistake's line and field."""
    return answer({"products": len(parse_catalog(_text(body)).products)})


@router.post("/catalog/diff", summary="See what a catalog file would change")
def post_diff(session: Transaction, _access: Operator, body: CatalogFile = b"") -> Response:
    """Answer what applying a file would change; changes nothing."""
    return answer(_changes(diff(current_catalog(session), parse_catalog(_text(body)).products)))


@router.put("/catalog", summary="Apply a catalog file")
def put_catalog(session: Transaction, usage: Usage, _access: Operator, now: Now, body: CatalogFile = b"") -> Response:
    """Make the stored catalog what the file says: all of it, or nothing when a price in use would change."""
    catalog = parse_catalog(_text(body))
    changes = apply_catalog(
        session, catalog, now, _metered(session, usage), lambda currency: issued_until(session, currency)
    )
    return answer(_changes(changes))


def _metered(session: Session, usage: UsageStore) -> IsMetered:
    def metered(type_: str, currency: str, since: datetime, until: datetime | None) -> bool:
        return is_metered(usage, account_ids_in(session, currency), type_, since, until)

    return metered


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Invalid("The catalog is not UTF-8 text.", "broken-body") from None


def _changes(changes: list[Change]) -> Json:
    return {"changes": [change.as_json() for change in changes]}


def _product(product: Product) -> Json:
    meter = product.meter
    return {
        "code": product.code,
        "name": dict(product.name),
        "unit": product.unit,
        "meter": {
            "type": meter.type,
            "kind": meter.kind,
            "hourly": meter.hourly if meter.kind == "gauge" else None,
            "retention_days": meter.retention_days,
        },
        "prices": [_price(price) for price in product.prices],
    }


def _price(price: Price) -> Json:
    numbers = ("unit_price", "package_size", "free_quantity", "minimum_amount")
    return {
        "currency": price.currency,
        "from": instant(price.effective_from),
        "model": price.model,
        "per": price.per,
        **{name: None if getattr(price, name) is None else f"{getattr(price, name):f}" for name in numbers},
        "free_unit": price.free_unit,
        "tiers": [
            {"up_to": None if tier.up_to is None else f"{tier.up_to:f}", "unit_price": f"{tier.unit_price:f}"}
            for tier in price.tiers
        ],
    }
