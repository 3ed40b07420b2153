"""Peers: who may connect, how many, and that none can hurt another."""
import os
import threading
import uuid

import pytest

import harness
from harness import raise_descriptor_limit
from wire import Closed, JsonClient, MsgpackClient, RpcError, until

BUSY = -32001

# ---- another user ----


def test_another_user_is_refused(broker):
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    broker.root.chmod(0o755)
    os.chmod(broker.socket, 0o666)
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.setgid(65534)
            os.setuid(65534)
            with JsonClient(broker.socket) as client:
                try:
                    client.raw(client.encode(1, "hello"))
                    code = 1 if any(r.error is None for r in client.drain()) else 0
                except OSError:
                    code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    broker.wait_log("65534")
    assert broker.call("hello")


# ---- many peers ----


def test_a_thousand_connections_and_the_one_over_the_limit_is_told_busy(broker):
    if not raise_descriptor_limit(2500):
        pytest.skip("may not open 2,500 descriptors")
    limit = broker.call("stats")["peers"]["max"]
    assert 1000 <= limit <= 1024
    clients = []
    try:
        for _ in range(1000):
            clients.append(MsgpackClient(broker.socket))
        asked = [client.send("hello") for client in clients]
        for client, ident in zip(clients, asked):
            assert client.wait(ident).get()["protocol"] == 1
        refused = None
        while refused is None:
            assert len(clients) <= limit, "nobody was refused"
            extra = JsonClient(broker.socket)
            try:
                extra.raw(b'{"id":1,"method":"hello"}\n')
                reply = extra.receive()
            except (Closed, ConnectionError) as failure:
                raise AssertionError("closed without a word") from failure
            if reply.error is None:
                clients.append(extra)
            else:
                refused = reply
                assert extra.closed()
        assert refused.error["code"] == BUSY, refused
        assert refused.error["data"]["retry_after_ms"] > 0
        for client in clients[:20]:
            assert client.call("hello")
    finally:
        for client in clients:
            client.close()

    def gone():
        try:
            return broker.call("stats")["peers"]["now"] <= 2
        except RpcError as failure:  # this one came before they had gone
            assert failure.name == "busy", failure
            return False

    until(gone, "the peers to be gone")


def test_config_sets_the_limit_of_peers(make_broker):
    broker = make_broker("[broker]\nmax_peers = 3\n")
    clients = []
    while len(clients) < 3:  # the broker may not have seen yet that an earlier one is gone
        client = broker.client("json")
        client.raw(client.encode(1, "hello"))
        if client.receive().error is None:
            clients.append(client)
    with broker.client("json") as extra:
        extra.send("hello")
        assert [r.error["code"] for r in extra.drain()] == [BUSY]
    clients[0].close()

    def let_in():
        with broker.client("json") as again:
            again.raw(b'{"id":1,"method":"hello"}\n')
            return again.receive().error is None

    until(let_in, "a place to be free again")
    for client in clients:
        client.close()


# ---- peers that hurt ----


def others_are_served(broker, count=200):
    """Another peer's puts and reads go through, each within the deadline."""
    with broker.client() as client:
        for n in range(count):
            ident = uuid.uuid4().hex
            client.call("memory.put", id=ident, content=f"other {n}")
            if n % 10 == 0:
                assert client.call("memory.get", id=ident)["content"] == f"other {n}"


def test_peer_that_never_reads_hurts_nobody(broker):
    broker.call("memory.put", id="big", content="x" * (1 << 20))
    others_are_served(broker, 50)
    before = broker.rss_kb()
    with broker.client() as deaf:
        deaf.sock.settimeout(1)
        sent = 0
        try:
            while sent < 100000:  # more than its window: it must come to a stand
                deaf.send("memory.get", {"id": "big"})
                sent += 1
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 100000
        others_are_served(broker)
        if not harness.sanitized():
            assert broker.rss_kb() - before < 200 * 1024
    others_are_served(broker, 20)


def test_peer_that_drips_hurts_nobody(broker):
    with broker.client() as slow, broker.client("json") as slower:
        one = slow.encode(1, "memory.put", {"id": "drip", "content": "drop"})
        two = slower.encode(1, "memory.put", {"id": "drip2", "content": "drop"})
        for at in range(max(len(one), len(two))):
            slow.raw(one[at:at + 1])
            slower.raw(two[at:at + 1])
            others_are_served(broker, 3)
        assert slow.wait(1).get()["id"] == "drip" and slower.wait(1).get()["id"] == "drip2"


def test_flood_pauses_but_loses_nothing(broker, encoding):
    count = 4000 if harness.sanitized() else 20000
    with broker.client(encoding) as flood:
        calls = [("memory.put", {"id": f"f{n}", "content": f"flood {n}"}) for n in range(count)]
        seen = []
        other = threading.Thread(target=lambda: seen.append(others_are_served(broker, 50)))
        other.start()
        receipts = [r.get() for r in flood.many(calls)]
        other.join(60)
        assert not other.is_alive() and seen == [None]
        assert [r["id"] for r in receipts] == [f"f{n}" for n in range(count)]
        assert len({r["seq"] for r in receipts}) == count
        assert flood.call("memory.get", id=f"f{count - 1}")["content"] == f"flood {count - 1}"


