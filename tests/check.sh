#!/usr/bin/env bash
# check.sh BUILD_DIR: format, tidy, layers, exported symbols, protections, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
failed=0

fail() { echo "FAILED: $*" >&2; failed=1; }
sources() { git ls-files -- '*.c' '*.h'; }

echo "format"
sources | xargs clang-format --dry-run --Werror || fail "run clang-format -i on what is named above"

echo "tidy"
git ls-files -- 'broker/*.c' 'client/*.c' 'plugins/*.c' |
  xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$build" >"$build/tidy.log" 2>&1 || {
  grep -E -A4 '(error|warning): ' "$build/tidy.log" >&2 || tail "$build/tidy.log" >&2
  fail "clang-tidy; all it says is in $build/tidy.log"
}

echo "cppcheck"
mkdir -p "$build/cppcheck"
cppcheck --quiet --enable=warning,performance,portability --error-exitcode=1 -j "$(nproc)" \
  --std=c11 --language=c --library=posix -D_GNU_SOURCE -D__linux__ -I. -Iinclude \
  --cppcheck-build-dir="$build/cppcheck" --suppressions-list=tests/checkers/cppcheck.txt \
  broker client plugins || fail "cppcheck"

echo "gcc's analyzer"
tests/checkers/gcc.sh "$build" || fail "gcc -fanalyzer"

echo "layers"
/usr/bin/python3 tests/layers.py --self-test || fail "layers.py misses what it should catch"
/usr/bin/python3 tests/layers.py || fail "a lower layer includes a higher one"

echo "exported symbols"
tests/symbols.sh "$build" || fail "exported symbols"

echo "protections of the binaries"
/usr/bin/python3 tests/hardening.py --self-test || fail "hardening.py misses what it should catch"
/usr/bin/python3 tests/hardening.py "$build" || fail "a binary lacks a protection"

echo "shell scripts"
{ git ls-files -- '*.sh'; echo dev; echo .ci/run; } | xargs shellcheck -x || fail "shellcheck"

exit $failed
