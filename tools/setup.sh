#!/bin/sh
# Fill .venv with exactly what uv.lock says, from nothing but Python 3.11 or newer.
#
# The Makefile calls it when .venv is missing, was moved, or is older than the lock. uv is taken from PATH
# when it is new enough; otherwise the version below goes into .uv/, inside the project.
set -eu
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9 # fetched where uv is missing; the oldest accepted one is in pyproject.toml, `required-version`
here=$(pwd -P)

say() { printf '%s\n' "$*" >&2; }

fail() { # WHAT HINT
  say "error: $1"
  say ""
  say "hint: $2"
  exit 1
}

is_suitable_python() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The newest Python that uv.lock was made for, else whatever `python3` is. A name on PATH is not enough: the
# shims of version managers are there for versions that do not run.
find_python() {
  for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
    if command -v "$name" >/dev/null 2>&1 && is_suitable_python "$name"; then
      "$name" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  found=$(python3 --version 2>&1) || found="no Python"
  fail "Python 3.11 or newer is needed, found ${found}" \
    "install it (Debian, Ubuntu: \`apt-get install python3 python3-venv\`) and repeat the command"
}

is_new_enough_uv() { # 0.9 or newer; a shim that does not run is none
  version=$("$1" --version 2>/dev/null) || return 1
  printf '%s\n' "$version" | awk '{ split($2, v, "."); exit !(v[1] > 0 || v[2] >= 9) }'
}

# Into a folder of its own first, then moved: two setups at once do not see half a program.
fetch_uv() {
  say "fetching uv ${UV_VERSION} into .uv/"
  partial=$(mktemp -d)
  trap 'rm -rf "$partial"' EXIT
  if "$1" -m venv "$partial/venv" >/dev/null 2>&1; then
    "$partial/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    program=$partial/venv/bin/uv
  elif "$1" -m pip --version >/dev/null 2>&1; then
    "$1" -m pip install --quiet --disable-pip-version-check --target "$partial/uv" "uv==$UV_VERSION"
    program=$partial/uv/bin/uv
  else
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$1 has neither \`venv\` with pip nor \`pip\`, so uv cannot be fetched" \
      "install one (Debian, Ubuntu: \`apt-get install python${version}-venv\`), or uv itself, and repeat the command"
  fi
  mkdir -p .uv
  cp "$program" ".uv/partial.$$"
  mv -f ".uv/partial.$$" .uv/uv
}

find_uv() { # PYTHON
  if command -v uv >/dev/null 2>&1 && is_new_enough_uv uv; then
    uv=uv
  else
    is_new_enough_uv .uv/uv || fetch_uv "$1"
    uv=.uv/uv
  fi
}

# Scripts in a virtual environment hold its path, so one that was moved is made anew.
if [ -f .venv/.synced ] && [ "$(cat .venv/.synced)" != "$here" ]; then
  say 'making .venv anew: the project was moved'
  rm -rf .venv
fi

if is_suitable_python .venv/bin/python; then
  python=.venv/bin/python
else
  python=$(find_python)
fi
find_uv "$python"
export UV_PYTHON_DOWNLOADS=never
say 'setting up .venv from uv.lock'
# Compiled here, once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every process would do it anew.
"$uv" sync --quiet --locked --all-packages --compile-bytecode --python "$python"
"$python" -m compileall -q src packages/tidegate/src
printf '%s\n' "$here" >.venv/.synced
