#!/usr/bin/env python3
"""memferryd beside what users would pick instead and beside what the machine can do, in one run.

Each topic measures some rows: interleaved rounds, ratios within a round, the median of those and their
range. The table at the end says what was reached for. `--scale` runs the sizes that take long.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness  # noqa: E402
import rows_broker  # noqa: E402
import rows_command  # noqa: E402
import rows_replies  # noqa: E402
import rows_search  # noqa: E402
import rows_store  # noqa: E402
import scale  # noqa: E402
from rows import print_rows  # noqa: E402

TOPICS = {
    "replies": rows_replies.measure,      # durable replies beside the bare model, Redis, NATS
    "command": rows_command.measure,      # one-shot memferry put
    "apply": rows_store.measure_apply,    # the store beside SQLite's bare insert
    "events": rows_store.measure_events,  # put latency with many events stored
    "broker": rows_broker.measure,        # RSS, and the start to the first receipt
    "vectors": rows_search.measure_vectors,
    "text": rows_search.measure_text,
    "curves": scale.measure,              # cost against work
}


def in_memory(directory):
    """Is it on a tmpfs? Then a sync costs nothing, and nothing is measured."""
    best = ("", "")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            if os.path.commonpath([point, directory]) == point and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1] in ("tmpfs", "ramfs")


def commit():
    told = subprocess.run(["git", "-C", str(harness.SOURCE), "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return told.stdout.strip()


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, short cells, two rounds")
    parser.add_argument("--scale", action="store_true",
                        help="the large sizes: hours of one machine, and some 30 GB of disk")
    parser.add_argument("--shrink", type=float, default=1.0, help="divide all sizes by this")
    parser.add_argument("--only", help=f"topics, by commas: {','.join(TOPICS)}")
    parser.add_argument("--servers", help="of replies: memferry,busy,bare,redis,nats,echo")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--seconds", type=float, help="of each cell; default 1.5")
    parser.add_argument("--dir", type=pathlib.Path, help="where data goes; default: the build")
    parser.add_argument("--json", type=pathlib.Path, help="default: bench.json in the build")
    parser.add_argument("--compare", type=pathlib.Path, help="the JSON of another run")
    parser.add_argument("--plots", action="store_true", help="write the curves into docs/images")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(TOPICS)
    unknown = [topic for topic in options.only if topic not in TOPICS]
    if unknown:
        parser.error(f"no such topic: {', '.join(unknown)}")
    options.servers = options.servers.split(",") if options.servers else None
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (0.4 if options.quick else 1.5)
    options.dir = (options.dir or harness.BUILD).resolve()
    options.json = options.json or harness.BUILD / "bench.json"
    return options


class Context:
    """What topics know: the options, and sizes by them."""

    def __init__(self, options):
        vars(self).update(vars(options))

    def size(self, quick, usual, large):
        """By how thorough the run is."""
        wanted = large if self.scale else quick if self.quick else usual
        return max(1, int(wanted / self.shrink))


def main():
    options = read_options()
    if in_memory(str(options.dir)):
        print(f"{options.dir} is in memory: give a directory on a disk with --dir",
              file=sys.stderr)
        return 1
    before = None
    if options.compare:
        told = json.loads(options.compare.read_text("utf-8"))
        before = {row["key"]: row["median"] for row in told["rows"]}
        print(f"compared with {told['commit']}")
    rows, details = [], {}
    for topic in options.only:
        print(f"{topic} …", file=sys.stderr, flush=True)
        more, details[topic] = TOPICS[topic](Context(options))
        rows += more
        options.json.write_text(json.dumps(
            {"commit": commit(), "cpus": os.cpu_count(), "load": os.getloadavg(),
             "rounds": options.rounds, "seconds": options.seconds,
             "rows": [row.as_json() for row in rows], "details": details}, indent=1) + "\n")
    print_rows(rows, before)
    print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[1]:.1f}; written: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
