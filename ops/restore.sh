#!/bin/sh
# Puts a backup in the place of the production database: ops/restore.sh FILE
# The backup is restored into a fresh database beside the old one while the service runs on. Only when that has
# succeeded is the api stopped and the two change names; the old database stays, under the name that is printed.
set -eu
[ $# -eq 1 ] && [ -r "$1" ] || { printf 'error: no backup to read\n\nhint: ops/restore.sh backups/expenses-….dump\n' >&2; exit 64; }
file=$(realpath "$1")
cd "$(dirname "$0")/.."
compose=${COMPOSE:-docker compose -f docker-compose.prod.yaml} # split into words on purpose
stamp=$(date -u +%Y%m%dT%H%M%SZ)

in_db() { # COMMAND, with the container's own variables
  # shellcheck disable=SC2086
  $compose exec -T -e STAMP="$stamp" db sh -euc "$1"
}

# shellcheck disable=SC2016
in_db 'createdb --username="${POSTGRES_USER:-expense_admin}" "${POSTGRES_DB:-expenses}_$STAMP"' </dev/null
# Roles are the server's, so no dump has the one that the service works under (docs/decisions/0028).
# shellcheck disable=SC2016
in_db 'psql --quiet --username="${POSTGRES_USER:-expense_admin}" --dbname=postgres --set=ON_ERROR_STOP=1' <<'SQL'
SELECT 'CREATE ROLE expenses_app NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'expenses_app') \gexec
SQL
# shellcheck disable=SC2016
in_db 'pg_restore --username="${POSTGRES_USER:-expense_admin}" --dbname="${POSTGRES_DB:-expenses}_$STAMP" --no-owner --exit-on-error --single-transaction' <"$file"
# shellcheck disable=SC2086
$compose stop api
# One transaction: there is never a moment without a database of that name. Sessions of operators are ended.
# shellcheck disable=SC2016
in_db 'psql --quiet --output=/dev/null --username="${POSTGRES_USER:-expense_admin}" --dbname=postgres --set=ON_ERROR_STOP=1 --set=db="${POSTGRES_DB:-expenses}" --set=new="${POSTGRES_DB:-expenses}_$STAMP" --set=old="${POSTGRES_DB:-expenses}_before_$STAMP"' <<'SQL'
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :'db';
BEGIN;
ALTER DATABASE :"db" RENAME TO :"old";
ALTER DATABASE :"new" RENAME TO :"db";
COMMIT;
\echo 'restored; the database that was there before is now called' :old
SQL
printf 'next: %s up -d api nginx\n' "$compose"
