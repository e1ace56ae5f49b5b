"""The rules among members, tried with any roster and any wish."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.errors import Forbidden, NotFound
from expenses.workspaces.model import MOST_MEMBERS, ROLES, LastOwner, Role, TooManyMembers
from expenses.workspaces.roster import Roster

IDS = [UUID(int=number) for number in range(5)]
STRANGER = UUID(int=99)

rosters = st.lists(st.sampled_from(ROLES), min_size=1, max_size=5).map(
    lambda roles: Roster(dict(zip(IDS, roles, strict=False)))
)


@given(rosters, st.data())
def test_whoever_goes_an_owner_remains(roster: Roster, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(roster.roles)))
    had_owner = "owner" in roster.roles.values()
    try:
        roster.check_owner_without(gone)
    except LastOwner:
        assert [role for who, role in roster.roles.items() if who != gone].count("owner") == 0
    else:
        assert not had_owner or "owner" in [role for who, role in roster.roles.items() if who != gone]


@given(rosters, st.data(), st.sampled_from(ROLES))
def test_no_gift_and_no_power_reach_above_the_giver(roster: Roster, data: st.DataObject, role: Role) -> None:
    by, over = (data.draw(st.sampled_from(sorted(roster.roles))) for _ in range(2))
    mine, theirs = ROLES.index(roster.roles[by]), ROLES.index(roster.roles[over])
    if ROLES.index(role) < mine:
        with pytest.raises(Forbidden):
            roster.check_gift(role, by=by)
    else:
        roster.check_gift(role, by=by)
    if by != over and mine > 0 and theirs <= mine:
        with pytest.raises(Forbidden):
            roster.check_power(over, by=by)
    else:
        roster.check_power(over, by=by)


def test_strangers_are_nobody() -> None:
    roster = Roster({IDS[0]: "owner"})
    with pytest.raises(NotFound):
        roster.check_power(STRANGER, by=IDS[0])
    with pytest.raises(NotFound):
        roster.check_gift("viewer", by=STRANGER)


def test_a_workspace_has_room_for_so_many() -> None:
    full = Roster({UUID(int=number): "member" for number in range(MOST_MEMBERS)})
    with pytest.raises(TooManyMembers):
        full.check_room()
