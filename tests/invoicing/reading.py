"""Reads the text of a PDF as a reader's program does: glyphs by their font's ToUnicode table, page by page."""

import re
import zlib
from collections.abc import Iterator

OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)\sendobj", re.DOTALL)
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
REFERENCE = re.compile(rb"/(\w+) (\d+) 0 R")
PIECE = re.compile(rb"\nBT(.*?)\nET\n", re.DOTALL)
SPELLED = re.compile(rb"/ActualText<FEFF([0-9A-F]*)>>>BDC.*?EMC", re.DOTALL)
FONT = re.compile(rb"/(\w+) [\d.]+ Tf")
TOKEN = re.compile(rb"\\[0-7]{1,3}|<[0-9A-F]+>|\\?.", re.DOTALL)
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages_of(pdf: bytes) -> list[str]:
    """Return the text of each page, one line for each piece that was set on its own."""
    objects = {int(number): body for number, body in OBJECT.findall(pdf)}
    tree = next(body for body in objects.values() if b"/Type/Pages" in body)
    kids = re.search(rb"/Kids\[([^\]]*)\]", tree)
    assert kids is not None
    return [_page(objects[int(kid)], objects) for kid in re.findall(rb"(\d+) 0 R", kids[1])]


def text_of(pdf: bytes) -> str:
    """Return the text of all pages."""
    return "\n".join(pages_of(pdf))


def tight(text: str) -> str:
    """Return a text without its spaces and line ends: a line in two scripts is set in two pieces."""
    return "".join(text.split())


def _page(page: bytes, objects: dict[int, bytes]) -> str:
    parts = {name: int(number) for name, number in REFERENCE.findall(page)}
    listed = re.search(rb"/Font<<(.*?)>>", objects[parts[b"Resources"]], re.DOTALL)
    fonts = dict(REFERENCE.findall(listed[1])) if listed else {}
    tables = {name: _table(objects[int(number)], objects) for name, number in fonts.items()}
    return "\n".join(_piece(piece, tables) for piece in PIECE.findall(_content(objects[parts[b"Contents"]])))


def _piece(piece: bytes, tables: dict[bytes, dict[bytes, str]]) -> str:
    """Return the text of one piece: what its glyphs stand for, and what is spelled out in place of some."""
    glyphs, *rest = SPELLED.split(piece)
    text = _glyphs(glyphs, tables)
    for spelled, after in zip(rest[::2], rest[1::2], strict=True):
        text += bytes.fromhex(spelled.decode()).decode("utf-16-be") + _glyphs(after, tables)
    return text


def _glyphs(shown: bytes, tables: dict[bytes, dict[bytes, str]]) -> str:
    _, *parts = FONT.split(shown)
    text = ""
    for font, strings in zip(parts[::2], parts[1::2], strict=True):
        codes = b"".join(_strings(strings))
        text += "".join(tables[font][codes[at : at + 2]] for at in range(0, len(codes), 2))
    return text


def _table(font: bytes, objects: dict[int, bytes]) -> dict[bytes, str]:
    references = {name: int(number) for name, number in REFERENCE.findall(font)}
    pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", _content(objects[references[b"ToUnicode"]]))
    return {bytes.fromhex(code.decode()): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}


def _content(body: bytes) -> bytes:
    stream = STREAM.search(body)
    assert stream is not None
    return zlib.decompress(stream[1]) if b"/FlateDecode" in body else stream[1]


def _strings(piece: bytes) -> Iterator[bytes]:
    """Yield the bytes of the strings, hexadecimal or in parentheses; pairs of those may be bare inside."""
    depth = 0
    for token in TOKEN.findall(piece):
        depth -= token == b")"
        if depth > 0:
            yield _byte(token[1:]) if token[:1] == b"\\" else token
        elif token[:1] == b"<":
            yield bytes.fromhex(token[1:-1].decode())
        depth += token == b"("


def _byte(escape: bytes) -> bytes:
    return bytes([int(escape, 8)]) if escape.isdigit() else PLAIN.get(escape, escape)
