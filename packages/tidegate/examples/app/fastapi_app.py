"""FastAPI behind the gate: `uvicorn --factory fastapi_app:create_app`.

While the schema is not one that this code can serve on, every path but the probes answers 503 and says why. The
gate looks again every second and opens by itself.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg2
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from tidegate import SchemaGate

PROBES = ("/livez", "/readyz")


def create_app() -> FastAPI:
    """The application, with a gate that works as long as it does."""
    gate = SchemaGate("alembic.ini")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(gate.start)  # waits up to a second for the first look
        yield
        await run_in_threadpool(gate.stop)

    app = FastAPI(lifespan=lifespan)

    @app.middleware("http")
    async def keep_off(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        report = gate.report  # takes no lock and no time
        if report.is_open or request.url.path in PROBES:
            return await call_next(request)
        body = {"state": report.state, "reason": report.reason, "pending": report.pending}
        return JSONResponse(body, 503, {"Retry-After": "1"})

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz(response: Response) -> dict[str, str | None]:
        report = gate.report
        response.status_code = 200 if report.is_open else 503
        return {"state": report.state}

    @app.get("/visits")
    def visits() -> dict[str, int]:
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO visit DEFAULT VALUES")
                cursor.execute("SELECT count(*) FROM visit")
                (count,) = cursor.fetchone() or (0,)
        finally:
            connection.close()
        return {"visits": count}

    return app
