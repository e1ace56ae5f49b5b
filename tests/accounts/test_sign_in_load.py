"""Hundreds of sign-ins at once, against real server processes that share one database.

Every password is really checked, at full cost, so that what is bounded is what an attacker would meet. Addresses are
those that a trusted proxy says.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.people import PASSWORD
from tools.postgres import free_port

from expenses.accounts import passwords, throttle
from expenses.accounts.model import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from tests.people import Person

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

ROOT = Path(__file__).parents[2]
PROCESSES = 2
ATTEMPTS = 150
"""Guesses of each of the two kinds; how often they are sent until somebody looks at them comes on top."""

AT_ONCE = 20
"""Of each kind. More than the processes have places for passwords, so that many are sent away and come again."""

NOT_LOOKED_AT = {"busy", "overloaded"}
"""Sent away for a moment: the server is doing as much as it can."""

LIVEZ_S = 1.0
"""What half of the answers to `/livez` take at most meanwhile, and a machine that does other things as well may need.
With passwords hashed on the event loop, every answer waits for those that came before."""


LONGEST_WAIT_S = 60
"""Until somebody is in who knows the password and tries again when told to."""


@pytest.fixture
def servers(database: str) -> Iterator[list[str]]:
    """Addresses of two processes of the service, as two replicas behind a proxy."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database, "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with ExitStack() as running:
        addresses = []
        for _ in range(PROCESSES):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--proxy-headers"]
            command += ["--timeout-keep-alive", "75", "--no-access-log"]  # as in the Dockerfile
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
            running.callback(process.wait, 30)
            running.callback(process.terminate)
            addresses.append(f"http://127.0.0.1:{port}")
        wait_until_ready(addresses)
        yield addresses


def wait_until_ready(addresses: list[str]) -> None:
    ends_at = time.monotonic() + 60
    for address in addresses:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < ends_at, "the server is not ready"
            time.sleep(0.05)


class Crowd:
    """People at many addresses, and what they were answered."""

    def __init__(self, client: httpx.AsyncClient, servers: list[str]) -> None:
        self._client = client
        self._turns = itertools.cycle(servers)

    async def sign_in(self, email: str, password: str, address: str) -> httpx.Response:
        """One attempt."""
        form = {"username": email, "password": password}
        headers = {"X-Forwarded-For": address}
        return await self._client.post(f"{next(self._turns)}/api/v1/auth/token", data=form, headers=headers)

    async def guesses(self, guesses: list[tuple[str, str]]) -> Counter[str]:
        """What (e-mail, address) got who try a wrong password until somebody looks at it or they are told to stop."""
        told: Counter[str] = Counter()
        ahead = iter(guesses)

        async def guess() -> None:
            for email, address in ahead:
                code = "busy"
                while code in NOT_LOOKED_AT:
                    answer = await self.sign_in(email, "a wrong password", address)
                    code = "signed in" if answer.status_code == 200 else answer.json()["code"]
                    told[code] += 1

        await asyncio.gather(*(guess() for _ in range(AT_ONCE)))
        return told

    async def livez_s(self, until: asyncio.Event) -> list[float]:
        """How long the servers took to say that they live, the longest last."""
        took = []
        while not until.is_set():
            began = time.monotonic()
            answer = await self._client.get(f"{next(self._turns)}/livez")
            took.append(time.monotonic() - began)
            assert answer.status_code == 200
            await asyncio.sleep(0.02)
        return sorted(took)

    async def insists(self, person: Person, address: str) -> float:
        """Seconds until somebody is in who knows the password and tries again as long as the servers are busy."""
        began = time.monotonic()
        while True:
            answer = await self.sign_in(person.user.email, PASSWORD, address)
            if answer.status_code == 200:
                return time.monotonic() - began
            assert answer.json()["code"] in NOT_LOOKED_AT, answer.text
            assert time.monotonic() - began < LONGEST_WAIT_S
            await asyncio.sleep(0.1)


async def test_a_flood_of_sign_ins_checks_few_passwords_and_stops_neither_good_people_nor_the_server(
    servers: list[str], anna: Person
) -> None:
    """One account from hundreds of addresses, and hundreds of accounts from one address, while Anna signs in."""
    began = time.monotonic()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:
        crowd, is_over = Crowd(client, servers), asyncio.Event()
        livez = asyncio.create_task(crowd.livez_s(is_over))
        one_account = [("victim@example.org", f"198.51.{n // 250}.{n % 250}") for n in range(ATTEMPTS)]
        one_address = [(f"somebody{n}@example.org", "203.0.113.7") for n in range(ATTEMPTS)]
        guesses = asyncio.create_task(crowd.guesses(one_account))
        sprayed = asyncio.create_task(crowd.guesses(one_address))
        waited_s = await crowd.insists(anna, "192.0.2.1")
        outcomes = [await guesses, await sprayed]
        is_over.set()
        took_s = await livez
    elapsed_s = time.monotonic() - began
    for outcome, limit in zip(outcomes, (throttle.ACCOUNT, throttle.ADDRESS), strict=True):
        assert outcome.keys() <= {"wrong_credentials", "too_many_attempts", *NOT_LOOKED_AT}
        # Each `wrong_credentials` is one password that was looked at; some of the burst drains while this runs.
        most = limit.burst + int(elapsed_s / limit.per_drop.total_seconds()) + 1
        assert limit.burst <= outcome["wrong_credentials"] <= most, outcome
        assert outcome["wrong_credentials"] + outcome["too_many_attempts"] == ATTEMPTS
    middle_s, slowest_s = took_s[len(took_s) // 2], took_s[-1]
    print(  # noqa: T201 - seen with `-s`
        f"{outcomes}; /livez {middle_s:.3f} s, {slowest_s:.2f} at most; Anna {waited_s:.1f} of {elapsed_s:.1f} s"
    )
    assert middle_s < LIVEZ_S


async def test_who_was_sent_away_because_of_others_has_not_used_up_a_try(
    client: httpx.AsyncClient, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_away(_work: Callable[[], object]) -> NoReturn:
        raise Busy(retry_after_s=1)

    form = {"username": anna.user.email, "password": PASSWORD}
    with monkeypatch.context() as full:
        full.setattr(passwords, "_in_thread", send_away)
        for _ in range(throttle.ADDRESS.burst + 1):
            answer = await client.post("/api/v1/auth/token", data=form)
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
            body = {"old_password": PASSWORD, "new_password": PASSWORD + "!"}
            answer = await client.post("/api/v1/me/password", json=body, headers=anna.headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 200
