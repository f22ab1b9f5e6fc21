"""The detail of an issued invoice, its papers, and the hours behind each line."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
