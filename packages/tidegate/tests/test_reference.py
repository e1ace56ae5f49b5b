"""The reference is what the code says. It is made by `make reference`; this only compares."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest
from tools import reference

import tidegate
from tidegate.project import env_graph
from tidegate.run import order

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep


def test_the_reference_is_what_the_code_says(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = reference.page(tmp_path_factory.mktemp("reference"), project.url)
    assert reference.PAGE.read_text() == made, "stale: `make reference` writes it anew"


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    page = reference.PAGE.read_text()
    named = {
        value
        for module in pkgutil.walk_packages(tidegate.__path__, "tidegate.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if name.endswith("VARIABLE") and isinstance(value, str)
    } - {env_graph.VARIABLE, order.VARIABLE}  # between our own processes
    assert len(named) > 10
    assert [name for name in sorted(named) if f"| `{name}` |" not in page] == []


def test_every_public_name_is_in_the_reference() -> None:
    page = reference.PAGE.read_text()
    assert [name for name in tidegate.__all__ if name not in page] == []
