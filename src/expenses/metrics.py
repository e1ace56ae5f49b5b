"""`/metrics` in Prometheus' format: requests, the connection pool, the schema gate. Served only with `METRICS_TOKEN`.

Without that setting nothing here is installed and `prometheus_client` is not even loaded. Nothing in it names a
person or a workspace: requests are counted by the template of their route.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from fastapi import Request, Response

from expenses.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI
    from prometheus_client import CollectorRegistry, Metric
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from expenses.db import ServiceEngine

PATH = "/metrics"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the duration's buckets: from a primary-key look-up to the statement timeout."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Counted by name; what clients make up is one more, so that they cannot fill our memory."""


def install(app: FastAPI, *, token: str) -> None:
    """Measure every request, and tell whoever has the token."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415 - 5 MB

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_State(app))
    app.add_middleware(Measured, registry=registry)

    @app.get(PATH, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """The figures as they are now."""
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Unauthenticated("This takes the token in `METRICS_TOKEN`.")
        return Response(
            generate_latest(registry),
            media_type="text/plain; version=1.0.0; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )


class Measured:
    """ASGI middleware: counts answers by method, route and status, and how long they took."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Histogram  # noqa: PLC0415 - as above

        self._app = app
        self._answers = Counter("expenses_http_requests", "Answers", ["method", "route", "status"], registry=registry)
        self._seconds = Histogram(
            "expenses_http_request_duration_seconds",
            "Time from the request to the last byte of its answer",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            self._answers.labels(method, route, status).inc()
            self._seconds.labels(method, route).observe(time.perf_counter() - began)


class _State:
    """What is asked only when somebody looks: the pool and the gate."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def collect(self) -> Iterable[Metric]:
        """The figures of this moment."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

        engine: ServiceEngine = self._app.state.engine
        connections = GaugeMetricFamily(
            "expenses_database_connections", "Connections of the pool, by what they do", labels=["state"]
        )
        connections.add_metric(["in_use"], engine.in_use)
        connections.add_metric(["idle"], engine.idle)
        yield connections
        yield GaugeMetricFamily("expenses_database_connections_limit", "Most connections at once", value=engine.limit)
        report = self._app.state.gate.report
        gate = GaugeMetricFamily("expenses_gate_open", "Whether this server serves", labels=["schema"])
        gate.add_metric([report.state or "none"], int(report.is_open))
        yield gate
