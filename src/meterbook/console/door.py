"""The console as one door: puts its routes, its built files and its headers on an application."""

from __future__ import annotations

from fastapi import FastAPI

from meterbook.console import preview, sign_in
from meterbook.console.pages import STATIC_PATH, static_files
from meterbook.console.protection import PageHeaders


def mount(app: FastAPI) -> None:
    """Add the pages to an application whose `state` has `database`, `usage`, `settings` and `clock`.

    Errors are the application's to handle: `problems.page_of` shows them to people.
    """
    app.state.sign_in_attempts = sign_in.Attempts()
    app.include_router(sign_in.router)
    app.include_router(preview.router)
    app.mount(STATIC_PATH, static_files(), name="static")
    app.add_middleware(PageHeaders)
