"""What a revision has sent so far: what of it is committed, and whether it may be repeated from its beginning."""

from __future__ import annotations

from typing import NamedTuple


class Sent(NamedTuple):
    """A statement that the server carried out."""

    sql: str
    is_repeatable: bool
    """Whether carrying it out once more does no harm and is no error."""


class Trace:
    """The statements of one revision in one attempt."""

    def __init__(self) -> None:
        self.committed: list[Sent] = []
        self._open: list[Sent] = []
        self._sending: Sent | None = None

    def sending(self, sql: str, *, is_repeatable: bool) -> None:
        """It is on its way."""
        self._sending = Sent(sql, is_repeatable)

    def executed(self, *, autocommit: bool, on_record: bool = False) -> None:
        """It succeeded. What is on record is left out when the revision begins anew."""
        if self._sending is not None:
            (self.committed if autocommit else self._open).append(_known(self._sending, on_record=on_record))
            self._sending = None

    def commit(self, *, on_record: bool = False) -> None:
        """What was open stays."""
        self.committed += [_known(sent, on_record=on_record) for sent in self._open]
        self._open.clear()

    @property
    def can_be_repeated(self) -> bool:
        """Whether the revision may begin anew: what stays of it may happen twice."""
        return all(sent.is_repeatable for sent in self.committed)

    @property
    def unrepeatable(self) -> list[Sent]:
        """What of it is committed and must not happen twice."""
        return [sent for sent in self.committed if not sent.is_repeatable]


def _known(sent: Sent, *, on_record: bool) -> Sent:
    return sent._replace(is_repeatable=sent.is_repeatable or on_record)
