"""Repeat safely: adding what is there already changes nothing, and adding something else under its key is refused."""

from __future__ import annotations

from collections.abc import Mapping

from meterbook.errors import Refused


def same_or_refused(what: str, stored: object, wanted: Mapping[str, object]) -> None:
    """Return when the row holds exactly what is wanted; else raise `Refused` ("exists") naming each difference."""
    differences = {name: getattr(stored, name) for name, value in wanted.items() if getattr(stored, name) != value}
    if differences:
        told = ", ".join(f"{name} is {_told(value)} there" for name, value in differences.items())
        raise Refused(f"{what} exists already and differs: {told}.", "exists", differs=sorted(differences))


def _told(value: object) -> str:
    return "not set" if value is None else str(value)
