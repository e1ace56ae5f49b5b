"""Passwords that cost little, for tests about what stands behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from expenses.accounts import passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Real argon2id with the least costs that it allows; `test_passwords` and `test_api` pay the full ones."""
    monkeypatch.setattr(passwords, "HASHER", CHEAP)
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._nobodys_hash.cache_clear()
