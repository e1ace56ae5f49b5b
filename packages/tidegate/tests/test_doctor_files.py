"""The files against the record: what was edited, removed or never known; and what a role that only reads is told."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import alembic
import pytest
from conftest import execute, new_project
from doctor_cases import findings, kinds, mended_by_its_own_command, only

from tidegate.commands.doctor import doctor
from tidegate.doctor.finding import KINDS
from tidegate.errors import DatabaseRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projects import Project
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case
    from tools.postgres import Cluster

    from tidegate.doctor.finding import Finding

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def applied(servers: Callable[[str], Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with revisions a, b and c, all of them applied, that nobody changes: `abc` is its copy."""
    with new_project(servers("embedded"), tmp_path_factory.mktemp("applied")) as project:
        project.add_table("a")
        project.add("b", "pass", down="a", phase="expand")
        project.add("c", "pass", down="b")
        assert project.tidegate("upgrade", TIDEGATE_APP_VERSION="1.2.3").code == 0
        assert findings(project) == []
        yield project


@pytest.fixture
def abc(applied: Project, project: Project) -> Project:
    """A project with revisions a, b and c, all of them applied."""
    server, copy = project.url.rsplit("/", 1)
    execute(f"{server}/postgres", f"DROP DATABASE {copy}")
    execute(f"{server}/postgres", f"CREATE DATABASE {copy} TEMPLATE {applied.url.rsplit('/', 1)[1]}")
    shutil.copytree(applied.folder, project.folder, dirs_exist_ok=True)
    return project


def test_an_edited_file_is_damage_until_it_is_accepted(abc: Project) -> None:
    path = abc.folder / "migrations" / "versions" / "b.py"
    path.write_text(path.read_text() + "\n# a comment\n")
    finding = mended_by_its_own_command(abc, "edited_file")
    assert finding["commands"] == ["tidegate doctor --accept b"]
    assert "by run 1 (" in finding["what"]
    assert "version 1.2.3" in finding["what"]
    assert findings(abc) == []
    assert abc.query("SELECT command FROM tidegate.run ORDER BY id DESC LIMIT 1") == [("tidegate doctor --accept b",)]


def test_a_file_that_is_not_accepted_stays_damage_when_the_rest_is_fixed(abc: Project) -> None:
    path = abc.folder / "migrations" / "versions" / "b.py"
    path.write_text(path.read_text() + "\n# a comment\n")
    result = abc.tidegate("doctor", "--fix")
    assert result.code == 15
    assert "tidegate doctor --accept b" in result.out


def test_other_line_endings_are_a_note_that_is_accepted_too(abc: Project) -> None:
    path = abc.folder / "migrations" / "versions" / "b.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    finding = mended_by_its_own_command(abc, "line_endings")
    assert not finding["is_damage"]


def test_only_what_is_on_record_and_in_a_file_can_be_accepted(abc: Project) -> None:
    unknown = abc.tidegate("doctor", "--accept", "zz")
    assert (unknown.code, "not on record" in unknown.err) == (64, True)
    (abc.folder / "migrations" / "versions" / "c.py").unlink()
    assert abc.tidegate("doctor", "--accept", "c").code == 64


def test_a_revision_that_was_squashed_away_is_missing_until_its_child_is_accepted(abc: Project) -> None:
    (abc.folder / "migrations" / "versions" / "b.py").unlink()
    abc.add("c", "pass", down="a")
    assert kinds(abc) == ["missing_file", "edited_file"]
    assert "its parent was `b` and is `a`" in only(abc, "edited_file")["what"]
    mended_by_its_own_command(abc, "missing_file")
    assert findings(abc) == []


def test_a_file_that_others_build_on_is_missing_with_who_applied_it(abc: Project) -> None:
    (abc.folder / "migrations" / "versions" / "b.py").unlink()
    finding = only(abc, "missing_file")
    assert "a parent that is in no file" in finding["what"]
    assert "applied" in finding["what"]
    assert "git log" in finding["hint"]


def test_files_that_cannot_be_loaded_do_not_keep_the_rest_from_being_examined(abc: Project) -> None:
    (abc.folder / "migrations" / "versions" / "d.py").write_text("not python")
    abc.query("ALTER TABLE t_a ADD CHECK (id > 0) NOT VALID")
    assert kinds(abc) == ["unreadable_files", "not_valid_constraint"]


def test_several_heads_are_merged_by_the_printed_command(abc: Project) -> None:
    abc.add("x", "pass", down="b")
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    shutil.copy(template, abc.folder / "migrations")
    mended_by_its_own_command(abc, "several_heads")


def test_an_unknown_revision_may_be_stamped_where_the_record_knows_a_place_in_the_code(abc: Project) -> None:
    abc.query("UPDATE alembic_version SET version_num = 'ffff'")
    finding = mended_by_its_own_command(abc, "unknown_revision")
    assert finding["commands"] == ["alembic stamp --purge c"]
    assert "only if the schema is what `c` left" in finding["then"]
    assert findings(abc) == []


def test_an_unknown_revision_without_a_record_gets_no_stamp(project: Project) -> None:
    project.add_table("a")
    project.query("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('ffff')")
    finding = only(project, "unknown_revision")
    assert finding["commands"] == []
    assert "git log --all -S ffff" in finding["hint"]


