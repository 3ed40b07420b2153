#!/usr/bin/env bash
# run.sh TARGET SECONDS: fuzzes from the seeds of the tree; new finds stay outside of it.
set -euo pipefail
target=$1 seconds=$2
name=$(basename "$target")
corpus=$(mktemp -d)
trap 'rm -rf "$corpus" "$corpus.log"' EXIT
seeds=$(dirname "$0")/seeds/${name#fuzz_}
[ -d "$seeds" ] || seeds=
printf '%s: ' "$name"
"$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
  -artifact_prefix="$(dirname "$target")/" "$corpus" ${seeds:+"$seeds"} >"$corpus.log" 2>&1 || {
  tail -40 "$corpus.log" >&2
  exit 1
}
awk '/number_of_executed_units/ { n = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
     END { printf "%s runs, coverage %s, nothing found\n", n, cov }' "$corpus.log"
