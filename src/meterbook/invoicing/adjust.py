"""Adjust issued months: usage that came late re-rates its own month, and the difference goes on the next invoice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, currency_of, zone_of
from meterbook.accounts.tables import Account, SeenProject
from meterbook.catalog.queries import current_catalog
from meterbook.core import invoice
from meterbook.core.invoice import Adjustment, InvoiceDraft
from meterbook.core.money import Currency, Money
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.pricing import Product
from meterbook.core.rating import Frame
from meterbook.core.terms import ProjectTerms
from meterbook.invoicing.facts import Billed, billed_before
from meterbook.invoicing.queries import currency_of_invoice, frame_of_invoice, issued_history
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.terms import thawed_account, thawed_product, thawed_project, thawed_promotions
from meterbook.invoicing.unbilled import left_unbilled
from meterbook.invoicing.use import Terms, Used, count_use
from meterbook.usage.queries import late_windows
from meterbook.usage.store import UsageStore

MONTHS_BACK: Final = 24  # how old a month may be whose late usage is still billed


def adjustments_of(
    session: Session,
    usage: UsageStore,
    accounts: Sequence[Account],
    frame: Frame,
    received_through: datetime | None = None,
) -> dict[int, tuple[Adjustment, ...]]:
    """Return by account what late usage adds to months issued before that of `frame` (DOMAIN 6).

    Looked at are the months from an account's first invoice to its last before this one, `MONTHS_BACK` at most, in
    which something was received since that last one was drafted, or of which that one had to leave a rest. What was
    left unbilled stays so.
    """
    history = issued_history(session, [account.id for account in accounts], frame.month)
    late = _late_months(usage, history, frame, received_through)
    left = left_unbilled(session, list(late)) if late else {}
    found: dict[int, tuple[Adjustment, ...]] = {}
    for account in accounts:
        months = {month for month in late.get(account.id, ()) if str(month) not in left.get(account.id, {})}
        if months:
            made = [
                each
                for month in sorted(months)
                for each in _of_month(
                    session, usage, account, history[account.id], month, frame.month, received_through
                )
            ]
            found[account.id] = tuple(made)
    return found


def rerated_use(
    session: Session,
    usage: UsageStore,
    issued: Invoice,
    account: Account,
    received_through: datetime | None,
) -> tuple[Terms, Used]:
    """Return an issued month's own terms, and what was used in it by what is known now (or was, by a moment)."""
    terms = issued_terms(session, issued, account)
    return terms, _read(session, usage, account, terms, frame_of_invoice(issued), received_through)


def issued_terms(session: Session, issued: Invoice, account: Account) -> Terms:
    """Return the terms that an issued month was rated by, of every project of its account."""
    projects = all_projects(session, [account.id])[account.id]
    frame = frame_of_invoice(issued)
    own = {project.id: _terms_then(project, issued, frame) for project in projects}
    return Terms(
        thawed_account(account.code, currency_of_invoice(issued), issued.terms), own, thawed_promotions(issued.terms)
    )


def _terms_then(project: SeenProject, issued: Invoice, frame: Frame) -> ProjectTerms:
    """Return a project's terms as the invoice froze them; of one that is younger, those of today."""
    if project.created_at > issued.drafted_at and project.trial_until is not None:
        return ProjectTerms(project.code, project.name, min(project.trial_until, frame.ends_at))
    return thawed_project(project.code, project.name, issued.terms)


def _read(
    session: Session,
    usage: UsageStore,
    account: Account,
    terms: Terms,
    frame: Frame,
    received_through: datetime | None,
) -> Used:
    products = current_catalog(session)
    counted = count_use(usage, {account.id: terms}, products, frame, frame.ends_at, received_through=received_through)
    return counted.by_account()[account.id]


def _late_months(
    usage: UsageStore,
    history: dict[int, list[Invoice]],
    frame: Frame,
    received_through: datetime | None,
) -> dict[int, set[BillingMonth]]:
    if not history:
        return {}
    months = [month for month in _back(frame.month) if any(_covers(own, month) for own in history.values())]
    if not months:
        return {}
    starts = {month.starts_at(frame.zone): month for month in months}
    since = min(own[-1].usage_through for own in history.values())
    bounds = [*starts, months[-1].ends_at(frame.zone)]
    received = late_windows(usage, list(history), bounds, since, received_through)
    late: dict[int, set[BillingMonth]] = {}
    for (account_id, start), latest in received.items():
        own = history[account_id]
        if _covers(own, starts[start]) and latest > own[-1].usage_through:
            late.setdefault(account_id, set()).add(starts[start])
    for account_id, own in history.items():
        if own[-1].deferred_months:
            late.setdefault(account_id, set()).update(map(BillingMonth.parse, own[-1].deferred_months))
    return late


def _back(month: BillingMonth) -> list[BillingMonth]:
    months = []
    for _ in range(MONTHS_BACK):
        month = month.previous()
        months.append(month)
    return months[::-1]


def _covers(own: Sequence[Invoice], month: BillingMonth) -> bool:
    return own[0].month <= str(month) <= own[-1].month


def _of_month(
    session: Session,
    usage: UsageStore,
    account: Account,
    history: Sequence[Invoice],
    month: BillingMonth,
    before: BillingMonth,
    received_through: datetime | None,
) -> list[Adjustment]:
    """Return the differences of one month: by project and product, its net now less what was billed for it."""
    issued = next((each for each in history if each.month == str(month)), None)
    if issued is not None:
        terms, used = rerated_use(session, usage, issued, account, received_through)
    else:
        terms, used = _passed_over(session, usage, account, history[0], month, received_through)
    frame = Frame(month, zone_of(account))
    draft = invoice.draft(terms.account, frame, used.uses, used.until, used.data_through, terms.promotions)
    billed = billed_before(session, account.id, month, before)
    names = {project.code: project.name for project in all_projects(session, [account.id])[account.id]}
    return _differences(draft, billed, names, currency_of(account))


def _passed_over(
    session: Session,
    usage: UsageStore,
    account: Account,
    like: Invoice,
    month: BillingMonth,
    received_through: datetime | None,
) -> tuple[Terms, Used]:
    """Return terms and use of a month without an invoice, as nothing had been used in it; the terms are another's."""
    frame = Frame(month, billing_zone(like.time_zone, True))
    projects = all_projects(session, [account.id])[account.id]
    own = {project.id: thawed_project(project.code, project.name, like.terms) for project in projects}
    terms = Terms(thawed_account(account.code, currency_of_invoice(like), like.terms), own, ())
    return terms, _read(session, usage, account, terms, frame, received_through)


def _differences(draft: InvoiceDraft, billed: Billed, names: dict[str, str], money: Currency) -> list[Adjustment]:
    now: dict[tuple[str, str], int] = {}
    products: dict[tuple[str, str], Product] = {}
    for line in draft.lines:
        key = (line.project.code, line.charge.product.code)
        now[key] = now.get(key, 0) + line.net.minor
        products[key] = line.charge.product
    found = []
    for key in sorted(now.keys() | billed.net.keys()):
        new, old = now.get(key, 0), billed.net.get(key, 0)
        if new == old:
            continue
        project, code = key
        product = products.get(key) or thawed_product(code, billed.products[key])
        found.append(
            Adjustment(
                ProjectTerms(project, names.get(project, project)),
                product,
                draft.frame.month,
                Money(new, money),
                Money(old, money),
                Money(new - old, money),
                draft.account.applied_tax_rate,
            )
        )
    return found
