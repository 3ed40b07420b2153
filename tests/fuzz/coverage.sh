#!/usr/bin/env bash
# coverage.sh BUILD_DIR CORPUS_DIR: runs each target once over its seeds and its corpus, and says how
# much of the code that it is for it reaches. Of the tests' own code nothing is counted.
set -euo pipefail
build=$1 corpus=$2
here=$(dirname "$(realpath -- "$0")")
top=$(realpath -- "$here/../..")
llvm=$(dirname "$(realpath -- "$(command -v llvm-cov)")")
profiles=$(mktemp -d)
trap 'rm -rf "$profiles"' EXIT

printf '%-14s %18s %18s %18s\n' target functions lines regions
for target in "$build"/tests/fuzz/fuzz_*; do
  name=$(basename "$target")
  name=${name#fuzz_}
  if ! [ -f "$target" ] || ! [ -x "$target" ]; then continue; fi
  inputs=("$here/seeds/$name")
  [ ! -d "$corpus/$name" ] || inputs+=("$corpus/$name")
  LLVM_PROFILE_FILE=$profiles/$name.raw "$target" -runs=0 -rss_limit_mb=2048 "${inputs[@]}" \
    >"$profiles/log" 2>&1 || { tail -30 "$profiles/log" >&2; exit 1; }
  "$llvm/llvm-profdata" merge -sparse "$profiles/$name.raw" -o "$profiles/$name"
  "$llvm/llvm-cov" report "$target" -instr-profile="$profiles/$name" \
    -ignore-filename-regex="^$top/tests/|^/usr/" |
    awk -v name="$name" '/^TOTAL/ {
      printf "%-14s %10d of %4d %10d of %4d %10d of %4d\n",
        name, $5 - $6, $5, $8 - $9, $8, $2 - $3, $2 }'
done
