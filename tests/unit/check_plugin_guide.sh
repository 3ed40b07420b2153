#!/bin/bash
# The plugin guide is true: its commands are run as they stand, with the installed headers alone.
# Usage: check_plugin_guide.sh GUIDE INCLUDE_DIR MEMFERRYD MEMFERRY
set -eu
guide=$(realpath "$1")
include=$(realpath "$2")
memferryd=$(realpath "$3")
memferry=$(realpath "$4")

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
ln -s "$memferryd" "$memferry" "$work/bin"
cat >"$work/memferry-plugin.pc" <<END
Name: memferry-plugin
Description: as it is installed
Version: 0
Cflags: -I$work/include
END
export PATH="$work/bin:$PATH" PKG_CONFIG_PATH="$work"
cd "$work"

# block LANGUAGE N: the N-th block of that language in the guide.
block() {
    awk -v open="\`\`\`$1" -v want="$2" '
        $0 == open { n++; inside = 1; next }
        /^```/ { inside = 0 }
        inside && n == want' "$guide"
}

sanitized=$(grep -c -e __asan_init -e __tsan_init "$memferryd" || true)
[ "$sanitized" = 0 ] || { echo "a plugin would need the sanitizer's runtime"; exit 77; }
eval "$(block sh 1)" >"$work/made"
grep -F ' 0 FAILED' "$work/made"
# What the guide shows of the source stands in it.
for n in 1 2 3; do
    block c "$n" | while IFS= read -r line; do grep -qFx -- "$line" postcard.c; done
done
eval "$(block sh 2)"
eval "$(block sh 3)" | grep -F 'try.conf is good: 1 backend'
command -v socat >/dev/null || { echo "socat is missing: the guide's last step was not run"; exit 77; }
# As the guide, but for the kill: there are no job numbers in a script.
run=$(block sh 4 | grep -v '^kill')
[ -n "$run" ]
eval "$run" > said 2> log # until there is a socket: the test's own time limit ends it
broker=$!
grep -F '"card":"delivered"' said
grep -F '"id":"tea"' said
kill "$broker"
wait "$broker"
broker=
