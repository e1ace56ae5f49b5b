"""No request that people make every day reads a table from end to end, or more of it than it shows.

Every statement that such a request sends is explained by PostgreSQL as it is carried out, once with plans for its very
parameters and once with plans for any; those of triggers and foreign keys too. PostgreSQL is told to scan a table only
where no index fits, so that small tables show what large ones would.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from tests.browsing import open_window
from tests.conftest import execute
from tests.ledger.recording import category_ids, record
from tests.plans import Explainer

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person
    from tools.postgres import Cluster

pytestmark = pytest.mark.anyio

MANY: Final = 5_000
"""Rows of the tables of people and workspaces, and expenses of one workspace."""

SMALL: Final = frozenset({"currency", "alembic_version"})
"""Tables that do not grow with what people do."""

MOST_BLOCKS: Final = {"near": 3 * MANY, "newest": 2_600, "former_member": 6_000, "": 1_000}
"""Of one statement that has this word in it. A page of 51 expenses in no order of the disk takes some 200, one of a
category 700, all expenses of this workspace 4,500. Suggestions look at 500 of the newest expenses and at the last
expense of up to 500 merchants. A search for a payer looks at the 500 who left last, and for each whether they are back
(up to 3,400; without their index 30,000). A search has three steps, each of which may look at this whole workspace,
because it is small (`test_searching` has bounds that are smaller)."""

OTHERS: Final = f"""
INSERT INTO user_account (id, email, display_name, password_hash, created_at)
  SELECT gen_random_uuid(), n || '@example.net', 'Somebody', '-', now() FROM generate_series(1, {MANY}) n;
INSERT INTO workspace (id, name, kind, base_currency, time_zone, created_at)
  SELECT id, 'Home', 'household', 'EUR', 'UTC', now() FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO membership (workspace_id, user_id, role, created_at)
  SELECT id, id, 'owner', now() FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO api_token (id, user_id, name, token_hash, scopes, created_at, expires_at)
  SELECT gen_random_uuid(), id, 'test', id::text::bytea, '{{read}}', now(), now() + interval '9 days'
  FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO web_session (id, user_id, token_hash, csrf_token, created_at, expires_at)
  SELECT gen_random_uuid(), id, id::text::bytea, 'x', now(), now() + interval '9 days'
  FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO account_event (user_id, id, kind, happened_at)
  SELECT id, gen_random_uuid(), 'signed_in', now() FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO category (workspace_id, id, name, color, position)
  SELECT id, gen_random_uuid(), 'Food', '#aabbcc', 1 FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO payment_account (workspace_id, id, name, kind, created_at)
  SELECT id, gen_random_uuid(), 'Purse', 'cash', now() FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO fx_rate (workspace_id, base, quote, on_date, rate, source)
  SELECT id, 'EUR', 'USD', '2026-11-20', 1.1, 'entered' FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO settlement (workspace_id, id, from_user_id, to_user_id, amount_minor, currency, paid_on, note, created_by,
  created_at) SELECT a.id, gen_random_uuid(), a.id, b.id, 1, 'EUR', '2026-11-20', '', a.id, now()
  FROM user_account a, (SELECT id FROM user_account LIMIT 1) b WHERE a.email LIKE '%@example.net' AND a.id <> b.id;
"""

EXPENSES: Final = """
INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, category_id, note, tags, payer_id,
  version, created_by, created_at, updated_at, deleted_at, line_count, split_mode)
SELECT '{home}', gen_random_uuid(), date '2016-12-01' + n * 3640 / {number}, 3 * n, 'EUR', 'Shop ' || n % 900,
  CASE WHEN n % 3 > 0 AND n % {part} > 0 THEN '{category}'::uuid END, 'receipt ' || n,
  CASE WHEN n % 9 = 0 THEN '{{trip}}' ELSE '{{}}'::text[] END, '{user}', 1, '{user}', now(), now(),
  CASE WHEN n % 10 = 1 THEN now() END, CASE WHEN n % {part} = 0 THEN 2 END, CASE WHEN n % {part} = 0 THEN 'even' END
