"""The tables of the ledger. Every key begins with the workspace, so that workspaces can live on different shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Function,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    column,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY

from expenses.accounts.tables import user_account
from expenses.db import metadata
from expenses.payments.tables import payment_account
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from sqlalchemy import FromClause

currency = Table(
    "currency",
    metadata,
    Column("code", CHAR(3), primary_key=True),
    Column("exponent", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("withdrawn_on", Date),
    CheckConstraint("exponent BETWEEN 0 AND 4", name="exponent"),
)
"""The same rows as `expenses.currencies`, for the foreign key and for whoever reads the database without us."""

category = Table(
    "category",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("parent_id", Uuid),
    Column("name", Text, nullable=False),
    Column("color", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    ForeignKeyConstraint(["workspace_id", "parent_id"], ["category.workspace_id", "category.id"]),
    CheckConstraint("parent_id <> id", name="parent"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    CheckConstraint("color ~ '^#[0-9a-f]{6}$'", name="color"),
)
Index(
    "category_sibling_key",
    category.c.workspace_id,
    category.c.parent_id,
    category.c.name,
    unique=True,
    postgresql_where=category.c.archived_at.is_(None),
    postgresql_nulls_not_distinct=True,
)

expense = Table(
    "expense",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("spent_on", Date, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), ForeignKey(currency.c.code), nullable=False),
    Column("merchant", Text, nullable=False),
    Column("category_id", Uuid),
    Column("note", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("payer_id", Uuid, ForeignKey(user_account.c.id)),
    Column("version", Integer, nullable=False),
    Column("created_by", Uuid, ForeignKey(user_account.c.id), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),
    Column("account_id", Uuid),
    Column("line_count", SmallInteger),
    Column("split_mode", Text),
    Column("fx_rate", Numeric),
    Column("fx_on", Date),
    Column("fx_source", Text),
    Column("base_currency", CHAR(3)),
    Column("base_amount_minor", BigInteger),
    ForeignKeyConstraint(["workspace_id", "category_id"], ["category.workspace_id", "category.id"]),
    ForeignKeyConstraint(["workspace_id", "account_id"], [payment_account.c.workspace_id, payment_account.c.id]),
    CheckConstraint("spent_on BETWEEN '1900-01-01' AND '2199-12-31'", name="spent_on"),
    CheckConstraint("amount_minor BETWEEN -1000000000000000 AND 1000000000000000", name="amount_minor"),
    CheckConstraint("char_length(merchant) BETWEEN 1 AND 200", name="merchant"),
    CheckConstraint("char_length(note) <= 10000", name="note"),
    CheckConstraint("cardinality(tags) <= 20", name="tags"),
    CheckConstraint("line_count BETWEEN 2 AND 100 AND category_id IS NULL OR line_count IS NULL", name="line_count"),
    CheckConstraint(
        "split_mode IN ('even', 'weights', 'exact') AND payer_id IS NOT NULL OR split_mode IS NULL", name="split_mode"
    ),
    CheckConstraint(
        "num_nonnulls(fx_rate, fx_on, fx_source, base_currency, base_amount_minor) IN (0, 5)", name="converted"
    ),
)
"""`line_count` is null for an expense without lines: it is read and written without a look at `expense_line`.
Likewise `split_mode` is null for one that is not divided among people, and `expense_share`. What an expense was worth
in the workspace's base currency is all there or not at all: then it is in that currency, or not converted."""
_alive = expense.c.deleted_at.is_(None)
_newest_first = (expense.c.spent_on.desc(), expense.c.id.desc())
Index("expense_page_idx", expense.c.workspace_id, *_newest_first, postgresql_where=_alive)
Index(
    "expense_category_page_idx",
    expense.c.workspace_id,
    expense.c.category_id,
    *_newest_first,
    postgresql_where=_alive,
)

workspace_expense = table("workspace_expense", *(column(each.name, each.type) for each in expense.columns))
"""A view of the tables' owner: what `expense` has in the workspace that the session works in.

For what compares texts. Under a policy PostgreSQL lets no index help an operator that might leak what it sees; in this
view the workspace is a condition like any other.
"""

expense_line = Table(
    "expense_line",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("expense_id", Uuid, primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("spent_on", Date, nullable=False),
    Column("category_id", Uuid),
    Column("amount_minor", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    ForeignKeyConstraint(["workspace_id", "expense_id"], [expense.c.workspace_id, expense.c.id], ondelete="CASCADE"),
    ForeignKeyConstraint(["workspace_id", "category_id"], ["category.workspace_id", "category.id"]),
    CheckConstraint("amount_minor BETWEEN -1000000000000000 AND 1000000000000000", name="amount_minor"),
    CheckConstraint("char_length(note) <= 200", name="note"),
)
"""That the lines come to the amount is seen to by triggers at every commit. `spent_on` is the expense's, for the index
of a category's expenses; a trigger keeps it so."""
Index(
    "expense_line_category_page_idx",
    expense_line.c.workspace_id,
    expense_line.c.category_id,
    expense_line.c.spent_on.desc(),
    expense_line.c.expense_id.desc(),
)

expense_share = Table(
    "expense_share",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("expense_id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(user_account.c.id), primary_key=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("weight", Integer),
    ForeignKeyConstraint(["workspace_id", "expense_id"], [expense.c.workspace_id, expense.c.id], ondelete="CASCADE"),
    CheckConstraint("amount_minor BETWEEN -1000000000000000 AND 1000000000000000", name="amount_minor"),
    CheckConstraint("weight BETWEEN 1 AND 1000000", name="weight"),
)
"""That the shares come to the amount is seen to by triggers at every commit. `weight`, null in exact shares, is kept to
divide anew when the amount changes."""


def expense_text(row: FromClause) -> Function[str]:
    """Merchant, note and tags of a row, each on a line of its own: what a search looks through.

    A function of the database, since an index takes none of PostgreSQL's own for the text of an array.
    """
    return Function("expense_text", row.c.merchant, row.c.note, row.c.tags, type_=Text())


Index(
    "expense_search_idx",
    expense.c.workspace_id,
    expense.c.payer_id,
    expense.c.tags,
    expense_text(expense).label("words"),
    postgresql_using="gin",
    postgresql_ops={"words": "gin_trgm_ops"},
    postgresql_with={"gin_pending_list_limit": 1024},
    postgresql_where=_alive,
)
Index(
    "expense_amount_idx",
    expense.c.workspace_id,
    expense.c.currency,
    expense.c.amount_minor,
    postgresql_where=_alive,
)


def merchant_key(row: FromClause) -> Function[str]:
    """A merchant in small letters."""
    return Function("lower", row.c.merchant, type_=Text())


Index(
    "expense_merchant_idx",
    expense.c.workspace_id,
    merchant_key(expense).label("merchant_key"),
    expense.c.spent_on.desc(),
    expense.c.id.desc(),
    postgresql_ops={
        "merchant_key": "text_pattern_ops"
    },  # by characters, whatever the collation: beginnings are stretches
    postgresql_where=_alive,
)
Index(
    "expense_trash_idx",
    expense.c.workspace_id,
    expense.c.deleted_at.desc(),
    expense.c.id.desc(),
    postgresql_where=expense.c.deleted_at.is_not(None),
)
