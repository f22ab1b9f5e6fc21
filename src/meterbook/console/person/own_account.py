"""The reader's own account: language, theme, password, sessions and keys."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
