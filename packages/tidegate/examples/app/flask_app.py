"""Flask behind the gate: `flask --app flask_app run`, or `gunicorn "flask_app:create_app()"`.

The gate looks from a thread, and a thread does not survive a fork: with gunicorn, do not use `--preload`.
"""

import os

import psycopg2
from flask import Flask, request
from flask.typing import ResponseReturnValue

from tidegate import SchemaGate

PROBES = ("/livez", "/readyz")


def create_app() -> Flask:
    """The application, with a gate that works as long as the process."""
    gate = SchemaGate("alembic.ini")
    gate.start()  # waits up to a second for the first look
    app = Flask(__name__)

    @app.before_request
    def keep_off() -> ResponseReturnValue | None:
        report = gate.report  # takes no lock and no time
        if report.is_open or request.path in PROBES:
            return None
        body = {"state": report.state, "reason": report.reason, "pending": report.pending}
        return body, 503, {"Retry-After": "1"}

    @app.get("/livez")
    def livez() -> ResponseReturnValue:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> ResponseReturnValue:
        report = gate.report
        return {"state": report.state}, 200 if report.is_open else 503

    @app.get("/visits")
    def visits() -> ResponseReturnValue:
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
