#!/usr/bin/env python3
"""Holds every include to the layers of docs/architecture.md: a lower layer never includes a higher one.

The layers are listed lowest first. A file belongs to the first pattern that matches it.
"""
import fnmatch
import re
import subprocess
import sys

LAYERS = [
    ("public", ["include/memferry/*"]),
    ("wire", ["client/wire/*"]),
    ("util", ["broker/util/*"]),
    ("config", ["broker/config*"]),
    ("event", ["broker/event.*"]),
    ("journal", ["broker/segment*", "broker/journal*"]),
    ("store", ["broker/memory_state*", "broker/store_call*", "broker/store*", "broker/reader*",
               "broker/applier*", "broker/replay*"]),
    ("plugin", ["broker/plugin*"]),
    ("lane", ["broker/lane*", "broker/circuit*", "broker/backoff*"]),
    ("broker", ["broker/*"]),
]
# What stands beside the layers: who may include what.
ASIDE = [
    ("library", ["client/*.c", "client/*.h"], ["public", "wire", "library"]),
    ("command", ["client/cli/*"], ["public", "wire", "library", "command"]),
    ("plugins", ["plugins/*"], ["public", "plugins"]),
]
# store_call.* speaks of calls: it belongs to the loop, whatever its name begins with.
EXCEPTIONS = {"broker/store_call.c": "broker", "broker/store_call.h": "broker"}


def layer_of(path):
    if path in EXCEPTIONS:
        return EXCEPTIONS[path]
    for name, patterns in LAYERS + [(n, p) for n, p, _ in reversed(ASIDE)]:
        if any(fnmatch.fnmatch(path, pattern) for pattern in patterns):
            return name
    return None


def allowed(layer):
    for name, _, may in ASIDE:
        if name == layer:
            return may
    names = [name for name, _ in LAYERS]
    return names[: names.index(layer) + 1]


def includes(path):
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<(memferry/[^>]+)>)', line)
        if match:
            yield number, match.group(1) or "include/" + match.group(2)


def main():
    files = subprocess.run(["git", "ls-files", "--", "include", "client", "broker", "plugins"],
                           capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if f.endswith((".c", ".h"))]
    bad = 0
    for path in files:
        layer = layer_of(path)
        if layer is None:
            print(f"{path}: belongs to no layer; name it in tests/layers.py")
            bad += 1
            continue
        for number, target in includes(path):
            target_layer = layer_of(target)
            if target_layer is not None and target_layer not in allowed(layer):
                print(f"{path}:{number}: {layer} includes {target} of {target_layer}")
                bad += 1
    print(f"{len(files)} files, {bad} wrong")
    return 1 if bad or len(files) < 50 else 0


sys.exit(main())
