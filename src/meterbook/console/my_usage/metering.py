"""The Metering information window: the days and hours behind a metered figure."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
