#!/bin/sh
# Writes a verified backup of the production database and prints its path: ops/backup.sh [FOLDER]
# Only a dump that can be read from beginning to end gets its name; until then the file ends in `.partial`.
set -eu
umask 077
cd "$(dirname "$0")/.."
folder=${1:-backups}
compose=${COMPOSE:-docker compose -f docker-compose.prod.yaml} # split into words on purpose
mkdir -p "$folder"
file=$folder/expenses-$(date -u +%Y%m%dT%H%M%SZ).dump

# shellcheck disable=SC2016,SC2086 # the variables are the container's
$compose exec -T db sh -c 'pg_dump --format=custom --username="${POSTGRES_USER:-expense_admin}" "${POSTGRES_DB:-expenses}"' >"$file.partial"
# The list shows that it is a dump of ours; reading the rest shows that it is whole, since the list comes first in it.
# shellcheck disable=SC2086
$compose exec -T db pg_restore --list <"$file.partial" >"$file.list"
# shellcheck disable=SC2086
$compose exec -T db pg_restore --file=/dev/null <"$file.partial"
if ! grep -q 'TABLE DATA public alembic_version ' "$file.list"; then
  rm "$file.list"
  printf 'error: the dump holds no table `alembic_version`; it stays at %s\n' "$file.partial" >&2
  exit 1
fi
rm "$file.list"
mv "$file.partial" "$file"
printf '%s\n' "$file"
