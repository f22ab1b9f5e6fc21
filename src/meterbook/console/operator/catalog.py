"""The catalog: what is in force, and what a new file would change."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
