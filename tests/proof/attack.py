"""A socket attacker against the real broker, while an honest client puts and reads.

Each attack of attacks.py has its time alone, then all of them go at once; 150 connections drip a
byte a second all the while. Held to, after each: the honest client's answers are right, the broker's
memory stays under what docs/architecture.md says, its connections and descriptors are those from
before. At the end it stops as asked, nothing has leaked (where a sanitizer can tell), the journal and
the store are sound, and everything that the honest client put is there after a restart.

    ./dev prove attack [--minutes N] [--seed N] [--only NAME] [--ratio LIMIT]

Latencies of the honest client are printed against its own from before; --ratio makes a p99 that has
grown by more than that a failure. MEMFERRY_PROOF_BUILD=asan runs it on another build.
"""
import argparse
import contextlib
import multiprocessing
import pathlib
import random
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import attacks
import harness
from wire import JsonClient, MsgpackClient, until

MIB = 1 << 20
# docs/architecture.md: buffers of all connections, events not yet applied, the states that a page of
# a restore compares, and the results on their way from each of two threads for reads.
DOCUMENTED_BYTES = 320 * MIB + 16 * MIB + 32 * MIB + 2 * 8 * 2 * MIB
# What malloc loses between them, and the forms in which an event lies in memory more than once.
BOUND_KB = DOCUMENTED_BYTES * 5 // 4 // 1024
FORK = multiprocessing.get_context("fork")


def in_child(target, *args):
    """A process that tells (failure or None, result) through a pipe, and never outlives this one."""
    here, there = FORK.Pipe(duplex=False)

    def run():
        harness.die_with_parent()
        here.close()
        try:
            there.send((None, target(*args)))
        except BaseException:  # pylint: disable=broad-except
            there.send((traceback.format_exc(), None))

    child = FORK.Process(target=run)
    child.start()
    there.close()
    return child, here


def result_of(running, what):
    child, pipe = running
    assert pipe.poll(180), f"{what} does not end"
    failure, result = pipe.recv()
    child.join(30)
    assert failure is None, f"{what}: {failure}"
    return result


# ---- the honest client ----


class Honest:
    """Puts, changes and reads what is its own, in both encodings, and knows what is right."""

    def __init__(self, path, phase, ending):
        self.clients = [MsgpackClient(path), JsonClient(path)]
        self.phase, self.ending = phase, ending
        self.contents, self.latencies = {}, {}

    def call(self, client, method, **params):
        began = time.perf_counter()
        result = client.call(method, params)
        self.latencies.setdefault(self.phase.value, []).append(time.perf_counter() - began)
        return result

    def once(self, number):
        client, ident = self.clients[number % 2], f"honest{number % 2000}"
        content = f"the honest {number} " + "z" * (number * 37 % 3000)
        put = self.call(client, "memory.put", id=ident, content=content, kind="honest")
        assert put["id"] == ident and put["durable"] is True and not put["duplicate"], put
        got = self.call(client, "memory.get", id=ident)
        assert got["content"] == content and got["version"] == put["seq"], (number, got)
        self.contents[ident] = content
        if number % 10 == 9:
            other = f"honest{(number - 5) % 2000}"
            told = self.call(self.clients[0], "memory.list", kind="honest", limit=10)["memories"]
            assert told[0]["id"] == ident, (number, told[0])
            assert other in [m["id"] for m in told], (number, told)

    def run(self):
        number = 0
        while not self.ending.is_set():
            self.once(number)
            number += 1
            self.ending.wait(0.002)  # its pace
        return self.contents, self.latencies


def honest_client(path, phase, ending):
    return Honest(path, phase, ending).run()


def check_honest(broker, contents):
    with broker.client() as client:
        replies = client.many([("memory.get", {"id": ident}) for ident in contents])
    for (ident, content), reply in zip(contents.items(), replies):
        assert reply.get()["content"] == content, ident


# ---- the attack, from outside ----


def peak_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text("ascii")
    return int(text.split("VmHWM:")[1].split()[0])


def forget_peak(pid):
    with contextlib.suppress(PermissionError):
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def run_attack(function, path, seed, ends):
    return function(random.Random(seed), path, lambda: time.monotonic() < ends)


