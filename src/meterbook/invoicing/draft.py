"""Draft a month's invoice: gather terms, prices, metered usage and open items, and let the core decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account, SeenProject
from meterbook.catalog.queries import current_catalog
from meterbook.core.credits import Books
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import Product
from meterbook.core.promotion import Promotion
from meterbook.core.rating import Frame
from meterbook.core.sentence import say
from meterbook.core.terms import AccountTerms, ProjectTerms, TaxClass, Use
from meterbook.errors import Invalid
from meterbook.invoicing.account_month import KeptMonths, account_months
from meterbook.invoicing.adjust import adjustments_of
from meterbook.invoicing.facts import open_items, promotions_in_force, seen_alone
from meterbook.invoicing.use import Terms, count_use, project_terms
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class Payer:
    """An account and those of its projects to draft for; `whole` when they are all and the account's books are open."""

    account: Account
    projects: Sequence[SeenProject]
    whole: bool


@dataclass(frozen=True, slots=True)
class Drafted:
    """A payer's draft, and what it was drafted from."""

    payer: Payer
    draft: InvoiceDraft
    uses: tuple[Use, ...]
    project_terms: tuple[ProjectTerms, ...]


def draft_month(
    session: Session,
    usage: UsageStore,
    payer: Payer,
    month: BillingMonth,
    at: datetime,
    *,
    kept: KeptMonths | None = None,
) -> InvoiceDraft:
    """Return the invoice of `month` for a payer's projects, for what was used before `at`.

    Of a whole account it has the promotions, adjustments and open items; of some projects, only the promotions that
    tell nothing about the others. Raises `Invalid` for a month that has not begun at `at`.
    """
    return begin_drafts(session, usage, [payer], month, at, kept=kept)()[0].draft


def draft_months(
    session: Session,
    usage: UsageStore,
    payers: Sequence[Payer],
    month: BillingMonth,
    at: datetime,
    *,
    received_through: datetime | None = None,
    products: Sequence[Product] | None = None,
) -> list[Drafted]:
    """Return the month's draft of several accounts of one time zone, their usage read in one pass.

    As `begin_drafts`, ended at once.
    """
    return begin_drafts(session, usage, payers, month, at, received_through=received_through, products=products)()


def begin_drafts(
    session: Session,
    usage: UsageStore,
    payers: Sequence[Payer],
    month: BillingMonth,
    at: datetime,
    *,
    received_through: datetime | None = None,
    products: Sequence[Product] | None = None,
    kept: KeptMonths | None = None,
) -> Callable[[], list[Drafted]]:
    """Begin to read what the month's drafts need, and return what waits for it and drafts.

    `received_through` leaves out what was received later, so that the draft can be made again, equal, at any time.
    `products` are priced by in place of the catalog's. What is `kept` is not made again. Raises `Invalid` for a month
    that has not begun at `at`.
    """
    frame = Frame(month, zone_of(payers[0].account))
    if at <= frame.starts_at:
        raise Invalid(say("%(month)s has not begun yet: ask for a month up to now.", month=month), "month-not-begun")
    products = current_catalog(session) if products is None else products
    accounts = [payer.account for payer in payers]
    promotions = promotions_in_force(session, accounts, month)
    terms = {payer.account.id: terms_of(payer, frame, promotions.get(payer.account.id, ())) for payer in payers}
    whole = [payer.account for payer in payers if payer.whole]
    all_whole = len(whole) == len(payers)
    count = partial(count_use, usage, terms, products, frame, at, received_through=received_through, whole=all_whole)
    put_together = account_months if kept is None else kept.account_months
    reading = usage.begin(lambda: put_together(count()))
    late = adjustments_of(session, usage, whole, frame, received_through) if whole else {}
    books = open_items(session, whole, before=frame.starts_at) if whole else {}

    def end() -> list[Drafted]:
        months = reading.result()
        return [
            Drafted(
                payer,
                month.draft(late.get(id_, ()), books.get(id_, Books())),
                month.used.uses,
                tuple(terms[id_].projects.values()),
            )
            for payer in payers
            for id_ in [payer.account.id]
            for month in [months[id_]]
        ]

    return end


def terms_of(payer: Payer, frame: Frame, promotions: tuple[Promotion, ...]) -> Terms:
    """Return the terms of a payer as they hold today."""
    account = payer.account
    if not payer.whole:
        promotions = seen_alone(promotions, [project.code for project in payer.projects])
    tax_class = TaxClass(account.tax_class)
    return Terms(
        AccountTerms(account.code, currency_of(account), account.tax_percent, tax_class),
        {project.id: project_terms(project, frame) for project in payer.projects},
        promotions,
        frozenset([project.id for project in payer.projects if project.deleted_at is not None]),
    )
