#!/usr/bin/env bash
# Installs packages into .venv, exactly as constraints.txt pins them:  tools/install.sh PIP-INSTALL-ARGUMENTS…
# (into another environment: VENV=DIR tools/install.sh …)
# uv does it fastest, and plain pip where uv is not to be had. uv does not read pip's configuration, so a
# configured find-links directory (of a CPU build of torch, say) is passed on to it.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VENV:-.venv}/bin/python

if [ ! -x .venv/bin/uv ]; then
  .venv/bin/python -m pip install --quiet -c constraints.txt uv || echo "uv is not available: using pip" >&2
fi
if [ -x .venv/bin/uv ]; then
  links=${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}
  options=()
  for link in $links; do options+=(--find-links "$link"); done
  exec .venv/bin/uv pip install --quiet --python "$python" -c constraints.txt "${options[@]}" "$@"
fi
exec "$python" -m pip install --quiet -c constraints.txt "$@"
