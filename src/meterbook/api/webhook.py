"""The route that tries the webhook: what happens is posted to it by jobs (`webhook.py`)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from meterbook import webhook
from meterbook.announce import Happening, event_of
from meterbook.api.permission import Config, Now, Operator
from meterbook.api.shapes import answer

router = APIRouter(tags=["webhook"])


@router.post("/webhook/ping", summary="Try the webhook")
def post_ping(_access: Operator, now: Now, settings: Config) -> Response:
    """Post an event of the type `meterbook.ping` at once, and return its id and the status of the answer."""
    event = event_of(Happening.ping, "ping", now, {})
    return answer({"id": event["id"], "status": webhook.send(settings, event, now)})
