"""Accounts, with their projects, people, books and acts."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
