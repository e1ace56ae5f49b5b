#!/bin/sh
# Finds or makes the certificate that TLS names, writes the configuration, and becomes nginx. It replaces the base
# image's entrypoint, which rewrites files below /etc and takes 100 ms in which the published port answers nothing.
set -eu

own=${CERTIFICATES:-/var/lib/certificates}

refuse() {
  printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2
  exit 64
}

use_files() {
  certificate=/certs/fullchain.pem key=/certs/privkey.pem
  for file in "$certificate" "$key"; do
    [ -e "$file" ] || refuse "\`TLS=files\`, but there is no \`${file#/}\` beside docker-compose.prod.yaml (\`$file\` in the container)" \
      "put the certificate with its chain at \`certs/fullchain.pem\` and its key at \`certs/privkey.pem\`, as files, not links"
    [ -r "$file" ] || refuse "user $(id -u) may not read \`${file#/}\` (\`$file\` in the container)" \
      "run \`chown $(id -u) ${file#/} && chmod 400 ${file#/}\`"
  done
  # Browsers remember this for two years, so it is said only where the operator brought a certificate of their own.
  hsts='max-age=63072000'
}

use_self_signed() {
  certificate=$own/certificate.pem key=$own/key.pem hsts=''
  if [ "${WARN_SELF_SIGNED:-false}" = true ]; then
    printf 'warning: `TLS=self-signed`: browsers will warn about this certificate, and nobody can tell this server from another\n' >&2
  fi
  names=$(alternative_names) made_for='' until=0
  if [ -s "$certificate" ] && [ -s "$key" ] && [ -s "$own/made" ]; then read -r until made_for <"$own/made" || until=0; fi
  # Made anew for other names, and 30 days before it ends. Asking openssl would cost 15 ms at every start.
  if [ "$made_for" = "$names" ] && [ $((until - $(date +%s))) -gt 2592000 ]; then return; fi
  make_certificate || refuse 'no certificate could be made' "is the volume at \`$own\` writable for user $(id -u), and its disk not full?"
  printf 'made a self-signed certificate for %s\n' "$names" >&2
}

# `made` goes first and comes last, so that a start after a crash in between makes both files again.
make_certificate() {
  days=825 # the longest life that Apple's systems accept
  umask 077
  { mkdir -p "$own" && rm -f "$own/made"; } || return
  said=$(SUBJECT_ALT_NAME=$names openssl req -x509 -config /etc/nginx/certificate.cnf -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -noenc -days "$days" -keyout "$key" -out "$certificate" 2>&1) ||
    { printf '%s\n' "$said" >&2; return 1; }
  printf '%s %s\n' "$(($(date +%s) + days * 86400))" "$names" >"$own/made"
}

alternative_names() {
  names=DNS:localhost,IP:127.0.0.1,IP:::1
  for name in $(printf '%s' "${SERVER_NAME:-}" | tr ',' ' '); do
    case $name in
      localhost | 127.0.0.1) ;;
      *[!0-9.]*) names=$names,DNS:$name ;;
      *) names=$names,IP:$name ;;
    esac
  done
  printf '%s' "$names"
}

case ${TLS:-} in
  files) use_files ;;
  self-signed) use_self_signed ;;
  *) refuse "\`TLS\` is \`${TLS:-}\`, which is neither \`files\` nor \`self-signed\`" "set \`TLS\` in \`.env.prod\`" ;;
esac
mkdir -p /tmp/nginx
CERTIFICATE=$certificate CERTIFICATE_KEY=$key HSTS=$hsts REDIRECT_PORT=${REDIRECT_PORT:-} \
  envsubst '$CERTIFICATE $CERTIFICATE_KEY $HSTS $REDIRECT_PORT' </etc/nginx/nginx.conf.template >/tmp/nginx/nginx.conf
exec "$@"
