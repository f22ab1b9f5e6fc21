"""Repeat safely: adding what is there already changes nothing, and adding something else under its key is refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from meterbook.core.sentence import Sentence, say
from meterbook.errors import Refused


def same_or_refused(what: Sentence, stored: object, wanted: Mapping[str, object]) -> None:
    """Return when the row holds exactly what is wanted; else raise `Refused` ("exists") naming each difference."""
    differences = {name: getattr(stored, name) for name, value in wanted.items() if getattr(stored, name) != value}
    if differences:
        told = reduce(_both, (_told(name, value) for name, value in differences.items()))
        raise Refused(
            say("%(what)s exists already and differs: %(told)s.", what=what, told=told),
            "exists",
            differs=sorted(differences),
        )


def _told(name: str, value: object) -> Sentence:
    return say("%(field)s is %(value)s there", field=name, value=say("not set") if value is None else value)


def _both(one: Sentence, other: Sentence) -> Sentence:
    return say("%(one)s, %(other)s", one=one, other=other)
