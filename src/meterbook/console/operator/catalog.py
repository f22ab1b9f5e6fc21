"""The catalog: the prices in force, what a new file would change, and applying it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, UploadFile
from fastapi.responses import Response

from meterbook.accounts.queries import account_ids_in
from meterbook.catalog.apply import apply_catalog, refusals
from meterbook.catalog.diff import diff
from meterbook.catalog.load import Catalog, CatalogInvalid, lines_of, parse_catalog
from meterbook.catalog.queries import current_catalog, digest_of
from meterbook.catalog.write import written
from meterbook.console.operator.fields import Fields, Form, Sent
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.operator.present_catalog import present_changes, present_products
from meterbook.console.requests import Posted
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid, MeterbookError
from meterbook.invoicing.queries import issued_until
from meterbook.usage.queries import is_metered

router = APIRouter(include_in_schema=False)

HERE = "catalog"
PATH = f"{HOME}/catalog"
LONGEST_FILE = 600_000  # characters of a file that is pasted here; the command takes longer ones


@router.get("/catalog")
def show_catalog(at: AsOperator, past: str = "", form: Annotated[str, Query(alias="format")] = "") -> Response:
    """Show every product with its prices, past ones if asked for; with format=toml, as a file."""
    products = current_catalog(at.session)
    if form == "toml":
        headers = {"content-disposition": 'attachment; filename="catalog.toml"', "cache-control": "no-store"}
        return Response(written(products), media_type="application/toml; charset=utf-8", headers=headers)
    shown = present_products(products, at.language, at.now, with_past=bool(past))
    return at.show("catalog.html", HERE, products=shown, past=bool(past), toml=f"{PATH}?format=toml")


@router.get("/catalog/change")
def show_change(at: AsOperator) -> Response:
    """Show the catalog as a file, to be changed."""
    text = written(current_catalog(at.session))
    return at.show("change_catalog.html", HERE, form=Form(), text=text, problems=(), longest=LONGEST_FILE)


@router.post("/catalog/change")
def post_change(at: AsOperator, _posted: Posted, sent: Sent, file: UploadFile | None = None) -> Response:
    """Show what a file would change, or the mistakes that are in it."""
    text = _text(sent)
    if file is not None and file.filename:
        text = file.file.read().decode("utf-8", "replace")
    return _looked_at(at, text)


@router.post("/catalog/apply")
def post_apply(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Apply a file that was looked at, unless the catalog changed since."""
    text = _text(sent)
    try:
        catalog = _read(text)
        at.attempt(
            lambda: apply_catalog(
                at.session,
                catalog,
                at.now,
                lambda type_, currency, since, until: _is_metered(at, type_, currency, since, until),
                lambda currency: issued_until(at.session, currency),
                sent.text("seen", 100),
            )
        )
    except Problems as problem:
        return _looked_at(at, text, problem)
    return led_to(PATH, "catalog-applied")


def _looked_at(at: OperatorPage, text: str, problem: MeterbookError | None = None) -> Response:
    try:
        catalog = _read(text)
    except Invalid as wrong:
        mistakes = wrong.problems if isinstance(wrong, CatalogInvalid) else ()
        return at.show(
            "change_catalog.html",
            HERE,
            422,
            form=Form(Fields(), wrong),
            text=text[:LONGEST_FILE],
            problems=mistakes,
            longest=LONGEST_FILE,
        )
    current = current_catalog(at.session)
    refused = refusals(
        current,
        catalog,
        lambda type_, currency, since, until: _is_metered(at, type_, currency, since, until),
        lambda currency: issued_until(at.session, currency),
    )
    changes = present_changes(
        diff(current, catalog.products), refused, lines_of(text), current, catalog.products, at.language
    )
    return at.show(
        "catalog_changes.html",
        HERE,
        200 if problem is None else status_of(problem),
        text=text,
        changes=changes,
        is_refused=bool(refused),
        seen=digest_of(current),
        problem=problem,
        month=BillingMonth.of(at.now, UTC).previous(),
    )


def _text(sent: Fields) -> str:
    return sent.values.get("catalog", ("",))[0].replace("\r\n", "\n")


def _read(text: str) -> Catalog:
    if len(text) > LONGEST_FILE:
        raise Invalid(
            say("A file may have %(most)s characters here: use the command for a longer one.", most=f"{LONGEST_FILE:,}")
        )
    return parse_catalog(text)


def _is_metered(at: OperatorPage, type_: str, currency: str, since: datetime, until: datetime | None) -> bool:
    return is_metered(at.usage, account_ids_in(at.session, currency), type_, since, until)
