"""The manifest: what an archive holds, and the checks that it is whole and fits this version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from meterbook.errors import Invalid

NAME: Final = "manifest.json"
FORM: Final = 1
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A file of an archive: its path in the folder, how many rows it holds, and its content's SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds: each table of the money store as one part, in an order that keeps references, and events.

    `schema` is the revision of the money store; `received_through` the receipt of the newest event, `made_at` the
    moment of writing, both ISO 8601.
    """

    form: int
    version: str
    schema: str
    made_at: str
    received_through: str
    tables: dict[str, Part]
    events: tuple[Part, ...]

    @property
    def event_count(self) -> int:
        """How many events it holds."""
        return sum(part.rows for part in self.events)

    @property
    def parts(self) -> Iterator[Part]:
        """Every file but the manifest itself."""
        yield from self.tables.values()
        yield from self.events


@dataclass(frozen=True, slots=True)
class _Written:
    """What a manifest of any form says of itself."""

    form: int
    version: str


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into an archive's folder."""
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read an archive's manifest. Raises `Invalid` when the folder is no archive, or one of a newer form."""
    try:
        content = (folder / NAME).read_bytes()
        written = msgspec.json.decode(content, type=_Written)
        if written.form != FORM:
            raise Invalid(f"{folder} was written by Meterbook {written.version}: install that version or a newer one.")
        return msgspec.json.decode(content, type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(f"{folder} is no archive of Meterbook: it has no readable {NAME} ({error}).") from None


def part_of(folder: Path, path: str, rows: int) -> Part:
    """Return the part that a file of the folder is."""
    file = folder / path
    return Part(path, rows, file.stat().st_size, _sha256(file))


def check_part(folder: Path, part: Part) -> Path:
    """Return the path of a part whose content is what was written. Raises `Invalid` for one that is damaged."""
    file = folder / part.path
    inside = file.resolve().is_relative_to(folder.resolve())
    if not inside or not file.is_file() or file.stat().st_size != part.bytes or _sha256(file) != part.sha256:
        raise Invalid(f"{file} is missing or damaged: copy the archive again; nothing of it was restored.")
    return file


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while data := content.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
