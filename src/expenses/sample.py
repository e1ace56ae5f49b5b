"""A believable year of a small household, for demonstrations. Every name in it is invented.

What is spent on a day follows from the day alone, so that two loads on the same day are the same to the cent. Not
for tests of the service: those record what they need themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from expenses.accounts import queries as accounts
from expenses.accounts.model import ALL_SCOPES, Actor
from expenses.ledger import service as ledger
from expenses.ledger.model import ExpenseDraft
from expenses.money import Money, currency_named
from expenses.reports.model import Month
from expenses.workspaces.service import list_memberships, sign_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session

DEMO_EMAIL: Final = "demo@example.org"

DEMO_PASSWORD: Final = "demo-demo-demo"  # noqa: S105 - printed on purpose; whoever loads the sample shows it to people
"""Known to everybody, so the sample belongs on a machine of one's own."""

MONTHS: Final = 12
"""How many months there are in the sample, this one included."""

EVERY_MONTH: Final = """
1  Lindenhof Properties     | Rent                    | 118000 | Rent and service charge  | fixed
2  City Transit             | Public transport        | 4900   | Monthly pass             | fixed
3  Kindergarten Sonnenhof   | Childcare               | 21000  |                          | fixed, child
5  Fernruf Telecom          | Internet and phone      | 3999   | Fibre                    | fixed
7  Boulder Barn             | Sport                   | 2990   | Membership               | fixed
12 Tonal Music              | Subscriptions           | 1099   | Family plan              | fixed
15 Stadtwerke               | Electricity and heating | 9400   | Instalment               | fixed, energy
16 Corner ATM               |                         | 6000   | Cash                     |
20 Lichtspiel Streaming     | Subscriptions           | 1399   |                          | fixed
28 Sparbank                 | Bank fees               | 490    | Account                  | fixed
"""
"""Day, merchant, category (none: not sorted yet), cents, note, tags."""

EVERY_YEAR: Final = """
01-04 Hearth & Hand        | Insurance and fees       | 21430  | Car insurance, quarter    | car
01-21 Corner Kicks         | Clothing                 | 8990   | Winter boots              |
02-10 Skyfare              | Flights and trains       | 164280 | Two and a half to Osaka   | japan
02-17 Stadtwerke           | Electricity and heating  | -8640  | Settlement of last year   | energy, refund
03-09 Hearth & Hand        | Insurance                | 7250   | Liability, year           |
03-18 Northwind Outdoor    | Clothing                 | 18900  | Rain jacket               |
03-27 Northwind Outdoor    | Clothing                 | -18900 | Jacket sent back          | refund
04-04 Hearth & Hand        | Insurance and fees       | 21430  | Car insurance, quarter    | car
04-16 Velo Werk            | Bicycle                  | 8740   | Spring service            |
06-13 Garage Petersen      | Car                      | 31265  | Inspection and new tyres  | car
07-04 Hearth & Hand        | Insurance and fees       | 21430  | Car insurance, quarter    | car
07-19 Lakeside Camping     | Accommodation            | 28600  | A week in a tent          | summer
08-02 Blumenthal Joinery   | Furniture                | 42900  | Shelf for the hall        |
09-03 Paper & Ink          | School                   | 6385   | Folders, pens, a satchel  | child
10-04 Hearth & Hand        | Insurance and fees       | 21430  | Car insurance, quarter    | car
10-11 Tax Help Association | Taxes                    | 9900   | Tax return                |
11-14 Plumber Okafor       | Repairs                  | 16422  | Dripping boiler           |
11-29 Villa Verde Toys     | Toys                     | 3995   | Advent calendar           | child
12-05 Villa Verde Toys     | Toys                     | 7990   | Wooden railway            | child, christmas
12-09 Bookshop Am Markt    | Gifts and donations      | 6440   | Books for everybody       | christmas
12-14 Doctors for Everyone | Gifts and donations      | 10000  | Donation                  |
12-18 Silver Thimble       | Gifts and donations      | 12950  | For Grandmother           | christmas
12-20 Tree Farm Hollering  | Gifts and donations      | 3800   | Tree                      | christmas
"""
"""Month and day, merchant, category, cents, note, tags."""

