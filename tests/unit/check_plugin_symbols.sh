#!/bin/sh
# A plugin exports memferry_plugin and nothing else: two plugins must never meet in a name.
set -eu
for plugin in "$@"; do
    names=$(nm -D --defined-only "$plugin" | awk '{ print $NF }' | sort)
    if [ "$names" != memferry_plugin ]; then
        echo "$plugin exports:" "$names"
        exit 1
    fi
done
