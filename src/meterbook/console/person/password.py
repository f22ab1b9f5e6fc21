"""A forgotten password: asking for a letter, and choosing a new one."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