TRIP: Final = """
05-09 Kansai Rail          | Flights and trains       | 8400   | Airport to Kyoto          | japan
05-09 Ryokan Momiji        | Accommodation            | 126000 | Five nights               | japan
05-10 Menya Kitsune        | Restaurants              | 3450   | Ramen                     | japan
05-10 Fushimi Tea House    | Coffee                   | 1800   |                           | japan
05-11 Nishiki Market       | Groceries                | 2760   |                           | japan
05-12 Arashiyama Boats     | Sights                   | 5400   |                           | japan
05-13 Sushi Hanabi         | Restaurants              | 9800   |                           | japan
05-14 Kansai Rail          | Flights and trains       | 27940  | To Hiroshima              | japan
05-14 Hotel Seto           | Accommodation            | 78000  | Four nights               | japan
05-15 Peace Museum         | Sights                   | 600    |                           | japan
05-16 Okonomiyaki Mura     | Restaurants              | 4120   |                           | japan
05-17 Miyajima Ferry       | Sights                   | 1080   |                           | japan
"""
"""As `EVERY_YEAR`, in yen."""


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that is bought again and again, on some weekdays, for more or less the same."""

    merchants: tuple[str, ...]
    category: str
    weekdays: str
    """Digits, 0 is Monday."""
    chance: int
    """Percent, on each of these days."""
    cents: tuple[int, int]
    """From and to, before the season."""
    tags: tuple[str, ...] = ()
    season: tuple[int, int] = (100, 100)
    """Percent of the usual price in midwinter and in midsummer."""


HABITS: Final = (
    Habit(("Freshmarket", "Freshmarket", "Grain & Garden"), "Groceries", "14", 85, (2200, 6400)),
    Habit(("Saturday Market", "Freshmarket"), "Groceries", "5", 92, (3100, 8900), season=(125, 90)),
    Habit(("Corner Bakery",), "Groceries", "6", 70, (480, 1460)),
    Habit(("Corner Bakery", "Kaffeekontor", "Third Floor Espresso"), "Coffee", "0123", 42, (280, 690)),
    Habit(("Trattoria Lucia", "Saigon Garden", "Zum Anker", "Mezze Mezze"), "Restaurants", "45", 42, (2650, 7900)),
    Habit(("Pizza Volante", "Curry Leaf"), "Takeaway", "26", 24, (1750, 3480)),
    Habit(("Petrol Nord", "Autohof 7"), "Fuel", "06", 30, (4300, 7200), tags=("car",), season=(90, 125)),
    Habit(("Linden Pharmacy",), "Pharmacy", "135", 11, (420, 2690), season=(140, 70)),
    Habit(("Bookshop Am Markt", "Second Chapter"), "Books and media", "35", 16, (990, 2899)),
    Habit(("Filmpalast", "Stadttheater"), "Cinema and concerts", "45", 10, (1900, 5600), season=(130, 60)),
    Habit(("Corner Kicks", "Thread & Button", "Little Sprouts"), "Clothing", "5", 24, (1499, 8900)),
    Habit(("Cab Central",), "Taxi", "56", 8, (1120, 2980)),
    Habit(("Hobby Hut", "Green Thumb Nursery"), "Hobbies", "5", 20, (890, 4200), season=(40, 150)),
)


async def load_sample(session: Session, *, now: datetime) -> int:
    """Make the demo account and fill its workspace with twelve months that end today; says how many expenses were new.

    Does nothing to a demo account that has any expense, so it can be repeated, also after it was interrupted.
    """
    actor = await _demo_actor(session, now=now)
    membership = (await list_memberships(session, actor=actor))[0]
    home = membership.workspace.id
    if (await ledger.list_expenses(session, actor=actor, workspace_id=home, limit=1)).items:
        return 0
    categories = await ledger.list_categories(session, actor=actor, workspace_id=home)
    ids = {each.name: each.id for each in categories}
    drafts = list(sample_year(until=now.date(), category_ids=ids, payer_id=actor.user_id))
    return len(await ledger.add_expenses(session, actor=actor, workspace_id=home, drafts=drafts, now=now))


def sample_year(
    *, until: date, category_ids: Mapping[str, UUID], payer_id: UUID | None = None
) -> Iterator[ExpenseDraft]:
    """What the household spent in twelve months up to and including a day, in the order of days."""
    first = Month.of(until).shifted(1 - MONTHS).first_day
    for day in (first + timedelta(days=number) for number in range((until - first).days + 1)):
        for spent in _spent_on(day):
            yield ExpenseDraft(
                spent_on=day,
                amount=Money(spent.minor, currency_named(spent.currency)),
                merchant=spent.merchant,
                category_id=category_ids.get(spent.category),
                note=spent.note,
                tags=spent.tags,
                payer_id=payer_id,
            )


@dataclass(frozen=True, slots=True)
class _Spent:
    merchant: str
    category: str
    minor: int
    note: str = ""
    tags: tuple[str, ...] = ()
    currency: str = "EUR"


def _spent_on(day: date) -> Iterator[_Spent]:
    for table, key, currency in (
        (EVERY_MONTH, str(day.day), "EUR"),
        (EVERY_YEAR, f"{day:%m-%d}", "EUR"),
        (TRIP, f"{day:%m-%d}", "JPY"),
    ):
        yield from _planned(table, key, currency)
    if not date(day.year, 5, 9) <= day <= date(day.year, 5, 17):  # in Japan nobody goes to the bakery at home
        # The seed is a text because those are hashed the same way by every version of Python.
        random = Random(day.isoformat())  # noqa: S311 - a story, not a secret
        for habit in HABITS:
            yield from _perhaps(habit, day, random)


def _planned(table: str, key: str, currency: str) -> Iterator[_Spent]:
    for line in table.strip().splitlines():
        when, rest = line.split(maxsplit=1)
        if when == key:
            merchant, category, minor, note, tags = (part.strip() for part in rest.split("|"))
            yield _Spent(merchant, category, int(minor), note, tuple(tags.split(", ")) if tags else (), currency)


def _perhaps(habit: Habit, day: date, random: Random) -> Iterator[_Spent]:
    rolled, merchant, cents = random.randrange(100), random.choice(habit.merchants), random.randint(*habit.cents)
    if str(day.weekday()) in habit.weekdays and rolled < habit.chance:
        yield _Spent(merchant, habit.category, cents * _season_percent(habit, day) // 100, tags=habit.tags)


def _season_percent(habit: Habit, day: date) -> int:
    winter, summer = habit.season
    from_midsummer = abs((day - date(day.year, 7, 1)).days)  # 0 to 184
    return summer + (winter - summer) * from_midsummer // 184


async def _demo_actor(session: Session, *, now: datetime) -> Actor:
    found = await accounts.credentials_of(session, email=DEMO_EMAIL)
    if found is None:
        user, _ = await sign_up(session, email=DEMO_EMAIL, password=DEMO_PASSWORD, display_name="Demo", now=now)
    else:
        user = found.user
    return Actor(user.id, user.email, user.display_name, ALL_SCOPES, "session")