def ask_for(client, count):
    """Asks for the big memory so often, as far as it is taken."""
    client.sock.setblocking(False)
    try:
        for ident in range(count):
            client.raw(client.encode(ident, "memory.get", {"id": "big"}))
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass


@pytest.mark.parametrize("half_closed", [False, True])
def test_what_was_asked_is_not_fetched_while_replies_are_left_lying(broker, half_closed):
    """A few bytes of requests on each of some connections: they could ask for 2 GB."""
    broker.call("memory.put", id="big", content="x" * (1 << 20))
    others_are_served(broker, 50)
    before = broker.rss_kb()
    clients = [broker.client() for _ in range(40)]
    for client in clients:
        ask_for(client, 50)
        if half_closed:
            client.half_close()
    others_are_served(broker, 100)
    if not harness.sanitized():
        assert broker.rss_kb() - before < 300 * 1024
    for client in clients:  # who reads after all gets all of it
        client.sock.settimeout(client.deadline_s)
        replies = [client.receive() for _ in range(50)]
        assert {r.id for r in replies} == set(range(50))
        assert all(len(r.get()["content"]) == 1 << 20 for r in replies)
        assert not half_closed or client.closed()
        client.close()


def test_who_leaves_replies_lying_makes_room_for_others(broker):
    """So many that a reply for each is more than all may hold: the deaf go, others are served."""
    broker.call("memory.put", id="big", content="x" * (1 << 20))
    others_are_served(broker, 50)
    before = broker.rss_kb()
    deaf = [broker.client() for _ in range(400)]
    for client in deaf:
        ask_for(client, 20)
    others_are_served(broker, 100)
    with broker.client() as client:
        for _ in range(20):
            assert len(client.call("memory.get", id="big")["content"]) == 1 << 20
    until(lambda: broker.call("stats")["peers"]["now"] < 300, "the deaf to be closed")
    if not harness.sanitized():
        assert broker.rss_kb() - before < 400 * 1024
    for client in deaf:
        client.close()


def test_requests_in_flight_of_all_connections_are_bounded(broker):
    """Sixty bytes ask for a search that holds some kilobytes until its turn comes."""
    broker.call("memory.put", id="there", content="x")
    others_are_served(broker, 50)
    before = broker.rss_kb()
    clients = [broker.client() for _ in range(250)]
    for client in clients:
        data = b"".join(client.encode(n, "memory.search", {"query": "there"}) for n in range(1024))
        client.sock.setblocking(False)
        try:
            client.raw(data)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
    others_are_served(broker, 50)
    if not harness.sanitized():
        assert broker.rss_kb() - before < 400 * 1024
    for client in clients:
        client.close()


def test_writer_that_reads_late_gets_every_receipt(broker):
    """More than a window of puts in flight, with nobody reading until the writer stands still."""
    with broker.client() as client:
        data = b"".join(client.encode(n, "memory.put", {"id": f"w{n}", "content": "x" * 2000})
                        for n in range(5000))
        done = threading.Event()

        def write():
            client.raw(data)
            done.set()

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        done.wait(3)  # it may come to a stand: that is the point, and not a condition of the test
        others_are_served(broker, 20)
        replies = [client.receive() for _ in range(5000)]
        writer.join(30)
        assert {r.id for r in replies} == set(range(5000)) and not any(r.error for r in replies)


def test_peer_that_goes_with_requests_in_flight_leaves_them_done(broker):
    with broker.client() as client:
        client.raw(b"".join(client.encode(n, "memory.put", {"id": f"g{n}", "content": "x"})
                            for n in range(200)))
    until(lambda: broker.call("stats")["peers"]["now"] == 1, "the peer to be gone")
    others_are_served(broker, 20)
    with broker.client() as client:
        there = [r.error is None for r in client.many([("memory.get", {"id": f"g{n}"})
                                                       for n in range(200)])]
    assert there == sorted(there, reverse=True)  # a beginning of what was sent, without a hole


def test_waits_of_peers_that_went_end_with_them(sink):
    """They could last an hour, and nothing else bounds how many such peers come and go."""
    sink.script("down")
    sink.broker.call("memory.put", id="first", content="x")
    before = sink.broker.call("stats")["requests"]["errors"]
    for n in range(5):
        with sink.broker.client() as client:
            for k in range(20):
                client.send("memory.put", {"id": f"m{n}-{k}", "content": "x", "wait": "delivered",
                                           "timeout_ms": 3600000})
            for _ in range(20):
                client.send("backend.flush", {"timeout_ms": 3600000})
            client.call("hello")

    def ended():
        stats = sink.broker.call("stats")
        # A flush that came before the first put was committed had nothing to wait for.
        return stats["peers"]["now"] == 1 and stats["requests"]["errors"] - before >= 100

    until(ended, "the waits to end, and with them their peers")
