#!/bin/sh
# Starts the database only with a password of the operator's own: require-password.sh COMMAND…
set -eu

refuse() {
  printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2
  exit 64
}

password=${POSTGRES_PASSWORD:-}
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
  [ -z "$password" ] || refuse 'both `POSTGRES_PASSWORD` and `POSTGRES_PASSWORD_FILE` are set' 'keep one of them in `.env.prod`'
  [ -r "$POSTGRES_PASSWORD_FILE" ] ||
    refuse "user $(id -u) cannot read \`$POSTGRES_PASSWORD_FILE\`, which \`POSTGRES_PASSWORD_FILE\` names" 'put the file below `secrets`, and `chmod 444` it'
  password=$(cat "$POSTGRES_PASSWORD_FILE")
fi
case $password in
  '') refuse '`POSTGRES_PASSWORD` is empty' 'set it in `.env.prod`; a good one: `openssl rand -hex 24`' ;;
  dev_password_dev | change-me* | change_me* | changeme* | CHANGE* | example* | password | postgres | secret)
    refuse '`POSTGRES_PASSWORD` is an example that everybody knows' 'set one of your own in `.env.prod`; a good one: `openssl rand -hex 24`' ;;
esac
# The names that the api takes unless `.env.prod` says otherwise; the image would take others.
export POSTGRES_USER="${POSTGRES_USER:-expense_admin}" POSTGRES_DB="${POSTGRES_DB:-expenses}"
exec "$@"
