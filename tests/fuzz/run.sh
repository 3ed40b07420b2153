#!/usr/bin/env bash
# run.sh TARGET SECONDS [FUZZER OPTION...]: fuzzes from the seeds of the tree, with the target's
# dictionary. New inputs stay outside of the tree: in a corpus of their own, or in
# MEMFERRY_FUZZ_CORPUS/NAME, which is kept. With MEMFERRY_FUZZ_SEED each run tries the same. What it
# finds is told with the input, the trace and the command that runs it again, and the input is kept
# beside the target.
set -euo pipefail
target=$1 seconds=$2
shift 2
name=$(basename "$target")
name=${name#fuzz_}
here=$(dirname "$0")
finds=$(dirname "$target")/finds/$name
log=$(mktemp)
if [ -n "${MEMFERRY_FUZZ_CORPUS:-}" ]; then
  corpus=$MEMFERRY_FUZZ_CORPUS/$name
  mkdir -p "$corpus"
  trap 'rm -f "$log"' EXIT
else
  corpus=$(mktemp -d)
  trap 'rm -rf "$corpus" "$log"' EXIT
fi
mkdir -p "$finds"
options=("$corpus") # the first takes what is new
[ ! -d "$here/seeds/$name" ] || options+=("$here/seeds/$name")
case $name in
wire_json | json_reader) words=json ;;
wire_msgpack) words=reply ;;
neo4j | ollama | n8n) words=replies ;;
*) words=$name ;;
esac
[ ! -f "$here/dictionaries/$words.dict" ] || options+=("-dict=$here/dictionaries/$words.dict")

found() {
  local input size
  input=$(sed -n 's/^artifact_prefix=.*Test unit written to //p' "$log" | tail -1)
  {
    echo "FOUND by fuzz_$name"
    grep -v -E '^#[0-9]+|^INFO|^Dictionary|^MS: ' "$log" | tail -60
    if [ -n "$input" ]; then
      size=$(stat -c %s "$input")
      echo "the input, $size bytes, in base64 (kept as $input):"
      head -c 4096 "$input" | base64
      [ "$size" -le 4096 ] || echo "(the first 4096 bytes)"
      echo "once more:  $target $input"
      echo "elsewhere:  base64 -d >input, build by ./dev fuzz 0, then build/asan/tests/fuzz/fuzz_$name input"
      echo "smaller:    $target -minimize_crash=1 -runs=100000 -exact_artifact_path=small $input"
    fi
    echo "Mended, it belongs into tests/fuzz/seeds/$name, and its cause into the unit tests."
  } >&2
  exit 1
}

"$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 \
  -seed="${MEMFERRY_FUZZ_SEED:-0}" -artifact_prefix="$finds/" "${options[@]}" "$@" >"$log" 2>&1 || found
awk -v name="$name" '
  /stat::number_of_executed_units/ { runs = $2 }
  /stat::average_exec_per_sec/ { speed = $2 }
  / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
  END { printf "%-14s %11d runs %8d a second %6d edges %7d features, nothing found\n", name, runs, speed, cov, ft }' "$log"
