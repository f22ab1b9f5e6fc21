"""The route that tries the webhook: what happens is posted to it by jobs (`webhook.py`)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from meterbook import webhook
from meterbook.announce import Happening, event_of
from meterbook.api.permission import Config, Now, Operator, Transaction
from meterbook.api.shapes import answer

router = APIRouter(tags=["webhook"])


@router.post("/webhook/ping", summary="Try the webhook")
def post_ping(session: Transaction, _access: Operator, now: Now, settings: Config) -> Response:
    """Post an event of the type `meterbook.ping` at once, and return its id and the status of the answer."""
    # the webhook may take its time: no connection waits for it
    session.commit()
    event = event_of(Happening.ping, "ping", now, {})
    return answer({"id": event["id"], "status": webhook.send(settings, event, now)})
