"""What was changed about an expense, in words that people read. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expenses.history.model import differences
from expenses.web.figures import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

    from expenses.audit.model import AuditEvent

_LABELS: Final = {
    "spent_on": "Day",
    "amount": "Amount",
    "merchant": "Where",
    "category_id": "Category",
    "note": "Note",
    "tags": "Tags",
    "payer_id": "Who paid",
    "account_id": "Paid from",
    "lines": "Consists of",
    "split": "Divided",
    "shares": "Who bears what",
    "converted": "Converted",
}

_DEEDS: Final = {
    "create": "wrote it down",
    "change": "changed it",
    "delete": "put it into the trash",
    "restore": "took it out of the trash",
    "purge": "deleted it for ever",
    "convert": "had it converted",
}


@dataclass(frozen=True, slots=True)
class ToldDifference:
    """One field, as it was and as it is since; empty where there was nothing."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ToldChange:
    """Who did what when."""

    who: str
    deed: str
    at: datetime
    differences: list[ToldDifference]


@dataclass(frozen=True, slots=True)
class Names:
    """What ids stand for, by their text."""

    people: Mapping[str, str]
    categories: Mapping[str, str]
    accounts: Mapping[str, str]

    def person(self, user_id: object) -> str:
        """Somebody's name."""
        return self.people.get(str(user_id), "Somebody who left")

    def category(self, category_id: object) -> str:
        """A category's name."""
        return self.categories.get(str(category_id), "") if category_id else "Uncategorised"


def told(event: AuditEvent, *, names: Names, zone: tzinfo) -> ToldChange:
    """The change as its page tells it. What stayed empty is left out."""
    found = [
        ToldDifference(
            _LABELS.get(each.field, each.field),
            _text(each.field, each.before, names),
            _text(each.field, each.after, names),
        )
        for each in differences(event)
    ]
    who = names.person(event.actor_id) if event.actor_id else "The service"
    deed = _DEEDS.get(event.action, event.action)
    return ToldChange(who, deed, event.at.astimezone(zone), [each for each in found if each.before != each.after])


def _text(field: str, value: Any, names: Names) -> str:  # noqa: ANN401 - whatever JSON a field ever had
    tell = _TELLERS.get(field)
    if not value:
        return ""
    try:
        return tell(value, names) if tell else str(value)
    except (KeyError, TypeError):  # the record is for good: an older version may have written it otherwise
        return str(value)


def _money(value: Mapping[str, Any]) -> str:
    return f"{grouped(value['value'])} {value['currency']}"


def _split(value: Mapping[str, Any], names: Names) -> str:
    if value["mode"] == "even":
        return "evenly among " + ", ".join(map(names.person, value["among"]))
    if value["mode"] == "weights":
        return ", ".join(f"{names.person(each['user_id'])} with weight {each['weight']}" for each in value["weights"])
    return _shares(value["shares"], names)


def _shares(value: list[Mapping[str, Any]], names: Names) -> str:
    return ", ".join(f"{names.person(each['user_id'])} {grouped(each['value'])}" for each in value)


_TELLERS: Final[dict[str, Callable[[Any, Names], str]]] = {
    "amount": lambda value, _: _money(value),
    "category_id": lambda value, names: names.category(value),
    "tags": lambda value, _: ", ".join(value),
    "payer_id": lambda value, names: names.person(value),
    "account_id": lambda value, names: names.accounts.get(value, ""),
    "lines": lambda value, names: ", ".join(
        f"{names.category(each['category_id'])} {grouped(each['value'])}" for each in value
    ),
    "split": _split,
    "shares": _shares,
    "converted": lambda value, _: f"{_money(value['amount'])} at {value['rate']} of {value['on']}",
}
