#!/usr/bin/env python3
"""Holds every include to the layers of docs/architecture.md: a lower layer never includes a higher one.

The layers are listed lowest first. A file belongs to the first pattern that matches it.
"""
import fnmatch
import os
import re
import subprocess
import sys

LAYERS = [
    ("public", ["include/memferry/*"]),
    ("wire", ["client/wire/*"]),
    ("util", ["broker/util/*"]),
    ("config", ["broker/config*"]),
    ("event", ["broker/event.*", "broker/event_*", "broker/unpack.*", "broker/alert.*",
               "broker/session.*"]),
    ("judge", ["broker/guard_*"]),
    ("journal", ["broker/segment*", "broker/journal*"]),
    ("store", ["broker/memory_state*", "broker/memory_merge*", "broker/memory_same*", "broker/sql.*", "broker/store*",
               "broker/arena.*", "broker/reader*", "broker/applier*", "broker/replay*"]),
    ("search", ["broker/search.*", "broker/search_*", "broker/vector_*"]),
    ("plugin", ["broker/plugin*"]),
    ("lane", ["broker/lane*", "broker/emitter.*", "broker/circuit*", "broker/backoff*", "broker/reason*",
              "broker/streak*"]),
    ("broker", ["broker/*"]),
]
# What stands beside the layers: who may include what.
ASIDE = [
    ("library", ["client/*"], ["public", "wire", "library"]),
    ("command", ["client/cli/*"], ["public", "wire", "library", "command"]),
    ("heavy verbs", ["client/heavy/*"], ["public", "wire", "library", "command", "plugins",
                                        "heavy verbs"]),
    ("manual", ["client/manual/*"], ["public", "command", "manual"]),
    ("plugin bench", ["client/heavy/plugin*"], ["public", "wire", "util", "config", "plugin",
                                                "library", "command", "heavy verbs",
                                                "plugin bench"]),
    ("plugins", ["plugins/*"], ["public", "plugins"]),
]
# Asks the store for the loop: it belongs to that, whatever its name begins with.
EXCEPTIONS = {"broker/store_call.c": "broker", "broker/store_call.h": "broker",
              # The guard itself, beside its pure parts.
              "broker/guard_internal.h": "broker", "broker/guard_begin.c": "broker",
              "broker/guard_tell.c": "broker"}
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


def resolve(path, name):
    if name.startswith("memferry/"):
        return "include/" + name
    return name if "/" in name else os.path.join(os.path.dirname(path), name)


def includes(path, lines):
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<(memferry/[^>]+)>)', line)
        if match:
            yield number, resolve(path, match.group(1) or match.group(2))


def faults(path, lines):
    """What is wrong with the file's includes, a line each."""
    layer = layer_of(path)
    if layer is None:
        yield f"{path}: belongs to no layer; name it in tests/layers.py"
        return
    for number, target in includes(path, lines):
        if layer_of(target) is None:
            yield f"{path}:{number}: includes {target}, which belongs to no layer"
        elif layer_of(target) not in allowed(layer):
            yield f"{path}:{number}: {layer} includes {target} of {layer_of(target)}"


def self_test():
    """Finds what is wrong, and nothing where all is right."""
    wrong = [
        ("broker/journal.c", '#include "broker/lane.h"'),
        ("broker/util/log.c", '#  include  "broker/broker.h"'),
        ("broker/store_open.c", '#include "broker/store_call.h"'),
        ("broker/journal.c", '#include "lane.h"'),
        ("broker/journal.c", '#include "elsewhere/lane.h"'),
        ("broker/peer.c", '#include "client/cli/cli.h"'),
        ("client/wire/scan.c", '#include "broker/util/error.h"'),
        ("client/call.c", '#include "client/cli/cli.h"'),
        ("client/cli/cmd_heavy.c", '#include "plugins/common/webhook.h"'),
        ("client/heavy/webhook.c", '#include "broker/event.h"'),
        ("plugins/mirror-file/file.c", '#include "broker/event.h"'),
        ("include/memferry/client.h", '#include "client/connection.h"'),
        ("elsewhere/x.c", ""),
    ]
    right = [
        ("broker/lane.c", '#include "broker/journal.h"'),
        ("broker/peer.c", '#include "client/wire/scan.h"'),
        ("client/cli/cli.c", "#include <memferry/client.h>"),
        ("client/heavy/webhook.c", '#include "plugins/common/webhook.h"'),
        ("client/cli/cli.c", '#include "memferry/client.h"'),
        ("broker/store.c", '#include "store_internal.h"'),
        ("broker/util/log.c", "/* see broker/broker.h */"),
    ]
    missed = [case for case in wrong if not list(faults(case[0], [case[1]]))]
    invented = [case for case in right if list(faults(case[0], [case[1]]))]
    for case in missed:
        print("not caught:", *case)
    for case in invented:
        print("caught, but right:", *case)
    return 1 if missed or invented else 0


def main():
    files = subprocess.run(["git", "ls-files", "--", "include", "client", "broker", "plugins"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    files = [f for f in files if f.endswith((".c", ".h"))]
    wrong = [fault for path in files for fault in faults(path, open(path, encoding="utf-8"))]
    print(*wrong, f"{len(files)} files, {len(wrong)} wrong", sep="\n")
    return 1 if wrong or len(files) < 50 else 0


sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
