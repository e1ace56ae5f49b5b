"""Every state of the contract, judged from the graph, the version table and the record."""

from __future__ import annotations

import pytest

from tidegate.project.graph import Graph, Revision
from tidegate.report.state import EXIT_CODES, judge


def chain(*ids: str, phases: dict[str, str] | None = None) -> list[Revision]:
    parents = [(), *((id_,) for id_ in ids)]
    return [Revision(id_, parents[n], phase=(phases or {}).get(id_)) for n, id_ in enumerate(ids)]


def record(*revisions: Revision) -> dict[str, Revision]:
    return {revision.id: revision for revision in revisions}


CODE = Graph(chain("a", "b", "c"))


def test_at_the_head_is_current_and_serves() -> None:
    seen = judge(CODE, ["c"], {})
    assert (seen.state, seen.may_serve, seen.exit_code) == ("current", True, 0)


def test_pending_revisions_are_behind_and_do_not_serve() -> None:
    seen = judge(CODE, ["a"], {})
    assert (seen.state, seen.may_serve, seen.exit_code) == ("behind", False, 3)
    assert [revision.id for revision in seen.pending] == ["b", "c"]


def test_behind_by_contract_revisions_only_serves() -> None:
    code = Graph(chain("a", "b", "c", phases={"b": "contract", "c": "contract"}))
    assert judge(code, ["a"], {}).may_serve


def test_behind_by_one_that_is_not_contract_does_not_serve() -> None:
    code = Graph(chain("a", "b", "c", phases={"b": "contract", "c": "expand"}))
    assert not judge(code, ["a"], {}).may_serve


@pytest.mark.parametrize("phase", ["expand", "backfill", None])
def test_newer_and_compatible_is_ahead_and_serves(phase: str | None) -> None:
    seen = judge(CODE, ["d"], record(Revision("d", ("c",), phase=phase)))
    assert (seen.state, seen.may_serve, seen.exit_code) == ("ahead", True, 4)


def test_newer_with_a_contract_revision_is_incompatible() -> None:
    newer = record(Revision("d", ("c",), phase="contract"), Revision("e", ("d",), phase="expand"))
    seen = judge(CODE, ["e"], newer)
    assert (seen.state, seen.may_serve, seen.exit_code) == ("incompatible", False, 5)
    assert "`d`" in seen.reason


def test_several_heads_in_the_code_are_diverged() -> None:
    code = Graph([*chain("a", "b"), Revision("x", ("a",))])
    assert (judge(code, ["a"], {}).state, EXIT_CODES["diverged"]) == ("diverged", 6)


def test_several_labelled_branches_are_what_their_authors_want() -> None:
    code = Graph([Revision("a", (), labels=("app",)), Revision("x", (), labels=("jobs",))])
    assert judge(code, ["a", "x"], {}).state == "current"
    assert judge(code, ["a"], {}).state == "behind"


def test_a_database_on_another_branch_is_diverged() -> None:
    seen = judge(CODE, ["y"], record(Revision("y", ("b",))))
    assert (seen.state, seen.may_serve) == ("diverged", False)


def test_never_migrated_is_empty() -> None:
    seen = judge(CODE, [], {})
    assert (seen.state, seen.may_serve, seen.exit_code) == ("empty", False, 7)


def test_a_revision_nobody_knows_is_unknown() -> None:
    seen = judge(CODE, ["ffff"], {})
    assert (seen.state, seen.may_serve, seen.exit_code) == ("unknown", False, 8)


def test_a_gap_in_the_record_is_unknown_and_not_ahead() -> None:
    assert judge(CODE, ["e"], record(Revision("e", ("d",)))).state == "unknown"


def test_dependencies_count_as_applied() -> None:
    code = Graph([Revision("a", ()), Revision("b", (), depends_on=("a",), labels=("b",))])
    assert judge(code, ["b"], {}).pending == ()
