"""Pages: renders a template in the reader's language and theme, and serves what the browser loads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from meterbook.console.formats import formats
from meterbook.console.languages import LANGUAGES, chosen, translations
from meterbook.console.protection import SECURITY_HEADERS, is_secure

STATIC_DIR: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"
THEMES: Final = ("auto", "light", "dark")
_FILTERS: Final = (
    "amount",
    "clock",
    "day",
    "fixed",
    "formula",
    "hours",
    "money",
    "month",
    "number",
    "percent",
    "plural",
    "weekday",
    "zone",
)
_YEAR: Final = 365 * 24 * 3600


class _Files(StaticFiles):
    """Built files under addresses that change with their content, so that browsers may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=") and response.status_code == 200
        response.headers["cache-control"] = f"public, max-age={_YEAR}, immutable" if versioned else "no-cache"
        return response


def static_files() -> ASGIApp:
    """Return the application that serves the built files, compressed."""
    return GZipMiddleware(_Files(directory=STATIC_DIR), minimum_size=1024)


@lru_cache
def static_url(name: str) -> str:
    """Return the address of a built file, with the hash of its content."""
    digest = hashlib.sha256((STATIC_DIR / name).read_bytes()).hexdigest()
    return f"{STATIC_PATH}/{name}?v={digest[:12]}"


def language_of(request: Request, own: str | None = None) -> str:
    """Return the language a request is answered in; `own` is the signed-in user's."""
    return chosen(
        request.query_params.get("lang"),
        request.cookies.get("lang"),
        own,
        request.headers.get("accept-language"),
    )


def render(
    request: Request,
    template: str,
    language: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    """Return a page, and remember the language and the theme that its address asks for."""
    theme = _theme(request)
    html = (
        _environment(language)
        .get_template(template)
        .render(
            language=language,
            languages={code: (name, _address(request.url, lang=code)) for code, name in LANGUAGES.items()},
            theme=theme,
            themes={name: _address(request.url, theme=name) for name in THEMES},
            **values,
        )
    )
    response = HTMLResponse(html, status, {"cache-control": "no-store", **SECURITY_HEADERS, **(headers or {})})
    for name, asked, known in (("lang", language, LANGUAGES), ("theme", theme, THEMES)):
        if request.query_params.get(name) in known:
            response.set_cookie(name, asked, max_age=_YEAR, secure=is_secure(request), httponly=True, samesite="lax")
    return response


def _theme(request: Request) -> str:
    wanted = (request.query_params.get("theme"), request.cookies.get("theme"))
    return next((theme for theme in wanted if theme in THEMES), THEMES[0])


def _address(url: URL, **changes: str) -> str:
    changed = url.remove_query_params(["theme"]).include_query_params(**changes)
    return f"{changed.path}?{changed.query}"


@lru_cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("meterbook.console"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.policies["ext.i18n.trimmed"] = True
    environment.globals["static_url"] = static_url
    environment.filters.update({name: getattr(formats(language), name) for name in _FILTERS})
    return environment
