"""A backlog behind dead backends, and what comes out of it when they are back.

Two backends are dead from the start: a webhook whose port refuses, and a mirror-file whose directory
is not there. Events pile up, one in five of them a change of an older memory. Then both come back; the
backlog drains, while more is written, answers are lost and the broker is killed in the middle.

Held to: each memory is there, in its newest state; none goes back to an older one; nothing comes
twice, but for what had no answer when an answer was lost or the broker killed; and the backlog costs no
memory: the broker is compared with itself, on the same store, when all is delivered.

    ./dev prove backlog [--events N] [--seed N]       50,000 without, a million and more for long
"""
import argparse
import collections
import contextlib
import json
import pathlib
import random
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness
from sinks import mirror_lines
from wire import RpcError, until

TIMEOUT, UNAVAILABLE = -32006, -32008
MAY_COST_KB = 8 * 1024  # by the backlog; as much again for the batches in memory while it drains
BATCH = 100             # of either backend; what a kill can leave without an answer on record
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """Takes webhooks as fast as Python can. `lose` answers are not sent: the state was taken."""

    def __init__(self):
        self.listener = socket.socket()  # bound, and nobody listens: it refuses
        self.listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/hook"
        self.taken, self.lose, self.lost = [], 0, 0

    def begin(self):
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        with contextlib.suppress(OSError), sock:
            while True:
                at = data.find(b"\r\n\r\n")
                while at < 0:
                    data += self.more(sock)
                    at = data.find(b"\r\n\r\n")
                head = data[:at].lower()
                size = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
                data = data[at + 4:]
                while len(data) < size:
                    data += self.more(sock)
                body, data = json.loads(data[:size]), data[size:]
                if body["event"]["op"] != "ping":
                    self.taken.append((body["id"], body["version"]))
                    if self.lose > 0:
                        self.lose -= 1
                        self.lost += 1
                        return
                sock.sendall(ANSWER)

    @staticmethod
    def more(sock):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError
        return piece

    def close(self):
        self.listener.close()


def config(receiver, directory):
    return (f'[backend "hook"]\nplugin = n8n-webhook\nurl = {receiver.url}\nsecret_env = SECRET\n'
            f'embedding = no\nbatch = {BATCH}\n'
            f'[backend "mirror"]\nplugin = mirror-file\npath = {directory}/mirror.ndjson\n'
            f'batch = {BATCH}\n')


class Writer:
    """Puts, and the newest version of each memory as its receipts say."""

    def __init__(self, broker, seed):
        self.broker, self.rng, self.newest, self.count = broker, random.Random(seed), {}, 0

    def write(self, events):
        with self.broker.client() as client:
            for at in range(0, events, 2000):
                calls = [self.one() for _ in range(min(2000, events - at))]
                for receipt in client.many(calls):
                    told = receipt.get()
                    self.newest[told["id"]] = max(told["seq"], self.newest.get(told["id"], 0))

    def one(self):
        self.count += 1
        fresh = self.count < 10 or self.rng.randrange(5) > 0
        ident = f"m{self.count}" if fresh else f"m{self.rng.randrange(1, self.count)}"
        return "memory.put", {"id": ident, "content": f"event {self.count} of {ident} " + "x" * 60}


# ---- memory ----


def level_of_index(broker):
    with broker.client() as client:
        until(lambda: client.call("stats")["search"]["behind"] == 0, "the search index", 600)


def rss_after(broker, writer):
    """The most that a fresh broker on this store takes for the same bit of work."""
    broker.restart()
    level_of_index(broker)
    writer.write(2000)
    level_of_index(broker)
    return high_kb(broker)


def high_kb(broker):
    text = pathlib.Path(f"/proc/{broker.pid}/status").read_text("ascii")
    return int(text.split("VmHWM:")[1].split()[0])


# ---- the drain ----


def backends(broker):
    return {b["name"]: b for b in broker.call("backend.list")["backends"]}


def check_dead(broker, writer):
    for name, told in backends(broker).items():
        assert told["circuit"] != "closed" and told["delivered"] == 0, (name, told)
        assert told["dead"] == told["deferred"] == 0, (name, told)
        assert told["pending"] >= len(writer.newest), (name, told)


