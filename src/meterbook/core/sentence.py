"""Sentences for people: English to whoever prints them, and to a page in another language what they are made of."""

from __future__ import annotations


class Sentence(str):
    """An English text that remembers its pattern and the values in it, so that it can be said in another language.

    `pattern` has placeholders such as %(code)s, and is what the languages' catalogs are asked for; `values` may be
    sentences themselves.
    """

    __slots__ = ("pattern", "values")
    pattern: str
    values: dict[str, object]


def say(pattern: str, **values: object) -> Sentence:
    """Return the sentence of a pattern and the values of its placeholders."""
    sentence = Sentence(pattern % values)
    sentence.pattern, sentence.values = pattern, values
    return sentence
