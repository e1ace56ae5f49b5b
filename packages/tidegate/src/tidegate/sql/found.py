"""What is found out about one statement while its tree is read, and the lock modes with their order.

Kept apart from `effects`, which is the face of all this, so that the readers of the several kinds of statement
can share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tidegate.sql.parse_tree import Name

ACCESS_SHARE = "AccessShareLock"
ROW_SHARE = "RowShareLock"
ROW_EXCLUSIVE = "RowExclusiveLock"
SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
SHARE = "ShareLock"
SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
EXCLUSIVE = "ExclusiveLock"
ACCESS_EXCLUSIVE = "AccessExclusiveLock"

MODES = (
    ACCESS_SHARE,
    ROW_SHARE,
    ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    EXCLUSIVE,
    ACCESS_EXCLUSIVE,
)
"""As `pg_locks` spells them, the weakest first, in the order of PostgreSQL's own numbers 1 to 8."""

UNKNOWN = "what it locks cannot be told from its text"
"""The effect of a statement that carries out code of its own."""

BREAKS = "breaks the old version: "
"""How an effect begins that a version of the application running beside the migration will feel."""

FAILS_ON_ROWS = "fails if the table has rows: "
"""How an effect begins that decides whether the statement can succeed at all."""

_HARMLESS = """
abs array_agg array_length avg bool_and bool_or btrim cardinality ceil char_length col_description concat concat_ws
count current_database current_schema current_schemas current_setting current_user date_part date_trunc every floor
format format_type generate_series generate_subscripts greatest has_schema_privilege has_table_privilege json_agg
json_build_object jsonb_agg jsonb_build_object left length lower ltrim make_interval max md5 min now obj_description
octet_length pg_backend_pid pg_relation_size pg_table_is_visible pg_table_size pg_total_relation_size
pg_type_is_visible position quote_ident quote_literal regexp_replace repeat replace right round row_number row_to_json
rtrim set_config split_part statement_timestamp string_agg string_to_array strpos substr substring sum timezone
to_char to_date to_json to_jsonb to_regclass to_regtype to_timestamp transaction_timestamp translate trim unnest upper
version
"""
HARMLESS_FUNCTIONS = frozenset(_HARMLESS.split())
"""Functions of PostgreSQL that change nothing and, as a default, do not rewrite a table (none is volatile)."""

_VOLATILE = """
clock_timestamp gen_random_bytes gen_random_uuid nextval random random_normal timeofday txid_current
uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7
"""
VOLATILE_FUNCTIONS = frozenset(_VOLATILE.split())
"""As the default of a new column they rewrite the table (measured for the common ones)."""


def is_harmless(function: str) -> bool:
    """Whether a function, by its name alone, is known to change nothing."""
    return function in HARMLESS_FUNCTIONS or function.startswith("pg_get_")


def strength(mode: str) -> int:
    """The place of a mode in the order, 1 to 8."""
    return MODES.index(mode) + 1


@dataclass(slots=True)
class Found:
    """The notes on one statement."""

    kind: str
    created: Collection[Name] = ()
    """Relations that did not exist before: nobody else can be in their way."""
    locks: list[tuple[Name, str]] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    creates: list[Name] = field(default_factory=list)
    runs_alone: bool = False
    takes_its_time: bool = False
    is_repeatable: bool = False
    sets_lock_timeout: bool = False
    ends_transaction: bool = False
    new_index: tuple[Name | None, Name, bool] | None = None
    """Its name, its table, IF NOT EXISTS."""
    drops_index: tuple[Name, ...] = ()

    def is_new(self, name: Name) -> bool:
        """Whether the relation was created by an earlier statement of the same revision.

        Named in the same way: of `CREATE TABLE audit.users` and `ALTER TABLE users` nobody knows that they are one.
        """
        return name in self.created

    def lock(self, mode: str, *names: Name) -> None:
        """Note a lock on relations that exist before."""
        self.locks += [(name, mode) for name in names if not self.is_new(name)]

    def say(self, *effects: str, about: Name | None = None) -> None:
        """Note effects, unless they are about a relation that is new."""
        if about is None or not self.is_new(about):
            self.effects += [effect for effect in effects if effect not in self.effects]

    def say_unknown(self, functions: Iterable[str]) -> None:
        """Note the functions that might do anything."""
        for name in functions:
            if not is_harmless(name) and name not in VOLATILE_FUNCTIONS:
                self.say(f"calls {name}(): {UNKNOWN}")
