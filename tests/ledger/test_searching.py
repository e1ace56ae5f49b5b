"""Searching in a real database: what is found, that every way of looking finds the same, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.conftest import execute
from tests.ledger.recording import category_ids, record
from tests.ledger.test_listing import merchants, page
from tests.ledger.test_queries import blocks_read

from expenses.ledger import queries
from expenses.ledger.criteria import Criteria, Names, criteria_of
from expenses.ledger.cursor import PageKey
from expenses.ledger.model import ExpenseFilter
from expenses.ledger.search import parse
from expenses.ledger.search_queries import Limits

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


@pytest.fixture
def session(at_home: Session) -> Session:
    """Under the role of the service: what policies allow decides what an index can be used for."""
    return at_home


FOUND = [
    ("amount>50", ["2026-01-01", "2026-03-31", "2026-04-01"]),
    ("amount>=50", ["2025-12-31", "2026-01-01", "2026-02-28", "2026-03-31", "2026-04-01"]),
    ("amount=50", ["2025-12-31", "2026-02-28"]),
    ("amount>50 amount<50.01", ["2026-04-01"]),
    ("amount<0", ["2026-04-02"]),
    ("is:refund", ["2026-04-02"]),
    ("-is:refund bookshop", ["2026-01-01"]),
    ("currency:jpy", ["2026-02-28", "2026-03-31"]),
    ("from:2026-01 to:2026-03", ["2026-01-01", "2026-02-28", "2026-03-31"]),
    ("on:2026-02", ["2026-02-28"]),
    ("from:2026-04 to:2026-03", []),
    ("tag:holiday", ["2025-12-31"]),
    ('tag:"two words"', ["2026-04-01"]),
    ("holiday", ["2025-12-31", "2026-04-01"]),
    ("tag:none", ["2026-01-01", "2026-02-28", "2026-03-31", "2026-04-02"]),
    ("-tag:none", ["2025-12-31", "2026-04-01"]),
    ('merchant:"corner bakery"', ["2025-12-31"]),
    ("merchant:corner", ["2025-12-31"]),
    ("note:corner", ["2026-01-01"]),
    ("corner", ["2025-12-31", "2026-01-01"]),
    ("corner -merchant:bakery", ["2026-01-01"]),
    ("cat:eating", ["2025-12-31", "2026-02-28"]),
    ("cat:COFFEE", ["2025-12-31"]),
    ("cat:none", ["2026-03-31", "2026-04-01"]),
    ("-cat:none on:2026", ["2026-01-01", "2026-02-28", "2026-04-02"]),
    ("-cat:hobbies on:2026", ["2026-02-28", "2026-03-31", "2026-04-01"]),
    ("payer:ben", ["2026-03-31"]),
    ('payer:"ben okafor"', ["2026-03-31"]),
    ("payer:ben@example.org", ["2026-03-31"]),
    ("payer:none", ["2026-04-01"]),
    ("payer:me on:2025", ["2025-12-31"]),
    ("-payer:me", ["2026-03-31", "2026-04-01"]),
    ("account:visa", ["2025-12-31"]),
    ('account:"VISA gold"', ["2025-12-31"]),
    ("account:none from:2026-04", ["2026-04-01", "2026-04-02"]),
    ("-account:none", ["2025-12-31"]),
    ("-account:visa on:2026-02", ["2026-02-28"]),
    ("is:divided", ["2026-02-28"]),
    ("-is:divided currency:jpy", ["2026-03-31"]),
    ("is:unconverted", ["2026-02-28", "2026-04-01"]),
    ("-is:unconverted currency:jpy", ["2026-03-31"]),
    ("ni st", ["2026-02-28", "2026-03-31"]),
    ("", ["2025-12-31", "2026-01-01", "2026-02-28", "2026-03-31", "2026-04-01", "2026-04-02"]),
]


@pytest.mark.usefixtures("shelf")
async def test_operators_find_what_they_say_and_combine(client: httpx.AsyncClient, anna: Person) -> None:
    for q, days in FOUND:
        found = await page(client, anna, q=q)
        assert [item["spent_on"] for item in found["items"]] == days[::-1], q
        assert found["next"] is None


async def test_parameters_and_operators_combine(client: httpx.AsyncClient, anna: Person, shelf: Person) -> None:
    ids = await category_ids(client, anna)
    accounts = (await client.get(f"{anna.url}/payment-accounts", headers=anna.headers)).json()["items"]
    account_id = accounts[0]["id"]
    for params, found in [
        ({"min": "50", "max": "50"}, ["Onigiri stand", "Corner Bakery"]),
        ({"min": "50", "q": "-corner", "from": "2026-03-01"}, ["Souk", "Onigiri Stand"]),
        ({"merchant": "STAND", "q": "payer:ben"}, ["Onigiri Stand"]),
        ({"payer_id": str(shelf.user.id)}, ["Onigiri Stand"]),
        ({"payer_id": str(uuid4())}, []),
        ({"account_id": account_id}, ["Corner Bakery"]),
        ({"account_id": account_id, "q": "-corner"}, []),
        ({"tag": "holiday", "q": "amount<100"}, ["Corner Bakery"]),
        ({"category_id": ids["Eating out"], "q": "currency:JPY"}, ["Onigiri stand"]),
        ({"category_id": "none", "q": "souk"}, ["Souk"]),
        ({"from": "2026-03-01", "q": "from:2026-01 to:2026-03"}, ["Onigiri Stand"]),
    ]:
        assert await merchants(client, anna, **params) == found, params


@pytest.mark.usefixtures("shelf")
async def test_who_has_left_is_still_found_by_what_they_paid(client: httpx.AsyncClient, anna: Person) -> None:
    members = (await client.get(f"{anna.url}/members", headers=anna.headers)).json()["items"]
    ben = next(each["user_id"] for each in members if each["display_name"].startswith("Ben"))
    await client.delete(f"{anna.url}/members/{ben}", headers=anna.headers)
    assert await merchants(client, anna, q="payer:ben") == ["Onigiri Stand"]


async def test_the_largest_amount_of_every_currency_can_be_searched_for(
    client: httpx.AsyncClient, anna: Person
) -> None:
    for value, currency in (("1000000000000000", "JPY"), ("10000000000000.00", "EUR"), ("1000000000000.000", "KWD")):
        await record(client, anna, amount={"value": value, "currency": currency}, merchant=currency)
        assert await merchants(client, anna, q=f"currency:{currency} amount={value}") == [currency]
        assert await merchants(client, anna, q=f"currency:{currency}", min=value, max=value) == [currency]


async def test_a_category_is_found_by_the_lines_that_are_in_it(client: httpx.AsyncClient, anna: Person) -> None:
    ids = await category_ids(client, anna)
    lines = [{"category_id": ids["Fuel"], "value": "3.00"}, {"category_id": None, "value": "0.80"}]
    await record(client, anna, merchant="Both", lines=lines)
    await record(client, anna, merchant="Neither", category_id=ids["Groceries"])
    await record(client, anna, merchant="Plain", category_id=ids["Fuel"])
    for q, found in [
        ("cat:fuel", ["Plain", "Both"]),
        ("cat:transport coffee", ["Plain", "Both"]),
        ("cat:none", ["Both"]),
        ("cat:none amount>1", ["Both"]),
        ("-cat:fuel", ["Neither"]),
        ("-cat:none", ["Plain", "Neither"]),
    ]:
        assert sorted(await merchants(client, anna, q=q)) == sorted(found), q


async def test_a_name_that_nothing_has_is_refused_with_its_place(client: httpx.AsyncClient, anna: Person) -> None:
    for q, place, what in [
        ("x cat:yachts", "character 3", "cat:none"),
        ("payer:zoe", "character 1", "payer:me"),
        ("account:amex", "character 1", "account:none"),
        ("colour:red", "character 1", "amount, cat"),
    ]:
        answer = await client.get(f"{anna.url}/expenses", params={"q": q}, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_search"), q
        assert place in answer.json()["detail"]
        assert what in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] == "q"


async def test_broken_amounts_of_parameters_are_refused_by_name(client: httpx.AsyncClient, anna: Person) -> None:
    for name in ("min", "max"):
        for value in ("1e3", "NaN", "1,5", " 1", "1.23456", "9" * 17):
            answer = await client.get(f"{anna.url}/expenses", params={name: value}, headers=anna.headers)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, name), value


MANY = 6_000

COLUMNS = (
    "workspace_id, id, spent_on, amount_minor, currency, merchant, category_id, note, tags, payer_id, version, "
    "created_by, created_at, updated_at"
)


@pytest.fixture
async def large(anna: Person, people: People, database: str) -> Person:
    """Ben, who paid six times in a workspace of many expenses; his own has as many of what is rare in hers.

    They lie in no order, so that each row that is looked at is another block.
    """
    ben = await people.sign_up()
    kinds = """CASE WHEN n % 3 = 0 THEN 'Corner Bakery' WHEN n % 750 = 1 THEN 'Zebra' WHEN n < 2000 THEN 'Oldmart'
        ELSE 'Shop ' || n END"""
    for person, merchant in [(anna, kinds), (ben, "'Zebra'")]:
        execute(
            database,
            f"""INSERT INTO expense ({COLUMNS}) SELECT '{person.workspace.id}', gen_random_uuid(),
            date '2016-01-01' + n * 3650 / {MANY}, CASE WHEN n % 2000 = 9 THEN 10000000 ELSE n END, 'EUR', {merchant},
            NULL, CASE WHEN n % 7 = 0 THEN 'family dinner' ELSE '' END,
            CASE WHEN n % 2000 = 11 THEN '{{rare}}' ELSE '{{}}'::text[] END,
            CASE WHEN n % 1000 = 5 THEN '{ben.user.id}' ELSE '{anna.user.id}' END::uuid, 1,
            '{anna.user.id}', now(), now() FROM generate_series(1, {MANY}) n ORDER BY md5(n::text)""",
        )
    execute(database, "VACUUM ANALYZE expense")
    return ben


def asked(filters: ExpenseFilter) -> Criteria:
    return criteria_of(filters, parse(filters.q or ""), Names())


async def test_every_way_of_looking_finds_the_same(session: Session, anna: Person, large: Person) -> None:
    ways = {
        "near": Limits(near=MANY + 1),
        "indexes": Limits(near=100, candidates=MANY, far=100),
        "far": Limits(near=100, candidates=20, far=1_500),
    }
    for filters in (
        ExpenseFilter(q="zebra"),
        ExpenseFilter(q="zebra -dinner"),
        ExpenseFilter(q="oldmart dinner"),
        ExpenseFilter(q="nowhere"),
        ExpenseFilter(q="eb"),
        ExpenseFilter(q="-corner -shop from:2018 to:2019"),
        ExpenseFilter(q="amount>90000"),
        ExpenseFilter(tag="rare"),
        ExpenseFilter(payer_id=large.user.id),
        ExpenseFilter(payer_id=large.user.id, q="to:2019 shop"),
    ):
        found = {name: await all_pages(session, anna, asked(filters), limits) for name, limits in ways.items()}
        assert found["near"] == found["indexes"] == found["far"], filters
        assert len(found["near"]) == len(set(found["near"]))


async def all_pages(session: Session, person: Person, criteria: Criteria, limits: Limits) -> list[Any]:
    """The ids on all pages of 40, one after the other."""
    ids, after = [], None
    for _ in range(MANY):
        found, last = await queries.expenses_found(
            session, workspace_id=person.workspace.id, criteria=criteria, after=after, limit=40, limits=limits
        )
        ids += [each.id for each in found]
        if len(found) == 40:
            after = PageKey(found[-1].spent_on, found[-1].id)
        elif last is None:
            return ids
        else:
            after = last
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("plan_mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_search_reads_little_of_a_large_workspace_however_rare_or_frequent_it_is(
    session: Session, anna: Person, large: Person, plan_mode: str
) -> None:
    limits = Limits(near=300, candidates=600, far=300)
    costs = {}
    for filters in (
        ExpenseFilter(q="nowhere"),
        ExpenseFilter(q="corner"),
        ExpenseFilter(q="zebra"),
        ExpenseFilter(q="oldmart"),
        ExpenseFilter(q="nowhere dinner"),
        ExpenseFilter(q="corner -corner"),
        ExpenseFilter(q="qq"),
        ExpenseFilter(q="%_\\"),
        ExpenseFilter(q="-corner -shop"),
        ExpenseFilter(q="amount>90000"),
        ExpenseFilter(q="amount>=30 amount<=31"),
        ExpenseFilter(q="merchant:zebra amount>5"),
        ExpenseFilter(tag="nothing"),
        ExpenseFilter(payer_id=large.user.id),
        ExpenseFilter(payer_id=uuid4()),
    ):
        found = queries.expenses_found(
            session, workspace_id=anna.workspace.id, criteria=asked(filters), after=None, limit=51, limits=limits
        )
        costs[filters.q or repr(filters)] = await blocks_read(session, found, plan_mode)
    assert {q: cost for q, cost in costs.items() if cost > 2_200} == {}, costs
