#!/usr/bin/env bash
# symbols.sh BUILD_DIR: the library exports what its header declares, a plugin its one symbol, the
# daemon nothing.
set -euo pipefail
build=$1
failed=0

exported() { nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort; }

compare() { # NAME EXPECTED ACTUAL
  if [ "$2" != "$3" ]; then
    echo "$1 exports other symbols than it should:" >&2
    diff <(echo "$2") <(echo "$3") >&2 || true
    failed=1
  fi
}

declared=$(tr '\n' ' ' <include/memferry/client.h | grep -o 'MEMFERRY_API [^;]*;' |
  sed 's/(.*//; s/.*[ *]//' | sort)
compare libmemferry "$declared" "$(exported "$build/client/libmemferry.so")"

for plugin in "$build"/plugins/*/*.so; do
  compare "$plugin" memferry_plugin "$(exported "$plugin")"
done

compare memferryd "" "$(exported "$build/broker/memferryd" | grep -v -E '^(__|_IO|_init|_fini|data_start|std(in|out|err)$|environ$|opt(arg|ind|err|opt)$)' || true)"
exit $failed
