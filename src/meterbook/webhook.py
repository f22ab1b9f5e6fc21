"""The webhook: posts what is announced to the operator's own address, as CloudEvents signed by Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md,
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md (structured mode).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from meterbook.errors import Busy, Refused
from meterbook.settings import Settings, webhook_key

SECONDS: Final = 10


def send(settings: Settings, event: Mapping[str, object], now: datetime) -> int:
    """Post an event and return the status of the answer, which is 200 to 299.

    Raises `Busy` ("webhook-unavailable") when there is none or another, `Refused` ("no-webhook") where none is set.
    """
    # it is slow to import, and most installations have no webhook
    import httpx

    if settings.webhook_url is None or settings.webhook_secret is None:
        raise Refused("No webhook is set: set METERBOOK_WEBHOOK_URL and METERBOOK_WEBHOOK_SECRET.", "no-webhook")
    body = json.dumps({"source": settings.public_url or "urn:meterbook", **event}, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "meterbook",
        **signed(webhook_key(settings.webhook_secret), str(event["id"]), now, body),
    }
    try:
        # the answer's body is nobody's concern, however long it is
        with httpx.stream(
            "POST", settings.webhook_url.get_secret_value(), content=body, headers=headers, timeout=SECONDS
        ) as answer:
            status = answer.status_code
    except httpx.HTTPError as error:
        raise _unavailable(f"did not answer ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise _unavailable(f"answered with {status}")
    return status


def signed(key: bytes, id_: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that name and sign a message: HMAC-SHA256 over "id.time.body"."""
    moment = str(int(now.timestamp()))
    digest = hmac.new(key, f"{id_}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id_,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _unavailable(what: str) -> Busy:
    return Busy(
        f"The webhook {what}: it has to answer with 200 to 299 within {SECONDS} seconds.", "webhook-unavailable"
    )
