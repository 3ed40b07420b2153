#!/usr/bin/env bash
# package.sh BUILD_ROOT: the Debian packages build twice to the same bytes, and what is in them works.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$1/package-test
rm -rf --one-file-system "$root"
mkdir -p "$root"
trap 'rm -rf --one-file-system "$root"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }

echo "built twice"
./dev package "$root/first" >/dev/null
./dev package "$root/second-and-longer" >/dev/null
for deb in "$root"/first/*.deb; do
  cmp "$deb" "$root/second-and-longer/${deb##*/}" || fail "${deb##*/} is not reproducible"
done

echo "unpacked"
for deb in "$root"/first/*.deb; do
  case $deb in *dbgsym*) continue ;; esac
  dpkg-deb -x "$deb" "$root/unpacked"
done
cd "$root/unpacked/usr"
plugins=$(echo "$PWD"/lib/*/memferry/plugins)
export HOME=$root XDG_RUNTIME_DIR=$root/run MEMFERRY_PLUGIN_DIR=$plugins PATH=$PWD/bin:$PATH
chmod 755 "$root"
mkdir -m 700 "$XDG_RUNTIME_DIR"
printf '[backend "mirror"]\nplugin = mirror-file\npath = %s/mirror.ndjson\n' "$root" >"$root/conf"
export MEMFERRY_CONFIG=$root/conf
memferryd --check-config >/dev/null || fail "the plugins of the package do not load"
memferry put --id tea --wait "Tea is at four" >/dev/null || fail "the command does not put"
grep -q "Tea is at four" "$root/mirror.ndjson" || fail "the memory did not arrive"
printf 'secret' >"$root/secret"
chmod 600 "$root/secret"
memferry webhook sign --secret-file "$root/secret" "$root/conf" >/dev/null ||
  fail "the programs beside the command are not found"

echo "a program built against the library"
export PKG_CONFIG_SYSROOT_DIR=$root/unpacked
PKG_CONFIG_PATH=$(echo "$PWD"/lib/*/pkgconfig)
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # words are wanted
cc -o "$root/hello" "$OLDPWD/docs/examples/hello.c" $(pkg-config --cflags --libs memferry)
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") "$root/hello" >/dev/null || fail "docs/examples/hello.c"
kill "$(memferry --json call hello | sed 's/.*"pid": *\([0-9]*\).*/\1/')"
flock "$root/.local/state/memferry/journal/lock" true