def test_an_unknown_revision_is_not_stamped_where_the_record_ends_in_a_newer_version(abc: Project) -> None:
    abc.query("UPDATE alembic_version SET version_num = 'ffff'")
    (abc.folder / "migrations" / "versions" / "c.py").unlink()
    finding = only(abc, "unknown_revision")
    assert finding["commands"] == []
    assert "the last on record is `c`" in finding["what"]


def test_a_newer_revision_is_a_note_that_names_the_version_to_start(abc: Project) -> None:
    (abc.folder / "migrations" / "versions" / "c.py").unlink()
    finding = only(abc, "newer_revision")
    assert not finding["is_damage"]
    assert "version 1.2.3" in finding["what"]


def test_what_plain_alembic_applied_is_a_note(project: Project) -> None:
    project.write_env(guard=False)
    project.add_table("a")
    assert project.run("alembic", "upgrade", "head").code == 0
    assert kinds(project) == ["unrecorded_revision"]


def test_a_revision_that_was_taken_back_is_not_compared(abc: Project) -> None:
    assert abc.tidegate("downgrade", "b", "--yes").code == 0
    abc.add("c", "op.execute('SELECT 1')", down="b")
    assert findings(abc) == []
    abc.write_env(guard=False)
    assert abc.run("alembic", "upgrade", "head").code == 0
    assert kinds(abc) == ["unrecorded_revision"]


def test_the_printed_command_names_the_same_configuration_file(abc: Project) -> None:
    (abc.folder / "deploy").mkdir()
    text = (abc.folder / "alembic.ini").read_text().replace("%(here)s", str(abc.folder))
    (abc.folder / "deploy" / "my alembic.ini").write_text(text)
    abc.add("b", "op.execute('SELECT 1')", down="a")
    result = abc.tidegate("doctor", "-c", "deploy/my alembic.ini", "--format", "json")
    assert result.json()["findings"][0]["commands"] == ["tidegate doctor --accept b -c 'deploy/my alembic.ini'"]


def test_status_shows_the_same_damage_and_no_notes(abc: Project) -> None:
    abc.add("b", "op.execute('SELECT 1')", down="a")
    abc.query("CREATE TABLE part (id int) PARTITION BY RANGE (id); CREATE TABLE plain (id int)")
    abc.query("ALTER TABLE plain ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    damage = abc.tidegate("status", "--format", "json").json()["damage"]
    assert damage == findings(abc)
    assert [found["kind"] for found in damage] == ["edited_file", "not_valid_constraint"]


def test_a_role_that_may_only_read_some_is_told_what_it_cannot_see(abc: Project) -> None:
    abc.query("ALTER TABLE t_a ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    abc.query("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    full, limited = abc.url, abc.url.replace("postgres@", "reader@")
    with abc.connection():
        abc.url = limited
        found = findings(abc)
        assert {finding["kind"] for finding in found} == {"not_visible", "not_valid_constraint"}
        notes = [finding for finding in found if finding["kind"] == "not_visible"]
        for hidden in ("alembic_version", "session(s) of other roles", "for table run"):
            assert any(hidden in note["what"] for note in notes)
        grants = [command for note in notes for command in note["commands"]]
        abc.url = full
        for grant in grants:
            abc.query(grant)
        abc.url = limited
        assert kinds(abc) == ["not_valid_constraint"]
        refused = abc.tidegate("doctor", "--fix", "--format", "json")
        assert refused.code == 15
        assert "must be owner" in refused.json()["not_mended"][0]["error"]
    abc.url = full
    abc.query("DROP OWNED BY reader; DROP ROLE reader")


def test_without_fix_the_server_itself_keeps_the_doctor_from_writing(
    abc: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(connection: Connection) -> list[Finding]:
        connection.cursor().execute("UPDATE alembic_version SET version_num = 'a'")
        return []

    monkeypatch.setattr("tidegate.doctor.objects.invalid_indexes", careless)
    with pytest.raises(DatabaseRefused, match="read-only transaction"):
        findings(abc)
    assert abc.at() == ["c"]


def test_an_id_that_means_something_to_a_shell_is_quoted(project: Project) -> None:
    id_ = "a $(touch owned)"
    text = f"revision = {id_!r}\ndown_revision = None\ndef upgrade(): pass\n"
    path = project.add("a", "pass")
    path.write_text(text)
    assert project.tidegate("upgrade").code == 0
    path.write_text(text.replace("pass", "..."))
    finding = mended_by_its_own_command(project, "edited_file")
    assert shlex.split(finding["commands"][0])[-1] == id_
    assert not (project.folder / "owned").exists()


def test_the_page_for_operators_lists_every_kind_as_the_code_has_it() -> None:
    page = Path(__file__).parent.parent / "docs" / "doctor.md"
    if not page.exists():
        pytest.skip("the wheel carries no docs")
    rows = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| `")]
    listed = {row[0].strip("| `"): (row[1], row[2], row[3].strip(" |")) for row in rows}
    assert listed == {
        name: (kind.why, "damage" if kind.is_damage else "note", "yes" if kind.is_fixable else "")
        for name, kind in KINDS.items()
    }
    for option in doctor.params:
        if option.opts[0] in {"--fix", "--accept", "--dry-run", "--older-than"}:
            assert option.opts[0] in page.read_text()
