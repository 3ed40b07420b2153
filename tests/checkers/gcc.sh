#!/usr/bin/env bash
# gcc.sh BUILD_DIR: gcc's own analyzer over each source, but for what gcc.txt lists with its reasons.
# What was said of a source is kept beside the build, and said again until it or a header changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
list=tests/checkers/gcc.txt
logs=$build/analyzer

[ "$(gcc -dumpversion)" = 12 ] || {
  echo "gcc's analyzer is not run: $list is for gcc 12"
  exit 0
}

analyze() { # FILE
  local log=$logs/${1//\//_}.log newest
  newest=$(stat -c %Y "$1" "$logs/headers" | sort -n | tail -1)
  [ ! -f "$log" ] || [ "$(stat -c %Y "$log")" -le "$newest" ] || return 0
  LC_ALL=C gcc -std=gnu11 -O1 -fanalyzer -D_GNU_SOURCE -I. -Iinclude -I"$build" -I"$build/broker" \
    -I"$build/client/cli" '-DMEMFERRY_VERSION=""' -c -o /dev/null -fdiagnostics-plain-output "$1" \
    2>"$log.new" || { cat "$log.new" >&2; return 255; }
  mv "$log.new" "$log"
}
export -f analyze
export logs build

mkdir -p "$logs"
# The time of the newest header, and of this script.
touch -d "@$(git ls-files -z -- '*.h' '*.inc' tests/checkers/gcc.sh | xargs -0 stat -c %Y |
  sort -n | tail -1)" "$logs/headers"
git ls-files -- 'broker/*.c' 'client/*.c' 'plugins/*.c' |
  xargs -P "$(nproc)" -I FILE bash -c 'analyze FILE'

git ls-files -- 'broker/*.c' 'client/*.c' 'plugins/*.c' | tr / _ | sed "s|.*|$logs/&.log|" |
  xargs cat | sed -n -E 's/^([a-z][^:]*\.[ch]):[0-9]+:[0-9]+: warning: (.*\[-Wanalyzer.*)/\1: \2/p' |
  sort -u >"$logs/said"
grep -v -E '^(#|$)' "$list" | sort -u >"$logs/known"
new=$(comm -23 "$logs/said" "$logs/known")
gone=$(comm -13 "$logs/said" "$logs/known")
[ -z "$new" ] || { printf 'gcc -fanalyzer:\n%s\n(where, and by which way: %s)\n' "$new" "$logs" >&2; exit 1; }
[ -z "$gone" ] || { printf 'no longer said, so not for %s:\n%s\n' "$list" "$gone" >&2; exit 1; }
