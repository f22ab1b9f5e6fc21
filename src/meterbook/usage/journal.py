"""The journal: accepted events on disk before they are acknowledged, until ClickHouse has them.

A segment is a file of records, each the length and CRC-32 of its bytes and the bytes: an Arrow stream of rows of the
table `events`. A segment is deleted when its rows are in ClickHouse; after a crash what is left is replayed.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import structlog

_HEAD: Final = struct.Struct("<II")
_SUFFIX: Final = ".journal"
# Not every system can bring a file's data alone to disk.
_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)
_log = structlog.get_logger(__name__)


class Journal:
    """The segments in one folder, of which the last is open for appending. Not thread-safe: its caller holds a lock."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._next = max((int(path.stem) for path in self.segments()), default=0) + 1
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._broken = False

    def segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def append(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Write batches as one record; on return they are on disk. On an error (`OSError`) nothing of them is kept."""
        if self._broken:
            raise OSError("The journal could not be written and not be repaired: free the disk and restart")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batches[0].schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        data = sink.getvalue()
        file = self._open()
        try:
            _write(file, [_HEAD.pack(len(data), zlib.crc32(data)), data])
            _sync(file)
        except OSError:
            self._abandon(file)
            raise
        self._size += _HEAD.size + len(data)

    def rotate(self) -> Path | None:
        """End the open segment and return its path; None if nothing was appended since the last rotation."""
        if self._file is None:
            return None
        os.close(self._file)
        self._file = None
        return self._path

    def _open(self) -> int:
        if self._file is None:
            self._path = self._folder / f"{self._next:020}{_SUFFIX}"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._next += 1
            self._size = 0
            sync_folder(self._folder)
        return self._file

    def _abandon(self, file: int) -> None:
        """Cut a record that may be torn, so that later records do not lie behind it."""
        self._broken = True
        os.ftruncate(file, self._size)
        os.fsync(file)
        self._broken = False


def read_segment(path: Path) -> Iterator[pa.Table]:
    """Yield a segment's records; a torn tail, which was never acknowledged, ends it."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, -1)
            data = file.read(length)
            if len(data) < length or zlib.crc32(data) != checksum:
                _log.warning("journal.torn", segment=path.name, offset=file.tell() - len(data) - len(head))
                return
            with pa.ipc.open_stream(data) as reader:
                yield reader.read_all()


def delete_segment(path: Path) -> None:
    """Delete a segment whose rows are in ClickHouse; if a crash undoes it, its replay changes nothing."""
    try:
        path.unlink()
    except OSError as error:
        _log.warning("journal.not_deleted", segment=path.name, error=str(error))


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of files to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: int, parts: Sequence[bytes | pa.Buffer]) -> None:
    data = memoryview(b"".join(memoryview(part) for part in parts))
    while data:
        data = data[os.write(file, data) :]
