#!/bin/sh
# check_symbols.sh LIBRARY HEADER: the library exports what the header declares, and nothing else.
set -eu

declared=$(tr '\n' ' ' <"$2" | sed 's/MEMFERRY_API/\n&/g' | grep '^MEMFERRY_API [a-z]' |
    sed 's/(.*//; s/.*[ *]//' | sort)
exported=$(nm -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort)
other=$(nm -D --defined-only "$1" | awk '$2 != "T" && $2 != "A" { print $3 }')

if [ -z "$declared" ] || [ "$declared" != "$exported" ] || [ -n "$other" ]; then
    echo "client.h declares:" && echo "$declared"
    echo "the library exports:" && echo "$exported" "$other"
    exit 1
fi
