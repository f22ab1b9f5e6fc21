"""What projects used in a month, for everybody who takes part in them; amounts where the billing permission is held.

Of an issued month use and amounts are the invoice's, of any other they are the preview's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.tables import SeenProject
from meterbook.core.invoice import Group, GroupBy, InvoiceDraft, Line
from meterbook.core.period import BillingMonth
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.remembered import RememberedMonths
from meterbook.invoicing.show import show_month
from meterbook.invoicing.tables import Invoice
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class UsedGroup:
    """The use of one project or product in `used`, whose amounts are not to be shown.

    `billed` has the lines and sums of those projects whose amounts may be seen, `None` without any; `hidden_count` is
    how many projects of the group are not among them.
    """

    used: Group
    billed: Group | None
    hidden_count: int


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """A month's use of some projects; `billed_projects` are the codes of those whose amounts may be seen.

    `used` has every line, `billed` those with amounts; `issued` is the invoice they are from.
    """

    used: InvoiceDraft
    billed: InvoiceDraft
    billed_projects: frozenset[str]
    issued: Invoice | None

    def groups(self, by: GroupBy) -> tuple[UsedGroup, ...]:
        """Return the use by project or by product, in order of code."""
        billed = {group.key: group for group in self.billed.groups(by)}
        return tuple(
            UsedGroup(group, billed.get(group.key), self._hidden(group.lines)) for group in self.used.groups(by)
        )

    def shows_amount(self, line: Line) -> bool:
        """Whether what a line costs may be seen."""
        return line.project.code in self.billed_projects

    def _hidden(self, lines: Sequence[Line]) -> int:
        return len({line.project.code for line in lines} - self.billed_projects)


def project_use(
    session: Session,
    usage: UsageStore,
    payer: Payer,
    projects: Sequence[SeenProject],
    month: BillingMonth,
    at: datetime,
    remembered: RememberedMonths | None = None,
) -> ProjectUse:
    """Return what projects used in a month, and what those of the payer cost, which are among them.

    The amounts are those that the preview shows of the payer's projects alone, so they tell nothing about the others.
    Raises `Invalid` for a month that has not begun.
    """
    show = show_month if remembered is None else remembered.show
    codes = frozenset(project.code for project in payer.projects)
    others = [project for project in projects if project.code not in codes]
    with_amounts = show(session, usage, payer, month, at)
    billed = used = with_amounts.draft
    if others:
        used = _joined(billed, show(session, usage, Payer(payer.account, others, whole=False), month, at).draft)
    return ProjectUse(used, billed, codes, with_amounts.issued)


def _joined(billed: InvoiceDraft, others: InvoiceDraft) -> InvoiceDraft:
    lines = sorted((*billed.lines, *others.lines), key=lambda line: line.project.code)
    reached = [each.data_through for each in (billed, others) if each.data_through is not None]
    return replace(billed, lines=tuple(lines), data_through=max(reached, default=None))
