"""Leaving a month of an account unbilled by the staff's hand: its draft is discarded; looked at before it is done."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.console.address import address_of
from meterbook.console.formats import formats
from meterbook.console.operator.closes import PATH
from meterbook.console.operator.fields import Asked, Fields, Sent
from meterbook.console.operator.money import named
from meterbook.console.operator.money_act import MoneyAct, Outcome, carry_out, look
from meterbook.console.operator.operator_page import AsOperator, OperatorPage
from meterbook.console.requests import Posted
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.effect import with_effect
from meterbook.invoicing.leave_unbilled import leave_unbilled
from meterbook.invoicing.queries import currency_of_invoice, invoices_of_month
from meterbook.invoicing.turn import Obstacle, out_of_turn
from meterbook.invoicing.unbilled import left_unbilled

router = APIRouter(include_in_schema=False)


@router.get("/closes/{month}/{code}/unbilled")
def show_unbilled(at: AsOperator, asked: Asked, month: str, code: str) -> Response:
    """Show the form that leaves a month unbilled, or what it would do; of one that was left, why, and the way back."""
    return look(at, _leaving(at, at.month(month), code), asked)


@router.post("/closes/{month}/{code}/unbilled")
def post_unbilled(at: AsOperator, _posted: Posted, sent: Sent, month: str, code: str) -> Response:
    """Leave a month unbilled."""
    return carry_out(at, _leaving(at, at.month(month), code), sent)


def _stays(at: OperatorPage, account: Account, month: BillingMonth) -> bool:
    """Whether a month is billed by nothing any more, as a later one is issued."""
    obstacle = out_of_turn(at.session, at.usage, [account], month, at.now, after_all=True).get(account.id)
    return obstacle is not None and obstacle.obstacle is Obstacle.not_billed


def _leaving(at: OperatorPage, month: BillingMonth, code: str) -> MoneyAct:
    account = at.account(code)
    written, zone = formats(at.language), zone_of(account)
    back = address_of(PATH, month=month, q=account.code)
    kept = invoices_of_month(at.session, [account.id], month).get(account.id)
    draft = None
    if kept is not None and kept.number is None:
        draft = Money(kept.total_minor, currency_of_invoice(kept))
    left = left_unbilled(at.session, [account.id]).get(account.id, {}).get(str(month))

    def deed(fields: Fields) -> Outcome:
        reason = fields.text("reason")
        rows, effect = with_effect(
            at.session,
            account,
            lambda: leave_unbilled(
                at.session,
                at.usage,
                at.now,
                month=month,
                account_ids=[account.id],
                reason=reason,
                by=at.by,
                earlier=fields.flag("earlier"),
            ),
        )
        months = ", ".join(written.month(BillingMonth.parse(row.month)) for row in rows)
        facts = [(at.gettext("Account"), named(account)), (at.gettext("Left unbilled"), months)]
        if draft is not None:
            facts.append((at.gettext("Draft that is discarded"), written.money(draft)))
        facts.append((at.gettext("Reason"), reason))
        return Outcome(tuple(facts), effect, address_of(PATH, month=month, q=account.code, done="left-unbilled"))

    return MoneyAct(
        account=account,
        path=f"{PATH}/{month}/{account.code}/unbilled",
        template="leave_unbilled.html",
        title=at.gettext("Leave a month unbilled"),
        warning=at.gettext(
            "No invoice is made of it, and its late usage is not billed either."
            " It can be billed after all until a later month is issued."
        ),
        button=at.gettext("Leave it unbilled"),
        back=back,
        deed=deed,
        context=lambda: {
            "month": month,
            "draft": draft,
            "left": left,
            "left_at": None if left is None else zone.local(left.decided_at),
            "stays": _stays(at, account, month),
            "drafting": f"{PATH}/draft",
            "key": secrets.token_urlsafe(16),
        },
    )
