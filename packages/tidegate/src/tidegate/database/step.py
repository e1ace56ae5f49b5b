"""What is committed of a revision that is not done: a row for each such statement, gone when the revision is.

`journal` writes the rows, in the transaction that commits the statement, and the next run leaves those statements out.
"""

from __future__ import annotations

TABLE = """
CREATE TABLE IF NOT EXISTS tidegate.step (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')),
    run_id bigint NOT NULL,
    statement text NOT NULL,
    hash text NOT NULL,
    rows bigint NOT NULL DEFAULT -1,
    is_done boolean NOT NULL,
    is_resumable boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
"""`statement` is for people, without its passwords; `hash` is of the text with its parameters. A statement that cannot
run in a transaction has its row before it is sent, which is not `is_done` until it has succeeded."""
