"""Slows down whoever tries passwords, in the database, so that all replicas count together.

One leaky bucket for each account name and each address (a generic cell rate algorithm: ITU-T I.371, annex A). Every
attempt pours one drop in *before* the password is looked at, so that a hundred at once are a hundred; a bucket that
would run over refuses it. Buckets drain by themselves: nobody has to unlock anything. A successful sign-in empties
the account's bucket and takes its own drop back from the address's, so people who know their passwords are never
slowed down by their number. Known limit: who guesses at an account without pause, from many addresses, keeps its
owner from signing in anew for as long; whoever is signed in notices nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from expenses.accounts import throttle_queries as queries
from expenses.accounts.model import TooManyAttempts

if TYPE_CHECKING:
    from datetime import datetime

    from expenses.db import Session


@dataclass(frozen=True, slots=True)
class Limit:
    """How many attempts at once, and how long until one of them is forgotten."""

    what: str
    burst: int
    per_drop: timedelta


ACCOUNT = Limit("account", burst=10, per_drop=timedelta(minutes=1))
"""Wrong passwords for one e-mail address, whether it has an account or not: at most 1,450 guesses a day."""

ADDRESS = Limit("address", burst=50, per_drop=timedelta(seconds=15))
"""Wrong passwords from one address. Wide enough for an office behind one router."""

REGISTRATION = Limit("registration", burst=50, per_drop=timedelta(minutes=1))
"""Registrations from one address, each of which tells whether an e-mail address is taken and costs one hash."""

SECOND_FACTOR = Limit("second factor", burst=5, per_drop=timedelta(minutes=5))
"""Wrong codes for one account by people who know its password: 293 a day, of which one in 1,100 finds a right one."""

NEW_EMAIL = Limit("new e-mail", burst=10, per_drop=timedelta(minutes=10))
"""New addresses for one account, each of which tells whether somebody has it."""

_FORGOTTEN_AT_ONCE = 1000


async def count_attempt(session: Session, *, limit: Limit, subject: str, now: datetime) -> None:
    """Count one attempt. Outside of any transaction: it counts even if the request fails.

    Raises:
        TooManyAttempts: There were too many; carries how long to wait. The refused attempt itself is not counted.
    """
    key = _key(limit, subject)
    full_at = now + (limit.burst - 1) * limit.per_drop
    if await queries.pour_drop(session, subject_hash=key, per_drop=limit.per_drop, full_at=full_at, now=now):
        return
    drained_at = await queries.bucket_drained_at(session, subject_hash=key)
    wait = drained_at - full_at if drained_at else timedelta(0)
    raise TooManyAttempts(retry_after_s=max(1, math.ceil(wait.total_seconds())))


async def forgive_attempt(session: Session, *, limit: Limit, subject: str) -> None:
    """Take one counted attempt back."""
    await queries.take_drop_back(session, subject_hash=_key(limit, subject), per_drop=limit.per_drop)


async def forgive_all(session: Session, *, limit: Limit, subject: str, now: datetime) -> None:
    """Take all counted attempts back, and clear away some buckets, of anybody, that have drained."""
    await queries.empty_bucket(session, subject_hash=_key(limit, subject))
    await queries.forget_drained_buckets(session, now=now, at_most=_FORGOTTEN_AT_ONCE)


def _key(limit: Limit, subject: str) -> bytes:
    return hashlib.sha256(f"{limit.what}:{subject}".encode("utf-8", "replace")).digest()


def network_of(client_address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 subscriber gets."""
    try:
        address = ipaddress.ip_address(client_address or "")
    except ValueError:
        return client_address or "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
