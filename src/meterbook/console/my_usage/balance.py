"""The balance: prepaid money and credit, and what each deduction paid."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
