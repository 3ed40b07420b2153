"""The store: what applying costs beside SQLite's bare insert, and whether a put notices how much there
is already."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import harness
import servers
from rows import Row, middle, ratios
from wire import until

LEVEL_S = 4 * 3600


@contextlib.contextmanager
def on_disk(context, config="", start=True):
    """A broker whose state is on the disk that is measured."""
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data, \
            tempfile.TemporaryDirectory(prefix="mfb-", dir="/tmp") as run:
        with servers.broker_at(pathlib.Path(data), os.path.join(run, "s"), config, start) as broker:
            yield broker


def wait_level(broker):
    """All is applied and indexed: what is measured next has the machine to itself."""
    def is_level():
        told = client.call("stats")
        return told["store"]["unapplied"] == 0 and told["search"]["behind"] == 0

    with broker.client() as client:
        until(is_level, "store and index to be level", LEVEL_S)


def fill(broker, count, size=256):
    """Puts new memories with random ids."""
    if count > 0:
        servers.load(servers.Memferry(), broker.socket, connections=8, depth=64, size=size,
                     count=count)


def measure_apply(context):
    memories = context.size(5_000, 100_000, 1_000_000)
    events = context.size(5_000, 20_000, 100_000)
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data:
        done = subprocess.run(
            [str(servers.TOOLS / "apply_rows"), data, str(memories), str(events),
             str(context.rounds)], capture_output=True, text=True, check=False,
            preexec_fn=harness.die_with_parent)
    if done.returncode != 0:
        raise SystemExit(f"apply_rows: {done.stderr}")
    told = json.loads(done.stdout)
    rows = []
    for key, what, aim in (("us", "applying", (">=", 0.8)), ("cpu_us", "applying, CPU", None)):
        store, bare = told[f"store_{key}"], told[f"bare_{key}"]
        rows.append(Row(f"apply {key} {memories}", f"{what}, {memories:,} memories there",
                        "SQLite's bare insert", ratios(bare, store), aim,
                        figure=f"{middle(store, '.1f')} µs, {middle(bare, '.1f')} µs an event"))
    return rows, told


def measure_events(context):
    count = context.size(10_000, 100_000, 10_000_000)
    server, rounds = servers.Memferry(), []
    with on_disk(context) as small, on_disk(context) as large:
        fill(small, 1000)
        print(f"storing {count:,} events", file=sys.stderr, flush=True)
        fill(large, count)
        for number in range(context.rounds + 1):  # the first warms up
            one, turn = {}, [("small", small), ("large", large)]
            for name, broker in reversed(turn) if number % 2 else turn:
                wait_level(broker)
                one[name] = servers.load(server, broker.socket, count=1000)
            rounds.append(one)
    rows, stored = [], f"{count:,} events stored"
    for key, aim in (("p50_us", ("<=", 1.2)), ("p99_us", None)):
        few, many = ([r[name][key] for r in rounds[1:]] for name in ("small", "large"))
        rows.append(Row(f"events {key} {count}", f"put, {key[:3]}, {stored}",
                        "1,000 stored", ratios(many, few), aim,
                        figure=f"{middle(many)} µs, {middle(few)} µs"))
    return rows, rounds
