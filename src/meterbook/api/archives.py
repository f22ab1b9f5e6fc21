"""The route of archives: the whole installation as files, written beside its stores while it goes on."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from meterbook.api.permission import Config, Now, Operator, Usage, database_of
from meterbook.api.shapes import answer
from meterbook.archive.write import write_archive
from meterbook.errors import Invalid

router = APIRouter(tags=["archives"])

FOLDER: Final = "archives"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class NewArchive(BaseModel):
    """An archive under a name of its own, in the folder "archives" of the server's data folder."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=100, description="Letters, digits and . _ -")]


@router.post("/archives", status_code=201, summary="Archive the installation")
def post_archive(
    body: NewArchive, request: Request, usage: Usage, _access: Operator, now: Now, settings: Config
) -> Response:
    """Write everything the stores hold to the server's disk, as of this moment, and return what was written."""
    if not _NAME.fullmatch(body.name):
        raise Invalid("An archive's name has letters, digits and . _ - only.", "wrong-name", field="name")
    folder = settings.data_dir.resolve() / FOLDER / body.name
    manifest = write_archive(database_of(request), usage, folder, now)
    tables = {name: part.rows for name, part in manifest.tables.items()}
    told = asdict(manifest) | {"tables": tables, "events": manifest.event_count, "folder": str(folder)}
    return answer(told, 201)
