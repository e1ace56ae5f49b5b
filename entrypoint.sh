#!/bin/sh
# The server command goes through tidegate, which decides by RUN_MIGRATIONS; any other command runs as it is, so
# `run --rm api sh -c "…"` does just that. Always `exec`: the process itself gets Docker's SIGTERM.
set -eu

# The networks that this container is in, as ,172.20.0.0/255.255.0.0,…: the rows of the kernel's routing table that
# have no gateway. The table writes an address as hexadecimal digits, last byte first.
own_networks() {
  while read -r _ network gateway _ _ _ _ mask _; do
    if [ "$gateway" = 00000000 ] && [ "$mask" != 00000000 ]; then
      printf ',%s/%s' "$(dotted "$network")" "$(dotted "$mask")"
    fi
  done </proc/net/route
}

dotted() {
  digits=$1
  while [ -n "$digits" ]; do
    others=${digits%??}
    printf '%d' "0x${digits#"$others"}"
    digits=$others
    [ -z "$digits" ] || printf '.'
  done
}

if [ "${1:-}" = uvicorn ]; then
  # Whose X-Forwarded-For is believed: nginx, that is the containers beside this one, and never "*".
  FORWARDED_ALLOW_IPS=${FORWARDED_ALLOW_IPS:-127.0.0.1$(own_networks)}
  export FORWARDED_ALLOW_IPS
  exec tidegate run -- "$@"
fi
exec "$@"
