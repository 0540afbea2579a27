"""The gateway: HTTP, and beside it the work that keeps SQL and the bus together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from services.gateway.api import metrics, v1, v2
from services.gateway.api.boundary import BodyLimit, ErrorBoundary
from services.gateway.api.description import DescribedApp
from services.gateway.api.errors import install_error_handlers
from services.gateway.background import cancel, keep_running
from services.gateway.commands.accounts import ensure_default_account
from services.gateway.commands.categories import ensure_general
from services.gateway.commands.end_dates import keep_pausing
from services.gateway.commands.users import ensure_default_admin
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.inbox import Inbox
from services.gateway.settings import GatewaySettings
from services.gateway.store.migrate import upgrade
from shared.clock import Clock, utc_now
from shared.errors import Transient
from shared.process import prepare_process

GRACEFUL_SHUTDOWN_SECONDS = 5
DATABASE_RETRY = 1.0  # seconds
CORS_MAX_AGE = 3600  # seconds

logger = structlog.get_logger()


def run(host: str, port: int) -> None:
    """Serve until a signal; the settings come from the environment."""
    settings = GatewaySettings()
    prepare_process(settings, "gateway")
    uvicorn.run(
        build_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        # Anybody can write X-Forwarded-For; and without these two, uvicorn would trust whoever is on this machine.
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
    )


def build_app(settings: GatewaySettings, clock: Clock = utc_now) -> FastAPI:
    """The application; nothing is connected before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gateway = make_gateway(settings, clock)
        try:
            await _prepare(gateway)
            app.state.gateway = gateway
            async with _background_work(gateway):
                yield
        finally:
            await gateway.close()

    app = DescribedApp(
        title="jetcron",
        summary="A job scheduler that accounts for every planned instant.",
        version=version("jetcron"),
        openapi_url="/api/v2/openapi.json",
        lifespan=lifespan,
        middleware=[
            *_cors(settings.cors_origins),
            Middleware(ErrorBoundary, expose_details=settings.shows_error_details),
            Middleware(BodyLimit),
        ],
    )
    app.include_router(v2.router(), prefix="/api/v2")
    app.include_router(v1.router(), prefix="/api")
    app.include_router(metrics.router)
    install_error_handlers(app)
    return app


def _cors(origins: str) -> list[Middleware]:
    allowed = [origin for part in origins.split(",") if (origin := part.strip())]
    if not allowed:
        return []
    everybody = "*" in allowed
    # With credentials, `*` would let every site act in the user's name.
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=["*"] if everybody else allowed,
            allow_credentials=not everybody,
            allow_methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"],
            allow_headers=["Content-Type", "Authorization", "If-Match", "Idempotency-Key"],
            expose_headers=["ETag", "Idempotency-Replayed", "Location", "Retry-After"],
            max_age=CORS_MAX_AGE,
        )
    ]


async def _prepare(gateway: Gateway) -> None:
    """What must be there before the first request; waits for the database as long as it takes."""
    while True:
        try:
            await upgrade(gateway.database)
            await ensure_general(gateway)
            await ensure_default_account(gateway)
            await ensure_default_admin(gateway)
            return
        except Transient as error:
            logger.warning("waiting for the database", action="start", error=error.message)
            await asyncio.sleep(DATABASE_RETRY)


@asynccontextmanager
async def _background_work(gateway: Gateway) -> AsyncIterator[None]:
    """Everything beside the requests. The API works without it; so nothing here keeps a request waiting."""
    url = gateway.settings.nats_url.get_secret_value()
    inbox = Inbox(gateway.database)

    def start(name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(keep_running(name, work), name=name)

    async def stay_connected() -> None:
        await gateway.bus.connect(url, name="gateway")
        await asyncio.Event().wait()  # from here on the client reconnects by itself

    async def look_after_the_bus() -> None:
        # A gateway that cannot reach the bus leaves the lease to one that can.
        await gateway.bus.wait_connected()
        await gateway.steward.run()

    steward = start("steward", look_after_the_bus)
    others = [
        start("bus", stay_connected),
        start("fence", gateway.fence.follow),
        start("inbox", lambda: inbox.run(gateway.bus, gateway.fence, url)),
        start("silence", gateway.silence.run),
        start("end dates", lambda: keep_pausing(gateway)),
    ]
    try:
        yield
    finally:
        await cancel(steward)
        await gateway.steward.finish()
        await cancel(*others)
