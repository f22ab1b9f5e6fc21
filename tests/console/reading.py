"""What a page or a sheet says, as somebody reads it."""

from __future__ import annotations

import csv
import html
import re
from io import StringIO
from typing import Any

import httpx

from tests.console.browser import Browser, sign_in


def become(client: Browser, email: str) -> None:
    """Sign in as somebody else."""
    client.cookies.clear()
    sign_in(client, email)


def words(page: httpx.Response) -> str:
    """Return a page as it is read: no tags, one space between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def shown(client: Browser, path: str, status: int = 200, **how: Any) -> str:
    """Return what a page says."""
    page = client.get(path, **how)
    assert page.status_code == status, page.text
    return words(page)


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    """Return the rows of a sheet, by the heads of its columns."""
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("\ufeff")
    return list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
