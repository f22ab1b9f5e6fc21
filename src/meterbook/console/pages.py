"""Pages: renders a template in the reader's language and theme, and serves what the browser loads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.runtime import Context
from starlette.datastructures import URL, Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from meterbook.console.formats import formats
from meterbook.console.languages import LANGUAGES, chosen, translations
from meterbook.console.packing import ENDINGS, accepted_encodings, packed
from meterbook.console.protection import SECURITY_HEADERS, is_secure

STATIC_DIR: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"
THEMES: Final = ("auto", "light", "dark")
_FILTERS: Final = (
    "amount",
    "change_percent",
    "clock",
    "compact",
    "date",
    "day",
    "days",
    "fixed",
    "formula",
    "hours",
    "moment",
    "money",
    "month",
    "month_name",
    "more",
    "number",
    "percent",
    "plural",
    "said",
    "weekday",
    "zone",
)
_YEAR: Final = 365 * 24 * 3600
_CONTEXTS: Final = "contexts"


class _Context(Context):
    """What a template knows of its page, which `render` empties in the end.

    A context and the macros defined in it hold each other. Left so, the thousands of figures of a page would stay until
    the garbage collector looks through them all, in a pause that some other reader has.
    """

    def __init__(self, environment: Environment, parent: dict[str, Any], *others: Any, **named: Any) -> None:
        super().__init__(environment, parent, *others, **named)
        parent.get(_CONTEXTS, []).append(self)

    def empty(self) -> None:
        self.parent.clear()
        self.vars.clear()


class _Files(StaticFiles):
    """Built files under addresses that change with their content, so that browsers may keep them.

    The build packed the larger ones; each reader gets the smallest form that their browser takes.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        encodings = accepted_encodings(Headers(scope=scope).get("accept-encoding"))
        encoding = next((each for each in encodings if self.lookup_path(path + ENDINGS[each])[1]), None)
        response = await super().get_response(path + ENDINGS[encoding] if encoding else path, scope)
        if encoding and response.status_code == 200:
            response.headers["content-encoding"] = encoding
            response.headers["content-type"] = f"{guess_type(path)[0] or 'application/octet-stream'}; charset=utf-8"
        response.headers["vary"] = "accept-encoding"
        versioned = scope["query_string"].startswith(b"v=") and response.status_code == 200
        response.headers["cache-control"] = f"public, max-age={_YEAR}, immutable" if versioned else "no-cache"
        return response


def static_files() -> ASGIApp:
    """Return the application that serves the built files, packed."""
    return _Files(directory=STATIC_DIR)


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
    contexts: list[_Context] = []
    html = (
        _environment(language)
        .get_template(template)
        .render(
            {_CONTEXTS: contexts},
            language=language,
            languages={code: (name, _address(request.url, lang=code)) for code, name in LANGUAGES.items()},
            theme=theme,
            themes={name: _address(request.url, theme=name) for name in THEMES},
            **values,
        )
    )
    for context in contexts:
        context.empty()
    body, encoding = packed(html.encode(), request.headers.get("accept-encoding"))
    fixed = {"cache-control": "no-store", **SECURITY_HEADERS, **encoding}
    response = HTMLResponse(body, status, {**fixed, **(headers or {})})
    for name, asked, known in (("lang", language, LANGUAGES), ("theme", theme, THEMES)):
        if request.query_params.get(name) in known:
            remember(request, response, name, asked)
    return response


def remember(request: Request, response: Response, name: str, value: str) -> None:
    """Have the browser remember the language ("lang") or the theme ("theme")."""
    response.set_cookie(name, value, max_age=_YEAR, secure=is_secure(request), httponly=True, samesite="lax")


def _theme(request: Request) -> str:
    own = getattr(request.state, "own_theme", None)
    wanted = (request.query_params.get("theme"), request.cookies.get("theme"), own)
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
    environment.context_class = _Context
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.policies["ext.i18n.trimmed"] = True
    environment.globals["static_url"] = static_url
    environment.filters.update({name: getattr(formats(language), name) for name in _FILTERS})
    return environment
