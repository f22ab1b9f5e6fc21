"""Usage: how much a project used, by month, day and hour."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
