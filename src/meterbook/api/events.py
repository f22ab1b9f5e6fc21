"""The ingest route: usage events in, answered once they are on disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from meterbook.accounts.access import Access
from meterbook.accounts.proof_cache import ProofCache
from meterbook.api.health import Metrics
from meterbook.api.permission import Credentials, Now, Permission, Usage, check, database_of, prove
from meterbook.api.shapes import answer
from meterbook.errors import TooLarge
from meterbook.usage.events import MEDIA_TYPES, read_events
from meterbook.usage.ingest import Receipt, ingest
from meterbook.usage.unpack import BODY_BYTES_MAX

router = APIRouter(tags=["events"])


class Sends:
    """The dependency of the ingest route: a proof that may send events, remembered for some seconds."""

    permission = Permission.send_events

    async def __call__(self, request: Request, now: Now, credentials: Credentials) -> Access:
        """Return the proof of access; raises `Denied`."""
        bearer = credentials.credentials if credentials else ""
        proofs: ProofCache = request.app.state.proofs
        access = proofs.known(bearer, now)
        if access is None:

            def prove_anew() -> Access:
                with database_of(request).transaction() as session:
                    return proofs.prove(bearer, now, lambda text: prove(request, session, now, text))

            access = await run_in_threadpool(prove_anew)
        check(access, self.permission)
        return access


@router.post(
    "/events",
    summary="Send usage events",
    openapi_extra={"requestBody": {"required": True, "content": {media: {} for media in MEDIA_TYPES}}},
)
async def post_events(
    request: Request, usage: Usage, now: Now, access: Annotated[Access, Depends(Sends())]
) -> Response:
    """Take CloudEvents: one, a batch or one a line; gzip and zstd are read.

    Answers once what was accepted is on disk. Each event is taken, a duplicate, or rejected with its position, its id
    and the reason; its neighbours do not mind. Sending the same again is safe.
    """
    body = await _body(request)
    media, encoding = request.headers.get("content-type", ""), request.headers.get("content-encoding")

    def submit() -> Future[Receipt]:
        decoded = read_events(body, media, encoding)
        places = request.app.state.places
        types = places.types(decoded.columns.types.unique().to_pylist(), now)
        return ingest(
            usage, decoded, lambda codes: places.destinations(codes, access, now), types.known, now, types.presence
        )

    recorded = await to_thread.run_sync(submit, limiter=request.app.state.reading)
    receipt = await asyncio.wrap_future(recorded)
    _count(request.app.state.metrics, receipt)
    rejected = [{"index": each.index, "id": each.id, "reason": each.reason} for each in receipt.rejected]
    return answer({"accepted": receipt.accepted, "duplicates": receipt.duplicates, "rejected": rejected})


async def _body(request: Request) -> bytes:
    """Read the body, never more than the limit of it; raises `TooLarge`."""
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > BODY_BYTES_MAX:
        raise _too_large()
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(f"The body is over {BODY_BYTES_MAX >> 20} MiB: send fewer events in a request.")


def _count(metrics: Metrics, receipt: Receipt) -> None:
    metrics.events.labels("accepted").inc(receipt.accepted)
    metrics.events.labels("duplicate").inc(receipt.duplicates)
    metrics.events.labels("rejected").inc(len(receipt.rejected))
