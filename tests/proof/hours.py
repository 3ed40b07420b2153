"""Every fault of the HTTP plugins' table, for hours of a clock that the test drives.

One real memferryd has a backend for each row of tests/unit/test_http_outcomes.c, all on a server that
answers each as its row says. A preloaded clock (test_clock.c) lets the hours between two tries pass at
once: it is put forward to the next moment at which the broker has said that something is due, and
never while a request is under way. So the tries come when the broker makes them, by its own code.

Held to: what becomes of the memory (docs/plugins.md); waits of 1 s that double to 10 min, drawn from
between; the delay that a backend asked for; never sooner than that; one warning and one word of
recovery an outage; an alert only where somebody must act, once; and, when the faults end, delivery
within one wait.

    ./dev prove hours [--hours N]        2 without, 24 and more for the long run
"""
import argparse
import contextlib
import mmap
import pathlib
import re
import sqlite3
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness
from faulty import FaultyServer, Row, rows
from sinks import compile_plugin
from wire import until

MIN_MS, MAX_MS, TIMEOUT_MS, DAY_MS = 1000, 600000, 30000, 86400000
SLACK_MS = 20000  # real time goes on, too: what one try may take on a busy machine
HERE = pathlib.Path(__file__).resolve().parent

MORE = [Row("503 for an hour", "BACKEND", status=503, headers="Retry-After: 3600\r\n",
            retry_after_ms=3600000),
        Row("429 for two days", "BACKEND", status=429, headers="Retry-After: 172800\r\n",
            retry_after_ms=DAY_MS)]


class Clock:
    """What test_clock.c reads: how far the clocks are ahead."""

    def __init__(self, path):
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 8)
        self.ahead_ms = 0

    def now_ms(self):
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000 + self.ahead_ms

    def wall_ms(self):
        return time.time_ns() // 1000000 + self.ahead_ms

    def put_forward(self, ms):
        self.ahead_ms += ms
        struct.pack_into("<q", self.shared, 0, self.ahead_ms)


class World:
    def __init__(self, broker, clock, server, table):
        self.broker, self.clock, self.server = broker, clock, server
        self.rows = {row.lane: row for row in table}
        self.client = broker.client()
        self.waits = {lane: [] for lane in self.rows}  # (announced at, for), of open circuits
        self.tries = 0
        self.store = sqlite3.connect(f"file:{broker.state}/memferry.db?mode=ro", uri=True)

    def backends(self):
        return {b["name"]: b for b in self.client.call("backend.list")["backends"]}

    def due(self):
        return dict(self.store.execute(
            "SELECT lane, min(due_ms) FROM deferred WHERE dead = 0 GROUP BY lane"))

    def under_way(self, backends):
        """Lanes in a call. One that waits for an answer that never comes has a time of its own."""
        lanes = []
        for lane, row in self.rows.items():
            told = backends[lane]
            calls = told["circuit"] == "probing" or told["call_ms"] != 0
            if calls != (row.waits and self.hanging(lane) is not None):
                lanes.append(lane)
        return lanes

    def hanging(self, lane):
        requests = self.server.requests[lane]
        return requests[-1] if requests and requests[-1].answered_ms is None else None

    def moments(self, backends):
        """When something is due, by lane."""
        found = {lane: b["next_probe_ms"] for lane, b in backends.items()
                 if b["next_probe_ms"] and b["circuit"] == "open" and not b["paused"]}
        for lane, due_ms in self.due().items():
            if backends[lane]["circuit"] == "closed":
                found[lane] = min(due_ms, found.get(lane, due_ms))
        ahead = self.clock.wall_ms() - self.clock.now_ms()
        for lane in self.rows:
            hanging = self.hanging(lane)
            if self.server.faulty and hanging:
                found[lane] = hanging.at_ms + ahead + TIMEOUT_MS + 10
        return found

    def mark(self, lane):
        """What changes when a lane has done something."""
        told = self.backends()[lane]
        requests = self.server.requests[lane]
        return (len(requests), requests[-1].answered_ms if requests else None, told["delivered"],
                told["next_probe_ms"], self.due().get(lane), told["circuit"])

    def quiet(self):
        """Waits until no call is under way, and gives the backends as they are then."""
        def settled():
            backends = self.backends()
            return not self.under_way(backends) and backends

        return until(settled, lambda: f"calls to end: {self.under_way(self.backends())}")

    def note_waits(self, backends):
        for lane, told in backends.items():
            due = told["next_probe_ms"]
            if told["circuit"] == "open" and due and due not in [d for _, d in self.waits[lane][-1:]]:
                self.waits[lane].append((self.clock.wall_ms(), due))

    def step(self, until_ms):
        """To the next moment; False when there is none before until_ms."""
        backends = self.quiet()
        self.note_waits(backends)
        moments = self.moments(backends)
        lane = min(moments, key=moments.get, default=None)
        if lane is None or moments[lane] > until_ms:
            return False
        before = self.mark(lane)
        if self.moments(self.backends()).get(lane) != moments[lane]:
            return True  # real time goes on, too: it has tried already
        self.clock.put_forward(max(moments[lane] - self.clock.wall_ms(), 0))
        until(lambda: self.mark(lane) != before,
              lambda: f"{lane} to try again at its time: {before}; it is {self.backends()[lane]}, at "
                      f"{self.clock.wall_ms()}:\n{self.broker.log_text()[-3000:]}")
        self.tries += 1
        return True

    def pass_time(self, ms):
        until_ms = self.clock.wall_ms() + ms
        while self.step(until_ms):
            pass
        self.quiet()
        self.clock.put_forward(max(until_ms - self.clock.wall_ms(), 0))
        self.quiet()


