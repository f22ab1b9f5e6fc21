"""Count what accounts used in a month, cut wherever their terms change, as the core rates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Final

from meterbook.accounts.tables import SeenProject
from meterbook.core.metering import Meter
from meterbook.core.period import HOUR, day_starts, hour_ceil, hour_count, hour_floor
from meterbook.core.pricing import Product
from meterbook.core.promotion import Promotion
from meterbook.core.rating import Frame, Waiver
from meterbook.core.terms import AccountTerms, ProjectTerms, Use, use_boundaries
from meterbook.usage.queries import MeteredParts, in_parts, in_windows
from meterbook.usage.question import Counted, Question
from meterbook.usage.store import UsageStore

PACE_DAYS: Final = 7  # the forecast goes on as the last seven days went


@dataclass(frozen=True, slots=True)
class Terms:
    """What of one account decides what its usage in a month costs; projects by id.

    Those that `ended` take no more usage: for the forecast they do not go on.
    """

    account: AccountTerms
    projects: Mapping[int, ProjectTerms]
    promotions: tuple[Promotion, ...]
    ended: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Used:
    """What one account used in a month, and through when its data reaches."""

    uses: tuple[Use, ...]
    until: datetime
    data_through: datetime | None


@dataclass(frozen=True, slots=True)
class CountedUse:
    """What was counted of a month before `until`, and all else that decides what each account used in it.

    Accounts by id; of the counted usage, what is recent is since `pace_from`. The hours before `running_from` are over.
    """

    terms: Mapping[int, Terms]
    products: Sequence[Product]
    frame: Frame
    until: datetime
    running_from: datetime
    pace_from: datetime
    boundaries: Sequence[datetime]
    counted: Sequence[Counted]

    def by_account(self) -> dict[int, Used]:
        """Return what each account used, as the core rates it."""
        found = in_parts(self.counted, self.boundaries)
        return {id_: self._used(terms, found) for id_, terms in self.terms.items()}

    def _used(self, terms: Terms, found: Mapping[Meter, Mapping[int, MeteredParts]]) -> Used:
        metered = [(product, found[product.meter]) for product in self.products if product.meter in found]
        over, with_running = (_Paces(hour_count(self.pace_from, until)) for until in (self.running_from, self.until))
        uses, last_hours = [], []
        for project_id, project in terms.projects.items():
            for product, by_project in metered:
                used = by_project.get(project_id)
                if used is not None:
                    recent = 0 if project_id in terms.ended else used.recent
                    # many report at the end of an hour: one that runs counts once something is in it
                    paces = with_running if used.last_hour_at >= self.running_from else over
                    uses.append(Use(project, product, used.parts, paces[recent]))
                    last_hours.append(used.last_hour_at)
        return Used(tuple(uses), self.until, max(last_hours) + HOUR if last_hours else None)


def project_terms(project: SeenProject, frame: Frame) -> ProjectTerms:
    """Return a project's terms as they hold today."""
    if project.plan == "free":
        return ProjectTerms(project.code, project.name, frame.ends_at, Waiver.free)
    return ProjectTerms(project.code, project.name, project.trial_until, Waiver.trial)


def count_use(
    usage: UsageStore,
    terms: Mapping[int, Terms],
    products: Sequence[Product],
    frame: Frame,
    at: datetime,
    *,
    received_through: datetime | None = None,
    whole: bool = False,
) -> CountedUse:
    """Count what accounts (by id) used in a month before `at`; `whole` when the terms are of all of their projects.

    It is cut wherever a price, a trial or a promotion begins or ends for any of them.
    """
    until = min(hour_ceil(at, frame.zone), frame.ends_at)
    pace_from = _pace_from(frame, until)
    boundaries = _boundaries(terms, products, frame, until)
    question = Question(
        terms.keys(),
        None if whole else [project_id for each in terms.values() for project_id in each.projects],
        frozenset(product.meter for product in products),
        boundaries,
        frame.zone,
        min(at, until),
        received_through=received_through,
        recent_from=pace_from,
    )
    counted = in_windows(usage, question, frame.month.reference_hours)
    running_from = until if at >= until else hour_floor(at, frame.zone)
    return CountedUse(terms, products, frame, until, running_from, pace_from, boundaries, counted)


def _boundaries(
    terms: Mapping[int, Terms], products: Sequence[Product], frame: Frame, until: datetime
) -> list[datetime]:
    cuts = {frame.starts_at}
    for money in {each.account.currency for each in terms.values()}:
        cuts |= use_boundaries(frame, products, (), money)
    projects = [project for each in terms.values() for project in each.projects.values()]
    promotions = [promotion for each in terms.values() for promotion in each.promotions]
    anyone = next(iter(terms.values())).account.currency
    cuts |= use_boundaries(frame, (), projects, anyone, promotions)
    return [*sorted(cut for cut in cuts if cut < until), until]


class _Paces(dict[int, Fraction]):
    """The quantities an hour of what was used lately, by its billionths; many uses have the same."""

    def __init__(self, hours: int) -> None:
        super().__init__()
        self._billionths = hours * 10**9

    def __missing__(self, recent: int) -> Fraction:
        self[recent] = pace = Fraction(recent, self._billionths)
        return pace


def _pace_from(frame: Frame, until: datetime) -> datetime:
    """Return the first midnight of the last seven days: before it, the roll-up would have to be cut."""
    begins = until - timedelta(days=PACE_DAYS)
    first, second, *_ = day_starts(begins, until, frame.zone)
    return max(frame.starts_at, first if frame.zone.local(first).time() == time.min else second)
