"""A finding, and the table of all kinds. `docs/doctor.md` lists the same table, and a test compares them."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Kind(NamedTuple):
    """What all findings of one kind have in common."""

    why: str
    """Why it matters, as a clause for people."""
    is_damage: bool = True
    """Whether it makes `tidegate doctor` end with 15; the others are worth knowing, no more."""
    is_fixable: bool = False
    """Whether `--fix` mends it."""


KINDS = {
    "lock_held": Kind("a migration is running; what else is found may be its work in progress", is_damage=False),
    "stuck_holder": Kind("a run that lives asks its connection every second; every other run waits for this one"),
    "orphaned_statement": Kind(
        "a run that is gone left it running on the server; the next run waits for it", is_fixable=True
    ),
    "unfinished_run": Kind("it was killed, and the record says that it is still running", is_fixable=True),
    "half_done_step": Kind("part of it is committed and its revision is not: the schema is between two revisions"),
    "stale_step": Kind(
        "when that revision is applied again, these statements would be left out, as if they were still done",
        is_fixable=True,
    ),
    "several_heads": Kind("`upgrade head` cannot know which of them is meant, so nothing migrates"),
    "unknown_revision": Kind(
        "without its file nobody can tell what the schema is, so nothing migrates and nothing serves"
    ),
    "newer_revision": Kind("this is an older version of the code than the one that migrated", is_damage=False),
    "unreadable_files": Kind("Alembic cannot load them either, so nothing migrates"),
    "missing_file": Kind("the schema holds what it did, and no file says what that is or takes it back"),
    "edited_file": Kind("this database was made by another text than the one a new database will be made by"),
    "line_endings": Kind("a checkout changed the line endings, and nothing else", is_damage=False),
    "unrecorded_revision": Kind(
        "plain Alembic applied or stamped it: its file has no checksum on record, and an older version of the code "
        "cannot judge it",
        is_damage=False,
    ),
    "detach_pending": Kind(
        "a DETACH CONCURRENTLY broke off: the parent's queries leave the partition out, and no other partition can "
        "be detached that way",
        is_fixable=True,
    ),
    "invalid_index": Kind(
        "every write keeps it up and no query uses it; if it is unique, it does not keep", is_fixable=True
    ),
    "reindex_leftover": Kind(
        "a REINDEX CONCURRENTLY broke off and left its copy behind, which every write keeps up", is_fixable=True
    ),
    "invalid_partition_index": Kind("no query uses it, and the parent's index stays invalid because of it"),
    "incomplete_partitioned_index": Kind(
        "the parent's index is invalid until every partition has its part; a unique one is no target for ON CONFLICT"
    ),
    "not_valid_constraint": Kind(
        "new rows are checked and the rows from before never were; validating reads the whole table and blocks neither "
        "readers nor writers",
        is_fixable=True,
    ),
    "prepared_transaction": Kind(
        "it keeps its locks through every restart, and migrations wait for them", is_damage=False
    ),
    "idle_transaction": Kind("it keeps its locks while it does nothing, and migrations wait for them", is_damage=False),
    "not_visible": Kind("what this role may not see, doctor cannot judge", is_damage=False),
}
"""Every kind of finding, in the order in which they are shown and mended: what is at work first, then the files, then
what lies in the database."""


class Finding(NamedTuple):
    """One thing that was found."""

    kind: str
    what: str
    """What exactly, for people."""
    commands: tuple[str, ...] = ()
    """What mends it, literally and in this order: SQL ends in a semicolon, everything else is for a shell."""
    then: str = ""
    """What is worth doing behind that."""
    advice: str = ""
    """What to do where no command can be given."""
    fix: tuple[str, ...] = ()
    """The SQL that `--fix` executes; nothing where it may not mend this."""
    subject: int = 0
    """The pid of an orphan."""

    @property
    def hint(self) -> str:
        """The commands in one line, or else the advice."""
        return " ".join(self.commands) or self.advice

    @property
    def is_damage(self) -> bool:
        """Whether it makes `tidegate doctor` end with 15."""
        return KINDS[self.kind].is_damage

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {
            "kind": self.kind,
            "what": self.what,
            "why": KINDS[self.kind].why,
            "hint": self.hint,
            "commands": list(self.commands),
            "then": self.then,
            "is_damage": self.is_damage,
            "fix": list(self.fix),
        }

    def as_text(self) -> str:
        """The same for people."""
        lines = [f"{'damage' if self.is_damage else 'note'}: {self.what}", f"  why   {KINDS[self.kind].why}"]
        lines += [f"  {'mend  ' if self.is_damage else 'end   '}{command}" for command in self.commands]
        lines += [f"  {label}  {text}" for label, text in (("mend", self.advice), ("then", self.then)) if text]
        return "\n".join(lines)
