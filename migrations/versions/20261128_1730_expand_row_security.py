"""Give the service a role that owns nothing, and let that role see only what is the caller's.

Deploy step: before the new code starts, which then does `SET ROLE expenses_app`. The old code goes on as the owner of
the tables, whom policies do not concern (they are not forced upon owners, so that migrations and `expenses verify` see
everything).
Locks: each table exclusively until the commit, to switch its policies on: milliseconds, no row is read.

A role belongs to the whole server: two databases of it share this one, which can do in each only what is granted
there. Going back leaves it. A new table needs a grant and a policy in its own revision; a test looks for them.

The views and functions are the owner's and do what the policies cannot: find somebody by a secret of theirs before it
is known who they are, let a search use its indexes (an operator that might leak what it sees gets none under a policy),
and open a workspace to who holds an invitation. docs/decisions, "A second wall".
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261128_1730"
down_revision = "20261123_0058"
branch_labels = None
depends_on = None
phase = "expand"

ROLE = "expenses_app"

FUNCTIONS = (
    """CREATE FUNCTION acting_person() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('expenses.person', true), '')::uuid $$""",
    """CREATE FUNCTION entered_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('expenses.workspace', true), '')::uuid $$""",
    """CREATE FUNCTION enter_by_invitation(wanted uuid, secret_hash bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
      IF NOT EXISTS (SELECT FROM invitation WHERE workspace_id = wanted AND token_hash = secret_hash) THEN
        RETURN false;
      END IF;
      PERFORM set_config('expenses.workspace', wanted::text, false);
      RETURN true;
    END $$""",
    """CREATE FUNCTION forget_idempotency_keys(before timestamptz, at_most integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM idempotency_key WHERE (workspace_id, user_id, key) IN (
      SELECT workspace_id, user_id, key FROM idempotency_key WHERE created_at < before
      ORDER BY created_at LIMIT at_most FOR UPDATE SKIP LOCKED) $$""",
)
NAMES = (
    "forget_idempotency_keys(timestamptz, integer)",
    "enter_by_invitation(uuid, bytea)",
    "entered_workspace()",
    "acting_person()",
)

VIEWS = {
    "token_holder": """SELECT token.token_hash, account.id, account.email, account.display_name, token.id AS token_id,
      token.scopes, token.expires_at, token.last_used_at
    FROM api_token AS token JOIN user_account AS account ON account.id = token.user_id
    WHERE token.revoked_at IS NULL AND account.disabled_at IS NULL""",
    "session_holder": """SELECT window_.token_hash, account.id, account.email, account.display_name,
      window_.id AS session_id, window_.csrf_token, window_.expires_at, window_.last_seen_at
    FROM web_session AS window_ JOIN user_account AS account ON account.id = window_.user_id
    WHERE window_.revoked_at IS NULL AND account.disabled_at IS NULL""",
    "step_holder": """SELECT step.token_hash, step.user_id, step.expires_at
    FROM sign_in_step AS step JOIN user_account AS account ON account.id = step.user_id
    WHERE account.disabled_at IS NULL""",
    "account_credentials": """SELECT account.id, account.email, account.display_name, account.password_hash,
      account.created_at, account.disabled_at, factor.enabled_at AS factor_since
    FROM user_account AS account
    LEFT JOIN second_factor AS factor ON factor.user_id = account.id AND factor.enabled_at IS NOT NULL""",
    "workspace_expense": "SELECT * FROM expense WHERE workspace_id = (SELECT entered_workspace())",
}

_ALL = "SELECT, INSERT, UPDATE, DELETE"
_KEEP = "SELECT, INSERT, UPDATE"
GRANTS = {
    "alembic_version": "SELECT",
    "currency": "SELECT",
    "login_throttle": _ALL,
    "user_account": _KEEP,
    "api_token": _ALL,
    "web_session": _ALL,
    "sign_in_step": "SELECT, INSERT, DELETE",
    "second_factor": _ALL,
    "recovery_code": _ALL,
    "account_event": "SELECT, INSERT, DELETE",
    "workspace": _KEEP,
    "membership": _ALL,
    "former_member": _KEEP,
    "invitation": _ALL,
    "category": _KEEP,
    "payment_account": _KEEP,
    "expense": _ALL,
    "expense_line": _ALL,
    "expense_share": _ALL,
    "fx_rate": _ALL,
    "settlement": _ALL,
    "audit_event": "SELECT, INSERT",
    "idempotency_key": _KEEP,
}
"""What the service does with each table. `audit_seal` is the operator's alone."""

# The subselects make PostgreSQL ask once for each statement, not for each row, and then use its indexes.
_MINE = "user_id = (SELECT acting_person())"
_HERE = "workspace_id = (SELECT entered_workspace())"
_BELONGING = f"EXISTS (SELECT FROM membership AS one WHERE one.workspace_id = workspace.id AND one.{_MINE})"
_COLLEAGUES = f"EXISTS (SELECT FROM {{}} AS one WHERE one.user_id = user_account.id AND one.{_HERE})"
_OF_A_PERSON = (
    "api_token",
    "web_session",
    "sign_in_step",
    "second_factor",
    "recovery_code",
    "account_event",
    "idempotency_key",
)
_OF_A_WORKSPACE = (
    "former_member",
    "invitation",
    "category",
    "payment_account",
    "expense",
    "expense_line",
    "expense_share",
    "fx_rate",
    "settlement",
    "audit_event",
    "audit_seal",
)
POLICIES = (
    *((table, "is_mine", f"USING ({_MINE})") for table in _OF_A_PERSON),
    *((table, "is_here", f"USING ({_HERE})") for table in _OF_A_WORKSPACE),
    ("membership", "is_here", f"USING ({_HERE})"),
    ("membership", "is_mine", f"FOR SELECT USING ({_MINE})"),
    ("workspace", "is_here", "USING (id = (SELECT entered_workspace()))"),
    ("workspace", "is_mine", f"FOR SELECT USING ({_BELONGING})"),
    ("user_account", "is_me", "USING (id = (SELECT acting_person()))"),
    ("user_account", "is_member", f"FOR SELECT USING ({_COLLEAGUES.format('membership')})"),
    ("user_account", "is_former_member", f"FOR SELECT USING ({_COLLEAGUES.format('former_member')})"),
)

MAKE_ROLE = f"""
DO $do$
DECLARE has_set_option CONSTANT boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
    BEGIN
      CREATE ROLE {ROLE} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server has just made it
    END;
  END IF;
  IF NOT pg_has_role(current_user, '{ROLE}', CASE WHEN has_set_option THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT {ROLE} TO %I', current_user) || CASE WHEN has_set_option THEN ' WITH SET TRUE' ELSE '' END;
  END IF;
END $do$
"""

RIGHTS = """
SELECT current_user, me.rolsuper OR CASE
  WHEN given.oid IS NULL THEN me.rolcreaterole
  ELSE pg_has_role(given.oid, 'MEMBER') OR me.rolcreaterole AND current_setting('server_version_num')::integer < 160000
END
FROM pg_roles AS me LEFT JOIN pg_roles AS given ON given.rolname = :role WHERE me.rolname = current_user
"""
"""Whether `MAKE_ROLE` will succeed. Since PostgreSQL 16 who may make roles cannot give away those of others."""


def upgrade() -> None:
    if not op.get_context().as_sql:
        _refuse_without_rights()
    op.execute(MAKE_ROLE)
    for function in FUNCTIONS:
        op.execute(function)
    for view, query in VIEWS.items():
        op.execute(f"CREATE VIEW {view} AS {query}")
        op.execute(f"GRANT SELECT ON {view} TO {ROLE}")
    for name in NAMES:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {ROLE}")
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # a database from before PostgreSQL 15 may still grant it
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE audit_event_position_seq TO {ROLE}")
    for table, rights in GRANTS.items():
        op.execute(f"GRANT {rights} ON {table} TO {ROLE}")
    _switch_policies_on()


def _switch_policies_on() -> None:
    for table, policy, rule in POLICIES:
        op.execute(f"CREATE POLICY {policy} ON {table} {rule}")
    for table in dict.fromkeys(table for table, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    for table in dict.fromkeys(table for table, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table, policy, _ in POLICIES:
        op.execute(f"DROP POLICY {policy} ON {table}")
    for table in GRANTS:
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
    op.execute(f"REVOKE ALL ON SEQUENCE audit_event_position_seq FROM {ROLE}")
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {ROLE}")
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")


def _refuse_without_rights() -> None:
    me, may = op.get_bind().execute(sa.text(RIGHTS), {"role": ROLE}).one()
    if not may:
        raise RuntimeError(
            f"The role {me} may not make roles, and the service needs one: {ROLE}. Nothing was changed. Let an "
            f'administrator run this once: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO "{me}"; then run the same '
            "command again. (If the first says that the role exists, another database of this server has made it.)"
        )
