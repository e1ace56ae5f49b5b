"""Puts the service together: settings, engine, routers, error answers, the schema gate."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from anyio import to_thread
from fastapi import FastAPI

from expenses import logs, metrics
from expenses.accounts.account_api import router as account_api
from expenses.accounts.api import router as accounts_api
from expenses.accounts.pages import router as accounts_pages
from expenses.accounts.security_api import router as security_api
from expenses.accounts.security_pages import router as security_pages
from expenses.config import Settings
from expenses.db import create_service_engine
from expenses.error_codes import router as error_codes
from expenses.etags import NotModified
from expenses.health import GateMiddleware
from expenses.health import router as health
from expenses.history.api import router as history_api
from expenses.history.pages import router as history_pages
from expenses.http import Crashes, install_error_handlers, utc_now
from expenses.ledger.api import router as ledger_api
from expenses.ledger.bulk_api import router as bulk_api
from expenses.ledger.category_api import router as category_api
from expenses.ledger.category_pages import router as category_pages
from expenses.ledger.conversion_api import router as conversion_api
from expenses.ledger.list_pages import router as list_pages
from expenses.ledger.pages import router as ledger_pages
from expenses.limits import BodyLimit, RateLimit
from expenses.logs import RequestLog
from expenses.merchants.api import router as merchants_api
from expenses.openapi import describe, operation_id
from expenses.payments.api import router as payments_api
from expenses.rates.api import router as rates_api
from expenses.reports.api import router as reports_api
from expenses.reports.pages import router as reports_pages
from expenses.sharing.api import router as sharing_api
from expenses.sharing.pages import router as sharing_pages
from expenses.shortcut.layer import Shortcut
from expenses.web import site
from expenses.workspaces.api import router as workspaces_api
from expenses.workspaces.invitation_api import router as invitations_api
from expenses.workspaces.join_pages import router as join_pages
from expenses.workspaces.member_api import router as members_api
from expenses.workspaces.member_pages import router as member_pages
from expenses.workspaces.pages import router as workspaces_pages
from expenses.workspaces.settings_pages import router as settings_pages
from tidegate import SchemaGate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALEMBIC_CONFIG = "alembic.ini"
"""Where the gate finds the revisions of this code, relative to the working directory."""

_API: Final = (
    *(health, error_codes, accounts_api, account_api, security_api, workspaces_api, members_api, invitations_api),
    *(payments_api, ledger_api, category_api, conversion_api, sharing_api, bulk_api, merchants_api, reports_api),
    *(rates_api, history_api),
)
_PAGES: Final = (
    *(sharing_pages, accounts_pages, security_pages, workspaces_pages, ledger_pages, category_pages, reports_pages),
    *(list_pages, history_pages, member_pages, join_pages, settings_pages),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application. Reads the environment unless `settings` are given; opens nothing until it starts."""
    settings = settings or Settings.load()
    logs.configure(settings.log_format)
    app = FastAPI(
        title="expenses",
        version=version("expenses"),
        lifespan=_lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's pages load their scripts from a CDN, which our CSP and our promise forbid
        redoc_url=None,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # `metrics` has ours; nothing leaves this machine
        generate_unique_id_function=operation_id,
    )
    app.state.settings = settings
    app.state.engine = create_service_engine(settings)
    app.state.clock = utc_now
    app.state.gate = SchemaGate(ALEMBIC_CONFIG, database_url=settings.sqlalchemy_url(), driver="asyncpg")
    short = [ledger_api, category_api, bulk_api, reports_api, merchants_api, payments_api, sharing_api]
    app.add_middleware(Shortcut, routers=short)
    app.add_middleware(NotModified)
    if settings.rate_limit:
        app.add_middleware(RateLimit, per_person=settings.rate_limit, per_address=settings.rate_limit_address)
    app.add_middleware(BodyLimit, largest=settings.max_body_bytes)
    app.add_middleware(GateMiddleware, gate=app.state.gate)
    install_error_handlers(app)
    for router in (*_API, *_PAGES):
        # Not `include_router`: it has everything about each route worked out once more, at the first request, in
        # case a prefix or a dependency came with it: 3.5 MB and 0.2 s. Here routers say all about their routes.
        app.routes.extend(router.routes)
    app.add_middleware(Crashes)
    site.install(app)
    describe(app)
    if settings.metrics_token is not None:
        metrics.install(app, token=settings.metrics_token.get_secret_value())
    app.add_middleware(RequestLog, as_json=settings.log_format == "json")  # the outermost, so that it sees every answer
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await to_thread.run_sync(app.state.gate.start)
    try:
        yield
    finally:
        await to_thread.run_sync(app.state.gate.stop)
        await app.state.engine.dispose()
