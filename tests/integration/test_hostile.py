"""A short attack from the socket. After each, others are answered, and the broker's memory and
descriptors are back near where they were.
"""
import random
import struct
import threading

import pytest

import harness
from wire import JsonClient, MsgpackClient, until

SLACK_KB = 48 * 1024
GIANTS = [b"\xdd\xff\xff\xff\xff", b"\x94\x00\x01\xdb\xff\xff\xff\xff",
          b"\x94\x00\x01\xa1x\x91\xdf\x7f\xff\xff\xff",
          b"\x94\x00\x01\xa1x\x91\xdd\x03\xff\xff\xff",
          b"\x94\x00\x01\xa1x\x91\x81\xa1a\xc6\x10\x00\x00\x00"]


@pytest.fixture
def target(broker):
    """A warm broker; afterwards it must be in the state it was in."""
    with broker.client() as client:
        for n in range(500):
            client.call("memory.put", id=f"warm{n}", content="x" * 1000)
    rss, descriptors = broker.rss_kb(), broker.descriptors()
    yield broker
    broker.call("memory.put", id="alive", content="yes")
    assert broker.call("memory.get", id="alive")["content"] == "yes"
    until(lambda: broker.descriptors() <= descriptors + 2,
          lambda: f"descriptors: {descriptors} before, {broker.descriptors()} now")
    if not harness.sanitized():
        until(lambda: broker.rss_kb() <= rss + SLACK_KB,
              lambda: f"memory: {rss} KB before, {broker.rss_kb()} KB now")


