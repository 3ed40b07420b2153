#!/usr/bin/env bash
# run.sh NAME: one proof, short; all that it says comes at its end, so that several may run at once.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
begun=$SECONDS
if /usr/bin/python3 "$(dirname "$0")/$1.py" >"$log" 2>&1; then
  printf '%s (%d s)\n%s\n' "$1" $((SECONDS - begun)) "$(sed 's/^/  /' "$log")"
else
  printf 'FAILED: %s\n%s\n' "$1" "$(tail -200 "$log")" >&2
  exit 1
fi
