#!/bin/bash
# The plugin guide is true: its commands are run as they stand, with the installed headers alone.
# Usage: check_plugin_guide.sh GUIDE INCLUDE_DIR MEMFERRYD
set -eu
guide=$(realpath "$1")
include=$(realpath "$2")
memferryd=$(realpath "$3")

umask 022
work=$(mktemp -d /tmp/memferry-guide-XXXXXX)
broker=
cleanup() {
    [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap cleanup EXIT
# A place of its own: the headers as installed, and the broker by its name.
mkdir -p "$work/include/memferry" "$work/bin"
cp "$include"/memferry/plugin.h "$include"/memferry/memory.h "$work/include/memferry/"
ln -s "$memferryd" "$work/bin/memferryd"
export PATH="$work/bin:$PATH" C_INCLUDE_PATH="$work/include"
cd "$work"

# block LANGUAGE N: the N-th block of that language in the guide.
block() {
    awk -v open="\`\`\`$1" -v want="$2" '
        $0 == open { n++; inside = 1; next }
        /^```/ { inside = 0 }
        inside && n == want' "$guide"
}

eval "$(block sh 1)"
block c 1 > postcard.c
eval "$(block sh 2)"
eval "$(block sh 3)"
eval "$(block sh 4)" | grep -F 'try.conf is good: 1 backend'
command -v socat >/dev/null || { echo "socat is missing: the guide's last step was not run"; exit 77; }
# As the guide, but for the kill: there are no job numbers in a script.
run=$(block sh 5 | grep -v '^kill')
[ -n "$run" ]
eval "$run" > said 2> log # until there is a socket: the test's own time limit ends it
broker=$!
grep -F '"card":"delivered"' said
grep -Fx 'tea: Tea at four' said
kill "$broker"
wait "$broker"
broker=
