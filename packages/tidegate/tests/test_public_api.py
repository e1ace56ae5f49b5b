"""What `import tidegate` offers: all of it typed, all of it late."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tidegate

HERE = Path(__file__).parent


def best_of(times: int, code: str) -> float:
    """Seconds that a Python needs from its start to its end."""

    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    return min(once() for _ in range(times))


@pytest.mark.alone
def test_importing_tidegate_takes_less_than_30_ms() -> None:
    assert best_of(9, "import tidegate") - best_of(9, "pass") < 0.030


@pytest.mark.parametrize("name", tidegate.__all__)
def test_no_name_loads_sqlalchemy_alembic_or_click(name: str) -> None:
    heavy = "{'alembic', 'sqlalchemy', 'click', 'asyncio'}" if name != "guard" else "set()"
    code = f"import sys, tidegate; tidegate.{name}; sys.exit(str({heavy} & set(sys.modules) or '') or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(tidegate.__file__).parent / "py.typed").exists()


def test_every_public_name_is_used_in_the_file_that_the_type_checker_reads() -> None:
    tree = ast.parse((HERE / "public_api.py").read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert [name for name in tidegate.__all__ if name not in used] == []


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute `downgrade`"):
        tidegate.downgrade  # type: ignore[attr-defined]  # noqa: B018 - asking for it is the test