# ---- what must be true ----


def ceiling_ms(tries):
    return min(MIN_MS << min(tries, 20), MAX_MS)


def tries_of(row, requests):
    """A kept connection that breaks before a word of an answer has said nothing of the backend: the
    request is sent once more, on a fresh one, within the same try."""
    again = row.kind == "RESET" and len(requests) > 1 and (
        requests[0].ident == requests[1].ident and requests[1].at_ms - requests[0].at_ms < MIN_MS)
    return requests[1:] if again else requests


def check_gaps(row, requests):
    """The waits between a failure and the next try."""
    for n in range(1, len(requests)):
        before, after = requests[n - 1], requests[n]
        gap = after.at_ms - (before.answered_ms or before.at_ms)
        least = row.retry_after_ms if row.retry_after_ms else MIN_MS
        most = row.retry_after_ms or ceiling_ms(n)
        assert gap >= least - 5, f"{row.name}: try {n} came after {gap} ms, not {least}"
        assert gap <= most + SLACK_MS, f"{row.name}: try {n} came after {gap} ms, at most {most}"


def check_fate(row, told, requests, alerts):
    about = [a for a in alerts if a["summary"].startswith(f"Backend {row.lane} ")]
    tried = [r for r in requests if r.op != "ping"]
    if row.expected in ("DONE", "SUPERSEDED"):
        assert told["delivered"] == 2 and len(requests) == 1, (row.name, told, len(requests))
    elif row.expected == "REJECT":
        assert told["dead"] == 1 and len(requests) == 1, (row.name, told, len(requests))
    elif row.expected == "GONE":
        assert told["paused"] and len(requests) == 1 and len(about) == 1, (row.name, told, about)
    else:
        check_gaps(row, tries_of(row, requests))
        assert told["dead"] == 0 and told["pending"] + told["deferred"] >= 1, (row.name, told)
        assert told["last_error"], told
        if row.expected == "BACKEND":
            assert told["circuit"] in ("open", "probing") and told["deferred"] == 0, (row.name, told)
        else:
            assert row.expected == "RETRY_RECORD" and told["circuit"] == "closed", (row.name, told)
            assert len(tried) == len(requests) and told["deferred"] == 1, (row.name, told)
    assert row.expected == "GONE" or not about, (row.name, about)


def check_announced(row, waits):
    """What backend.list said of the next probe, where no server could see it."""
    for n, (at_ms, due_ms) in enumerate(waits, 1):
        assert due_ms - at_ms <= max(ceiling_ms(n), row.retry_after_ms) + SLACK_MS, (row.name, n)
    for one, other in zip(waits, waits[1:]):
        assert other[1] - one[1] >= MIN_MS - 5, (row.name, one, other)


def check_log(world, row):
    text = world.broker.log_text()
    opened = len(re.findall(rf"lane-circuit-open.*Backend {row.lane}:", text))
    closed = len(re.findall(rf"lane-circuit-closed.*Backend {row.lane}:", text))
    wanted = 1 if row.expected == "BACKEND" else 0
    assert (opened, closed) == (wanted, wanted), f"{row.name}: {opened} warnings, {closed} recoveries"


