"""Hashing and checking passwords, off the event loop and a few at a time.

argon2id with the second choice of RFC 9106 (64 MiB, 3 passes, 4 lanes), which is what pwdlib does by default; one
hash takes 0.1 to 0.2 s of a core. Two at once are as fast as two cores allow and use 128 MiB. The others wait, each
with its request's database connection, so only a few may: whoever comes then is told to come back (`Busy`) rather
than let a flood of sign-ins take the connections of everybody else.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from expenses.accounts.model import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

AT_ONCE = 2
"""Passwords hashed at the same time in one process; each takes 64 MiB."""

IN_LINE = 6
"""Passwords that may wait for their turn in one process: at most half a second, and 8 of 10 database connections."""

HASHER = PasswordHash((Argon2Hasher(time_cost=3, memory_cost=64 * 1024, parallelism=4),))
"""Makes new hashes and checks old ones; after a change of the costs, old ones are made anew at the next sign-in."""

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
_places = threading.BoundedSemaphore(AT_ONCE + IN_LINE)


async def hash_password(password: str) -> str:
    """The argon2id hash to store.

    Raises:
        Busy: Too many are waiting already.
    """
    return await _in_thread(functools.partial(HASHER.hash, _normalised(password)))


async def verify_password(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    """Whether the password is the right one, and a better hash to store if the stored one is out of date.

    Without a hash (nobody has this e-mail address) it does the same work against one that nothing matches.

    Raises:
        Busy: Too many are waiting already.
    """
    verify = functools.partial(_verify, _normalised(password), password_hash)
    return await _in_thread(verify)


def _verify(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    nobodys_hash = _nobodys_hash()  # made before the cases part: whoever is first pays for it, known or unknown
    if password_hash is None:
        HASHER.verify(password, nobodys_hash)
        return False, None
    return HASHER.verify_and_update(password, password_hash)


@functools.cache
def _nobodys_hash() -> str:
    return HASHER.hash("nobody has this password: it is never compared with success")


def _normalised(password: str) -> str:
    # The same characters arrive composed from one keyboard and decomposed from another (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", password)


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    if not _places.acquire(blocking=False):
        raise Busy(retry_after_s=1)
    future = _threads.submit(work)
    future.add_done_callback(lambda _: _places.release())
    return await asyncio.wrap_future(future)
