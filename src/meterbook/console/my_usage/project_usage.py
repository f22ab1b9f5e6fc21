"""Project usage: what each project the reader takes part in used, amounts only where they may be seen."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
