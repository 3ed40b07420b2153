#!/usr/bin/env bash
# valgrind.sh BUILD_DIR: the unit tests of the client library and the command under memcheck. Real
# commands against a real broker are in tests/integration/test_valgrind.py.
set -euo pipefail
build=$1
lost=definite,indirect,possible
memcheck="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=$lost"
memcheck+=" --errors-for-leak-kinds=$lost"
tests=(client client_address client_broken client_pipeline client_reply 'session file' cli_alert
  cli_diff cli_parts cli_put cli_show cli_usage)

run() { # WRAPPER, TEST...
  local wrapper=$1
  shift
  meson test -C "$build" --no-rebuild --print-errorlogs -t 10 --wrapper "$wrapper" "$@"
}

run "$memcheck" "${tests[@]}"
# Its processes end at every step with all that they hold: what is lost there says nothing.
run "$memcheck --leak-check=no" 'session crash'
