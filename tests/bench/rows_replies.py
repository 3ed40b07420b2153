"""Replies that mean fsynced: memferryd beside the bare model, Redis and NATS.

One load generator (load.c) drives every server: it sends a record and waits for the reply. Servers take
turns, and whole rounds are repeated, so that a machine that slows down slows all of them down.

    bare    tests/bench/bare_model.c: append, group commit, 12 bytes back; nothing else
    redis   XADD with appendfsync always
    nats    JetStream with sync_interval always
    busy    memferryd with two lanes that take everything as it comes
    echo    no disk at all: what the load generator can do
"""
import collections
import os
import pathlib
import statistics
import sys
import tempfile

import servers
from rows import Row, middle, ratios

# The open loop: requests are due at half the rate that the slowest could do, and late ones count.
# A burst is so many requests in all, to a server that had nothing to do.
Cell = collections.namedtuple("Cell", "connections depth size is_open burst", defaults=(False, 0))

CLOSED = [Cell(c, 1, size) for size in (600, 4096) for c in (1, 8, 64)]
PIPED = [Cell(8, 32, 600), Cell(64, 32, 600)]
BURSTS = [Cell(8, 1, 600, False, 20_000), Cell(64, 1, 600, False, 20_000),
          Cell(64, 1, 4096, False, 5_000), Cell(8, 32, 600, False, 20_000),
          Cell(64, 32, 600, False, 20_000)]
CROWD, OPEN = Cell(64, 1, 600), Cell(64, 64, 600, True)
CELLS = CLOSED + PIPED + BURSTS + [OPEN]
QUICK = [Cell(1, 1, 600), Cell(8, 1, 4096), CROWD, Cell(8, 32, 600), BURSTS[1], OPEN]
GIVE_UP_S = 60
BURST_TIMES = 3
FEW = {"nats": [CROWD], "busy": [CROWD, OPEN], "echo": [CROWD, *PIPED]}


def title(cell):
    text = f"{cell.size} B, {cell.connections} connection{'s' * (cell.connections > 1)}"
    if cell.is_open:
        return text + ", open loop"
    if cell.burst:
        text += f", a burst of {cell.burst:,}"
    return text + (f", {cell.depth} in flight on each" if cell.depth > 1 else "")


def drive(server, path, cell, seconds, rate):
    more = {"connections": cell.connections, "depth": cell.depth, "size": cell.size}
    if cell.is_open:
        more["rate"] = rate
    if cell.burst:
        more["count"] = cell.burst
    servers.until_idle(server)
    before = server.cpu_s()
    told = servers.load(server, path, seconds, **more)
    while told["replies"] == 0:  # a disk that was busy all the time
        seconds *= 4
        if seconds > GIVE_UP_S:
            raise SystemExit(f"{server.name}, {title(cell)}: no reply within {seconds / 4:.1f} s")
        before = server.cpu_s()
        told = servers.load(server, path, seconds, **more)
    told["cpu_us"] = (server.cpu_s() - before) * 1e6 / max(1, told["sent"])
    told["rss_mb"] = server.rss_mb()
    return told


