"""An issued month as readers of some projects see it: what was billed there, and nothing that tells of the others."""

from __future__ import annotations

from typing import Any

import pytest

from meterbook.core.invoice import InvoiceDraft
from meterbook.core.promotion import Promotion
from meterbook.invoicing.narrow import narrowed
from tests.core.june import all_june, bill
from tests.core.months import promotion

WEB = frozenset({"web"})


def of_web(*promotions: Promotion, **more: Any) -> InvoiceDraft:
    """The part of web, whose host of June costs 12.00, of a bill that shop has two of."""
    spells = [all_june("server", "2", "shop"), all_june("server", "1", "web")]
    return narrowed(bill(*promotions, spells=spells, **more), ["web"])


@pytest.mark.parametrize(
    ("made", "nets"),
    [
        ([promotion("percent", "20", applies_to="line")], ["9.60"]),
        ([promotion("percent", "20", applies_to="invoice")], ["9.60"]),
        ([promotion("fixed_price", "6")], ["6.00"]),
        ([promotion("free_quantity", "360", projects=WEB)], ["6.00"]),
        ([promotion("amount", "5", projects=WEB)], ["7.00"]),
        # these are cut by what shop used, and what comes after them is taken off what they left
        ([promotion("amount", "9", applies_to="invoice")], ["12.00"]),
        ([promotion("free_quantity", "2000"), promotion("percent", "20", 2, applies_to="line")], ["12.00"]),
        ([promotion("percent", "20", applies_to="line"), promotion("amount", "9", 2, applies_to="invoice")], ["9.60"]),
        # of shop alone: nothing of it is there
        ([promotion("amount", "5", projects=frozenset({"shop"}))], ["12.00"]),
    ],
)
def test_discounts_are_shown_as_billed_unless_they_tell_of_other_projects(
    made: list[Promotion], nets: list[str]
) -> None:
    draft = of_web(*made, tax="10")
    assert [str(line.net) for line in draft.lines] == nets
    assert {line.project.code for line in draft.lines} == {"web"}
    assert str(draft.net) == nets[0]
    assert sum(each.amount.minor for each in draft.discounts) == draft.discount.minor == 1200 - draft.net.minor
    assert draft.total.minor == draft.net.minor + draft.net.minor // 10
    assert all(place == 0 for each in draft.discounts for place, _ in each.shares)


def test_what_is_the_accounts_is_not_there() -> None:
    draft = of_web(promotion("amount", "9", applies_to="invoice"))
    assert (draft.promotions, draft.discounts, draft.unpaid.minor, draft.credit_used.minor) == ((), (), 0, 0)
