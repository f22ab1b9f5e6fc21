"""Signatures of gateways' callbacks, in Stripe's scheme: HMAC-SHA256 over "time.body", written "t=<time>,v1=<hex>"."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from meterbook.errors import Denied

AGE_SECONDS_MAX: Final = 300
# While a secret is being changed, a sender signs with the old and the new one.
SIGNATURES_MAX: Final = 8


def signature_of(body: bytes, secret: str, at: datetime) -> str:
    """Return the signature of a body sent at a moment, as its header carries it."""
    moment = int(at.timestamp())
    return f"t={moment},v1={_hex(moment, body, secret)}"


def prove_signature(body: bytes, header: str | None, secret: str, now: datetime) -> None:
    """Return if the header signs this body with this secret, at most five minutes from `now`.

    Raises `Denied`: "wrong-signature", or "old-signature" for a right one of another time.
    """
    parts = [part.strip().partition("=") for part in (header or "").split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"][:SIGNATURES_MAX]
    if len(moments) != 1 or not re.fullmatch("[0-9]{1,12}", moments[0]):
        raise _wrong()
    expected = _hex(int(moments[0]), body, secret).encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures):
        raise _wrong()
    if abs(int(now.timestamp()) - int(moments[0])) > AGE_SECONDS_MAX:
        raise Denied(
            "The signature is right and its time is over five minutes off: have the gateway send it again, and check "
            "this machine's clock.",
            "old-signature",
        )


def header_of(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header by its name, whatever the case it is written in."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def _hex(moment: int, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def _wrong() -> Denied:
    return Denied(
        "The signature is missing or wrong: check that the webhook's secret is the one set here.", "wrong-signature"
    )
