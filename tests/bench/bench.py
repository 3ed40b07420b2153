#!/usr/bin/env python3
"""The durable reply, measured: memferryd beside the bare model and Redis.

One load generator (load.c) drives every server over a Unix socket: it sends a record and waits for
the reply that means fsynced. Servers take turns, each with a fresh directory on the same disk, and
whole rounds are repeated, so that a machine that slows down slows all of them down. What counts are
the ratios of one round; the table shows their median and their range.

    bare    tests/bench/bare_model.c: append, group commit, 12 bytes back; nothing else
    redis   XADD with appendfsync always: what one would use otherwise (skipped if not installed)
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
START_S = 30
# (connections, requests in flight on each, bytes of content)
CELLS = [(1, 1, 600), (8, 1, 600), (64, 1, 600), (1, 1, 4096), (8, 1, 4096), (64, 1, 4096),
         (1, 32, 600), (8, 32, 600), (64, 32, 600)]
QUICK_CELLS = [(1, 1, 600), (8, 1, 600), (64, 1, 600), (8, 1, 4096), (8, 32, 600)]


class Server:
    """A server of its own directory; `name` is also what the load generator must speak."""

    def __init__(self, name, build):
        self.name, self.build, self.process = name, build, None

    def missing(self):
        """Why it can't run here, or None."""
        program = pathlib.Path(self.command(pathlib.Path("."), "")[0])
        return None if shutil.which(program) else f"{program} is not there"

    def environment(self, data):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("MEMFERRY_", "XDG_"))}
        return dict(keep, HOME=str(data), XDG_CONFIG_HOME=str(data / "config"))

    @contextlib.contextmanager
    def running(self, data, path):
        log = open(data / "log", "wb")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command(data, path), stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, env=self.environment(data))
        try:
            self.wait(data, path)
            yield self
        finally:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            log.close()

    def wait(self, data, path):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(path)
                    return
                except OSError:
                    time.sleep(0.02)
            if self.process.poll() is not None:
                break
        raise SystemExit(f"{self.name} does not start:\n{(data / 'log').read_text()[-2000:]}")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) / 1024
        return 0.0


class Bare(Server):
    def command(self, data, path):
        return [str(self.build / "tests" / "bench" / "bare_model"), path, str(data / "file")]


class Memferry(Server):
    def command(self, data, path):
        config = data / "memferry.conf"
        if data.is_absolute():
            config.touch()
        return [str(self.build / "broker" / "memferryd"), "--socket", path, "--state-dir",
                str(data / "state"), "--config", str(config)]


