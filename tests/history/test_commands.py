"""`expenses verify` on the command line: what an operator's timer and eyes get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.history.test_verification import tamper
from tests.ledger.recording import record
from tests.test_cli import expenses

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio


async def test_what_holds_is_sealed_and_what_does_not_is_named_with_the_next_step(
    client: httpx.AsyncClient, anna: Person, database: str, tmp_path: Path
) -> None:
    expense = await record(client, anna)
    done = expenses("verify", "--seal", url=database)
    assert (done.returncode, done.stderr) == (0, "")
    first, seal, last = done.stdout.splitlines()
    assert first == f"workspace {anna.workspace.id}: 1 events about 1 things"
    assert seal.startswith(f"seal {anna.workspace.id} 1 ")
    assert last == "Nothing is wrong: 1 events in 1 workspaces."
    kept = tmp_path / "seals.txt"
    kept.write_text(done.stdout)
    tamper(database, "UPDATE audit_event SET request_id = 'x'")
    done = expenses("verify", "--kept", str(kept), "--format", "json", url=database)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the record of changes is broken in 1 place\n\nhint: ")
    said = json.loads(done.stdout)
    assert said["is_intact"] is False
    (fault,) = said["workspaces"][0]["faults"]
    assert (fault["kind"], fault["entity_id"]) == ("content", expense["id"])
    assert "backup" in fault["next"]


def test_a_file_of_kept_seals_that_cannot_be_read_is_refused(database: str, tmp_path: Path) -> None:
    kept = tmp_path / "seals.txt"
    kept.write_text("some other line\nseal nonsense\n")
    done = expenses("verify", "--kept", str(kept), url=database)
    assert done.returncode == 64
    assert done.stderr.startswith(f"error: line 2 of `{kept}` is not a seal\n\nhint: ")


async def test_sums_that_are_wrong_are_named_and_mended(client: httpx.AsyncClient, anna: Person, database: str) -> None:
    await record(client, anna)
    month = f"{anna.url}/reports/monthly?month=2026-11"
    right = (await client.get(month, headers=anna.headers)).json()
    tamper(database, "UPDATE day_sum SET minor = minor - 500")
    done = expenses("verify", url=database)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the sums are not those of the ledger in 1 place\n\nhint: ")
    assert (
        "broken (sum): the sums lack 500 minor units of EUR and 0 in number, of what was spent on 2026-11-22"
        in done.stdout
    )
    assert "next: count anew: `expenses verify --mend-sums`" in done.stdout
    done = expenses("verify", "--mend-sums", url=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mended 1 sums\n" in done.stdout
    assert (await client.get(month, headers=anna.headers)).json() == right