class Bystander(threading.Thread):
    """Puts and reads all the while; any failure or wait over the deadline is its error."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker, self.ending, self.error, self.done = broker, threading.Event(), None, 0

    def run(self):
        try:
            with self.broker.client() as client:
                while not self.ending.is_set():
                    client.call("memory.put", id=f"by{self.done % 50}", content=str(self.done))
                    self.done += 1
        except Exception as failure:  # pylint: disable=broad-except
            self.error = failure

    def __enter__(self):
        self.start()
        until(lambda: self.done or self.error, "the bystander's first put")
        return self

    def __exit__(self, *_):
        at = self.done
        until(lambda: self.done > at + 5 or self.error, "the bystander to go on")
        self.ending.set()
        self.join(60)
        assert not self.is_alive() and self.error is None, self.error


def attack(broker, data, kind=MsgpackClient, read=True):
    try:
        with kind(broker.socket) as client:
            client.raw(data)
            client.half_close()
            if read:
                client.drain()
    except (OSError, AssertionError, ValueError, UnicodeDecodeError):
        pass  # it may be cut off at any time


def test_random_bytes(target):
    rng = random.Random(11)
    with Bystander(target):
        for _ in range(400):
            first = rng.choice([b"", b"{", b"\x94\x00", b"\xdc", b" "])
            attack(target, first + rng.randbytes(rng.randrange(2000)), JsonClient)


def test_mutated_requests(target):
    """Good requests with bytes changed, cut, doubled: none may take the broker down."""
    rng = random.Random(12)
    goods = {kind: [kind.encode(1, "memory.put", {
        "id": "mut", "content": "content", "tags": ["a"], "props": {"a": 1, "b": [1.5, 2.5]},
        "event_id": "e"}), kind.encode(2, "memory.list", {"limit": 3, "kind": "x"}),
                    kind.encode(3, "memory.get", {"id": "warm1"})]
             for kind in (MsgpackClient, JsonClient)}
    with Bystander(target):
        for n in range(800):
            kind = (MsgpackClient, JsonClient)[n % 2]
            data = bytearray(b"".join(rng.sample(goods[kind], 3)))
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(data))
                dice = rng.randrange(4)
                if dice == 0:
                    data[at] = rng.randrange(256)
                elif dice == 1:
                    del data[at:at + rng.randrange(1, 9)]
                elif dice == 2:
                    data[at:at] = rng.randbytes(rng.randrange(1, 9))
                else:
                    data[at] ^= 1 << rng.randrange(8)
            attack(target, bytes(data), kind)


def test_giants_claimed_by_many(target):
    with Bystander(target):
        for n in range(300):
            attack(target, GIANTS[n % len(GIANTS)])
        open_ones = []
        for n in range(100):  # just below what is refused, and then nothing more
            client = MsgpackClient(target.socket)
            client.raw(b"\x94\x00\x01\xa1x\x91\x81\xa1a\xc6" + struct.pack(">I", 4000000)
                       + b"x" * 100)
            open_ones.append(client)
        peak = target.rss_kb()
        for client in open_ones:
            client.close()
    assert harness.sanitized() or peak < 400 * 1024, "memory was taken for what was only claimed"


def test_nesting(target):
    with Bystander(target):
        for depth in (33, 1000, 4000000):
            attack(target, b"\x94\x00\x01\xa1x\x91" + b"\x91" * depth)
            attack(target, b'{"id":1,"method":"x","params":' + b"[" * depth, JsonClient)
            attack(target, b'{"id":1,"method":"x","params":' + b'{"a":' * (depth // 5), JsonClient)


def test_many_that_never_read(target):
    target.call("memory.put", id="big", content="x" * (1 << 20))
    deaf = []
    with Bystander(target):
        for _ in range(20):
            client = MsgpackClient(target.socket)
            client.sock.setblocking(False)
            request = client.encode(1, "memory.get", {"id": "big"})
            try:
                for _ in range(100 if harness.sanitized() else 3000):
                    client.sock.send(request)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            deaf.append(client)
        with Bystander(target):
            pass
        peak = target.rss_kb()
        for client in deaf:
            client.close()
    assert harness.sanitized() or peak < 600 * 1024, f"{peak} KB held for peers that don't read"


def test_opens_and_drops(target):
    with Bystander(target):
        for n in range(3000):
            client = MsgpackClient(target.socket)
            if n % 3 == 1:
                client.raw(b"\x94")
            elif n % 3 == 2:
                client.raw(client.encode(1, "memory.list", {"limit": 50}))
            client.close()


def test_dies_within_a_frame(target):
    whole = MsgpackClient.encode(1, "memory.put", {"id": "cut", "content": "x" * 100000})
    rng = random.Random(13)
    with Bystander(target):
        for _ in range(300):
            attack(target, whole[:rng.randrange(1, len(whole))], read=False)
    with target.client() as client:
        assert client.wait(client.send("memory.get", {"id": "cut"})).error["code"] == -32002


def test_half_frames_held_open(target):
    """300 peers with 1 MiB each of a frame that never ends: all together are bounded."""
    clients = []
    body = MsgpackClient.encode(1, "memory.put", {"id": "h", "content": "x" * (1 << 20)})[:-10]
    with Bystander(target):
        try:
            for _ in range(300):
                client = MsgpackClient(target.socket)
                client.sock.setblocking(False)
                clients.append(client)
                try:
                    client.sock.send(body)
                except BlockingIOError:
                    pass
            for _ in range(20):  # what did not fit goes after, as far as it is taken
                for client in clients:
                    try:
                        client.sock.send(b"x" * 65536)
                    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                        pass
            with Bystander(target):
                pass
            peak = target.rss_kb()
        finally:
            for client in clients:
                client.close()
    assert harness.sanitized() or peak < 450 * 1024, f"{peak} KB: the limit is 256 MiB of buffers"


def test_errors_by_the_thousand_are_not_logged_by_the_thousand(target):
    before = len(target.log_text())
    with Bystander(target):
        for _ in range(500):
            attack(target, b"\x94\x00\xc1")
        with target.client() as client:
            client.many([("memory.put", {"id": ""})] * 2000)
    assert len(target.log_text()) - before < 2000000
