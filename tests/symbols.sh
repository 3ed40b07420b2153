#!/usr/bin/env bash
# symbols.sh BUILD_DIR: the library exports what its header declares, a plugin its one symbol, the
# daemon nothing.
set -euo pipefail
build=$1
failed=0

# Versions of a library's symbols are symbols too, of type A.
exported() { nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort; }

compare() { # NAME EXPECTED ACTUAL
  if [ "$2" != "$3" ]; then
    echo "$1 should export (<), exports (>):" >&2
    diff <(echo "$2") <(echo "$3") >&2 || true
    failed=1
  fi
}

declared=$(tr '\n' ' ' <"$(dirname "$0")/../include/memferry/client.h" |
  sed 's/MEMFERRY_API/\n&/g' | sed -n 's/^MEMFERRY_API \([a-z][^(]*\)(.*/\1/p' | sed 's/.*[ *]//' | sort)
[ "$(wc -l <<<"$declared")" -gt 10 ] || { echo "client.h was not understood" >&2; exit 1; }
compare libmemferry "$declared" "$(exported "$build/client/libmemferry.so")"

for plugin in "$build"/plugins/*/*.so; do
  compare "$plugin" memferry_plugin "$(exported "$plugin")"
done
compare memferryd "" "$(exported "$build/broker/memferryd")"
exit $failed
