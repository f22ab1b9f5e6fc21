"""Texts of a document: every word and figure of it, written in its language and put where the template shows it.

The template lays out and knows no word.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.terms import TaxClass
from meterbook.formats import Formats

if TYPE_CHECKING:
    from meterbook.invoicing.document import Document, DocumentLine, Party

WORDS: Final = Path(__file__).parent / "words.toml"
_FORMULA: Final = "formula"
_MINUS: Final = "\u2212"  # as wide as a digit

Texts = dict[str, object]


def texts_of(document: Document) -> Texts:
    """Return everything that the template shows, ready for JSON."""
    return _Writer(document).texts()


@lru_cache
def _words(language: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return a language's words by name, and the words of formulas."""
    sections = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    formula = {name: translated[language] for name, translated in sections.pop(_FORMULA).items()}
    return {name: word[language] for section in sections.values() for name, word in section.items()}, formula


class _Writer:
    """Writes one document in its language."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.is_invoice = document.kind == "invoice"
        self.words, formula_words = _words(document.language)
        self.formats = Formats(document.language, formula_words)

    def texts(self) -> Texts:
        document, words = self.document, self.words
        columns = list(self._columns())
        return {
            "language": document.language,
            "title": words[document.kind],
            "number_label": words["invoice_id" if self.is_invoice else "credit_note_id"],
            "number": document.number,
            "seller": document.seller.name,
            "issued_on": [document.issued_on.year, document.issued_on.month, document.issued_on.day],
            "currency": document.total.currency.code,
            "about": list(self._about()),
            "parties": [
                self._party(words["seller"], document.seller.name, document.seller),
                self._party(words["buyer"], words["addressed"].format(name=document.buyer.name), document.buyer),
            ],
            "headline": {
                "label": words["amount_due" if self.is_invoice else "amount_credited"],
                "amount": _signed(self.formats.money(document.due if self.is_invoice else document.total)),
                "facts": list(self._facts()),
            },
            "steps_title": words["usage_to_due" if self.is_invoice else "what_is_credited"],
            "steps": list(self._steps()),
            "tax_note": None if document.tax_class is TaxClass.standard else words[document.tax_class],
            "note_title": words["payment" if self.is_invoice else "reason"],
            "note": list(self._payment()) if self.is_invoice else (document.reason or "").splitlines(),
            "lines_title": words["charges" if self.is_invoice else "credited_lines"],
            "head": [words["line"], words["product"], *(title for title, _ in columns)],
            "projects": list(self._projects([write for _, write in columns])),
        }

    def _about(self) -> Iterator[tuple[str, str]]:
        document, words = self.document, self.words
        yield words["invoice_date" if self.is_invoice else "credit_note_date"], self.formats.date(document.issued_on)
        if document.month:
            first, last = _days_of(document.month)
            yield words["target_month"], self.formats.month(document.month)
            yield words["target_period"], self.formats.days(first, last)
            yield words["time_zone"], self.formats.zone(document.zone)
        yield words["currency"], document.total.currency.code

    def _facts(self) -> Iterator[tuple[str, str]]:
        document, words = self.document, self.words
        if document.corrects:
            yield words["corrects"], document.corrects
        if document.due_on:
            yield words["payment_due"], self.formats.date(document.due_on)
        if document.payment_method:
            method = words[document.payment_method]
            named = document.payment_method == "card" and document.payment_label
            yield words["payment_method"], f"{method} ({document.payment_label})" if named else method

    def _party(self, label: str, name: str, party: Party) -> Texts:
        number = party.registration_number
        return {
            "label": label,
            "name": name,
            "lines": [*party.lines, *([party.email] if party.email else [])],
            "registration": f"{self.words['registration_number']} {number}" if number else None,
        }

    def _steps(self) -> Iterator[Texts]:
        """Yield the way from usage to the amount due: sums, and the steps between them with what they start from."""
        document, words = self.document, self.words
        level = document.subtotal
        if document.discounts:
            yield self._sum(words["before_discounts"], level)
        for discount in document.discounts:
            detail = " · ".join(text for text in (discount.code, discount.detail) if text)
            yield self._step(discount.name, detail, level, level - discount.amount)
            level -= discount.amount
        yield self._sum(words["usage_amount" if self.is_invoice else "credited_amount"], document.net)
        level = document.net
        for tax in document.tax:
            label = words["tax"].format(rate=self.formats.percent(tax.rate))
            base = words["taxed_amount"].format(amount=_signed(self.formats.amount(tax.base)))
            yield self._step(label, base, level, level + tax.amount)
            level += tax.amount
        if not self.is_invoice:
            yield self._sum(words["amount_credited"], document.total, final=True)
            return
        yield self._sum(words["invoice_amount"], document.total)
        including = document.amount_including_unpaid
        yield self._step(words["unpaid"], "", document.total, including)
        yield self._sum(words["including_unpaid"], including)
        after_credit = including - document.credit_used
        yield self._step(words["credit_used"], "", including, after_credit)
        yield self._step(words["balance_used"], "", after_credit, document.due)
        yield self._sum(words["amount_due"], document.due, final=True)

    def _sum(self, label: str, amount: Money, final: bool = False) -> Texts:
        text = self.formats.money(amount) if final else self.formats.amount(amount)
        kind = "final" if final else "sum"
        return {"kind": kind, "label": label, "detail": "", "amount": _signed(text), "span": (0, amount.minor)}

    def _step(self, label: str, detail: str, before: Money, after: Money) -> Texts:
        text = _signed(self.formats.amount(after - before))
        return {"kind": "step", "label": label, "detail": detail, "amount": text, "span": (before.minor, after.minor)}

    def _payment(self) -> Iterator[str]:
        document, words = self.document, self.words
        if document.due.minor <= 0:
            yield words["nothing_due"]
            return
        if document.due_on and document.payment_method:
            sentence = words["by_card" if document.payment_method == "card" else "by_transfer"]
            yield sentence.format(date=self.formats.date(document.due_on), number=document.number)
        if document.payment_method != "card":
            yield from (document.payment_instruction or "").splitlines()

    def _columns(self) -> Iterator[tuple[str, Callable[[DocumentLine], str]]]:
        """Yield the columns of figures that this document has, with what they write of a line."""
        lines, words, formats = self.document.lines, self.words, self.formats
        if any(line.quantity is not None for line in lines):
            yield words["usage"], self._usage
        if any(line.unit_price is not None for line in lines):
            yield words["unit_price"], lambda line: formats.fixed(line.unit_price)
        yield words["charge" if self.is_invoice else "credited"], lambda line: _signed(formats.amount(line.amount))
        if any(line.discount.minor for line in lines):
            nothing = Money.zero(self.document.total.currency)
            yield words["discount"], lambda line: _signed(formats.amount(nothing - line.discount))
            yield words["discounted"], lambda line: _signed(formats.amount(line.net))

    def _usage(self, line: DocumentLine) -> str:
        number = self.formats.number(line.quantity)
        in_hours = line.is_time_based and line.quantity is not None
        return self.words["hours"].format(number=number) if in_hours else number

    def _projects(self, columns: list[Callable[[DocumentLine], str]]) -> Iterator[Texts]:
        members: dict[str, list[DocumentLine]] = {}
        for line in self.document.lines:
            members.setdefault(line.project_code, []).append(line)
        nothing = Money.zero(self.document.total.currency)
        for code, lines in members.items():
            name = lines[0].project_name
            yield {
                "name": name,
                "code": None if code == name else code,
                "total": _signed(self.formats.amount(sum((line.net for line in lines), nothing))),
                "lines": [self._line(line, columns) for line in lines],
            }

    def _line(self, line: DocumentLine, columns: list[Callable[[DocumentLine], str]]) -> Texts:
        return {
            "number": str(line.number),
            "product": line.product,
            "unit": line.unit,
            "notes": list(self._notes(line)),
            "figures": [write(line) for write in columns],
        }

    def _notes(self, line: DocumentLine) -> Iterator[str]:
        month = self.document.month
        if line.adjusts_month:
            yield self.words["adjustment"].format(month=self.formats.month(line.adjusts_month))
        if line.period and (month is None or line.period != _days_of(month)):
            yield self.formats.days(*line.period, with_year=month is None)
        if line.formula:
            yield self.formats.formula(line.formula)


def _days_of(month: BillingMonth) -> tuple[date, date]:
    return date(month.year, month.month, 1), date(month.year, month.month, month.days)


def _signed(text: str) -> str:
    """Write a negative amount with a true minus sign."""
    return text.replace("-", _MINUS)