def probe(broker):
    for name in ("hook", "mirror"):
        with contextlib.suppress(RpcError):
            broker.call("backend.probe", name=name)


def wait_level(broker, deadline_s):
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        try:
            told = broker.call("backend.flush", timeout_ms=10000)["backends"]
            if all(b["level"] for b in told):
                return
        except RpcError as failure:
            assert failure.code == TIMEOUT, failure
        probe(broker)  # an answer that was lost has opened a circuit: not for its whole wait
    raise AssertionError(f"not level: {backends(broker)}")


def drain(broker, receiver, writer, kills):
    """Everything that can disturb it happens on the way, each at its part of it."""
    total, most = len(writer.newest), 0
    for part in range(kills):
        mark = total * (part + 1) // (kills + 2)
        until(lambda mark=mark: len(receiver.taken) >= mark, lambda: f"{mark} to be taken, of "
              f"{len(receiver.taken)}: {backends(broker)}", 60 + total / 300)
        writer.write(50)
        receiver.lose = 2
        until(lambda: receiver.lose == 0, "two answers to be lost")
        most = max(most, high_kb(broker))
        broker.kill()
        broker.start()
    wait_level(broker, 60 + total / 300)
    return max(most, high_kb(broker))


# ---- what came ----


def check_sink(name, taken, newest, repeats_max):
    last, seen, repeats = {}, set(), 0
    for ident, version in taken:
        assert version >= last.get(ident, 0), f"{name}: {ident} went back to {version}"
        repeats += (ident, version) in seen
        seen.add((ident, version))
        last[ident] = version
    wrong = [i for i in newest if last.get(i) != newest[i]]
    assert not wrong and len(last) == len(newest), f"{name}: {len(wrong)} wrong, such as {wrong[:3]}"
    assert repeats <= repeats_max, f"{name}: {repeats} came twice, at most {repeats_max} may"
    return repeats


def check_sinks(receiver, directory, newest, kills):
    hook = check_sink("hook", receiver.taken, newest, receiver.lost * 2 + kills * BATCH)
    lines = [(one["id"], one["version"]) for one in mirror_lines(directory / "mirror.ndjson")]
    mirror = check_sink("mirror", lines, newest, kills * BATCH)
    return hook, mirror


def prove(broker, receiver, arguments):
    figures = collections.OrderedDict()
    directory, writer = broker.root / "later", Writer(broker, arguments.seed)
    began = time.monotonic()
    writer.write(arguments.events)
    figures["written in"] = f"{time.monotonic() - began:.0f} s"
    check_dead(broker, writer)
    behind_kb = rss_after(broker, writer)
    check_dead(broker, writer)
    began = time.monotonic()
    directory.mkdir(mode=0o700)
    receiver.begin()
    probe(broker)
    draining_kb = drain(broker, receiver, writer, arguments.kills)
    figures["drained in"] = f"{time.monotonic() - began:.0f} s"
    level_kb = rss_after(broker, writer)
    wait_level(broker, 60)
    figures["came twice, hook and mirror"] = check_sinks(receiver, directory, writer.newest,
                                                         arguments.kills)
    figures["answers lost"], figures["kills"] = receiver.lost, arguments.kills
    figures["memories"] = len(writer.newest)
    figures["MiB with the backlog, draining, level"] = [
        round(kb / 1024, 1) for kb in (behind_kb, draining_kb, level_kb)]
    print(f"{writer.count} events: " + ", ".join(f"{k}: {v}" for k, v in figures.items()))
    if not harness.sanitized():
        assert behind_kb <= level_kb + MAY_COST_KB, "the backlog costs memory"
        assert draining_kb <= level_kb + 2 * MAY_COST_KB, "the drain costs memory"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=50000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    receiver = Receiver()
    with harness.scratch() as root:
        broker = harness.Broker(root, config(receiver, root / "later"), SECRET="correct-horse-battery")
        try:
            broker.start()
            prove(broker, receiver, arguments)
            broker.stop()
        finally:
            if broker.process is not None:
                broker.kill()
            receiver.close()


if __name__ == "__main__":
    main()
