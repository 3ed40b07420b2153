#!/bin/sh
# ollama.sh [start|stop|kill9|status|fetch|wipe|wipe-after PID]: a real Ollama on loopback, with a tiny model of random
# weights by the name of nomic-embed-text (768 dimensions). The first start builds it (8 to 18 minutes); later ones
# take 2 s. wipe-after waits until the process PID has ended, then stops and wipes.
#
# Needs any Go (one that is too old fetches a newer one), g++, curl, and the headers nlohmann-json3-dev and
# libstb-dev. When it can't be built it says why and exits 77, which test harnesses count as skipped. Several may run
# side by side: give each its own OLLAMA_PORT and OLLAMA_HOME_DIR.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
VERSION=${OLLAMA_VERSION:-v0.17.4}
MALGO=v0.11.24
TOOLCHAIN=go1.24.11                         # for a Go before 1.21, which does not fetch one by itself
BASE=${OLLAMA_BASE:-${MEMFERRY_LIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/memferry-live}/ollama}   # everything lives below here
CACHE=${OLLAMA_CACHE:-$BASE/cache-$VERSION}
HOME_DIR=${OLLAMA_HOME_DIR:-$BASE/home}
PORT=${OLLAMA_PORT:-21434}
MODEL=${OLLAMA_MODEL:-nomic-embed-text}
DIMS=768
WAIT=${OLLAMA_WAIT:-90}                     # seconds until it must embed
FETCH_WAIT=${OLLAMA_FETCH_WAIT:-2400}       # seconds for the build
STOP_WAIT=20                                # seconds until it is killed
URL=http://127.0.0.1:$PORT
PIDF=$HOME_DIR/ollama.pid
BIN=$CACHE/bin/ollama
GGUF=$CACHE/nomic-tiny.gguf
STOP_GROUP=yes                              # its runner is in it
# shellcheck source=tests/live/process.sh
. "$HERE/process.sh"

# ---- build ----

fetch() {
  need curl curl
  need python3 python3
  [ -x "$BIN" ] && [ -s "$GGUF" ] && return 0
  mkdir -p "$CACHE/bin" "$CACHE/vendor/miniaudio"
  exec 9> "$CACHE/.lock"                    # one builds, others wait for it
  flock 9
  [ -x "$BIN" ] || build
  [ -s "$GGUF" ] || model
  exec 9>&-
}

module() { # NAME@VERSION: the folder of a Go module
  go mod download -json "$1" 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])' 2>/dev/null ||
    skip "Go could not fetch the module $1 (is there a network?)"
}

# Modules hold no file modes.
newer_go() {
  [ -x "$CACHE/go/bin/go" ] || {
    newer=$(module "golang.org/toolchain@v0.0.1-$TOOLCHAIN.linux-$(go env GOARCH)")
    rm -rf "$CACHE/go.new"
    cp -r "$newer" "$CACHE/go.new"
    chmod -R u+w "$CACHE/go.new"
    chmod +x "$CACHE/go.new/bin/"* "$CACHE/go.new/pkg/tool/"*/*
    mv "$CACHE/go.new" "$CACHE/go"
  }
  unset GOROOT
  PATH=$CACHE/go/bin:$PATH
  go version > /dev/null || skip "$TOOLCHAIN was fetched, but does not run"
}

# A Go module holds no folder named vendor, so llama.cpp's are missing: two come from Debian, one from another module.
build() {
  need go "Go (golang-go)"
  need g++ g++
  { [ -e /usr/include/nlohmann/json_fwd.hpp ] && [ -e /usr/include/stb/stb_image.h ]; } ||
    skip "headers are missing; install nlohmann-json3-dev and libstb-dev"
  go version | grep -Eq ' go1\.(2[1-9]|[3-9][0-9])' || newer_go
  malgo=$(module "github.com/gen2brain/malgo@$MALGO")
  cp -f "$malgo/miniaudio.h" "$CACHE/vendor/miniaudio/"
  echo "ollama.sh: building Ollama $VERSION, which takes minutes" >&2
  CGO_ENABLED=1 CGO_CPPFLAGS="-I$CACHE/vendor" GOBIN=$CACHE/bin timeout "$FETCH_WAIT" go install \
    -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=${VERSION#v}" \
    "github.com/ollama/ollama@$VERSION" >&2 || skip "Ollama $VERSION could not be built"
}

model() {
  python3 "$HERE/tiny_nomic_gguf.py" "$GGUF.new" >&2
  mv "$GGUF.new" "$GGUF"
}

# ---- the process ----

is_ours() { # PID
  has_environment "$1" "OLLAMA_MODELS=$HOME_DIR/models"
}

answers() {
  curl -sf -o /dev/null -m 5 "$URL/api/version"
}

# A real vector, so that the model is loaded too.
ready() {
  [ "$(curl -s -m 60 "$URL/api/embed" -d "{\"model\":\"$MODEL\",\"input\":\"probe\",\"keep_alive\":-1}" |
    python3 -c 'import json, sys; print(len(json.load(sys.stdin)["embeddings"][0]))' 2> /dev/null)" = $DIMS ]
}

settings() {
  export HOME="$HOME_DIR" OLLAMA_HOST="127.0.0.1:$PORT" OLLAMA_MODELS="$HOME_DIR/models"
  export OLLAMA_KEEP_ALIVE="${OLLAMA_KEEP_ALIVE:--1}" OLLAMA_NUM_PARALLEL="${OLLAMA_NUM_PARALLEL:-1}"
  export OLLAMA_MAX_LOADED_MODELS=1 OLLAMA_NOHISTORY=1 OLLAMA_NOPRUNE=1
}

start() {
  t=0
  setsid "$BIN" serve > "$HOME_DIR/ollama.log" 2>&1 < /dev/null 9>&- &
  echo $! > "$PIDF"
  until answers; do
    alive || [ $t -lt 5 ] || { echo "ollama.sh: Ollama ended:" >&2; tail -20 "$HOME_DIR/ollama.log" >&2; exit 1; }
    t=$((t + 1))
    [ $t -gt $((WAIT * 5)) ] && { echo "ollama.sh: no answer after ${WAIT} s" >&2; exit 1; }
    sleep 0.2
  done
  if ! curl -s "$URL/api/tags" | grep -q "\"$MODEL:latest\""; then
    printf 'FROM %s\nPARAMETER num_ctx 8192\n' "$GGUF" > "$HOME_DIR/Modelfile"
    "$BIN" create "$MODEL" -f "$HOME_DIR/Modelfile" > "$HOME_DIR/create.log" 2>&1 ||
      { cat "$HOME_DIR/create.log" >&2; exit 1; }
  fi
  ready || { echo "ollama.sh: the model does not embed" >&2; tail -20 "$HOME_DIR/ollama.log" >&2; exit 1; }
}

case ${1:-start} in
fetch)  fetch ;;
start)
  fetch; mkdir -p "$HOME_DIR/models"; settings
  if alive && ready; then echo "already up, pid $(cat "$PIDF")"; exit 0; fi
  stop TERM; start
  echo "up pid=$(cat "$PIDF") $URL $MODEL" ;;
*)      common "$@" ;;
esac
