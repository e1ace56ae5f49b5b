"""Somebody with an authenticator app."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.people import PASSWORD

from expenses.accounts import totp

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, Person

FACTOR = "/api/v1/me/second-factor"


@dataclass(frozen=True)
class Phone:
    """An app that knows the secret of one account."""

    secret: bytes
    clock: Clock
    recovery_codes: list[str]

    def code(self) -> str:
        """What it shows now."""
        return totp.code_of(self.secret, totp.step_of(self.clock()))

    def next_code(self) -> str:
        """What it shows after the present code has gone; waits until then."""
        self.clock.turn(timedelta(seconds=totp.STEP_S))
        return self.code()

    def wrong_code(self) -> str:
        """One that is not right now."""
        near = {totp.code_of(self.secret, totp.step_of(self.clock()) + step) for step in (-1, 0, 1)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


async def set_up(client: httpx.AsyncClient, person: Person, clock: Clock) -> Phone:
    """Turn somebody's second factor on."""
    begun = await client.post(FACTOR, json={"password": PASSWORD}, headers=person.headers)
    assert begun.status_code == 201, begun.text
    phone = Phone(base64.b32decode(begun.json()["secret"]), clock, [])
    enabled = await client.post(f"{FACTOR}/enable", json={"code": phone.code()}, headers=person.headers)
    assert enabled.status_code == 200, enabled.text
    phone.recovery_codes.extend(enabled.json()["recovery_codes"])
    return phone