class Redis(Server):
    def command(self, data, path):
        return ["redis-server", "--port", "0", "--unixsocket", path, "--dir", str(data),
                "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                "--no-appendfsync-on-rewrite", "no", "--auto-aof-rewrite-percentage", "0"]

    def missing(self):
        if shutil.which("redis-server"):
            return None
        return "redis-server is not installed (apt-get install redis-server)"


def drive(build, server, path, cell, seconds):
    connections, depth, size = cell
    before = server.cpu_s()
    done = subprocess.run(
        [str(build / "tests" / "bench" / "load"), "--speak", server.name, "--socket", path,
         "--connections", str(connections), "--depth", str(depth), "--size", str(size),
         "--seconds", str(seconds), "--warm-up", str(seconds * 0.2)],
        capture_output=True, text=True, timeout=seconds * 3 + 60, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{server.name}, {cell}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    told["cpu_us"] = (server.cpu_s() - before) * 1e6 / max(1, told["replies"] * 1.2)
    told["rss_mb"] = server.rss_mb()
    return told


def measure(servers, build, options):
    """{(server, cell): [a result for each round]}"""
    results = {}
    for number in range(options.rounds):
        turn = number % len(servers)
        for server in servers[turn:] + servers[:turn]:
            print(f"round {number + 1} of {options.rounds}: {server.name}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-") as data, \
                    tempfile.TemporaryDirectory(prefix="mfb-", dir="/tmp") as run:
                path = os.path.join(run, "s")
                with server.running(pathlib.Path(data), path):
                    for cell in options.cells:
                        results.setdefault((server.name, cell), []).append(
                            drive(build, server, path, cell, options.seconds))
    return results


def middle(rounds, key):
    return statistics.median(r[key] for r in rounds)


def ratios(results, cell, name, other, key):
    pairs = zip(results[name, cell], results[other, cell])
    return [a[key] / b[key] for a, b in pairs if b[key]]


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def print_table(results, names, cells):
    print("\nreplies that mean fsynced: replies/s | p50 µs | p99 µs | p99.9 µs | CPU µs a reply\n")
    for cell in cells:
        connections, depth, size = cell
        piped = f", {depth} in flight on each" if depth > 1 else ""
        print(f"{size} B, {connections} connection{'s' * (connections > 1)}{piped}")
        for name in names:
            r = results[name, cell]
            line = (f"  {name:9} {middle(r, 'rate'):>10,.0f} | {middle(r, 'p50_us'):>8,.0f} | "
                    f"{middle(r, 'p99_us'):>8,.0f} | {middle(r, 'p999_us'):>8,.0f} | "
                    f"{middle(r, 'cpu_us'):>6.1f}")
            if name != "memferry" and "memferry" in names:
                line += ("   memferry/it: rate " + spread(ratios(results, cell, "memferry", name,
                                                                 "rate"))
                         + ", p50 " + spread(ratios(results, cell, "memferry", name, "p50_us"))
                         + ", p99 " + spread(ratios(results, cell, "memferry", name, "p99_us")))
            print(line)
    print()
    for name in names:
        rss = max(r["rss_mb"] for cell in cells for r in results[name, cell])
        print(f"  {name:9} largest RSS {rss:.0f} MB")


def as_json(results, names, options):
    return {
        "rounds": options.rounds, "seconds": options.seconds, "cpus": os.cpu_count(),
        "servers": names,
        "cells": [{"connections": cell[0], "depth": cell[1], "bytes": cell[2],
                   "results": {name: results[name, cell] for name in names},
                   "ratios": {f"memferry/{name}": {
                       key: ratios(results, cell, "memferry", name, key)
                       for key in ("rate", "p50_us", "p99_us")}
                       for name in names if name != "memferry" and "memferry" in names}}
                  for cell in options.cells]}


def in_memory(directory):
    """Is it on a tmpfs? Then a sync costs nothing, and nothing is measured."""
    best = ("", "")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            if os.path.commonpath([point, directory]) == point and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1] in ("tmpfs", "ramfs")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path,
                        default=os.environ.get("MEMFERRY_BUILD", SOURCE / "build"))
    parser.add_argument("--quick", action="store_true", help="half a minute instead of minutes")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--seconds", type=float, help="of each cell; default 1.5")
    parser.add_argument("--only", help="servers, by commas: memferry,bare,redis")
    parser.add_argument("--dir", type=pathlib.Path, help="where data goes; default: the build")
    parser.add_argument("--json", type=pathlib.Path, help="default: bench.json in the build")
    options = parser.parse_args()
    options.build = pathlib.Path(options.build).resolve()
    options.cells = QUICK_CELLS if options.quick else CELLS
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 1.5)
    options.dir = (options.dir or options.build).resolve()
    options.json = options.json or options.build / "bench.json"
    return options


def main():
    options = read_options()
    if in_memory(str(options.dir)):
        print(f"{options.dir} is in memory: give a directory on a disk with --dir",
              file=sys.stderr)
        return 1
    servers = []
    for kind, name in ((Memferry, "memferry"), (Bare, "bare"), (Redis, "redis")):
        server = kind(name, options.build)
        if options.only and name not in options.only.split(","):
            continue
        why = server.missing()
        if why:
            print(f"skipped: {name}: {why}")
        else:
            servers.append(server)
    if not servers:
        return 1
    results = measure(servers, options.build, options)
    names = [server.name for server in servers]
    print_table(results, names, options.cells)
    options.json.write_text(json.dumps(as_json(results, names, options), indent=1) + "\n")
    print(f"\nwritten: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
