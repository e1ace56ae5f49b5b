"""The README says what the code does: verbs, states, exit codes, variables."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from tidegate import commands, errors, target
from tidegate.order import VARIABLE as WORKER_VARIABLE
from tidegate.start import HEALTH_PORT_VARIABLE
from tidegate.state import EXIT_CODES, MEANING
from tidegate.switch import VARIABLE as SWITCH
from tidegate.url import VARIABLES
from tidegate.version import VARIABLE as VERSION


@pytest.fixture(scope="module")
def readme() -> str:
    """The README in the tree, or else as the wheel carries it."""
    in_tree = Path(__file__).parent.parent / "README.md"
    return in_tree.read_text() if in_tree.exists() else str(metadata.metadata("tidegate").json["description"])


def test_every_verb_is_listed_and_no_other(readme: str) -> None:
    listed = set(re.findall(r"^\| `tidegate (\w+)", readme, re.MULTILINE))
    assert listed == set(commands.tidegate.commands)


def test_every_state_is_listed_with_its_meaning_and_exit_code(readme: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\d+) \|", readme, re.MULTILINE)
    assert {state: (meaning.strip(), int(code)) for state, meaning, code in rows} == {
        state: (MEANING[state], code) for state, code in EXIT_CODES.items()
    }


def test_every_error_has_its_exit_code_listed(readme: str) -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.TidegateError]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.TidegateError)} - {1}
    assert listed == codes


def test_every_variable_is_listed_with_its_default(readme: str) -> None:
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \| ?`?([^|`]*)[^|]*\|$", readme, re.MULTILINE))
    assert set(listed) == {
        SWITCH,
        VARIABLES[0],
        target.CONFIG_VARIABLE,
        target.WAIT_FOR_DB_VARIABLE,
        target.LOCK_WAIT_VARIABLE,
        target.BEFORE_VARIABLE,
        target.BEFORE_TIMEOUT_VARIABLE,
        HEALTH_PORT_VARIABLE,
        target.YES_VARIABLE,
        VERSION,
    }
    assert listed[target.CONFIG_VARIABLE].strip() == target.DEFAULT_CONFIG
    assert listed[target.WAIT_FOR_DB_VARIABLE].strip() == target.DEFAULT_WAIT_FOR_DB
    assert listed[target.LOCK_WAIT_VARIABLE].strip() == target.DEFAULT_LOCK_WAIT
    assert listed[target.BEFORE_TIMEOUT_VARIABLE].strip() == target.DEFAULT_BEFORE_TIMEOUT
    assert WORKER_VARIABLE not in readme