def drive_bursts(server, path, cell, seconds):
    """The middle one of a few: each is short."""
    told = [drive(server, path, cell, seconds, None) for _ in range(BURST_TIMES)]
    return sorted(told, key=lambda one: one["rate"])[BURST_TIMES // 2]


def one_turn(server, cells, context, rate):
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data, \
            tempfile.TemporaryDirectory(prefix="mfb-", dir="/tmp") as run:
        path = os.path.join(run, "s")
        with server.running(pathlib.Path(data), path):
            return {cell: drive_bursts(server, path, cell, context.seconds) if cell.burst else
                    drive(server, path, cell, context.seconds, rate) for cell in cells}


def open_rate(there, context):
    """Half of what the slower of memferry and Redis does with as many connections."""
    told = [one_turn(s, [CROWD], context, None)[CROWD]["rate"]
            for s in there if s.name in ("memferry", "redis")]
    return round(min(told) / 2) if told else None


def measure_all(there, context):
    """{(server, cell): [a result for each round]}"""
    results, rate = collections.defaultdict(list), None
    if OPEN in context.cells:
        rate = open_rate(there, context)
    for number in range(context.rounds):
        turn = number % len(there)
        for server in there[turn:] + there[:turn]:
            print(f"replies, round {number + 1} of {context.rounds}: {server.name}",
                  file=sys.stderr, flush=True)
            cells = [c for c in context.cells if c in FEW.get(server.name, context.cells)
                     and (rate or not c.is_open)]
            for cell, told in one_turn(server, cells, context, rate).items():
                results[server.name, cell].append(told)
    return results, rate


def print_results(results, names, context, rate):
    print("\nreplies that mean fsynced: replies/s | p50 | p99 | p99.9 | max µs | CPU µs a reply")
    for cell in context.cells:
        print(title(cell) + (f", {rate:,.0f} due a second" if cell.is_open and rate else ""))
        for name in names:
            rounds = results.get((name, cell))
            if rounds:
                keys = ("rate", "p50_us", "p99_us", "p999_us", "max_us")
                print(f"  {name:9}" + " | ".join(f"{middle([r[k] for r in rounds]):>9}"
                                                for k in keys)
                      + f" | {statistics.median(r['cpu_us'] for r in rounds):7.1f}")
    for name in names:
        rss = [r["rss_mb"] for (who, _), rounds in results.items() if who == name for r in rounds]
        print(f"  {name:9} largest RSS {max(rss):.0f} MB")


class Table:
    """Rows out of the results; a pair that was not measured makes none."""

    def __init__(self, results):
        self.results, self.rows = results, []

    def take(self, server, cell, key):
        return [r[key] for r in self.results.get((server, cell), [])]

    def add(self, key, cell, left, right, aim, name=None):
        """left and right: (server, what of it)."""
        a, b = self.take(left[0], cell, left[1]), self.take(right[0], cell, right[1])
        if not a or not b:
            return
        unit = "/s" if left[1] == "rate" else " µs"
        against = right[0] if left[1] == right[1] else f"own {right[1][:-3]}"
        self.rows.append(Row(
            f"{key} {cell.connections}x{cell.depth} {cell.size}" + " burst" * bool(cell.burst),
            f"{name or left[1]}, {title(cell)}",
            against, ratios(a, b), aim, figure=f"{middle(a)}{unit}, {middle(b)}{unit}"))


def make_rows(results, context):
    table, cells = Table(results), context.cells
    p50, p99, rate = "p50_us", "p99_us", "rate"
    table.add("p50", Cell(1, 1, 600), ("memferry", p50), ("bare", p50), ("<=", 1.1),
              "durable reply, p50")
    for cell in (c for c in CLOSED if c in cells):
        table.add("bare", cell, ("memferry", rate), ("bare", rate), (">=", 0.9), "durable replies")
        table.add("redis", cell, ("memferry", rate), ("redis", rate), (">=", 1.4), "durable replies")
    for cell in (c for c in PIPED if c in cells):
        table.add("redis", cell, ("memferry", rate), ("redis", rate), (">=", 2), "durable replies")
    for cell in (c for c in BURSTS if c in cells):
        table.add("bare", cell, ("memferry", rate), ("bare", rate), (">=", 0.9), "durable replies")
        table.add("redis", cell, ("memferry", rate), ("redis", rate),
                  (">=", 2 if cell.depth > 1 else 1.4), "durable replies")
    table.add("nats", CROWD, ("memferry", rate), ("nats", rate), (">=", 20), "durable replies")
    for cell in (CROWD, OPEN):
        table.add("tail own", cell, ("busy", p99), ("busy", p50), ("<=", 3), "p99, lanes busy")
        table.add("tail redis", cell, ("busy", p99), ("redis", p99), ("<=", 1), "p99, lanes busy")
    for cell in (CROWD, *PIPED):
        fastest = max((n for n in ("memferry", "bare", "redis", "nats") if table.take(n, cell, rate)),
                      key=lambda n, c=cell: statistics.median(table.take(n, c, rate)), default=None)
        if fastest:
            table.add("echo", cell, ("echo", rate), (fastest, rate), (">=", 1.2),
                      "load generator's own limit")
    return table.rows


def measure(context):
    there = []
    for kind in (servers.Memferry, servers.Busy, servers.Bare, servers.Redis, servers.Nats,
                 servers.Echo):
        server = kind()
        if context.servers and server.name not in context.servers:
            continue
        why = server.missing()
        if why:
            print(f"skipped: {server.name}: {why}")
        else:
            there.append(server)
    context.cells = QUICK if context.quick else CELLS
    results, rate = measure_all(there, context)
    print_results(results, [s.name for s in there], context, rate)
    details = [{"server": name, "cell": title(cell), "rounds": rounds}
               for (name, cell), rounds in results.items()]
    return make_rows(results, context), details
