"""Which version of a thing somebody has seen: a short text that is another one as soon as anything about it is. Pure.

For what has no number of its own (an expense has one). It is made from all that its readers are shown, so it needs no
column that every write would have to keep; why that is enough: docs/decisions/0031.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from expenses.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY: Final = "*"
"""In place of a version: whichever there is."""

_DIGITS: Final = 32
"""Hexadecimal ones, 128 bits: no two versions of a thing meet by chance."""


_COUNTED: Final = 9
"""Digits of the largest number of a version."""


def version_of(said: Mapping[str, object]) -> str:
    """The version of what says this, in JSON values."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def number_in(expected: str | None) -> int | None:
    """The expected version of what counts its versions; None when any will do.

    Raises:
        PreconditionFailed: It is no number that is counted to, so it cannot be the current one.
    """
    if expected in {None, ANY}:
        return None
    if not (expected.isascii() and expected.isdigit() and len(expected) <= _COUNTED):
        raise PreconditionFailed
    return int(expected)


def check_version(expected: str | None, said: Mapping[str, object]) -> None:
    """Refuse to change what is not as it was seen; nothing expected lets everything pass.

    Only behind the lock of the thing, with what was read behind it: else two who saw the same would both pass.

    Raises:
        PreconditionFailed: It says something else by now.
    """
    if expected not in {None, ANY} and expected != version_of(said):
        raise PreconditionFailed
