"""The import command: files in, request by request, each answered once it is on disk."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from meterbook.cli.moving import restore
from meterbook.cli.options import AsJson, DataDir, print_json
from meterbook.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

    from meterbook.cli.client import Client
    from meterbook.usage.import_file import ImportRequest, TableOptions

REJECTIONS_TOLD: Final = 20
# While one request is stored, the next is checked and the one after it is on its way; more would only take memory.
AT_ONCE: Final = 3
BUSY_ATTEMPTS: Final = 60


@dataclass
class Imported:
    """What became of one file's events; the first rejections are kept with their rows."""

    name: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejections: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, row: int, id_: str | None, reason: str) -> None:
        """Count a row that was not taken; its event's id is told where it has one."""
        self.rejected += 1
        if len(self.rejections) < REJECTIONS_TOLD:
            self.rejections.append({"row": row, "id": id_, "reason": reason})

    def place(self, row: int, id_: str | None) -> str:
        """Return how people find a row: by its line and id in a file of events, else by its number among the data."""
        if not {".ndjson", ".jsonl"}.intersection(map(str.lower, Path(self.name).suffixes)):
            return f"{self.name}, data row {row}"
        return f"{self.name}:{row}" if id_ is None else f"{self.name}:{row}, event {id_}"


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="NDJSON of CloudEvents, CSV or Parquet; or the folder that export wrote."
        ),
    ],
    project: Annotated[str | None, typer.Option(help="The project of a CSV or Parquet file's rows.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Their type, as the catalog's meters name it.")] = None,
    resource: Annotated[str | None, typer.Option(help="Their resource; the file's name without its ending.")] = None,
    time_column: Annotated[str, typer.Option(help="The column of times; without a zone they are UTC.")] = "timestamp",
    value_column: Annotated[str, typer.Option(help="The column of values.")] = "value",
    id_column: Annotated[str | None, typer.Option(help="A column of event ids; made of the times if left out.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import usage from files, counting nothing twice; or restore the archive of a whole installation."""
    if len(files) == 1 and files[0].is_dir():
        restore(files[0], data_dir, as_json)
        return
    from meterbook.cli.client import connected
    from meterbook.usage.import_file import TableOptions
    from meterbook.usage.read_table import TableColumns

    if missing := [str(file) for file in files if not file.is_file()]:
        raise Invalid(f"There is no file {missing[0]}; nothing was imported.", "unreadable-file")
    options = None
    if project is not None and type_ is not None:
        options = TableOptions(project, type_, resource, TableColumns(time_column, value_column, id_column))
    with connected(data_dir) as client, Sending(client, show=not as_json) as sending:
        for file in files:
            import_file(sending, file, options)
    sending.report(as_json)
    if any(each.rejected for each in sending.imported):
        raise typer.Exit(1)


def import_file(sending: Sending, path: Path, options: TableOptions | None) -> None:
    """Send one file; raises `Invalid` for one that cannot be read, naming it."""
    from meterbook.usage.import_file import read_file

    try:
        sending.send(path.name, read_file(path, options))
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}", error.slug) from error
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror or error}", "unreadable-file") from error


def import_batches(sending: Sending, name: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Send record batches with the columns of an Arrow request."""
    sending.send(name, _requests(batches))


class Sending(AbstractContextManager["Sending"]):
    """Sends requests, some on their way while the next is read, under a progress bar on stderr."""

    def __init__(self, client: Client, show: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self.imported: list[Imported] = []
        self._client = client
        self._sender = ThreadPoolExecutor(AT_ONCE, "import")
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[events]:,} events"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not show,
        )

    def __enter__(self) -> Sending:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.shutdown(cancel_futures=True)
        self._progress.stop()

    def send(self, name: str, requests: Iterable[ImportRequest]) -> None:
        """Send a file's requests and note what became of them."""
        outcome = Imported(name)
        self.imported.append(outcome)
        bar = self._progress.add_task(name, total=None, events=0)
        on_their_way: deque[tuple[ImportRequest, Future[Any]]] = deque()
        for request in requests:
            # Of events with one id the first stays: only where none repeats may requests overtake one another.
            if len(on_their_way) == (AT_ONCE if request.is_distinct else 1):
                self._note(outcome, bar, *on_their_way.popleft())
            on_their_way.append((request, self._sender.submit(self._post, request)))
        while on_their_way:
            self._note(outcome, bar, *on_their_way.popleft())
        self._progress.update(bar, total=1, completed=1)

    def report(self, as_json: bool = False) -> None:
        """Say what became of every file."""
        if as_json:
            print_json({"files": [vars(each) for each in self.imported]})
            return
        for each in self.imported:
            typer.echo(
                f"{each.name}: {each.accepted:,} accepted, {each.duplicates:,} duplicates, {each.rejected:,} rejected"
            )
            for rejection in each.rejections:
                typer.echo(f"  {each.place(rejection['row'], rejection['id'])}: {rejection['reason']}", err=True)
            if each.rejected > len(each.rejections):
                typer.echo(f"  and {each.rejected - len(each.rejections):,} more", err=True)

    def _post(self, request: ImportRequest) -> Any:
        from meterbook.cli.client import Answered

        if not request.body:
            return {"accepted": 0, "duplicates": 0, "rejected": []}
        for _ in range(BUSY_ATTEMPTS):
            try:
                return self._client.send("POST", "/events", request.body, request.content_type)
            except Answered as error:
                if error.slug != "busy":
                    raise
                time.sleep(int(str(error.details.get("retry_after", 1))))
        raise Invalid("The server stays busy: import again later, nothing counts twice.", "busy")

    def _note(self, outcome: Imported, bar: Any, request: ImportRequest, answer: Future[Any]) -> None:
        receipt = answer.result()
        outcome.accepted += receipt["accepted"]
        outcome.duplicates += receipt["duplicates"]
        for refused in request.refused:
            outcome.reject(refused.row, None, refused.reason)
        for rejected in receipt["rejected"]:
            outcome.reject(int(request.rows[rejected["index"]]), rejected["id"], rejected["reason"])
        sent = outcome.accepted + outcome.duplicates
        self._progress.update(bar, total=request.bytes_total or None, completed=request.bytes_read, events=sent)


def _requests(batches: Iterable[pa.RecordBatch]) -> Iterator[ImportRequest]:
    import numpy as np
    import pyarrow as pa

    from meterbook.usage.arrow_events import ARROW_STREAM
    from meterbook.usage.import_file import ImportRequest

    first = 0
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        numbers = np.arange(first, first + batch.num_rows)
        first += batch.num_rows
        yield ImportRequest(ARROW_STREAM, sink.getvalue().to_pybytes(), numbers, (), False, 0, 0)
