"""The broker itself: what it holds in memory, and how soon after its start the first receipt comes."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

import servers
from load import KEEP
from rows import Row, middle
from rows_store import fill, on_disk, wait_level
from wire import until

REST_S = 3  # it gives memory back a second after its last work
PUT = json.dumps({"id": 1, "method": "memory.put", "params": {"content": "Tea at four"}}).encode()
BACKENDS = 4


@contextlib.contextmanager
def refusing_port():
    """Bound, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def four_backends(port, directory):
    """One of each kind; none of them is there."""
    url = f"url = http://127.0.0.1:{port}"
    return (f'[backend "graph"]\nplugin = neo4j-http\n{url}\npassword_env = SECRET\n'
            f'[backend "flow"]\nplugin = n8n-webhook\n{url}/hook\nsecret_env = SECRET\n'
            f'[backend "vectors"]\nplugin = ollama-embed\n{url}\n'
            f'[backend "mirror"]\nplugin = mirror-file\npath = {directory}/not-there/mirror\n')


def settle(broker, backends):
    """Level, and each backend was tried."""
    wait_level(broker)
    if backends:
        with broker.client() as client:
            until(lambda: all(b["circuit"] != "closed"
                              for b in client.call("backend.list")["backends"]),
                  lambda: f"every circuit to open: {client.call('backend.list')}")


@contextlib.contextmanager
def started(broker, backends=0):
    broker.start()
    settle(broker, backends)
    yield broker
    broker.stop()


def rss_at_rest_mb(context, broker):
    """When it has not changed for so long: a spare segment is made and memory is given back behind the
    start."""
    rest_s = 0 if context.quick else REST_S
    seen, since = None, 0

    def rests():
        nonlocal seen, since
        if broker.rss_kb() != seen:
            seen, since = broker.rss_kb(), time.monotonic()
        return time.monotonic() - since >= rest_s

    until(rests, lambda: f"the broker to rest; it holds {seen} kB", 60)
    return seen / 1024


def first_receipt_ms(broker):
    """From before the process is made to the receipt of a put. The socket is tried again and again,
    as a client does that starts the broker."""
    begun = time.perf_counter()
    broker.start(wait=False)
    while True:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(broker.socket)
                sock.sendall(PUT + b"\n")
                line = sock.makefile().readline()
            except OSError:
                line = ""
        if line:
            assert json.loads(line)["result"]["durable"], line
            return (time.perf_counter() - begun) * 1000
        if broker.process.poll() is not None or time.perf_counter() - begun > 120:
            raise SystemExit(f"no receipt: {broker.log_text()[-2000:]}")
        time.sleep(0.0002)


# ---- states to start with ----


def make_unapplied(broker, size_bytes):
    """A broker that is dead and has so much in its journal that its store has not: the store is put
    back to what it was before. A running broker keeps the gap to 16 MB."""
    before = broker.root / "before"
    broker.config.write_text(KEEP)
    broker.start()
    fill(broker, 10)
    broker.stop()
    shutil.copytree(broker.state, before)
    broker.start()
    with broker.client() as client:
        while client.call("stats")["journal"]["bytes"] < size_bytes:
            fill(broker, max(100, size_bytes // 8000), 600)
    broker.kill()
    for path in [p for p in broker.state.iterdir() if p.is_file() and p.suffix != ".lock"]:
        path.unlink()
    for path in [p for p in before.iterdir() if p.is_file() and p.suffix != ".lock"]:
        shutil.copy2(path, broker.state)
    shutil.rmtree(before)


def start_copy_ms(broker, context):
    """Of a copy of the broker's state, which is as dead as before afterwards."""
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data, \
            tempfile.TemporaryDirectory(prefix="mfb-", dir="/tmp") as run:
        shutil.copytree(broker.state, pathlib.Path(data) / "state")
        os.sync()  # a dead broker's segments are on the disk: syncing a copy is not its work
        path = os.path.join(run, "s")
        with servers.broker_at(pathlib.Path(data), path, KEEP, start=False) as copy:
            took = first_receipt_ms(copy)
            copy.kill()
            return took


def start_ms(broker):
    """Of a broker that was stopped."""
    took = first_receipt_ms(broker)
    broker.stop()
    return took


# ---- the rows ----


def measure_pending(context, rounds, port):
    """The RSS behind the burst, too: of the broker without backends that stored as much."""
    count = context.size(10_000, 50_000, 1_000_000)
    with on_disk(context, start=False) as none, on_disk(context, start=False) as few, \
            on_disk(context, start=False) as many, on_disk(context, start=False) as stored:
        for broker in (few, many):
            broker.configure(four_backends(port, broker.root))
        print(f"putting {count:,} memories that nobody takes", file=sys.stderr, flush=True)
        with started(many, BACKENDS):
            fill(many, count)
            wait_level(many)
        with started(stored):
            fill(stored, count)
            wait_level(stored)
            burst = rss_at_rest_mb(context, stored)
        for one in rounds:
            for name, broker, backends in (("none", none, 0), ("stored", stored, 0),
                                           ("four", few, BACKENDS), ("pending", many, BACKENDS)):
                with started(broker, backends):
                    one[f"rss_{name}"] = rss_at_rest_mb(context, broker)
            one["rss_burst"] = burst
            one["start_pending"] = start_ms(many)
            one["start_four"] = start_ms(few)
    return count


def measure_unapplied(context, rounds):
    size = context.size(8, 64, 64) << 20
    with on_disk(context) as empty, on_disk(context, start=False) as broker:
        empty.stop()
        make_unapplied(broker, size)
        for one in rounds:
            one["start_empty"] = start_ms(empty)
            one["start_unapplied"] = start_copy_ms(broker, context)
    return size >> 20


def measure(context):
    rounds = [{} for _ in range(context.rounds)]
    with refusing_port() as port:
        count = measure_pending(context, rounds, port)
    size = measure_unapplied(context, rounds)

    def take(name):
        return [r[name] for r in rounds]

    def more(left, right):
        return [a - b for a, b in zip(take(left), take(right))]

    def both(left, right):
        return ", ".join(f"{middle(take(name), '.1f')} ms" for name in (left, right))

    rows = [
        Row("rss none", "RSS, no backends", "", take("rss_none"), ("<=", 8), "MB"),
        Row("rss four", "RSS, four backends", "", take("rss_four"), ("<=", 14), "MB"),
        Row(f"rss pending {count}", f"RSS, {count:,} pending", "none pending",
            more("rss_pending", "rss_four"), ("<=", 8), "MB",
            f"{middle(take('rss_pending'), '.1f')} MB"),
        Row(f"rss stored {count}", f"RSS, {count:,} stored, no backends", "none stored",
            more("rss_stored", "rss_none"), None, "MB", f"{middle(take('rss_stored'), '.1f')} MB"),
        Row(f"rss burst {count}", f"RSS, {count:,} just stored, no backends", "none stored",
            more("rss_burst", "rss_none"), None, "MB", f"{middle(take('rss_burst'), '.1f')} MB"),
        Row(f"start pending {count}", f"first receipt, {count:,} pending", "empty journal",
            more("start_pending", "start_four"), ("<=", 50), "ms",
            both("start_pending", "start_four")),
        Row(f"start unapplied {size}", f"first receipt after kill -9, {size} MB unapplied",
            "empty journal", more("start_unapplied", "start_empty"), ("<=", 2000), "ms",
            both("start_unapplied", "start_empty"))]
    return rows, rounds
