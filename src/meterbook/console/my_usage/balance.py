"""Balance: what is left of prepaid money and of promotional credit, and what moved them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.queries import payment_information_of
from meterbook.console.account_page import OfBilledAccount
from meterbook.console.languages import translations
from meterbook.console.my_usage.balance_chart import BalanceChart, present_balance
from meterbook.console.my_usage.money_words import money_words, reason_words
from meterbook.console.my_usage.present_billing import HowToPay, how_to_pay
from meterbook.console.requests import RowOrNone
from meterbook.console.sheet import ROWS_MAX, Cell, in_currency, sheet
from meterbook.core.period import BillingZone
from meterbook.payments.balance import BalanceStanding, Moved, balance_standing, moved_balance

router = APIRouter(include_in_schema=False)

PATH: Final = "/balance"
ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class BalancePage:
    """The balance, ready for its template; movements are newest first."""

    currency: str
    zone: BillingZone
    as_of: datetime
    standing: BalanceStanding
    how_to_pay: HowToPay
    moved: tuple[Moved, ...]
    chart: BalanceChart | None
    older_href: str | None
    newest_href: str | None

    @property
    def has_credit(self) -> bool:
        """Whether credit was ever granted."""
        return bool(self.standing.credits)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever paid ahead or granted."""
        return not self.moved and not self.newest_href and not self.has_credit


@router.get(PATH)
def balance(at: OfBilledAccount, before: RowOrNone = 0) -> Response:
    """Show what is left, and a page of what moved it; `before` begins after an entry that was shown."""
    found = moved_balance(at.session, at.account, after=before, limit=ROWS + 1)
    settings = at.request.app.state.settings
    moved = tuple(found[:ROWS])
    page = BalancePage(
        currency=at.account.currency,
        zone=at.zone,
        as_of=at.zone.local(at.now),
        standing=balance_standing(at.session, at.account, at.now),
        how_to_pay=how_to_pay(payment_information_of(at.session, at.account.id), settings.payment_instruction),
        moved=moved,
        chart=present_balance(moved, moved[0].at if before and moved else at.now, at.zone),
        older_href=at.href(PATH, before=found[ROWS - 1].entry_id) + "#moved" if len(found) > ROWS else None,
        newest_href=at.href(PATH) + "#moved" if before else None,
    )
    return at.show("balance.html", "balance", page=page, words=money_words(at.language))


@router.get(f"{PATH}/movements.csv")
def movements_sheet(at: OfBilledAccount) -> Response:
    """Return everything that moved the balance and the credit as a sheet."""
    _ = translations(at.language).gettext
    currency = at.account.currency
    columns = [
        _("Date"),
        _("What"),
        _("Reference"),
        in_currency(_("Balance change"), currency),
        in_currency(_("Balance"), currency),
        in_currency(_("Credit change"), currency),
        in_currency(_("Credit"), currency),
    ]
    found = moved_balance(at.session, at.account, limit=ROWS_MAX)
    return sheet(f"balance-{at.account.code}.csv", columns, _cells(found, at.zone, reason_words(at.language)))


def _cells(found: Sequence[Moved], zone: BillingZone, words: Mapping[str, str]) -> Iterator[list[Cell]]:
    for each in found:
        told = [
            *(paid.number for paid in each.paid),
            each.credit_note.number if each.credit_note else "",
            each.payment.reference if each.payment else "",
            each.refund.reason if each.refund else "",
            *(() if each.paid else each.credit_names),
        ]
        names = [text for text in told if text]
        amounts = (each.balance_change, each.balance_after, each.credit_change, each.credit_after)
        yield [zone.local(each.at), words[each.why], ", ".join(names), *amounts]