def sections(server, table):
    parts = []
    for row in table:
        parts.append(f'[backend "{row.lane}"]\nplugin = n8n-webhook\nurl = {server.url(row)}\n'
                     f"secret_env = SECRET\nconnections = 1\nembedding = no\n")
    return "\n".join(parts)


def deliver(world, ident, lanes):
    world.broker.call("memory.put", id=ident, content=ident)
    until(lambda: all(ident in world.server.held[lane] for lane in lanes),
          lambda: f"{ident} everywhere: {[l for l in lanes if ident not in world.server.held[l]]}")


def fail_for(world, hours):
    """Faults on, a memory, and hours."""
    began = {lane: len(requests) for lane, requests in world.server.requests.items()}
    world.server.faulty = True
    world.client.call("memory.put", id="m", content="m")
    first = [lane for lane, row in world.rows.items() if not row.refused]
    until(lambda: all(len(world.server.requests[lane]) > began[lane] for lane in first),
          "the first try of each")
    world.pass_time(int(hours * 3600000))
    return {lane: requests[began[lane]:] for lane, requests in world.server.requests.items()}


def heal(world):
    """Faults off: how long it takes each that still has to deliver, at most one wait."""
    world.server.heal()
    healed_ms, took = world.clock.wall_ms(), {}
    backends = world.quiet()
    left = {lane for lane, row in world.rows.items() if row.expected in ("BACKEND", "RETRY_RECORD")}
    while left:
        moments = world.moments(backends)
        longest = max((moments.get(lane, 0) - healed_ms for lane in left), default=0)
        assert world.step(healed_ms + DAY_MS + SLACK_MS), f"nothing is due for {left}"
        backends = world.quiet()
        for lane in [l for l in left if "m" in world.server.held[l]]:
            took[lane] = world.clock.wall_ms() - healed_ms
            left.discard(lane)
        assert longest <= DAY_MS
    for lane, took_ms in took.items():
        row = world.rows[lane]
        most = max(MAX_MS, row.retry_after_ms) + SLACK_MS + (TIMEOUT_MS if row.waits else 0)
        assert took_ms <= most, f"{row.name}: delivered {took_ms} ms after the fault had ended"
    return took


def run(world, hours):
    table = world.rows.values()
    there = [row.lane for row in table if not row.refused]
    deliver(world, "first", there)
    until(lambda: all(world.backends()[lane]["delivered"] == 1 for lane in there),
          "the first to be noted")
    requests = fail_for(world, hours)
    backends, alerts = world.quiet(), world.client.call("alert.list", limit=100)["alerts"]
    for row in table:
        check_announced(row, world.waits[row.lane])
        check_fate(row, backends[row.lane], requests[row.lane], alerts)
    took = heal(world)
    until(lambda: all(world.backends()[lane]["health"] == "ok" for lane in took), "all to be well")
    for row in table:
        check_log(world, row)
    most = max(len(requests[row.lane]) for row in table
               if row.expected == "BACKEND" and not row.retry_after_ms)
    return most, max(ms for lane, ms in took.items() if not world.rows[lane].retry_after_ms)


@contextlib.contextmanager
def the_world():
    table = rows() + MORE
    with harness.scratch() as root:
        library = compile_plugin(HERE / "test_clock.c", root / "clock.so", "-D_GNU_SOURCE")
        clock = Clock(root / "clock")
        server = FaultyServer(table, clock.now_ms)
        with harness.running(sections(server, table), SECRET="correct-horse-battery",
                             LD_PRELOAD=str(library),
                             MEMFERRY_TEST_CLOCK=str(root / "clock")) as broker:
            world = World(broker, clock, server, table)
            yield world
            world.client.close()
            world.store.close()
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--hours", type=float, default=2)
    arguments = parser.parse_args()
    began = time.monotonic()
    with the_world() as world:
        probes, took_ms = run(world, arguments.hours)
        passed_ms = world.clock.ahead_ms
        print(f"{len(world.rows)} faults for {arguments.hours:g} h: {world.tries} tries, at most "
              f"{probes} of a backend that named no delay; all delivered again, those at most "
              f"{took_ms / 1000:.0f} s after the faults had ended. {passed_ms / 3600000:.1f} h passed "
              f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
