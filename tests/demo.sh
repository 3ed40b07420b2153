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
until_true() { # WHAT CONDITION: looks again and again, a minute at most
  local end=$((SECONDS + 60))
  until eval "$2"; do
    [ "$SECONDS" -lt "$end" ] || { echo "waited a minute for $1" >&2; return 1; }
    sleep 0.05
  done
}
alerts() { # RULE COUNT ID, a line each
  memferry --json alert |
    sed -n 's/^{"id":"\([^"]*\)".*"rule":"\([^"]*\)".*"count":\([0-9]*\).*/\2 \3 \1/p' | sort
}

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

step "5. Backends are added: mirror takes each memory, and gets what was there before; the bell takes alerts."
stop_broker
mkdir -p "$XDG_CONFIG_HOME/memferry"
cat >"$XDG_CONFIG_HOME/memferry/memferry.conf" <<CONF
[guard]
bulk_change = 50% in 1s

[backend "mirror"]
plugin = mirror-file
path = $root/mirror.ndjson

[backend "bell"]
plugin = alert-notify
log_file = $root/alerts.ndjson
CONF
run 'cat $XDG_CONFIG_HOME/memferry/memferry.conf'
run 'memferryd --check-config'
run 'memferry put --wait --id late "This one waits until every backend has it"'
run 'memferry backends'
run 'cut -c 1-110 $HOME/mirror.ndjson'

step "6. A memory changes; every version stays. And it is found by its words."
run 'memferry put --id tea --prop cups=3 "Tea is at five now"'
run 'memferry history tea'
run 'memferry get tea --version 1'
run 'memferry search deploy'

step "7. How it goes, and a backup while it goes."
run 'memferry status'
run 'memferry backup $HOME/backup.db'
run 'memferryd --check-journal $HOME/backup.db'

step "8. The disaster: of sixty notes an agent overwrites ten and deletes forty."
run 'seq 60 | sed '\''s/.*/{"id":"note-&","content":"What day & taught","tags":["work"]}/'\'' |
    memferry put --quiet --from-json -'
run 'memferry export --quiet $HOME/before.ndjson'
cat >"$root/agent" <<'AGENT'
#!/bin/sh
seq 10 | sed 's/.*/{"id":"note-&","content":"TODO"}/' | memferry put --quiet --from-json -
memferry delete --quiet --reason "cleaning up" $(seq -f note-%g 21 60)
memferry guard observe --quiet "psql -c 'DROP TABLE notes'"
memferry guard observe --quiet "MATCH (n) DETACH DELETE n"
AGENT
chmod 700 "$root/agent"
run 'cat $HOME/agent'
until_true "the notes to be a second old" '[ -z "$(memferry list --since 1s --limit 1)" ]'
run 'memferry session run --agent demo -- $HOME/agent'
run 'memferry list --tag work --all | wc -l'

step "9. Nothing was refused, and nothing passed unseen: one alert for each rule, here and at the bell."
until_true "the alerts to have counted all" \
  '[[ "$(alerts)" == "bulk-change 50 "*"mass-statement 1 "*"rapid-delete 40 "*"schema-change 1 "* ]]'
until_true "the bell to have them" '[ "$(cat "$root/alerts.ndjson" 2>/dev/null | wc -l)" -ge 4 ]'
run 'memferry alert | cut -f 2-5'
run 'cut -c 1-120 $HOME/alerts.ndjson'
[ "$(alerts | wc -l)" -eq 4 ]

step "10. What the alert tells of is undone: every note is as it was, byte for byte."
run "memferry undo $(alerts | sed -n 's/^bulk-change [0-9]* //p') --yes | tail -3"
run 'memferry export --quiet $HOME/after.ndjson'
contents() { sed -E 's/"(stamp|updated_ms|session_id|origin)":("[^"]*"|[^,}]*),?//g' "$1"; }
run 'cmp <(contents $HOME/before.ndjson) <(contents $HOME/after.ndjson) && echo "the same"'

step "11. The whole disk is lost, journal and store. The mirror brings back every memory."
run 'memferry flush'
stop_broker
run 'rm -r $XDG_STATE_HOME/memferry'
run 'memferry recover --from mirror'
run 'memferry export --quiet $HOME/recovered.ndjson'
run 'cmp $HOME/after.ndjson $HOME/recovered.ndjson && echo "the same"'
stop_broker
run 'memferryd --check-journal'
printf '\nThat was the main job. README.md goes on from here.\n'