class Siege:
    """The broker under attack, and what it was like before."""

    def __init__(self, broker, arguments):
        self.broker, self.arguments = broker, arguments
        self.phase, self.ending = FORK.Value("i", 0), FORK.Event()
        self.watcher = broker.client()
        self.names, self.peaks = ["before"], {}
        self.base_kb = broker.rss_kb()

    def begin(self, ends):
        """The honest client and the drips; then what is there is what must be there again."""
        self.honest = in_child(honest_client, self.broker.socket, self.phase, self.ending)
        self.drips = in_child(run_attack, attacks.drips, self.broker.socket, 0, ends)
        until(lambda: self.peers() >= 150 + 3, lambda: f"the drips: {self.peers()} connections")
        time.sleep(2 if self.arguments.only is None else 0.5)  # how it is without an attack
        self.base_peers, self.base_fds = self.peers(), self.broker.descriptors()
        self.base_kb = peak_kb(self.broker.pid)

    def peers(self):
        return self.watcher.call("stats")["peers"]["now"]

    def attack(self, name, functions, seconds):
        forget_peak(self.broker.pid)
        self.names.append(name)
        self.phase.value = len(self.names) - 1
        ends = time.monotonic() + seconds
        running = [in_child(run_attack, function, self.broker.socket,
                            f"{self.arguments.seed}/{name}/{n}", ends)
                   for n, function in enumerate(functions)]
        done = [result_of(one, f"{name}, {function.__name__}")
                for one, function in zip(running, functions)]
        self.peaks[name] = peak_kb(self.broker.pid)
        self.settle(name)
        told = ", ".join(f"{count} {what}" for one in done for what, count in one.items())
        print(f"{name}: {told if len(done) == 1 else len(done)}; at most "
              f"{self.peaks[name] // 1024} MiB", flush=True)

    def end_sessions(self):
        """A changed call may have named an owner that lives on, such as init: it is watched."""
        after = None
        while True:
            page = self.watcher.call("session.list", dict(
                {"active": True, "limit": 1000}, **({"after": after} if after else {})))
            for session in page["sessions"]:
                if session["pid"]:
                    self.watcher.call("session.end", session_id=session["id"])
            after = page.get("next")
            if not after:
                return

    def settle(self, name):
        assert self.broker.process.poll() is None, self.broker.log_text()[-4000:]
        assert harness.sanitized() or self.peaks[name] <= self.base_kb + BOUND_KB, (
            f"{name}: {self.peaks[name]} KB, {self.base_kb} before, at most {BOUND_KB} more")
        until(lambda: self.peers() <= self.base_peers,
              lambda: f"connections after {name}: {self.peers()}, {self.base_peers} before")
        self.end_sessions()
        until(lambda: self.broker.descriptors() <= self.base_fds,
              lambda: f"descriptors after {name}: {self.broker.descriptors()}, "
                      f"{self.base_fds} before")
        assert self.honest[0].is_alive(), result_of(self.honest, "the honest client")

    def end(self):
        self.ending.set()
        contents, latencies = result_of(self.honest, "the honest client")
        dripped = result_of(self.drips, "the drips")
        print(f"drips: {dict(dripped)}")
        check_honest(self.broker, contents)
        self.watcher.close()
        return contents, latencies


def report(latencies, names, ratio_limit):
    worst = 0
    before = sorted(latencies[0])
    for phase, name in enumerate(names):
        waits = sorted(latencies.get(phase, []))
        if waits:
            p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
            print(f"  honest, {name:30} {len(waits):6} calls, p50 {p50 * 1e3:7.2f} ms, "
                  f"p99 {p99 * 1e3:8.2f} ms, max {waits[-1] * 1e3:8.2f} ms")
            worst = max(worst, p99 / before[len(before) * 99 // 100])
    print(f"the honest client's p99 is at most {worst:.1f} times what it was before")
    assert not ratio_limit or worst <= ratio_limit, f"more than {ratio_limit} times"


def prepare(broker):
    with broker.client() as client:
        client.many([("memory.put", {"id": f"warm{n}", "content": f"attack warm {n} " + "w" * 1000})
                     for n in range(2000)])
        client.call("memory.put", id=attacks.BIG, content="b" * MIB)
        client.many([("memory.put", {"id": attacks.OLD, "content": f"{n}" + "o" * 1000})
                     for n in range(1000)])
        client.call("memory.search", query="attack", limit=10)


def besiege(broker, arguments):
    prepare(broker)
    siege = Siege(broker, arguments)
    functions = [f for f in attacks.ALL if arguments.only in (None, f.__name__)]
    seconds = arguments.minutes * 60 if arguments.minutes else arguments.seconds
    share = seconds / (len(functions) + 4)
    siege.begin(time.monotonic() + seconds)
    for function in functions:
        siege.attack(function.__name__, [function], share)
    if len(functions) > 1:
        siege.attack("all at once", functions, 4 * share)
    contents, latencies = siege.end()
    report(latencies, siege.names, arguments.ratio)
    return siege, contents


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float, help="in place of --seconds")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", help="one attack, by its name in attacks.py")
    parser.add_argument("--ratio", type=float, help="most by which the honest p99 may grow")
    arguments = parser.parse_args()
    assert harness.raise_descriptor_limit(4096), "4,096 descriptors are needed: ulimit -n"
    with harness.running() as broker:
        siege, contents = besiege(broker, arguments)
        broker.stop()
        verified = broker.run("--check-journal")
        assert verified.returncode == 0, verified.stderr
        broker.start()
        check_honest(broker, contents)
        most = max(siege.peaks.values())
        print(f"memory: {siege.base_kb // 1024} MiB before, at most {most // 1024} MiB; allowed are "
              f"{(siege.base_kb + BOUND_KB) // 1024}. {len(contents)} memories of the honest client "
              f"are there. Seed {arguments.seed}")


if __name__ == "__main__":
    main()
