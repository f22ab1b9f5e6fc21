from __future__ import annotations

import tomllib
from collections.abc import Iterator
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from meterbook.catalog.lines import Path, line_numbers

TRICKY = '''# [not.a.table] \r
title = """a [string]
# no comment
x = 1 \\"""  ""and""""" # a comment with "quotes" and [brackets]
raw = \'\'\'
[[also.not]]
\'\'\' # done
"quoted \\u00e9.key" . 'more' = { a = 1, 'b.c' = [1, # one
  2,
  { d = "]}" },
] }

[table]
[table.inner] # header
key = 2014-01-01T00:00:00Z
dotted.key = 1
[[list]]
name = "first"
[[list.items]]
n = 1
[[list.items]]
n = 2
[list.items.more]
x = 1
[[list]]
name = "second"
[[list.items]]
n = 3
last = [[1], [2,
3]]'''


def test_places_of_a_tricky_text() -> None:
    tomllib.loads(TRICKY)
    lines = line_numbers(TRICKY)
    expected: dict[Path, int] = {
        (): 1,
        ("title",): 2,
        ("raw",): 5,
        ("quoted é.key",): 8,
        ("quoted é.key", "more"): 8,
        ("quoted é.key", "more", "a"): 8,
        ("quoted é.key", "more", "b.c"): 8,
        ("quoted é.key", "more", "b.c", 0): 8,
        ("quoted é.key", "more", "b.c", 1): 9,
        ("quoted é.key", "more", "b.c", 2): 10,
        ("quoted é.key", "more", "b.c", 2, "d"): 10,
        ("table",): 13,
        ("table", "inner"): 14,
        ("table", "inner", "key"): 15,
        ("table", "inner", "dotted"): 16,
        ("table", "inner", "dotted", "key"): 16,
        ("list",): 17,
        ("list", 0): 17,
        ("list", 0, "name"): 18,
        ("list", 0, "items"): 19,
        ("list", 0, "items", 0): 19,
        ("list", 0, "items", 0, "n"): 20,
        ("list", 0, "items", 1): 21,
        ("list", 0, "items", 1, "n"): 22,
        ("list", 0, "items", 1, "more"): 23,
        ("list", 0, "items", 1, "more", "x"): 24,
        ("list", 1): 25,
        ("list", 1, "name"): 26,
        ("list", 1, "items"): 27,
        ("list", 1, "items", 0): 27,
        ("list", 1, "items", 0, "n"): 28,
        ("list", 1, "items", 0, "last"): 29,
        ("list", 1, "items", 0, "last", 0): 29,
        ("list", 1, "items", 0, "last", 0, 0): 29,
        ("list", 1, "items", 0, "last", 1): 29,
        ("list", 1, "items", 0, "last", 1, 0): 29,
        ("list", 1, "items", 0, "last", 1, 1): 30,
    }
    assert lines == expected


def places(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every path of a parsed text with what is there."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


GAPS = st.sampled_from(["", " ", "\n", ' # ] } , = "\n', "\r\n\t"])
NAMES = st.sampled_from(["a", "b-1", '"c d"', "'e.\"'", "f . g", '"h\\u0041"'])
LEAVES = st.sampled_from(["{}", '"x # {}"', "'''\n{}'''", '"""\n\\"{}"""', "-{}", "{}.5e1", "2{:03}-01-01T00:00:00Z"])


@st.composite
def values(draw: st.DrawFn, numbers: Iterator[int], depth: int = 0) -> str:
    kind = draw(st.sampled_from(["leaf", "list", "table"])) if depth < 3 else "leaf"
    if kind == "leaf":
        return draw(LEAVES).format(next(numbers))
    items = [draw(values(numbers, depth + 1)) for _ in range(draw(st.integers(0, 3)))]
    if kind == "list":
        return "[" + "".join(f"{draw(GAPS)}{item}{draw(GAPS)}," for item in items) + draw(GAPS) + "]"
    return "{ " + ", ".join(f"k{number} = {item}" for number, item in enumerate(items)) + " }"


@st.composite
def texts(draw: st.DrawFn) -> str:
    numbers = count(100)
    text = ""
    for part in range(draw(st.integers(1, 5))):
        header = draw(st.sampled_from([f"[t{part}]", f"[ t{part} . in ]", "[[list]]", "[[ list2 . 'in' ]]"]))
        text += draw(GAPS) + header + "\n"
        for name in draw(st.lists(NAMES, unique=True, max_size=4)):
            text += f"{name} = {draw(values(numbers))}" + draw(st.sampled_from(["\n", " # = [\n", "\r\n"]))
    return text


@given(texts())
def test_every_place_that_the_parser_knows_is_found_on_its_line(text: str) -> None:
    parsed = tomllib.loads(text, parse_float=str)
    lines = line_numbers(text)
    found = dict(places(parsed))
    assert lines.keys() == found.keys()
    written = text.replace("\r\n", "\n").split("\n")
    for path, value in found.items():
        if type(value) is int:
            assert str(value).lstrip("-") in written[lines[path] - 1]
