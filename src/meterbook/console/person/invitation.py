"""An invitation: the page on which an invited person chooses a password."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
