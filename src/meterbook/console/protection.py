"""Protection of the pages: cookies, form tokens, the origin of posts, and the headers browsers enforce."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterbook.errors import Denied

SESSION_COOKIE: Final = "meterbook_session"
FORM_COOKIE: Final = "meterbook_form"
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class PageHeaders:
    """ASGI middleware: puts the security headers on every answer that does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def is_secure(request: Request) -> bool:
    """Whether people reach the console over https, so that cookies may insist on it."""
    public_url: str | None = request.app.state.settings.public_url
    return request.url.scheme == "https" or (public_url or "").startswith("https://")


def read_cookie(request: Request, name: str) -> str | None:
    """Return one of the console's secret cookies."""
    return request.cookies.get(_full_name(request, name))


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a secret cookie, for `seconds` or until the browser closes: no script reads it, no other site sends it."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Have the browser forget a secret cookie."""
    response.delete_cookie(
        _full_name(request, name), path="/", secure=is_secure(request), httponly=True, samesite="lax"
    )


def form_token(secret: str) -> str:
    """Return a token for a form, bound to the secret cookie of its reader.

    It differs each time, so that compression of the page cannot give the secret away.
    """
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_signature(secret, nonce)}"


def check_post(request: Request, secret: str | None, token: str) -> None:
    """Refuse a post that did not come from a form of ours, shown to this reader. Raises `Denied`."""
    nonce, _, signature = token.partition(".")
    genuine = secret is not None and hmac.compare_digest(signature.encode(), _signature(secret, nonce).encode())
    if not genuine or not _from_here(request):
        raise Denied("This form is out of date. Go back, reload the page and send it again.", "stale-form")


def _from_here(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    public_url = request.app.state.settings.public_url
    ours = {request.url.netloc, urlsplit(public_url or "").netloc}
    return urlsplit(origin).netloc in ours - {""}


def _signature(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), nonce.encode(), hashlib.sha256).hexdigest()


def _full_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if is_secure(request) else name