FROM generate_series(1, {number}) n ORDER BY md5(n::text);
INSERT INTO expense_line (workspace_id, expense_id, position, spent_on, category_id, amount_minor, note)
SELECT workspace_id, id, part, spent_on, '{category}', amount_minor / 3 * (1 + part), ''
FROM expense, generate_series(0, 1) part WHERE workspace_id = '{home}' AND line_count IS NOT NULL;
INSERT INTO expense_share (workspace_id, expense_id, user_id, amount_minor, weight)
SELECT workspace_id, id, '{user}', amount_minor, 1 FROM expense WHERE workspace_id = '{home}' AND split_mode = 'even';
INSERT INTO former_member (workspace_id, user_id, left_at)
SELECT '{home}', id, now() - interval '1 hour' * length(email) FROM user_account WHERE email LIKE '%@example.net';
INSERT INTO audit_event (workspace_id, id, at, entity, entity_id, action, seq, hash)
SELECT workspace_id, gen_random_uuid(), now(), 'expense', id, 'create', 1, ''
FROM expense WHERE workspace_id = '{home}';
"""


async def test_no_request_of_every_day_reads_a_table_from_end_to_end(
    cluster: Cluster, app: FastAPI, client: httpx.AsyncClient, people: People, anna: Person
) -> None:
    ben = await people.sign_up()
    database = app.state.settings.database_url.get_secret_value()
    category, other = [(await category_ids(client, person))["Groceries"] for person in (anna, ben)]
    _fill(database, {anna: category, ben: other})
    explainer = Explainer(cluster, database, enable_seqscan="off")  # then only what has no index is scanned
    for mode in ("force_custom_plan", "force_generic_plan"):
        explainer.set(plan_cache_mode=mode)
        await app.state.engine.dispose()  # what is set counts for new connections
        explainer.plans()
        for path in await _paths(client, anna, category):
            answer = await client.get(path, headers=anna.headers)
            assert answer.status_code == 200, (path, answer.text)
            _check(explainer, path, mode)
        await _write(client, anna, explainer, mode)
        window = await open_window(app, client, anna)
        for path in (f"{window.home}/months/2024-05", f"{window.home}/expenses?q=trip", f"{window.home}/balances"):
            assert (await window.get(path)).status_code == 200, path
            _check(explainer, path, mode)


def _fill(database: str, categories: dict[Person, str]) -> None:
    """The first one's workspace is large, and what few expenses of it have, most of the other's have."""
    execute(database, OTHERS)
    for (person, category), number, part in zip(categories.items(), (MANY, MANY // 2), (25, 2), strict=True):
        own = {"home": person.workspace.id, "category": category, "user": person.user.id}
        execute(database, EXPENSES.format(**own, number=number, part=part))
    tables = re.findall(r"INSERT INTO (\w+)", OTHERS + EXPENSES)
    execute(database, f"VACUUM ANALYZE {', '.join(tables)}")


async def _paths(client: httpx.AsyncClient, anna: Person, category: str) -> list[str]:
    """What is asked for."""
    expenses = f"{anna.url}/expenses"
    new = (await record(client, anna, category_id=category))["id"]
    cursors = {}
    for name, path in {
        "list": f"{expenses}?limit=50",
        "trash": f"{anna.url}/trash?limit=50",
        "categories": f"{anna.url}/categories?limit=5",
        "merchants": f"{anna.url}/merchants?order=name",
    }.items():
        cursors[name] = (await client.get(path, headers=anna.headers)).json()["next"]
    searches = ("receipt", "nowhere", "amount>100", "tag:trip", "cat:groceries shop", "payer:me receipt", "is:refund")
    return [
        *(f"{expenses}?{each}" for each in ("limit=50", f"category_id={category}", "category_id=none")),
        f"{expenses}?limit=50&cursor={cursors['list']}",
        f"{expenses}?from=2024-05-01&to=2024-05-31",
        *(
            f"{expenses}?{each}"
            for each in ("tag=trip", "merchant=shop+7", "min=10&max=11", f"payer_id={anna.user.id}")
        ),
        *(f"{expenses}?q={each}" for each in searches),
        f"{expenses}/{new}",
        f"{expenses}/{new}/history",
        f"{anna.url}/trash?limit=50",
        f"{anna.url}/trash?limit=50&cursor={cursors['trash']}",
        f"{anna.url}/reports/monthly?month=2024-05",
        *(f"{anna.url}/merchants{each}" for each in ("", "?q=sh", "?q=shop")),
        *(f"{anna.url}/{each}" for each in ("categories", "balances", "settlements", "rates", "payment-accounts")),
        *(f"{anna.url}/{each}" for each in ("audit", "members", "former-members?limit=50", "invitations")),
        f"{anna.url}/categories?limit=5&cursor={cursors['categories']}",
        f"{anna.url}/merchants?order=name&cursor={cursors['merchants']}",
        anna.url,
        *(f"/api/v1/{each}" for each in ("me", "workspaces", "me/tokens", "me/sessions", "me/events")),
    ]


async def _write(client: httpx.AsyncClient, anna: Person, explainer: Explainer, mode: str) -> None:
    """The life of an expense, from its making to its end."""
    even = {"mode": "even", "among": [str(anna.user.id)]}
    new = await record(client, anna, split=even)
    _check(explainer, "record", mode)
    own = f"{anna.url}/expenses/{new['id']}"
    for method, path, body in (
        ("PATCH", own, {"note": "changed", "spent_on": "2024-05-05"}),
        ("DELETE", own, None),
        ("POST", f"{own}/restore", None),
        ("DELETE", own, None),
        ("DELETE", f"{anna.url}/trash/{new['id']}", None),
    ):
        answer = await client.request(method, path, json=body, headers=anna.headers)
        assert answer.is_success, (method, path, answer.text)
        _check(explainer, f"{method} {path}", mode)


def _check(explainer: Explainer, what: str, mode: str) -> None:
    plans = explainer.plans()
    assert plans, what
    for plan in plans:
        assert plan.scanned <= SMALL, (what, mode, plan.statement, plan.tree)
        most = next(blocks for word, blocks in MOST_BLOCKS.items() if word in plan.statement)
        assert plan.blocks <= most, (what, mode, plan.blocks, plan.statement)
