"""The doctor finds constraints that were left NOT VALID, each once, and says how to validate them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doctor_cases import PARTITIONED, findings, obey

if TYPE_CHECKING:
    from projects import Project


@pytest.fixture
def project(project: Project) -> Project:
    """A project whose one revision is not applied yet: nothing that the doctor would find."""
    project.add_table("a")
    return project


UNVALIDATED = (
    "CREATE TABLE p (id int PRIMARY KEY, v int); ALTER TABLE p ADD FOREIGN KEY (v) REFERENCES p NOT VALID",
    (
        f"{PARTITIONED}; ALTER TABLE part ADD PRIMARY KEY (id); CREATE TABLE t (v int); "
        "ALTER TABLE t ADD FOREIGN KEY (v) REFERENCES part NOT VALID"
    ),
    "CREATE TABLE t (v int); ALTER TABLE t ADD CONSTRAINT f NOT NULL v NOT VALID",
    'CREATE DOMAIN "D" AS int; ALTER DOMAIN "D" ADD CONSTRAINT f CHECK (VALUE > 0) NOT VALID',
    f"{PARTITIONED}; ALTER TABLE part ADD CONSTRAINT f CHECK (v > -1) NOT VALID",
    f"{PARTITIONED}; ALTER TABLE part ADD CONSTRAINT f NOT NULL v NOT VALID",
    (
        f"{PARTITIONED}; CREATE TABLE p AS SELECT generate_series(0, 4) AS id; ALTER TABLE p ADD PRIMARY KEY (id); "
        "ALTER TABLE part ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES p NOT VALID"
    ),
)
"""Foreign keys, NOT NULL, domains and checks, of plain tables and of partitioned ones."""


def test_each_kind_of_constraint_is_found_once_and_validated_by_the_printed_command(project: Project) -> None:
    for number, statement in enumerate(UNVALIDATED):
        project.query(f"CREATE SCHEMA s{number}; SET search_path = s{number}; {statement}")
    found = findings(project)
    assert [finding["kind"] for finding in found] == ["not_valid_constraint"] * len(UNVALIDATED)
    for finding in found:
        obey(project, finding)
    assert findings(project) == []


def test_a_constraint_that_is_not_enforced_on_purpose_is_no_damage(project: Project) -> None:
    project.query("CREATE TABLE t (v int CHECK (v > 0) NOT ENFORCED)")
    assert findings(project) == []
