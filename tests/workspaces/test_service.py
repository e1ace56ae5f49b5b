"""Memberships, and signing up as one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.people import PASSWORD, Clock, People, Person

from expenses.errors import NotFound
from expenses.workspaces import service

if TYPE_CHECKING:
    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def test_a_membership_tells_the_role_and_the_workspace(session: Session, anna: Person, people: People) -> None:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    found = await service.membership_of(session, user_id=ben.user.id, workspace_id=anna.workspace.id)
    assert (found.workspace, found.user_id, found.role) == (anna.workspace, ben.user.id, "member")


async def test_a_stranger_has_no_membership(session: Session, anna: Person, people: People) -> None:
    ben = await people.sign_up()
    for workspace_id in (anna.workspace.id, ben.user.id):
        with pytest.raises(NotFound):
            await service.membership_of(session, user_id=ben.user.id, workspace_id=workspace_id)


async def test_an_account_without_its_workspace_is_never_stored(session: Session, clock: Clock) -> None:
    await session.execute(text("ALTER TABLE membership ADD CHECK (role <> 'owner')"))
    with pytest.raises(Exception, match="membership_role_check1"):
        await service.sign_up(session, email="a@example.org", password=PASSWORD, display_name=None, now=clock())
    for table in ("user_account", "workspace", "membership"):
        assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 0
