"""Facts of an account's month beside its usage: promotions in force, open items, what earlier months were billed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.credits import Books, Credit, Owed, Prepayment
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import FreeUnit
from meterbook.core.promotion import AppliesTo, Promotion, PromotionKind
from meterbook.core.rating import Frame
from meterbook.database import among
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.tables import Invoice, InvoiceDiscount, InvoiceLine
from meterbook.ledger.queries import credits_left, prepayments_left, unpaid_by_invoice
from meterbook.promotions.queries import credits_by_id, redeemed
from meterbook.promotions.tables import PromotionRow, Redemption

_ALONE = (PromotionKind.percent, PromotionKind.fixed_price)


class Billed(NamedTuple):
    """What of a month has been billed: net minor units by (project, product), the month's own lines and adjustments."""

    net: Mapping[tuple[str, str], int]
    products: Mapping[tuple[str, str], dict[str, object]]


def promotions_in_force(
    session: Session, accounts: Sequence[Account], month: BillingMonth
) -> dict[int, tuple[Promotion, ...]]:
    """Return by account the redeemed promotions that hold at some time of the month, as they decide its invoice."""
    by_id = {account.id: account for account in accounts}
    found: dict[int, tuple[Promotion, ...]] = {}
    for account_id, held in redeemed(session, list(by_id)).items():
        account = by_id[account_id]
        frame = Frame(month, zone_of(account))
        rows = [(redemption, row) for redemption, row in held if _holds(redemption, row, frame)]
        used = _used(session, account, [redemption.id for redemption, row in rows if row.carry_over], month)
        promotions = (_promotion(redemption, row, account, frame, used) for redemption, row in rows)
        found[account_id] = tuple(promotions)
    return found


def seen_alone(promotions: Sequence[Promotion], projects: Collection[str]) -> tuple[Promotion, ...]:
    """Return the promotions whose effect on some projects tells nothing about the others of the account (DOMAIN 1)."""
    return tuple(
        each for each in promotions if each.kind in _ALONE or (each.projects and each.projects <= frozenset(projects))
    )


def open_items(session: Session, accounts: Sequence[Account], before: datetime | None = None) -> dict[int, Books]:
    """Return by account its unpaid invoices oldest first, its credits and its prepaid money, with what is left of each.

    An issued month is served in the order of its month; the draft is not among them. `before` leaves out invoices of
    months that begin then or later: what is drafted as of a moment before they were issued does not owe them.
    """
    by_id = {account.id: account for account in accounts}
    unpaid = unpaid_by_invoice(session, list(by_id))
    invoices = invoices_by_id(session, list(unpaid))
    left = credits_left(session, list(by_id))
    grants = credits_by_id(session, list(left))
    prepaid = prepayments_left(session, list(by_id))
    books = {}
    for account in accounts:
        money = currency_of(account)
        unpaid_now = [row for row in invoices.values() if row.account_id == account.id]
        own = sorted((row for row in unpaid_now if before is None or row.starts_at < before), key=lambda row: row.month)
        owed = tuple(Owed(row.id, Money(unpaid[row.id], money), row.starts_at, row.ends_at) for row in own)
        granted = tuple(
            Credit(row.id, Money(left[row.id], money), row.starts_at, row.ends_at)
            for row in grants.values()
            if row.account_id == account.id
        )
        paid_ahead = tuple(Prepayment(id_, Money(minor, money)) for id_, minor in prepaid.get(account.id, []))
        books[account.id] = Books(owed, granted, paid_ahead)
    return books


def saved_by(session: Session, account_id: int) -> dict[int, int]:
    """Return what each redemption took off an account's issued invoices, in minor units."""
    rows = session.execute(
        select(InvoiceDiscount.redemption_id, func.sum(InvoiceDiscount.amount_minor))
        .join(Invoice, Invoice.id == InvoiceDiscount.invoice_id)
        .where(Invoice.account_id == account_id, Invoice.number.is_not(None))
        .group_by(InvoiceDiscount.redemption_id)
    )
    return {redemption_id: int(minor or 0) for redemption_id, minor in rows}


def billed_before(session: Session, account_id: int, month: BillingMonth, before: BillingMonth) -> Billed:
    """Return what was billed for a month on its own invoice and, as adjustments, on later ones before another month."""
    rows = session.execute(
        select(
            InvoiceLine.project_code,
            InvoiceLine.product_code,
            func.sum(InvoiceLine.amount_minor - InvoiceLine.discount_minor),
            func.array_agg(InvoiceLine.product),
        )
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(
            Invoice.account_id == account_id,
            Invoice.number.is_not(None),
            Invoice.month < str(before),
            or_(
                InvoiceLine.adjusts_month == str(month),
                (Invoice.month == str(month)) & InvoiceLine.adjusts_month.is_(None),
            ),
        )
        .group_by(InvoiceLine.project_code, InvoiceLine.product_code)
    ).all()
    net = {(project, product): int(minor) for project, product, minor, _ in rows}
    return Billed(net, {(project, product): written[0] for project, product, _, written in rows})


def _holds(redemption: Redemption, row: PromotionRow, frame: Frame) -> bool:
    if row.kind == PromotionKind.credit or row.starts_at >= frame.ends_at or redemption.withdrawal is not None:
        return False
    if row.ends_at is not None and row.ends_at <= frame.starts_at:
        return False
    return row.months is None or 0 <= _months_since(redemption, frame.month) < row.months


def _months_since(redemption: Redemption, month: BillingMonth) -> int:
    first = BillingMonth.parse(redemption.month)
    return (month.year - first.year) * 12 + month.month - first.month


def _used(
    session: Session, account: Account, redemption_ids: Sequence[int], month: BillingMonth
) -> dict[int, Fraction]:
    """Return what issued invoices of earlier months used of promotions: amounts in major units, or quantities."""
    if not redemption_ids:
        return {}
    rows = session.execute(
        select(InvoiceDiscount.redemption_id, InvoiceDiscount.amount_minor, InvoiceDiscount.quantity)
        .join(Invoice, Invoice.id == InvoiceDiscount.invoice_id)
        .where(
            Invoice.account_id == account.id,
            Invoice.number.is_not(None),
            Invoice.month < str(month),
            among(InvoiceDiscount.redemption_id, redemption_ids),
        )
    )
    used: dict[int, Fraction] = defaultdict(Fraction)
    money = currency_of(account)
    for redemption_id, minor, quantity in rows:
        used[redemption_id] += Fraction(quantity or Money(minor, money).decimal)
    return used


def _promotion(
    redemption: Redemption, row: PromotionRow, account: Account, frame: Frame, used: Mapping[int, Fraction]
) -> Promotion:
    carried = Fraction(0)
    if row.carry_over:
        first = max(BillingMonth.parse(redemption.month), BillingMonth.of(row.starts_at, zone_of(account)))
        months = (frame.month.year - first.year) * 12 + frame.month.month - first.month
        carried = max(Fraction(0), Fraction(row.value) * max(0, months) - used.get(redemption.id, Fraction(0)))
    return Promotion(
        key=redemption.id,
        code=row.code,
        name=row.name,
        kind=PromotionKind(row.kind),
        applies_to=AppliesTo(row.applies_to),
        value=row.value,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        products=frozenset(row.products),
        projects=frozenset(row.projects),
        priority=row.priority,
        free_unit=FreeUnit(row.free_unit),
        carried=carried,
    )
