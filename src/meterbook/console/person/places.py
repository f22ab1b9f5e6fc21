"""Places: where a reader may make somebody a member, or bind a key to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meterbook.accounts.read_people import administered_projects
from meterbook.console.person.person_page import ManagedPage

# A list of more is written by code, not chosen from.
CHOSEN_FROM_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A project, by its code."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Places:
    """What a form offers: the whole account, if it is the reader's, and projects; None where they are too many."""

    whole_account: bool
    projects: tuple[Place, ...] | None


def places_of(at: ManagedPage) -> Places:
    """Return the places that the reader manages."""
    access, account = at.reader.access, at.of
    found = administered_projects(at.session, access, account.id)
    offered = tuple(Place(each.code, each.name) for each in found) if len(found) <= CHOSEN_FROM_MAX else None
    return Places(access.may_administer(account.id, None), offered)
