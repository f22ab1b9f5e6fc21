"""Documents: a finished invoice or credit note as its paper shows it, and its PDF by typst.

Copies figures and computes none but the sums it is checked by. The same document gives the same bytes, anywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import typst

from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.tax import TaxLine
from meterbook.core.terms import TaxClass
from meterbook.invoicing.document_texts import texts_of

_TEMPLATE: Final = Path(__file__).parent / "templates" / "document.typ"
_FONTS: Final = ("manimgx_fonts_cjk", "manimgx_fonts")  # packages that bring Noto's fonts
# One face has every Korean, Japanese and Chinese glyph; they differ in whose forms they have.
_FACES: Final = {"en": "Noto Sans CJK JP", "ko": "Noto Sans CJK KR", "ja": "Noto Sans CJK JP"}
# Tagged for screen readers, and made to be read after as many years as invoices are kept.
_STANDARDS: Final[list[typst.PDFStandard]] = ["a-2a", "ua-1"]


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer; `lines` are the postal address and whatever else is written under the name."""

    name: str
    lines: tuple[str, ...] = ()
    registration_number: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One charge, or the adjustment of `adjusts_month`; on a credit note, what of a line's net is given back.

    `product` is the name in the document's language. `period` is its first and its last day, where they are known.
    `quantity` is in unit-hours if `is_time_based`, else in `unit`. `number` is the line's on the invoice.
    """

    number: int
    project_code: str
    project_name: str
    product: str
    formula: str
    amount: Money
    discount: Money
    unit: str = ""
    is_time_based: bool = True
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    period: tuple[dt.date, dt.date] | None = None
    adjusts_month: BillingMonth | None = None

    @property
    def net(self) -> Money:
        """The line after its discount."""
        return self.amount - self.discount


@dataclass(frozen=True, slots=True)
class DocumentDiscount:
    """What one promotion took off the invoice, as a positive amount; `detail` is what it promises ("15% on APM")."""

    name: str
    code: str | None
    detail: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Document:
    """An issued invoice or credit note; the amounts of a credit note are positive: what it gives back.

    `subtotal` is the lines before, `net` after discounts. `unpaid` is what earlier invoices left to pay at issue,
    `credit_used` and `balance_used` what then paid this one. `corrects` is the number of a credit note's invoice.
    `payment_label` names the card ("Visa ending 4242"), `payment_instruction` is the seller's own text.
    """

    kind: Literal["invoice", "credit_note"]
    language: str
    number: str
    issued_on: dt.date
    zone: BillingZone
    seller: Party
    buyer: Party
    lines: tuple[DocumentLine, ...]
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money
    unpaid: Money
    credit_used: Money
    balance_used: Money
    discounts: tuple[DocumentDiscount, ...] = ()
    tax_class: TaxClass = TaxClass.standard
    due_on: dt.date | None = None
    month: BillingMonth | None = None
    payment_method: Literal["card", "bank_transfer", "send_invoice"] | None = None
    payment_label: str | None = None
    payment_instruction: str | None = None
    corrects: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        assert self._sum(line.amount for line in self.lines) == self.subtotal, "the lines add up to the subtotal"
        assert self._sum(line.net for line in self.lines) == self.net, "the lines' nets add up to the net"
        assert self.subtotal - self._sum(each.amount for each in self.discounts) == self.net, "so do the discounts"
        assert self.net + self._sum(each.amount for each in self.tax) == self.total, "the total is net and tax"

    @property
    def amount_including_unpaid(self) -> Money:
        """The invoice and what earlier ones left to pay."""
        return self.total + self.unpaid

    @property
    def due(self) -> Money:
        """What was left to pay at issue, earlier invoices included, after credit and balance."""
        return self.amount_including_unpaid - self.credit_used - self.balance_used

    def _sum(self, amounts: Iterable[Money]) -> Money:
        return sum(amounts, Money.zero(self.total.currency))


def render(document: Document) -> bytes:
    """Return the document's PDF: A4, with every glyph in the forms of its language."""
    # Data travels as JSON and is shown as it is: no name, however it is written, becomes a part of the template.
    compiler = typst.Compiler(
        _TEMPLATE,
        font_paths=_fonts(),
        sys_inputs={
            "document": json.dumps(texts_of(document), ensure_ascii=False),
            "faces": json.dumps(_faces(document.language)),
        },
    )
    issued_at = dt.datetime.combine(document.issued_on, dt.time(), dt.UTC)
    try:
        pdf = compiler.compile(format="pdf", pdf_standards=_STANDARDS, timestamp=issued_at)
    except typst.TypstError:
        # The standards forbid a character that no font has; a box in its place is better than no invoice.
        pdf = compiler.compile(format="pdf", timestamp=issued_at)
    assert isinstance(pdf, bytes), "a PDF is one file"
    return pdf


@lru_cache
def _fonts() -> typst.Fonts:
    """Return the fonts that documents are set in: the packaged ones, so that a document looks alike everywhere."""
    folders = [str(files(package)) for package in _FONTS]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


@lru_cache
def _faces(language: str) -> list[str]:
    """Return the language's face, then those with the letters of other scripts, always in the same order."""
    others = sorted(family for family in _fonts().families() if "CJK" not in family)
    return [_FACES[language], *others]
