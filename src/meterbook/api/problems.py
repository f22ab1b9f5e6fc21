"""Problem documents: every error leaves as RFC 9457 `application/problem+json` with a stable `type`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from meterbook.errors import Busy, Denied, Invalid, MeterbookError, NotFound, Refused, TooLarge, UnsupportedMedia

MEDIA_TYPE = "application/problem+json"
API = "/api/v1"

# What every route may answer, for the OpenAPI document.
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem (RFC 9457)", "content": {MEDIA_TYPE: {}}}
}

_log = structlog.get_logger()
_STATUS: dict[type[MeterbookError], int] = {
    TooLarge: 413,
    UnsupportedMedia: 415,
    Busy: 429,
    Invalid: 422,
    Refused: 409,
    NotFound: 404,
    Denied: 403,
}
_NO_OBJECT = {"missing", "model_attributes_type", "model_type", "dict_type"}
_STATUS_OF_SLUG = {
    "broken-json": 400,
    "broken-body": 400,
    "broken-encoding": 400,
    "broken-arrow": 400,
    "unauthenticated": 401,
    "database-unavailable": 503,
    "usage-unavailable": 503,
}
# Slugs are stable; the phrases of HTTPStatus differ between versions of Python.
_SLUG_OF_STATUS = {400: "broken-body", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def status_of(error: MeterbookError) -> int:
    """Return the HTTP status of an error: of its slug where that says more, else of its kind."""
    if error.slug in _STATUS_OF_SLUG:
        return _STATUS_OF_SLUG[error.slug]
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def problem(status: int, slug: str, detail: str, **details: object) -> Response:
    """Build a problem document; `slug` is its stable `type`, as a URN."""
    body = {
        "type": f"urn:meterbook:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **details,
    }
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="meterbook"'
    if "retry_after" in details:
        headers["Retry-After"] = str(details["retry_after"])
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def problem_of(error: MeterbookError) -> Response:
    """Build the problem document of an error of the world."""
    return problem(status_of(error), error.slug, str(error.message), **error.details)


def of_http(error: HTTPException) -> Response:
    """Build the problem document of what the router refused: an unknown path, a wrong method."""
    slug = _SLUG_OF_STATUS.get(error.status_code, "refused")
    answer = problem(error.status_code, slug, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def of_validation(error: RequestValidationError) -> Response:
    """Build the problem document of a request whose parameters or body do not fit, naming each."""
    errors = [
        {"field": ".".join(str(part) for part in fault["loc"] if part != "body"), "message": fault["msg"]}
        for fault in error.errors()
    ]
    broken = any(fault["type"] == "json_invalid" for fault in error.errors())
    said = "; ".join(f"{fault['field'] or 'the body'}: {fault['message']}" for fault in errors)
    if any(fault["loc"] == ("body",) and fault["type"] in _NO_OBJECT for fault in error.errors()):
        said = "the body has to be a JSON object, sent with Content-Type: application/json"
    if broken:
        return problem(400, "broken-json", f"The body is not JSON: {said}")
    return problem(422, "invalid", f"The request does not fit: {said}", errors=errors)


def of_mistake(request: Request, error: Exception) -> Response:
    """Log a mistake of ours with its trace, and tell the caller no more than that it happened."""
    path = request.url.path
    # the token of a link in a letter is a secret
    if (token := request.path_params.get("token")) is not None:
        path = path.replace(token, "...")
    _log.error("unexpected error", path=path, method=request.method, exc_info=error)
    return problem(500, "internal", "Something went wrong on our side; it has been logged. Try again later.")


def answers_json(request: Request) -> bool:
    """Whether errors of this path leave as problem documents and not as pages."""
    return request.url.path.startswith(API) or request.url.path in {"/healthz", "/readyz", "/metrics"}
