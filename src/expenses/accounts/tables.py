"""The tables of accounts. Secrets stand in them as hashes: argon2id for passwords, SHA-256 for what is random.

One cannot: a second factor's. Whoever reads this database can compute its codes (docs/accounts.md).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, LargeBinary, MetaData, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY

from expenses.db import metadata

user_account = Table(
    "user_account",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
)
Index("user_account_lower_email_key", func.lower(user_account.c.email), unique=True)

api_token = Table(
    "api_token",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("made_by", Uuid),
)
"""`made_by` is the token with which this one was made, if one was: they are revoked together."""

web_session = Table(
    "web_session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("csrf_token", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("device", Text),
    Column("last_seen_at", DateTime(timezone=True)),
)

sign_in_step = Table(
    "sign_in_step",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
"""Browsers that have said the password of an account, and not yet the code that it asks for as well."""

second_factor = Table(
    "second_factor",
    metadata,
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("enabled_at", DateTime(timezone=True)),
    Column("last_step", BigInteger),
)
"""What codes are computed from, as it is: to check a code one needs the secret itself, not a hash (docs/accounts.md).

It counts from `enabled_at` on. `last_step` is the time step of the last code that was taken: none is taken twice.
"""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("used_at", DateTime(timezone=True)),
)

account_event = Table(
    "account_event",
    metadata,
    Column("user_id", Uuid, ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("detail", Text),
    Column("happened_at", DateTime(timezone=True), nullable=False),
)
"""What happened to an account, for its owner; the newest `event_queries.KEPT` of each."""

login_throttle = Table(
    "login_throttle",
    metadata,
    Column("subject_hash", LargeBinary, primary_key=True),
    Column("drained_at", DateTime(timezone=True), nullable=False, index=True),
)
"""One leaky bucket for each account name or address that tried: when it will have drained (`accounts.throttle`).

The subject stands in it as a hash: people type their password into the e-mail field.
"""

_views = MetaData()
"""Views of the database's owner: they find somebody by a secret, before it is known whose rows may be seen."""

token_holder = Table(
    "token_holder",
    _views,
    Column("token_hash", LargeBinary),
    Column("id", Uuid),
    Column("email", Text),
    Column("display_name", Text),
    Column("token_id", Uuid),
    Column("scopes", ARRAY(Text)),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
)
"""Whose token this is, if it was not revoked and its account is not disabled."""

session_holder = Table(
    "session_holder",
    _views,
    Column("token_hash", LargeBinary),
    Column("id", Uuid),
    Column("email", Text),
    Column("display_name", Text),
    Column("session_id", Uuid),
    Column("csrf_token", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_seen_at", DateTime(timezone=True)),
)
"""Likewise of a page session."""

standing = Table(
    "standing",
    _views,
    Column("user_id", Uuid),
    Column("role", Text),
    Column("workspace_id", Uuid),
    Column("name", Text),
    Column("kind", Text),
    Column("base_currency", Text),
    Column("time_zone", Text),
    Column("created_at", DateTime(timezone=True)),
)
"""How people belong to workspaces. Those stand above; it is read here, since every request asks who and where."""

step_holder = Table(
    "step_holder",
    _views,
    Column("token_hash", LargeBinary),
    Column("user_id", Uuid),
    Column("expires_at", DateTime(timezone=True)),
)
"""Likewise of half a sign-in."""

account_credentials = Table(
    "account_credentials",
    _views,
    Column("id", Uuid),
    Column("email", Text),
    Column("display_name", Text),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("disabled_at", DateTime(timezone=True)),
    Column("factor_since", DateTime(timezone=True)),
)
"""What a sign-in has to fit; `factor_since` is null without a second factor."""
