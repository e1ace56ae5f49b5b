"""`expenses load-rates` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.rates.test_ecb import SAMPLE
from tests.test_cli import expenses

if TYPE_CHECKING:
    from pathlib import Path

    from tests.people import Person


@pytest.mark.anyio
async def test_an_operator_loads_the_sample_and_a_bad_file_is_refused(
    anna: Person, database: str, tmp_path: Path
) -> None:
    home = str(anna.workspace.id)
    done = expenses("load-rates", str(SAMPLE), "--workspace", home, url=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Loaded 179 rates, 179 of them new or other than before.\n"
    bad = tmp_path / "bad.csv"
    bad.write_text("Date,USD\n2026-11-20,x\n")
    done = expenses("load-rates", str(bad), "--workspace", home, url=database)
    assert done.returncode == 1
    assert "error: Nothing was loaded. line 2: `x` under USD is not a rate\n\nhint: " in done.stderr
    done = expenses("load-rates", str(SAMPLE), "--workspace", str(uuid4()), url=database)
    assert (done.returncode, done.stderr.startswith("error: there is no workspace ")) == (64, True)
