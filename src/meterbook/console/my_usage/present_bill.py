"""Presenting the table of charges: groups with their lines, a page of them at a time, as two pages show it.

Copies figures out of a draft and decides what stands where; it computes no amount. Only what is on the page is
presented: of a closed group not even its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from meterbook.accounts.tables import SeenProject
from meterbook.console.address import PreviewState
from meterbook.console.chart import colour_of
from meterbook.console.my_usage.metering_state import metering_href
from meterbook.core.average import average_cost
from meterbook.core.invoice import Adjustment, Group, InvoiceDraft, Line
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.core.terms import ProjectTerms

GROUPS_A_PAGE: Final = 50
LINES_A_GROUP: Final = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage the totals cover: so many projects, which may be all of the account."""

    project_count: int
    whole_account: bool


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the groups is on the page, from `first` to `last` of `count`, and the addresses around it.

    `of_all` is how many there are without the search.
    """

    first: int
    last: int
    count: int
    of_all: int
    previous_href: str | None
    next_href: str | None


@dataclass(frozen=True, slots=True)
class BillAdjustment:
    """What late usage added to an earlier month, as a row."""

    name: str
    month: BillingMonth
    formula: str
    amount: Money


@dataclass(frozen=True, slots=True)
class BillLine:
    """One charge as a row: under a project it bears its product's name, under a product its project's.

    `code` is set where the name alone does not tell. `metered_href` opens the hours behind the units, if the reader may
    see them. `from_at` and `until_at` (on the account's clocks) are set when the line covers a part of the month only.
    `total_time` and `average_cost` (an hour) are `None` for a counter, which has no hours; costs and formula are `None`
    too where they are not the reader's to see.
    """

    name: str
    code: str | None
    colour: int | None
    metered_units: Decimal
    metered_href: str | None
    unit: str
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money | None
    formula: str | None
    waiver: Waiver | None
    from_at: datetime | None
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class BillGroup:
    """A project or a product with its sums and, when it is open, its lines; `anchor` names its rows in the page.

    `parts` counts the products of a project or the projects of a product, which is why its units do not open.
    `waiver` is set when nothing in the group is charged, for one reason. `hidden_count` is how many of its projects the
    costs leave out, as they are not the reader's to see; with all of them left out there is no cost. `has_late` when
    late usage of an earlier month is among the costs. Of `line_count` lines the first `LINES_A_GROUP` are presented.
    """

    key: str
    anchor: str
    name: str
    code: str | None
    colour: int | None
    is_open: bool
    toggle_href: str
    parts: int
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money | None
    waiver: Waiver | None
    hidden_count: int
    has_late: bool
    line_count: int
    lines: tuple[BillLine, ...]
    adjustments: tuple[BillAdjustment, ...]


@dataclass(frozen=True, slots=True)
class Bill:
    """The table: the groups of one page of it, with the address that opens or closes all of them."""

    groups: tuple[BillGroup, ...]
    paging: Paging
    all_open: bool
    toggle_all_href: str


class BillTable:
    """Presents the groups of a draft, in one language.

    `labels` are the words that a project is found by, by its code; `billed` the codes of projects whose costs may be
    seen, `None` for all. `positions` gives each product's place in the catalog, which fixes its colour.
    """

    def __init__(
        self,
        draft: InvoiceDraft,
        state: PreviewState,
        language: str,
        positions: Mapping[str, int],
        labels: Mapping[str, str],
        billed: frozenset[str] | None = None,
    ) -> None:
        self.draft, self.state, self.language = draft, state, language
        self._positions, self._labels, self._billed = positions, labels, billed
        self._by_product = state.by == "product"
        self._members: dict[str, tuple[list[Line], list[Adjustment]]] = {}
        key = _product_code if self._by_product else _project_code
        for line in draft.lines:
            self._members.setdefault(key(line.project, line.charge.product), ([], []))[0].append(line)
        for late in draft.adjustments:
            self._members.setdefault(key(late.project, late.product), ([], []))[1].append(late)
        names: dict[str, int] = {}
        for product in {line.charge.product.code: line.charge.product for line in draft.lines}.values():
            names[product.name_in(language)] = names.get(product.name_in(language), 0) + 1
        self._shared_names = {name for name, count in names.items() if count > 1}

    def page(self) -> Bill:
        """Present the groups of the page that the state is on; a page beyond the last is the last."""
        found = self.found()
        last_page = max(1, -(-len(found) // GROUPS_A_PAGE))
        number = min(max(self.state.page, 1), last_page)
        start = (number - 1) * GROUPS_A_PAGE
        here = found[start : start + GROUPS_A_PAGE]
        keys = frozenset(here)
        groups = self.groups(here, lambda key: self.state.everything_is_open or key in self.state.opened)
        return Bill(
            groups=groups,
            paging=Paging(
                first=start + 1 if here else 0,
                last=start + len(here),
                count=len(found),
                of_all=len(self._members),
                previous_href=self.state.on_page(number - 1).href() if number > 1 else None,
                next_href=self.state.on_page(number + 1).href() if number < last_page else None,
            ),
            all_open=all(group.is_open for group in groups),
            toggle_all_href=self.state.toggled("*", keys).href(),
        )

    def found(self) -> list[str]:
        """Return the keys of the groups that the search finds, in order: by name, code or label."""
        wanted = self.state.wanted.casefold().strip()
        return [key for key in sorted(self._members) if not wanted or wanted in self._found_by(key).casefold()]

    def lines_of(self, key: str) -> list[tuple[Line, bool]]:
        """Return the lines of a group, and whether what each costs may be seen."""
        return [(line, self._may_see(line)) for line in self._members[key][0]]

    def adjustments_of(self, key: str) -> list[Adjustment]:
        """Return what late usage of earlier months adds to a group."""
        return self._members[key][1]

    def groups(self, keys: Sequence[str], is_open: Callable[[str], bool]) -> tuple[BillGroup, ...]:
        """Present some groups, by key and in their order, with the lines of those that are open."""
        part = self._part(keys)
        groups = part.groups(self.state.by)
        billed = groups
        if self._billed is not None and any(not self._may_see(line) for line in part.lines):
            billed = self._part(keys, self._billed).groups(self.state.by)
        costs = {group.key: group for group in billed}
        page = frozenset(keys)
        return tuple(
            self._group(group, costs.get(group.key), is_open(group.key), number, page)
            for number, group in enumerate(groups, start=1)
        )

    def _part(self, keys: Sequence[str], projects: frozenset[str] | None = None) -> InvoiceDraft:
        """Return the draft with the lines of some groups (and projects) alone; its sums are still those of all."""
        members = [self._members[key] for key in keys]
        lines = (line for lines, _ in members for line in lines)
        late = (each for _, adjustments in members for each in adjustments)
        return replace(
            self.draft,
            lines=tuple(line for line in lines if projects is None or line.project.code in projects),
            adjustments=tuple(each for each in late if projects is None or each.project.code in projects),
        )

    def _found_by(self, key: str) -> str:
        if self._by_product:
            return f"{self._product(key).name_in(self.language)} {key}"
        return f"{self._project(key).name} {key} {self._labels.get(key, '')}"

    def _project(self, key: str) -> ProjectTerms:
        lines, late = self._members[key]
        return lines[0].project if lines else late[0].project

    def _product(self, key: str) -> Product:
        lines, late = self._members[key]
        return lines[0].charge.product if lines else late[0].product

    def _group(self, group: Group, costs: Group | None, is_open: bool, number: int, page: frozenset[str]) -> BillGroup:
        waivers = {line.charge.waiver for line in group.lines}
        projects = {line.project.code for line in group.lines}
        name = self._product(group.key).name_in(self.language) if self._by_product else self._project(group.key).name
        return BillGroup(
            key=group.key,
            anchor=f"group-{number}",
            name=name,
            code=group.key if self._by_product and name in self._shared_names else None,
            colour=colour_of(group.key, self._positions) if self._by_product else None,
            is_open=is_open,
            toggle_href=self.state.toggled(group.key, page).href(),
            parts=len(projects) if self._by_product else len({line.charge.product.code for line in group.lines}),
            total_time=group.total_time,
            average_cost=costs.average_cost if costs else None,
            total_cost=costs.total_cost if costs else None,
            waiver=waivers.pop() if len(waivers) == 1 and not group.adjustments else None,
            hidden_count=0 if self._billed is None else len(projects - self._billed),
            has_late=bool(group.adjustments),
            line_count=len(group.lines),
            lines=tuple(self._line(line) for line in group.lines[:LINES_A_GROUP]) if is_open else (),
            adjustments=tuple(self._adjustment(late) for late in group.adjustments) if is_open else (),
        )

    def _line(self, line: Line) -> BillLine:
        charge, draft = line.charge, self.draft
        zone, frame = draft.frame.zone, draft.frame
        partial = charge.starts_at > frame.starts_at or charge.ends_at < min(draft.until, frame.ends_at)
        name = charge.product.name_in(self.language)
        may_see = self._may_see(line)
        return BillLine(
            name=line.project.name if self._by_product else name,
            code=charge.product.code if not self._by_product and name in self._shared_names else None,
            colour=None if self._by_product else colour_of(charge.product.code, self._positions),
            metered_units=line.metered_units,
            metered_href=self._metering(line, charge.starts_at if partial else None) if may_see else None,
            unit=charge.product.unit,
            total_time=charge.quantity if line.is_time_based else None,
            average_cost=average_cost_of(line) if may_see else None,
            total_cost=line.amount if may_see else None,
            formula=charge.formula if may_see else None,
            waiver=charge.waiver,
            from_at=zone.local(charge.starts_at) if partial else None,
            until_at=zone.local(charge.ends_at) if partial else None,
        )

    def _may_see(self, line: Line) -> bool:
        return self._billed is None or line.project.code in self._billed

    def _adjustment(self, late: Adjustment) -> BillAdjustment:
        name = late.project.name if self._by_product else late.product.name_in(self.language)
        return BillAdjustment(name, late.month, late.formula, late.amount)

    def _metering(self, line: Line, part: datetime | None) -> str:
        product = line.charge.product.code
        return metering_href(self.state.account, line.project.code, product, self.state.month, part=part)


def labels_of(projects: Sequence[SeenProject]) -> dict[str, str]:
    """Return the words that projects are found by beside name and code, by code: "team=web env=prod"."""
    return {project.code: " ".join(f"{name}={value}" for name, value in project.labels.items()) for project in projects}


def average_cost_of(line: Line) -> Decimal | None:
    """Return what an hour of a line cost, for display alone (DOMAIN 3); `None` of a counter, which has no hours."""
    return average_cost(line.amount, line.charge.quantity) if line.is_time_based and line.charge.quantity else None


def _project_code(project: ProjectTerms, _: Product) -> str:
    return project.code


def _product_code(_: ProjectTerms, product: Product) -> str:
    return product.code
