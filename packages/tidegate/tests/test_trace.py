"""What a revision has committed so far decides whether it may begin anew."""

from __future__ import annotations

from tidegate.worker.trace import Sent, Trace


def sent(
    trace: Trace, sql: str, *, is_repeatable: bool = False, autocommit: bool = False, on_record: bool = False
) -> None:
    trace.sending(sql, is_repeatable=is_repeatable)
    trace.executed(autocommit=autocommit, on_record=on_record)


def test_what_is_not_committed_may_always_be_repeated() -> None:
    trace = Trace()
    sent(trace, "INSERT")
    assert trace.can_be_repeated
    assert trace.committed == []
    assert trace.unrepeatable == []


def test_a_commit_makes_all_stay_that_was_open_and_only_once() -> None:
    trace = Trace()
    sent(trace, "INSERT 1")
    sent(trace, "INSERT 2")
    trace.commit()
    trace.commit()
    assert [one.sql for one in trace.committed] == ["INSERT 1", "INSERT 2"]
    assert not trace.can_be_repeated


def test_in_autocommit_mode_a_statement_stays_at_once() -> None:
    trace = Trace()
    sent(trace, "CREATE TABLE IF NOT EXISTS", is_repeatable=True, autocommit=True)
    assert trace.committed == [Sent("CREATE TABLE IF NOT EXISTS", is_repeatable=True)]
    assert trace.can_be_repeated
    sent(trace, "CREATE TABLE", autocommit=True)
    assert not trace.can_be_repeated
    assert trace.unrepeatable == [Sent("CREATE TABLE", is_repeatable=False)]


def test_what_failed_does_not_count_and_nothing_counts_twice() -> None:
    trace = Trace()
    trace.sending("INSERT", is_repeatable=False)
    trace.commit()
    assert trace.committed == []
    trace.executed(autocommit=True)
    trace.executed(autocommit=True)
    assert [one.sql for one in trace.committed] == ["INSERT"]
    assert not trace.can_be_repeated


def test_what_is_on_record_is_left_out_and_so_may_be_repeated() -> None:
    trace = Trace()
    sent(trace, "INSERT", autocommit=True, on_record=True)
    assert trace.can_be_repeated
    sent(trace, "INSERT")
    trace.commit(on_record=True)
    assert trace.can_be_repeated
    sent(trace, "UPDATE")
    trace.commit(on_record=False)
    assert not trace.can_be_repeated
