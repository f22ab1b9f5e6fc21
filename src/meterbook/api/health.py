"""Health and metrics, outside /api/v1: alive, ready, and what Prometheus reads. They name no account."""

from __future__ import annotations

from time import perf_counter

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterbook.api.permission import Transaction, Usage
from meterbook.api.problems import API
from meterbook.api.shapes import answer

router = APIRouter(tags=["health"])


class Metrics:
    """What one application counts; each has its own registry, so that two in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "meterbook_events", "Usage events by what became of them.", ["outcome"], registry=self.registry
        )
        self.requests = Histogram(
            "meterbook_request_seconds",
            "Time to answer, by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.pending = Gauge(
            "meterbook_pending_events", "Events on disk in the journal, not yet in ClickHouse.", registry=self.registry
        )


def watch(app: FastAPI) -> None:
    """Give the application its metrics and time every request."""
    app.state.metrics = Metrics()
    app.add_middleware(_Timed, metrics=app.state.metrics)


class _Timed:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self.metrics.requests.labels(scope["method"], _pattern(scope), status).observe(perf_counter() - begun)


def _pattern(scope: Scope) -> str:
    """Return the pattern of the request's route: an address must not become a label."""
    pattern: str | None = getattr(scope.get("route"), "path", None)
    if pattern is None:
        return "none"
    # a route may not know of the prefix under which its router was included
    return API + pattern if scope["path"].startswith(f"{API}/") and not pattern.startswith(API) else pattern


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process alive?")
def healthz() -> Response:
    """Answer 200 as long as the process answers at all."""
    return answer({"status": "alive"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Can it serve?")
def readyz(session: Transaction, usage: Usage) -> Response:
    """Answer 200 when both stores answer; a store that is away answers 429 or 503."""
    session.execute(text("select 1"))
    usage.read("select 1 as ready", {})
    return answer({"status": "ready"})


@router.get("/metrics", summary="Metrics for Prometheus")
def metrics(request: Request, usage: Usage) -> Response:
    """Answer the process's counters in the text format of Prometheus."""
    figures: Metrics = request.app.state.metrics
    figures.pending.set(usage.pending_count)
    return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)
