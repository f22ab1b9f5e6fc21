"""Payment information and promotions: how the account pays, and which codes it holds."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
