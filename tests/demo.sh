#!/usr/bin/env bash
# demo.sh BUILD_DIR: memferry's main job, end to end, in a folder of its own that goes at the end.
# shellcheck disable=SC2016  # what is shown is what is run: it expands there
set -euo pipefail
build=$(realpath "$1")
root=$(mktemp -d)
export HOME=$root XDG_RUNTIME_DIR=$root/run XDG_STATE_HOME=$root/state XDG_CONFIG_HOME=$root/config
export PATH=$build/client/cli:$build/broker:$PATH
unset MEMFERRY_SOCKET MEMFERRY_CONFIG MEMFERRY_STATE_DIR MEMFERRY_SESSION_ID MEMFERRY_SESSION_FILE
export MEMFERRY_PLUGIN_DIR=$root/plugins
mkdir -m 700 "$XDG_RUNTIME_DIR" "$MEMFERRY_PLUGIN_DIR"
for plugin in "$build"/plugins/*/*.so; do install -m 644 "$plugin" "$MEMFERRY_PLUGIN_DIR"; done

broker_pid() { memferry --no-start --json call hello 2>/dev/null | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p'; }
alive() { grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }
end_broker() { # SIGNAL: and wait until it has ended
  local pid
  pid=$(broker_pid)
  [ -n "$pid" ] || return 0
  kill "-$1" "$pid"
  while alive "$pid"; do sleep 0.02; done
}
stop_broker() { end_broker TERM; }
trap 'stop_broker || true; rm -rf "$root"' EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; eval "$*"; }

step "1. A memory is put. No broker runs and there is no config: the command starts one."
run 'memferry put --id tea --kind fact --tag tea --prop cups=2 "Tea is at four, in the garden"'
run 'memferry put --id deploy --kind decision "We deploy on Tuesdays, never on Fridays"'

step "2. The receipt is true: kill -9, start again, and they are there."
run 'end_broker KILL'
run 'memferry list'

step "3. The same socket by hand, one JSON object a line."
run 'echo '\''{"id":1,"method":"memory.put","params":{"id":"rain","content":"It rained on Monday"}}'\'' |
    socat -t5 - UNIX-CONNECT:$XDG_RUNTIME_DIR/memferry/memferry.sock'

step "4. And from a program, through the C library."
cc -o "$root/hello" "$(dirname "$0")/../docs/examples/hello.c" -I"$(dirname "$0")/../include" \
  -L"$build/client" -lmemferry -Wl,-rpath,"$build/client"
run "$root/hello"

step "5. A backend is added: mirror-file, one line for each memory. It gets what was there before, too."
stop_broker
mkdir -p "$XDG_CONFIG_HOME/memferry"
cat >"$XDG_CONFIG_HOME/memferry/memferry.conf" <<CONF
[backend "mirror"]
plugin = mirror-file
path = $root/mirror.ndjson
CONF
run 'cat $XDG_CONFIG_HOME/memferry/memferry.conf'
run 'memferryd --check-config'
run 'memferry put --wait --id late "This one waits until every backend has it"'
run 'memferry flush'
run 'memferry backends'
run 'cut -c 1-110 $HOME/mirror.ndjson'

step "6. A memory changes, and is deleted; every version stays."
run 'memferry put --id tea --prop cups=3 "Tea is at five now"'
run 'memferry delete tea --reason "no more tea"'
run 'memferry history tea'
run 'memferry get tea --version 1'

step "7. How it goes, and that all is well on disk."
run 'memferry status'
stop_broker
run 'memferryd --check-journal'
printf '\nThat was the main job. README.md goes on from here.\n'
