"""The application: the doors on both stores, and the jobs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from meterbook import __version__
from meterbook.accounts.proof_cache import ProofCache
from meterbook.accounts.queries import account_ids_by_zone
from meterbook.api import health, problems, routes
from meterbook.api.limits import BodyLimit
from meterbook.api.permission import LOCAL_PREFIX
from meterbook.api.places import Places
from meterbook.console.door import mount, remember_nothing
from meterbook.console.problems import page_of
from meterbook.errors import MeterbookError
from meterbook.house import Clock, House, system_clock
from meterbook.jobs.worker import working
from meterbook.jobs.workplace import Workplace
from meterbook.mail import open_mailer
from meterbook.payments.gateways.open import takes_fake_cards
from meterbook.promotions.guesses import Guesses
from meterbook.tries import Tries


@contextmanager
def at_work(house: House, clock: Clock = system_clock, served_at: str | None = None) -> Iterator[None]:
    """Have the jobs done (mail, charges, the schedule's closes) and usage rolled up while the block runs.

    `served_at` is where this process serves: links in letters lead there while no public address is set.
    """
    if takes_fake_cards(house.settings):
        structlog.get_logger().warning(
            "payments.fake_gateway", note="cards of the fake gateway are taken; no money moves"
        )
    with house.database.transaction() as session:
        for zone, account_ids in account_ids_by_zone(session).items():
            house.usage.rolled(account_ids, zone)
    place = Workplace(house.settings, house.database, house.usage, open_mailer(house.settings), clock, served_at)
    with working(place):
        yield


def create_app(house: House, clock: Clock = system_clock) -> FastAPI:
    """Build the application over open stores; `app.state.local_token` proves its own command line."""
    app = FastAPI(
        title="Meterbook",
        version=__version__,
        description="Usage by the hour in; invoices, and every figure behind them, out.",
        openapi_url=f"{problems.API}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit)
    health.watch(app)
    app.include_router(health.router)
    app.include_router(routes.router, prefix=problems.API, responses=problems.DOCUMENTED)
    mount(app)
    _answer_errors(app)
    begin(app, house, clock)
    return app


def begin(app: FastAPI, house: House, clock: Clock = system_clock) -> None:
    """Put an application over open stores, knowing of nothing that came before; building one takes far longer."""
    app.state.settings, app.state.database, app.state.usage = house.settings, house.database, house.usage
    app.state.clock = clock
    app.state.proofs, app.state.places = ProofCache(), Places(house.database)
    app.state.guesses = Guesses(Tries(house.database))
    # decoding holds the interpreter's lock: a second reader at once would only take turns with the first
    app.state.reading = CapacityLimiter(1)
    app.state.local_token = LOCAL_PREFIX + secrets.token_urlsafe(32)
    remember_nothing(app, house.database)


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(MeterbookError)
    def of_the_world(request: Request, error: MeterbookError) -> Response:
        if problems.answers_json(request):
            return problems.problem_of(error)
        return page_of(request, problems.status_of(error), error.message)

    @app.exception_handler(HTTPException)
    def of_the_router(request: Request, error: HTTPException) -> Response:
        if problems.answers_json(request):
            return problems.of_http(error)
        return page_of(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def of_the_form(request: Request, error: RequestValidationError) -> Response:
        answer = problems.of_validation(error)
        return answer if problems.answers_json(request) else page_of(request, answer.status_code, "")

    @app.exception_handler(Exception)
    def of_ours(request: Request, error: Exception) -> Response:
        answer = problems.of_mistake(request, error)
        return answer if problems.answers_json(request) else page_of(request, 500, "")
