"""Reading revision files without running them: what is literal is read, what is not is left to Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.errors import NotStatic, UsageError
from tidegate.project.configuration import read_project
from tidegate.project.exact import exact_graph
from tidegate.project.graph import Graph, Revision, read_graph, static_graph

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        'revision = "b"\ndown_revision = "a"\n',
        "revision: str = 'b'\ndown_revision: Union[str, None] = 'a'  # the first\n",
        'revision = "b"\ndown_revision = ("a",)\nphase = "expand"\n',
        'revision = "b"\ndown_revision = (\n    "a",\n)\n',
        '"""Title.\n\nrevision = "nonsense"\n"""\nrevision = "b"\ndown_revision = ["a"]\n',
    ],
)
def test_the_usual_ways_to_write_a_revision_are_read(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a", 'revision = "a"\ndown_revision = None\n')
    write(tmp_path, "b", text)
    graph = static_graph([str(tmp_path)])
    assert graph.heads == ("b",)
    assert graph["b"].parents == ("a",)


@pytest.mark.parametrize(
    "text",
    [
        'BASE = "a"\nrevision = "b"\ndown_revision = BASE\n',
        'revision = "b"\n',
        'down_revision = "a"\n',
        'revision = "b"\ndown_revision = "missing"\n',
        "this is not Python",
        'revision = "b"\ndown_revision = "a"\nif True:\n    revision = "c"\nrevision = "d"\n',
        'revision = "a"\ndown_revision = None\n',
        'revision = "b"\ndown_revision = "b"\n',
    ],
)
def test_whatever_is_not_literal_is_left_to_alembic(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a", 'revision = "a"\ndown_revision = None\n')
    write(tmp_path, "b", text)
    with pytest.raises(NotStatic):
        static_graph([str(tmp_path)])


def test_phases_are_read_and_unknown_ones_ignored(tmp_path: Path) -> None:
    write(tmp_path, "a", 'revision = "a"\ndown_revision = None\nphase = "contract"\n')
    write(tmp_path, "b", 'revision = "b"\ndown_revision = "a"\nphase = "whatever"\n')
    graph = static_graph([str(tmp_path)])
    assert (graph["a"].phase, graph["b"].phase) == ("contract", None)


def test_both_ways_of_reading_agree(project: Project) -> None:
    project.add_table("a")
    project.add("b", "pass", down="a", phase="expand")
    project.add("x", "pass", down="a")
    project.add("m", "pass", down=("b", "x"), phase="contract")
    read = read_project(str(project.folder / "alembic.ini"))
    static, exact = static_graph(read.version_folders()), exact_graph(read)
    assert static.heads == exact.heads == ("m",)
    assert [r._replace(path="") for r in static.pending(set())] == [r._replace(path="") for r in exact.pending(set())]


def test_a_computed_revision_is_understood_through_alembic(project: Project) -> None:
    project.add_table("a")
    path = project.add_table("b", down="a")
    path.write_text(path.read_text().replace("down_revision = 'a'", "down_revision = 'A'.lower()"))
    assert read_graph(read_project(str(project.folder / "alembic.ini"))).heads == ("b",)


def test_a_missing_parent_is_named(project: Project) -> None:
    project.add_table("b", down="gone")
    with pytest.raises(UsageError, match="gone"):
        read_graph(read_project(str(project.folder / "alembic.ini")))


def test_no_configuration_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no `.*alembic\.ini`"):
        read_project(str(tmp_path / "alembic.ini"))


def test_another_section_is_read_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[jobs]\nscript_location = jobs\nsqlalchemy.url = postgresql://h/d\n")
    project = read_project(str(tmp_path / "alembic.ini"), "jobs")
    assert project.sqlalchemy_url == "postgresql://h/d"
    with pytest.raises(UsageError, match=r"has no section `\[alembic\]`"):
        read_project(str(tmp_path / "alembic.ini"))


@pytest.mark.parametrize(
    "text",
    [
        (
            "revision = 'b'\ndown_revision = 'a'\n\ndef upgrade():\n"
            "    op.execute('''\nUPDATE jobs SET\nphase = 'contract'\n''')\n"
        ),
        '"""Title.\n\nphase = "contract"\ndepends_on = "x"\n"""\nrevision = "b"\ndown_revision = "a"\n',
        'revision = "b"\ndown_revision = "a"\n# phase = "contract"\n',
    ],
)
def test_what_only_looks_like_an_assignment_does_not_count(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a", 'revision = "a"\ndown_revision = None\n')
    write(tmp_path, "b", text)
    revision = static_graph([str(tmp_path)])["b"]
    assert (revision.phase, revision.needs) == (None, ("a",))


@pytest.mark.parametrize(
    "line",
    ['if True:\n    down_revision = "a"', 'down_revision += ("b",)', 'revision, down_revision = "b", "a"', "del phase"],
)
def test_names_that_are_bound_anew_are_left_to_alembic(tmp_path: Path, line: str) -> None:
    write(tmp_path, "a", 'revision = "a"\ndown_revision = None\n')
    write(tmp_path, "b", f'revision = "b"\ndown_revision = None\nphase = "expand"\n{line}\n')
    with pytest.raises(NotStatic):
        static_graph([str(tmp_path)])


def test_a_file_in_another_encoding_is_left_to_alembic(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes('# coding: latin-1\n# é\nrevision = "a"\ndown_revision = None\n'.encode("latin-1"))
    with pytest.raises(NotStatic):
        static_graph([str(tmp_path)])


def test_a_file_that_cannot_be_loaded_is_a_usage_error(project: Project) -> None:
    project.add_table("a").write_text("import nowhere_to_be_found\n")
    with pytest.raises(UsageError, match="nowhere_to_be_found"):
        read_graph(read_project(str(project.folder / "alembic.ini")))


def test_locations_in_pyproject_count_before_the_ini(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.add_table("a")
    more = project.folder / "more"
    more.mkdir()
    project.add_table("b", down="a").rename(more / "b.py")
    (project.folder / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
        'version_locations = ["%(here)s/migrations/versions", "%(here)s/more"]\n'
    )
    monkeypatch.chdir(project.folder)
    assert read_graph(read_project("alembic.ini")).heads == ("b",)
    for door in (("tidegate", "upgrade", "a"), ("alembic", "upgrade", "head")):
        result = project.run(*door)
        assert result.code == 0, result.err
    assert project.at() == ["b"]


def test_pyproject_may_be_named_and_its_locations_are_read_without_alembic(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.add_table("a")
    inner = project.folder / "migrations" / "versions" / "2027"
    inner.mkdir()
    project.add_table("b", down="a").rename(inner / "b.py")
    toml = project.folder / "pyproject.toml"
    toml.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\nrecursive_version_locations = true\n')
    (project.folder / "alembic.ini").unlink()
    assert static_graph(read_project(str(toml)).version_folders()).heads == ("b",)
    assert project.tidegate("upgrade", "--config", str(toml)).code == 0
    assert project.at() == ["b"]


def test_a_section_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[core]\nscript_location = core\n[billing]\nscript_location = billing\n")
    with pytest.raises(UsageError) as caught:
        read_project(str(tmp_path / "alembic.ini"), "jobs")
    assert "has no section `[jobs]`" in caught.value.render()
    assert "`core`, `billing`" in caught.value.render()


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("a", {"a"}),
        ("core@head", {"c2"}),
        ("c1@head", {"c2"}),
        ("jobs@heads", {"j1"}),
        ("none@head", None),
        ("long", {"longer"}),
        ("lon", None),
        ("+1", None),
        ("jobs@+1", None),
    ],
)
def test_a_target_means_what_alembic_takes_it_for(target: str, found: set[str] | None) -> None:
    graph = Graph(
        [
            Revision("a", ()),
            Revision("c1", ("a",), labels=("core",)),
            Revision("c2", ("c1",)),
            Revision("j1", ("a",), labels=("jobs",)),
            Revision("longer", ("a",)),
        ]
    )
    assert graph.resolve(target) == found


def test_an_ini_that_cannot_be_read_shows_none_of_its_values(tmp_path: Path) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = x\nsqlalchemy.url = postgresql://u:geheim@%(HOST)s/d\n")
    assert read_project(str(ini)).sqlalchemy_url is None
    ini.write_text("sqlalchemy.url = postgresql://u:geheim@h/d\n")
    with pytest.raises(UsageError) as caught:
        read_project(str(ini))
    assert "geheim" not in caught.value.render()
