"""Cost against work: events stored, connections, backends. Tables always; `--plots` draws them."""
import statistics
import sys

import harness
import servers
from plot import Curve
from rows_broker import first_receipt_ms, rss_at_rest_mb
from rows_store import fill, on_disk, wait_level
from wire import until

CONNECTIONS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
LANES = [1, 2, 4, 8]


def note(words):
    print(words, file=sys.stderr, flush=True)


def by_rounds(context, measure_one):
    """{key: median} of what measure_one returns in each round."""
    rounds = [measure_one() for _ in range(context.rounds)]
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def lines(told, names):
    """told: a dict for each x; names: {key: name of the line}."""
    return {name: [one[key] for one in told] for key, name in names.items()}


# ---- events stored ----


def at_size(broker):
    """A put and a search, with what there is now."""
    put = servers.load(servers.Memferry(), broker.socket, count=300)
    wait_level(broker)
    with broker.client() as client:
        found = servers.timed_ms(lambda: client.call("memory.get", id="probe"), 20)
        listed = servers.timed_ms(lambda: client.call("memory.list", limit=10), 20)
    return {"p50": put["p50_us"], "p99": put["p99_us"], "get": found * 1000, "list": listed * 1000}


def start_at_size(context, broker):
    broker.stop()
    took = first_receipt_ms(broker)
    wait_level(broker)
    return {"ms": took, "rss": rss_at_rest_mb(context, broker)}


def against_events(context):
    most = context.size(1_000, 100_000, 10_000_000)
    sizes = [10 ** n for n in range(0, 9) if 10 ** n <= most]
    told, starts, stored = [], [], 1
    with on_disk(context) as broker:
        broker.call("memory.put", {"id": "probe", "content": "Tea at four"})
        for size in sizes:
            note(f"curves: {size:,} events")
            fill(broker, size - stored)
            stored = max(size, stored)
            wait_level(broker)
            told.append(by_rounds(context, lambda: at_size(broker)))
            starts.append(by_rounds(context, lambda: start_at_size(context, broker)))
            stored += 301 * context.rounds
    names = {"p50": "put, p50", "p99": "put, p99", "get": "get", "list": "list of 10"}
    return (Curve("events", "One call, by how many events are stored", "events", "µs", sizes,
                  lines(told, names)),
            Curve("start", "A start and its RSS at rest, by how many events are stored", "events",
                  "ms, MB", sizes, lines(starts, {"ms": "first receipt, ms", "rss": "RSS, MB"})))


# ---- connections ----


def against_connections(context):
    harness.raise_descriptor_limit(4096)
    there = [servers.Memferry(), servers.Bare()]
    rate = {s.name: [] for s in there}
    p50 = {s.name: [] for s in there}
    for connections in CONNECTIONS if not context.quick else CONNECTIONS[::5]:
        note(f"curves: {connections} connections")
        results = {s.name: [] for s in there}
        for _ in range(context.rounds):
            for server in there:
                results[server.name].append(servers.one_cell(
                    server, context.dir, seconds=context.seconds / 2, connections=connections))
        for name, rounds in results.items():
            rate[name].append(statistics.median(r["rate"] for r in rounds))
            p50[name].append(statistics.median(r["p50_us"] for r in rounds))
    xs = CONNECTIONS if not context.quick else CONNECTIONS[::5]
    return (Curve("connections", "Durable replies a second, by connections", "connections",
                  "replies/s", xs, rate),
            Curve("connections-p50", "Durable reply, p50, by connections", "connections", "µs", xs,
                  p50))


# ---- backends ----


def with_lanes(context, lanes):
    """Puts, until every lane is level."""
    count = context.size(2_000, 20_000, 100_000)
    with on_disk(context, start=False) as broker:
        broker.configure("".join(
            f'[backend "m{n}"]\nplugin = mirror-file\npath = {broker.root}/mirror{n}\n'
            for n in range(lanes)))
        broker.start()
        before = servers.cpu_s(broker.pid)
        put = servers.load(servers.Memferry(), broker.socket, connections=8, count=count)
        with broker.client() as client:
            until(lambda: all(b["pending"] == 0 for b in client.call("backend.list")["backends"]),
                  "every lane to be level", 3600)
        spent = servers.cpu_s(broker.pid) - before
    return {"p50": put["p50_us"], "p99": put["p99_us"], "cpu": spent * 1e6 / count}


def against_backends(context):
    told = []
    for lanes in LANES:
        note(f"curves: {lanes} backends")
        told.append(by_rounds(context, lambda lanes=lanes: with_lanes(context, lanes)))
    names = {"p50": "put, p50", "p99": "put, p99", "cpu": "CPU a memory, all"}
    return Curve("backends", "A put, and all its deliveries, by backends", "backends", "µs", LANES,
                 lines(told, names))


def measure(context):
    curves = [*against_events(context), *against_connections(context), against_backends(context)]
    for curve in curves:
        curve.print()
        if context.plots:
            place = harness.SOURCE / "docs" / "images" / f"bench-{curve.key}.svg"
            place.write_text(curve.svg(), "utf-8")
            print(f"  drawn: {place}")
    return [], [curve.as_json() for curve in curves]
