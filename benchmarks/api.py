"""Claim: list of 50, one, create: at least 5 times the requests a second of full-stack-fastapi-template.

Each is one process of uvicorn (uvloop, httptools) with 8 connections of wrk before it and the same durable PostgreSQL
behind it, all on this machine; every request is authenticated. The rival is the template's published item routes
(`rivals/template.py`), with its own dependencies. The limit is our SQL behind a bare ASGI function on asyncpg
(`rivals/bare.py`): what is left to gain by being faster than a framework. Alternating; medians of the rounds.

`--seconds 5 --rounds 3` say how long; `--only one` measures one of the three; `--template FOLDER` takes a fetched copy
of the rival (see `fetched.py`) in place of `rivals/template.py`.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import urllib.parse
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from fetched import installed
from harness import BIN, ROOT, median, report
from servers import RIVALS, Load, durable_cluster, load, run_apart, served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.postgres import Cluster

ROWS = 1000
"""Expenses or items that are there before."""

BUDGET = 5.0
ROUTES = ("list", "one", "create")
EXPENSE = {"spent_on": "2026-11-20", "amount": {"value": "12.50", "currency": "EUR"}, "merchant": "Corner Bakery"}
ITEM = {"title": "Corner Bakery", "description": "12.50 EUR on 2026-11-20"}
PREPARE = """
import os, jwt, template
template.SQLModel.metadata.create_all(template.engine)
user = template.User(email="anna@example.org", hashed_password="-")
with template.Session(template.engine) as session:
    session.add(user)
    session.commit()
    session.refresh(user)
print(jwt.encode({"sub": str(user.id), "exp": 4102444800}, os.environ["SECRET_KEY"], algorithm="HS256"))
"""
"""Makes the rival's tables and an account; prints its token."""

PASSWORD = "correct horse battery staple"  # noqa: S105 - of an account that lives for a minute


@dataclass(frozen=True)
class Service:
    """One of the three, ready to be measured."""

    loads: Mapping[str, Load]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=ROUTES)
    parser.add_argument("--template", type=Path, metavar="FOLDER", help="a copy of full-stack-fastapi-template")
    said = parser.parse_args()
    with ExitStack() as stack:
        cluster = stack.enter_context(durable_cluster())
        ours, limit = _ours(stack, cluster)
        which, rival = _fetched(stack, cluster, said.template) if said.template else _template(stack, cluster)
        services = {"ours": ours, "template": rival, "bare": limit}
        for name in ("ours", "template_rival"):
            _settle(cluster, name)
        per_s: dict[tuple[str, str], list[float]] = {}
        for _ in range(said.rounds):
            for route in [said.only] if said.only else ROUTES:
                for name, service in services.items():
                    outcome = load(service.loads[route], seconds=said.seconds)
                    assert outcome.refused == 0, f"{name} refused {outcome.refused} of {route}"
                    per_s.setdefault((name, route), []).append(outcome.per_s)
    middle = {key: median(values) for key, values in per_s.items()}
    figures: dict[str, float | str] = {"rival": which}
    figures |= {f"{name}: {route} (requests/s)": value for (name, route), value in middle.items()}
    for route in ROUTES:
        if ("ours", route) in middle:
            figures[f"{route}: ours / template"] = middle["ours", route] / middle["template", route]
            figures[f"{route}: ours / bare"] = middle["ours", route] / middle["bare", route]
    report("api", figures, {f"{route}: ours / template": BUDGET for route in ROUTES}, at_least=True)


def _ours(stack: ExitStack, cluster: Cluster) -> tuple[Service, Service]:
    url = _database(cluster, "ours")
    env = {"DATABASE_URL": url, "REGISTRATION": "open", "RATE_LIMIT": "off"}
    subprocess.run([str(BIN / "alembic"), "upgrade", "head"], cwd=ROOT, env=env, check=True, capture_output=True)
    address = stack.enter_context(served("main:app", env))
    account = {"email": "anna@example.org", "password": PASSWORD}
    home = _post(f"{address}/api/v1/auth/register", account)["workspace"]["id"]
    form = urllib.parse.urlencode({"username": account["email"], "password": PASSWORD, "grant_type": "password"})
    token = _post(f"{address}/api/v1/auth/token", form)["access_token"]
    expenses = f"{address}/api/v1/workspaces/{home}/expenses"
    first = ""
    for _ in range(ROWS):
        first = _post(expenses, EXPENSE, token)["id"]
    bare = stack.enter_context(
        served("bare:app", {"DATABASE_URL": url, "WORKSPACE_ID": home, "PYTHONPATH": str(RIVALS)})
    )
    return tuple(
        Service(
            {
                "list": Load(f"{base}?limit=50", token),
                "one": Load(f"{base}/{first}", token),
                "create": Load(base, token, json.dumps(EXPENSE)),
            }
        )
        for base in (expenses, f"{bare}/expenses")
    )


def _template(stack: ExitStack, cluster: Cluster) -> tuple[str, Service]:
    secret = secrets.token_urlsafe(32)
    env = {"DATABASE_URL": _database(cluster, "template_rival"), "SECRET_KEY": secret, "PYTHONPATH": str(RIVALS)}
    token = run_apart(PREPARE, env)
    address = stack.enter_context(served("template:app", env, folder=RIVALS, apart=True))
    return "rivals/template.py: its item routes, re-expressed", _with_items(address, token)


def _fetched(stack: ExitStack, cluster: Cluster, template: Path) -> tuple[str, Service]:
    rival = stack.enter_context(installed(template))
    server = stack.enter_context(rival.serving(rival.prepare(_database(cluster, "template_rival"))))
    return rival.name, _with_items(server.address, rival.token(server.address))


def _with_items(address: str, token: str) -> Service:
    items = f"{address}/api/v1/items/"
    first = ""
    for _ in range(ROWS):
        first = _post(items, ITEM, token)["id"]
    return Service(
        {
            "list": Load(f"{items}?limit=50", token),
            "one": Load(f"{items}{first}", token),
            "create": Load(items, token, json.dumps(ITEM)),
        }
    )


def _database(cluster: Cluster, name: str) -> str:
    connection = psycopg2.connect(cluster.url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return cluster.database_url(name)


def _settle(cluster: Cluster, name: str) -> None:
    """Let PostgreSQL know its tables, as it does by itself within a minute: until then it plans for empty ones."""
    connection = psycopg2.connect(cluster.database_url(name))
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    connection.close()


def _post(url: str, body: Mapping[str, Any] | str, token: str = "") -> dict[str, Any]:
    kind = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:  # noqa: S310 - our own server
        return dict(json.load(answer))


if __name__ == "__main__":
    main()
