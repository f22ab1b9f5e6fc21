"""Find the line on which each table, key and array item of a TOML text begins.

The parser of the standard library gives values without their places. This scan gives places without values; it is for
texts that the parser has accepted, so it need not judge them.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import Final

Path = tuple[str | int, ...]

_SPACE: Final = re.compile(r"[ \t]*")
_BETWEEN: Final = re.compile(r"(?:[\s,]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' + r"|'''.*?'''(?:'{0,2})" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'", re.DOTALL
)


def line_numbers(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every path: ("products", 0, "prices", 1, "currency") -> 14.

    A table's line is its header's or its opening key's; an array item's is where it begins. The root, (), is on line 1.
    """
    return _Scan(text.replace("\r\n", "\n")).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {(): 1}
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._last_item: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BETWEEN)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BETWEEN)
        return self.lines

    def _header(self) -> Path:
        """Read [a.b] or [[a.b]] and return the path of the table it opens, with the array items it is in."""
        start = self.at
        is_item = self.text.startswith("[[", start)
        self.at += 2 if is_item else 1
        path: Path = ()
        keys = self._keys()
        self.at += 2 if is_item else 1
        for key in keys:
            path += (key,)
            self._mark(path, start)
            if path in self._last_item and not (is_item and len(path) and key is keys[-1]):
                path += (self._last_item[path],)
        if is_item:
            self._last_item[path] = self._last_item.get(path, -1) + 1
            path += (self._last_item[path],)
        self._mark(path, start)
        return path

    def _pair(self, table: Path) -> None:
        start, path = self.at, table
        for key in self._keys():
            path += (key,)
            self._mark(path, start)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        match self.text[self.at]:
            case "{":
                self._inside("}", path)
            case "[":
                self._inside("]", path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _inside(self, end: str, path: Path) -> None:
        self.at += 1
        self._skip(_BETWEEN)
        item = 0
        while self.text[self.at] != end:
            if end == "}":
                self._pair(path)
            else:
                self._mark((*path, item), self.at)
                self._value((*path, item))
                item += 1
            self._skip(_BETWEEN)
        self.at += 1

    def _keys(self) -> list[str]:
        """Read a dotted key up to what follows it."""
        keys = []
        while True:
            self._skip(_SPACE)
            quoted = self.text[self.at] in "\"'"
            found = self._skip(_STRING if quoted else _BARE_KEY)
            keys.append(str(tomllib.loads(f"key = {found}")["key"]) if quoted else found)
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "the parser has accepted this text"
        self.at = match.end()
        return match[0]

    def _mark(self, path: Path, start: int) -> None:
        self.lines.setdefault(path, bisect_left(self._breaks, start) + 1)
