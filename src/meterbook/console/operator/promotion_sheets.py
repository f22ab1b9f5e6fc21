"""Sheets of promotion codes for the staff: all of them, and who registered one with what it saved there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fastapi.responses import Response

from meterbook.console.operator.operator_page import UTC, OperatorPage
from meterbook.console.promotion_words import kind_words, value_unit
from meterbook.console.sheet import sheet
from meterbook.core.money import Money, plain
from meterbook.invoicing.promotion_use import PromotionUse
from meterbook.promotions.tables import PromotionRow

Standing = Literal["upcoming", "active", "ended", "used-up"]
# How often a promotion was registered, whether it holds, and its value where that is an amount.
CountedPromotion = tuple[PromotionRow, int, Standing, Money | None]


def promotions_sheet(at: OperatorPage, rows: Sequence[CountedPromotion]) -> Response:
    """Return promotion codes as a sheet; times are UTC."""
    _ = at.gettext
    columns = (
        _("Promotion code"),
        _("Name"),
        _("Kind"),
        _("Value"),
        _("Unit"),
        _("From"),
        _("Until"),
        _("Registered"),
        _("Registrations at most"),
        _("Combines"),
        _("Priority"),
        _("Status"),
    )
    kinds = kind_words(at.language)
    standings = {
        "upcoming": _("not valid yet"),
        "active": _("active"),
        "ended": _("ended"),
        "used-up": _("used up"),
    }
    combines = {True: _("with others"), False: _("alone")}
    cells = (
        (
            row.code,
            row.name,
            kinds[row.kind],
            amount or plain(row.value),
            value_unit(row.kind, row.free_unit, row.currency, at.language),
            UTC.local(row.starts_at),
            UTC.local(row.ends_at) if row.ends_at else None,
            count,
            row.redemptions_max,
            combines[row.stackable],
            row.priority,
            standings[standing],
        )
        for row, count, standing, amount in rows
    )
    return sheet("promotions.csv", columns, cells)


def uses_sheet(at: OperatorPage, promotion: PromotionRow, uses: Sequence[PromotionUse]) -> Response:
    """Return who registered a promotion as a sheet."""
    _ = at.gettext
    columns = (_("Code"), _("Account"), _("Registered on"), _("By"), _("Currency"), _("Saved"), _("Status"))
    cells = (
        (
            use.account.code,
            use.account.name,
            UTC.local(use.redemption.redeemed_at).date(),
            use.redemption.redeemed_by,
            use.account.currency,
            use.saved,
            _("taken back") if use.redemption.withdrawal else "",
        )
        for use in uses
    )
    return sheet(f"promotion-{promotion.code}.csv", columns, cells)
