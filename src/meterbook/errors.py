"""The errors of the world: four kinds, each with a stable slug, turned into status codes at the doors alone.

A mistake of ours is an `assert`; what a caller, a file or another system did is one of these.
"""

from __future__ import annotations

from typing import ClassVar


class MeterbookError(Exception):
    """An act that did not happen, with a message that says what to do about it.

    `slug` names the reason for programs ("unknown-currency"; it becomes the problem's `type` in
    RFC 9457 and never changes), `details` holds JSON-able extras for the problem document.
    """

    kind: ClassVar[str]
    default_slug: ClassVar[str]

    def __init__(self, message: str, slug: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.slug = slug or self.default_slug
        self.details = details


class Invalid(MeterbookError):
    """The request itself is wrong; sending it again cannot help (400, 422)."""

    kind = "invalid"
    default_slug = "invalid"


class Refused(MeterbookError):
    """The request is right in form, and what is stored forbids it (409)."""

    kind = "refused"
    default_slug = "refused"


class NotFound(MeterbookError):
    """There is no such thing, or the caller may not know that there is (404, DOMAIN 1)."""

    kind = "not-found"
    default_slug = "not-found"


class Denied(MeterbookError):
    """No proof of who is calling, or a wrong one, or one without the permission.

    Slug "unauthenticated" is 401, "forbidden" is 403.
    """

    kind = "denied"
    default_slug = "forbidden"


class TooLarge(Invalid):
    """The body, or what it unpacks to, is over a limit (413)."""

    default_slug = "too-large"


class UnsupportedMedia(Invalid):
    """The content type or the content encoding is none that is read here (415)."""

    default_slug = "unsupported-media"


class Busy(Refused):
    """A limit of the moment: nothing was done, and the same request may succeed later (429, 503).

    `retry_after` is in seconds, for the `Retry-After` header.
    """

    default_slug = "busy"

    def __init__(self, message: str, slug: str | None = None, *, retry_after: int = 1, **details: object) -> None:
        super().__init__(message, slug, retry_after=retry_after, **details)
        self.retry_after = retry_after
