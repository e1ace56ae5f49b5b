"""Claim: with 1,000,000 expenses in a workspace, lists and month reports take at most 1.5 times as long as with 1,000.

The service as `make run` serves it, one process, on PostgreSQL with its default settings; one request at a time, by
token for the API and by cookie for pages, from the first to the last byte. Two shapes, since there are two questions:
*long*, as many expenses in a month, 1,000, with 1,000 times as many months; and *dense*, the last five years, so that a
month has 16,667 expenses instead of 17. All four workspaces are in the same tables. A fifth one, 1,000 in five years,
is alone in a database of its own: what the neighbours of a large workspace pay. Interleaved; medians, and the ratio of
the fastest of all requests, which other work on the machine disturbs least.

`--number 20000` is quicker; `--rounds 30` says how many requests each; `--only month` picks those with that in their
name; `--keep FOLDER` leaves the filled database there, and takes what it finds there: filling takes minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg2
import psycopg2.extras
from harness import BIN, ROOT, median, report
from ledgers import ABSENT, FREQUENT, OLD, RARE, Filling, fill
from servers import durable_cluster, served
from visitors import Visitor

from expenses.ledger.cursor import PageKey
from expenses.ledger.model import ExpenseFilter

if TYPE_CHECKING:
    from tools.postgres import Cluster

FEW = 1_000
LAST = date(2026, 11, 30)
FIVE_YEARS_AGO = date(2021, 12, 1)
BUDGET = 1.5
HELD = ("first page", "deep page", "page of a category", "one expense", "month report", "month page")
"""What the budget is for. The others are reported."""


@dataclass(frozen=True)
class Workspace:
    """A filled one, and what there is in it to ask for."""

    visitor: Visitor
    home: str
    category: str
    expense: str
    deep: PageKey
    month: str

    @property
    def paths(self) -> dict[str, str]:
        """All that is measured."""
        api, pages = f"/api/v1/workspaces/{self.home}", f"/w/{self.home}"
        cursor = self.deep.cursor(scope=f"{self.home} {ExpenseFilter()!r}")
        searches = {
            "frequent word": FREQUENT,
            "old word": OLD,
            "rare word": RARE,
            "absent word": ABSENT,
            "amount": "amount>200",
            "tag": "tag:trip",
            "amount and tag": "amount>150 tag:trip",
        }
        return {
            "first page": f"{api}/expenses?limit=50",
            "deep page": f"{api}/expenses?limit=50&cursor={cursor}",
            "page of a category": f"{api}/expenses?limit=50&category_id={self.category}",
            "one expense": f"{api}/expenses/{self.expense}",
            "month report": f"{api}/reports/monthly?month={self.month}",
            "month page": f"{pages}/months/{self.month}",
            **{f"search: {name}": f"{api}/expenses?q={quote(q)}" for name, q in searches.items()},
            "merchants of a beginning": f"{api}/merchants?q=sho",
            "latest merchants": f"{api}/merchants",
            "tags in use": f"{api}/tags",
            "trash": f"{api}/trash",
            "record of changes": f"{api}/audit",
            "who owes whom": f"{api}/balances",
        }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    said = parser.parse_args()
    with ExitStack() as stack:
        cluster = stack.enter_context(durable_cluster(said.keep))
        workspaces = _workspaces(stack, cluster, said.number)
        seconds = _measure(workspaces, said.rounds, said.only)
    figures: dict[str, float] = {}
    budgets: dict[str, float] = {}
    for path, takes in seconds.items():
        for name, few, many in (("long", takes[0], takes[1]), ("dense", takes[2], takes[3])):
            ratios = {
                f"{name}: {path}: {said.number:,} / {FEW:,}": median(many) / median(few),
                f"{name}: {path}: the same, fastest": min(many) / min(few),
            }
            figures |= {f"{name}: {path} (ms)": median(many) * 1000} | ratios
            budgets |= dict.fromkeys(ratios, BUDGET) if path in HELD else {}
        figures[f"beside: {path}: {FEW:,} / {FEW:,} alone"] = median(takes[2]) / median(takes[4])
    report("million", figures, budgets)


def _workspaces(stack: ExitStack, cluster: Cluster, number: int) -> list[Workspace]:
    """Few and many in long, few and many in dense, few alone. Filled unless the cluster has them already."""
    five_years = (FIVE_YEARS_AGO, LAST)
    fillings = {
        "ours": [
            Filling(FEW, LAST - timedelta(days=29), LAST),
            Filling(number, LAST - timedelta(days=30 * number // FEW - 1), LAST),
            Filling(FEW, *five_years),
            Filling(number, *five_years),
        ],
        "alone": [Filling(FEW, *five_years)],
    }
    kept = cluster.folder / "workspaces.json"
    homes: dict[str, list[str]] = json.loads(kept.read_text()) if kept.exists() else {}
    found = []
    for name, its_fillings in fillings.items():
        if name not in homes:
            _run(cluster.url, f"CREATE DATABASE {name}")
        url = cluster.database_url(name)
        visitor, other = _serve(stack, url)
        if name not in homes:
            homes[name] = [_workspace(url, visitor, other) for _ in its_fillings]
            fill(url, dict(zip(homes[name], its_fillings, strict=True)))
            kept.write_text(json.dumps(homes))
        for home in homes[name]:
            _run(
                url,
                f"INSERT INTO membership (workspace_id, user_id, role, created_at) VALUES ('{home}', '{visitor.id}', "
                "'owner', now()) ON CONFLICT DO NOTHING",
            )
            found.append(_look(url, visitor, home))
    return found


def _serve(stack: ExitStack, url: str) -> tuple[Visitor, Visitor]:
    """Two people at the service on this database, which nobody else uses."""
    env = {"DATABASE_URL": url, "REGISTRATION": "open", "RATE_LIMIT": "off", "SECURE_COOKIES": "false"}
    subprocess.run([str(BIN / "alembic"), "upgrade", "head"], cwd=ROOT, env=env, check=True, capture_output=True)
    address = stack.enter_context(served("main:app", env))
    names = (f"{secrets.token_hex(8)}@example.org" for _ in range(2))
    return Visitor(address, next(names)), Visitor(address, next(names))


def _workspace(url: str, visitor: Visitor, other: Visitor) -> str:
    """A new workspace that both are in."""
    new = visitor.post("/api/v1/workspaces", {"name": "Large", "kind": "household", "base_currency": "EUR"})
    visitor.get(f"/api/v1/workspaces/{new['id']}/categories")  # a workspace gets its first ones when somebody asks
    _run(
        url,
        "INSERT INTO membership (workspace_id, user_id, role, created_at) "
        f"VALUES ('{new['id']}', '{other.id}', 'member', now())",
    )
    return str(new["id"])


def _look(url: str, visitor: Visitor, home: str) -> Workspace:
    living = f"FROM expense WHERE workspace_id = '{home}' AND deleted_at IS NULL"
    number, first, last = _run(url, f"SELECT count(*), min(spent_on), max(spent_on) {living}")
    deep, day = _run(url, f"SELECT id, spent_on {living} ORDER BY spent_on DESC, id DESC OFFSET {number // 2} LIMIT 1")
    plain = "line_count IS NULL AND split_mode IS NULL AND base_amount_minor IS NULL"  # as most are; others take longer
    one, _ = _run(
        url,
        f"SELECT id, spent_on {living} AND {plain} AND (spent_on, id) <= ('{day}', '{deep}') "
        "ORDER BY spent_on DESC, id DESC LIMIT 1",
    )
    (category,) = _run(url, f"SELECT category_id {living} AND category_id IS NOT NULL ORDER BY created_at LIMIT 1")
    month = f"{last:%Y-%m}" if (last - first).days < 40 else f"{last - timedelta(days=60):%Y-%m}"
    return Workspace(visitor, home, category, one, PageKey(day, deep), month)


def _measure(workspaces: list[Workspace], rounds: int, only: str) -> dict[str, list[list[float]]]:
    found = {}
    for name in workspaces[0].paths:
        if not re.search(only, name):
            continue
        takes: list[list[float]] = [[] for _ in workspaces]
        for turn in range(rounds + 3):
            for workspace, seconds in zip(workspaces, takes, strict=True):
                taken, _ = workspace.visitor.get(workspace.paths[name])
                if turn >= 3:  # the first ones fill caches
                    seconds.append(taken)
        found[name] = takes
    return found


def _run(url: str, statement: str) -> Any:  # noqa: ANN401 - whatever is asked for
    """The first row of what a statement finds, committed."""
    connection = psycopg2.connect(url)
    psycopg2.extras.register_uuid(conn_or_curs=connection)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(statement)
    row = cursor.fetchone() if cursor.description else None
    connection.close()
    return row


if __name__ == "__main__":
    main()
