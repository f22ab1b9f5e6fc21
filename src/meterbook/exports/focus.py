"""A month's charges as rows of FOCUS, the FinOps Open Cost and Usage Specification: its dataset Cost and Usage.

A row is a line of the invoice, an adjustment, the tax of a rate, the promotional credit it used, or a part of a credit
note that was issued in the month. Unit prices are columns of our own: FOCUS wants the list cost to be exactly the unit
price times the quantity, and an invoice's line is rounded to the currency's minor unit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterbook.core.invoice import Adjustment, InvoiceDraft, Line
from meterbook.core.money import Money, half_up
from meterbook.core.period import hour_count
from meterbook.core.pricing import Per, Price, PriceModel, Product, Scale
from meterbook.core.tax import TaxLine, tax_on
from meterbook.core.terms import ProjectTerms
from meterbook.formats import Formats
from meterbook.settings import ServiceCategory

Cell = str | Decimal | datetime | None
Row = Mapping[str, Cell]
QUANTITY_DECIMALS: Final = 9


class Version(StrEnum):
    """A version of the specification."""

    v1_2 = "1.2"
    v1_4 = "1.4"


class Kind(StrEnum):
    """What a column holds."""

    text = "text"
    amount = "amount"
    quantity = "quantity"
    instant = "instant"


_COLUMNS: Final = {
    "BilledCost": Kind.amount,
    "BillingAccountId": Kind.text,
    "BillingAccountName": Kind.text,
    "BillingCurrency": Kind.text,
    "BillingPeriodEnd": Kind.instant,
    "BillingPeriodStart": Kind.instant,
    "ChargeCategory": Kind.text,
    "ChargeClass": Kind.text,
    "ChargeDescription": Kind.text,
    "ChargeFrequency": Kind.text,
    "ChargePeriodEnd": Kind.instant,
    "ChargePeriodStart": Kind.instant,
    "ConsumedQuantity": Kind.quantity,
    "ConsumedUnit": Kind.text,
    "ContractedCost": Kind.amount,
    "EffectiveCost": Kind.amount,
    "HostProviderName": Kind.text,
    "InvoiceDetailId": Kind.text,
    "InvoiceId": Kind.text,
    "InvoiceIssuerName": Kind.text,
    "ListCost": Kind.amount,
    "PricingQuantity": Kind.quantity,
    "PricingUnit": Kind.text,
    "ProviderName": Kind.text,
    "PublisherName": Kind.text,
    "ServiceCategory": Kind.text,
    "ServiceName": Kind.text,
    "ServiceProviderName": Kind.text,
    "SkuId": Kind.text,
    "SkuMeter": Kind.text,
    "SkuPriceDetails": Kind.text,
    "SkuPriceId": Kind.text,
    "SubAccountId": Kind.text,
    "SubAccountName": Kind.text,
    "Tags": Kind.text,
    "x_CorrectedInvoiceId": Kind.text,
    "x_Formula": Kind.text,
    "x_Status": Kind.text,
    "x_UnitPrice": Kind.quantity,
    "x_UsageHours": Kind.quantity,
}
# Columns that a version does not know yet, or no more.
_ABSENT: Final = {
    Version.v1_2: {"HostProviderName", "InvoiceDetailId", "ServiceProviderName"},
    Version.v1_4: {"ProviderName", "PublisherName"},
}
_OF_A_CORRECTION: Final = (
    "ChargeCategory",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ServiceName",
    "SkuId",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "Tags",
)
_ENGLISH: Final = Formats("en", {})


@dataclass(frozen=True, slots=True)
class Correction:
    """What a credit note gives back of a line (or an adjustment), or of the tax of a rate: `amount` is above zero."""

    note: str
    invoice: str
    position: str
    of: Line | Adjustment | TaxLine
    amount: Money


@dataclass(frozen=True, slots=True)
class Billed:
    """What a month of an account came to, and who bills it.

    `number` is the invoice's, None for an estimate or for a reader of some projects alone; `labels` are by project.
    """

    account_code: str
    account_name: str
    issuer: str
    category: ServiceCategory
    draft: InvoiceDraft
    number: str | None
    is_final: bool
    labels: Mapping[str, Mapping[str, str]]
    corrections: Sequence[Correction]


def columns(version: Version) -> dict[str, Kind]:
    """Return the columns of a version with what each holds, in alphabetical order, our own (x_) last."""
    return {name: kind for name, kind in _COLUMNS.items() if name not in _ABSENT[version]}


def focus_rows(billed: Billed) -> Iterator[Row]:
    """Yield the rows of a month; a column that a row leaves out is null.

    The billed costs of an invoice's rows add up to its total less the credit it used, those of a credit note's rows to
    what it gives back, below zero.
    """
    draft = billed.draft
    shared = _shared(billed)
    for position, line in enumerate(draft.lines, start=1):
        yield shared | _usage(billed, line) | {"InvoiceDetailId": _detail(billed, str(position))}
    for position, late in enumerate(draft.adjustments, start=len(draft.lines) + 1):
        yield shared | _late(billed, late) | {"InvoiceDetailId": _detail(billed, str(position))}
    for tax in draft.tax:
        if tax.amount.minor or tax.rate:
            listed = tax_on(_listed_base(draft, tax.rate), tax.rate).amount
            detail = {"InvoiceDetailId": _detail(billed, f"tax-{tax.rate.normalize():f}")}
            yield shared | _tax(tax, tax.amount, listed) | detail
    if draft.credit_used.minor:
        yield shared | _credit(draft.credit_used) | {"InvoiceDetailId": _detail(billed, "credit")}
    for correction in billed.corrections:
        yield shared | _correction(billed, correction)


def _shared(billed: Billed) -> dict[str, Cell]:
    frame = billed.draft.frame
    return {
        "BillingAccountId": billed.account_code,
        "BillingAccountName": billed.account_name,
        "BillingCurrency": billed.draft.currency.code,
        "BillingPeriodStart": frame.starts_at,
        "BillingPeriodEnd": frame.ends_at,
        "ChargePeriodStart": frame.starts_at,
        "ChargePeriodEnd": frame.ends_at,
        "HostProviderName": billed.issuer,
        "InvoiceId": billed.number,
        "InvoiceIssuerName": billed.issuer,
        "ProviderName": billed.issuer,
        "PublisherName": billed.issuer,
        "ServiceCategory": billed.category,
        "ServiceName": billed.issuer,
        "ServiceProviderName": billed.issuer,
        "x_Status": "final" if billed.is_final else "estimated",
    }


def _detail(billed: Billed, position: str) -> str | None:
    return None if billed.number is None else position


def _usage(billed: Billed, line: Line) -> dict[str, Cell]:
    charge = line.charge
    quantity, unit = _priced(line, billed.draft)
    consumed = f"{_titled(charge.product.unit)}-Hours" if line.is_time_based else _counted(charge.product)
    recurs = charge.price is not None and charge.price.model is PriceModel.flat
    return {
        **_costs(line.net, line.amount),
        **_of(billed, line.project, charge.product),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Recurring" if recurs else "Usage-Based",
        "ChargeDescription": f"{charge.product.name_in('en')} of {line.project.name}",
        "ChargePeriodStart": charge.starts_at,
        "ChargePeriodEnd": charge.ends_at,
        "ConsumedQuantity": half_up(charge.quantity, QUANTITY_DECIMALS),
        "ConsumedUnit": consumed,
        "PricingQuantity": half_up(quantity, QUANTITY_DECIMALS),
        "PricingUnit": unit or consumed,
        "SkuId": charge.product.code,
        "SkuMeter": charge.product.meter.type,
        "SkuPriceDetails": None if charge.price is None else _price_details(charge.price),
        "SkuPriceId": _price_id(line),
        "x_Formula": charge.formula,
        "x_UnitPrice": charge.unit_price,
        "x_UsageHours": Decimal(charge.usage_hours),
    }


def _late(billed: Billed, late: Adjustment) -> dict[str, Cell]:
    zone = billed.draft.frame.zone
    return {
        **_costs(late.amount, late.amount),
        **_of(billed, late.project, late.product),
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"{late.product.name_in('en')} of {late.project.name}: late usage of {late.month}",
        "ChargePeriodStart": late.month.starts_at(zone),
        "ChargePeriodEnd": late.month.ends_at(zone),
        "x_Formula": late.formula,
    }


def _tax(tax: TaxLine, amount: Money, listed: Money) -> dict[str, Cell]:
    return {
        **_costs(amount, listed),
        "ChargeCategory": "Tax",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"Tax of {tax.rate.normalize():f}%",
    }


def _credit(used: Money) -> dict[str, Cell]:
    return {
        **_costs(-used, -used),
        "ChargeCategory": "Credit",
        "ChargeFrequency": "One-Time",
        "ChargeDescription": "Promotional credit",
    }


def _correction(billed: Billed, correction: Correction) -> dict[str, Cell]:
    match correction.of:
        case Line() as line:
            of = _usage(billed, line)
        case Adjustment() as late:
            of = _late(billed, late)
        case tax:
            of = _tax(tax, tax.amount, tax.amount)
    return {
        # what is given back has no quantity, price or formula of its own
        **{name: of[name] for name in _OF_A_CORRECTION if name in of},
        **_costs(-correction.amount, -correction.amount),
        "ChargeClass": "Correction",
        "ChargeDescription": f"Credit note {correction.note}: {of['ChargeDescription']}",
        "InvoiceId": correction.note,
        "InvoiceDetailId": correction.position,
        "x_CorrectedInvoiceId": correction.invoice,
        "x_Status": "final",
    }


def _costs(billed: Money, listed: Money) -> dict[str, Cell]:
    return {
        "BilledCost": billed.decimal,
        "EffectiveCost": billed.decimal,
        "ContractedCost": listed.decimal,
        "ListCost": listed.decimal,
    }


def _of(billed: Billed, project: ProjectTerms, product: Product) -> dict[str, Cell]:
    return {
        "ServiceName": product.name_in("en"),
        "SubAccountId": project.code,
        "SubAccountName": project.name,
        "Tags": json.dumps(billed.labels.get(project.code, {}), ensure_ascii=False, sort_keys=True),
    }


def _priced(line: Line, draft: InvoiceDraft) -> tuple[Fraction, str | None]:
    """Return how many priced units a line charges, and their name, None where it is the one that is consumed."""
    charge, price = line.charge, line.charge.price
    if price is None:
        return charge.quantity, None
    if price.model is PriceModel.flat:
        hours = Fraction(charge.usage_hours)
        if price.per is Per.hour:
            return hours, "Hours"
        return Fraction(hour_count(charge.starts_at, charge.ends_at), draft.frame.hours), "Months"
    divisor = Scale.of(price, charge.product.meter, draft.frame.month.reference_hours).divisor
    by_month = divisor > 1
    return charge.quantity / divisor, f"{_titled(charge.product.unit)}-Months" if by_month else None


def _price_id(line: Line) -> str:
    charge = line.charge
    if charge.price is None:
        return f"{charge.product.code}/{charge.waiver or 'unpriced'}"
    since = charge.price.effective_from.astimezone(UTC)
    return f"{charge.product.code}/{charge.price.currency}/{since:%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=256)
def _price_details(price: Price) -> str:
    """Write a price once for all the rows that it made."""
    details = {"x_Model": price.model.value, "x_Per": price.per.value}
    if price.tiers:
        bounds = ("then " if tier.up_to is None else f"up to {tier.up_to:f}: " for tier in price.tiers)
        details["x_Tiers"] = ", ".join(
            f"{bound}{tier.unit_price:f}" for bound, tier in zip(bounds, price.tiers, strict=True)
        )
    for name in ("unit_price", "package_size", "free_quantity", "minimum_amount"):
        value = getattr(price, name)
        if value is not None:
            details["x_" + name.title().replace("_", "")] = f"{value:f}"
    return json.dumps(details)


def _listed_base(draft: InvoiceDraft, rate: Decimal) -> Money:
    nothing = Money.zero(draft.currency)
    lines = draft.lines if rate == draft.account.applied_tax_rate else ()
    late = (each.amount for each in draft.adjustments if each.tax_rate == rate)
    return sum(late, sum((line.amount for line in lines), nothing))


def _titled(unit: str) -> str:
    return unit.title().replace("-", " ")


def _counted(product: Product) -> str:
    return _titled(_ENGLISH.plural(product.unit, None))
