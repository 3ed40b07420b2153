"""The attacks, one function each: they go on until their time is up, and count what they did.

Each gets a random.Random, the socket's path and `going()`. They assert only what holds under any
load: what is answered is well-formed and never `internal`, and who breaks a rule is closed. That
others are served, and what it all costs, is watched from outside (attack.py).
"""
import array
import collections
import contextlib
import errno
import json
import os
import resource
import select
import signal
import socket
import struct
import uuid

import frames
import msgpack
from wire import DEADLINE_S, Closed, JsonClient, MsgpackClient, Reply, RpcError, until

BUSY = -32001
GONE = (BlockingIOError, BrokenPipeError, ConnectionResetError)
BIG = "attack-big"  # a memory of 1 MiB
OLD = "attack-old"  # one with many versions
CUT_OFF = (Closed, ConnectionError, ValueError, msgpack.exceptions.UnpackException)


def check(reply):
    assert reply.error is None or reply.error["name"] != "internal", reply
    return reply


def replies_of(path, data):
    """Sends it all, closes the sending side, and reads to the end, which must come. Who is told that
    there is no place, before anything was read, is told so in JSON."""
    with JsonClient(path) as client, contextlib.suppress(*GONE):
        with contextlib.suppress(*GONE):  # refused before all was sent: the word of it is there
            client.raw(data)
            client.half_close()
        got = b""
        with contextlib.suppress(*GONE):
            while piece := client.sock.recv(1 << 16):
                got += piece
    if got[:1] == b"{":
        messages = [json.loads(line) for line in got.split(b"\n")[:-1]]
        return [check(Reply(m.get("id"), m.get("result"), m.get("error")))
                for m in messages if "method" not in m]
    unpacker = MsgpackClient.fresh()
    unpacker.feed(got)
    return [check(Reply(m[1], m[3], m[2])) for m in unpacker if m[0] == 1]


def served(kind, path):
    """A connection that has its place, however many others want one."""
    def place():
        client = kind(path)
        try:
            client.call("hello")
            return client
        except (RpcError, AssertionError, *CUT_OFF):
            client.close()
            return None

    return until(place, "a place among the connections")


def flood(client, data, going):
    """Sends as much of it as is taken without reading; False when the broker has closed."""
    client.sock.setblocking(False)
    view = memoryview(data)
    try:
        while len(view) and going():
            view = view[client.sock.send(view):]
    except BlockingIOError:
        return True
    except GONE:
        return False
    return True


def open_many(path, count, kind=MsgpackClient):
    clients = []
    with contextlib.suppress(OSError):
        for _ in range(count):
            clients.append(kind(path))
    return clients


def close_all(clients):
    for client in clients:
        client.close()


def hold(clients, going):
    """Keeps them open and reads nothing, until time is up or the broker has closed all of them."""
    watch = select.poll()
    for client in clients:
        watch.register(client.sock, 0)
    left = len(clients)
    while left and going():
        for descriptor, _ in watch.poll(50):
            watch.unregister(descriptor)
            left -= 1
    return len(clients) - left


# ---- frames ----


def malformed_frames(rng, path, going):
    """The table of malformed frames, each followed by a good request."""
    done = collections.Counter()
    while going():
        kind, data = frames.malformed(rng)
        for reply in replies_of(path, data + kind.encode(7, "hello")):
            done["refused" if reply.error else "answered"] += 1
        done["frames"] += 1
    return done


def changed_calls(rng, path, going):
    """Good calls with their parts changed: well-formed, so each is answered."""
    calls, done = frames.table(), collections.Counter()
    while going():
        kind = rng.choice([JsonClient, MsgpackClient])
        many = []
        for _ in range(20):
            try:
                many.append(frames.changed_call(rng, kind, calls))
            except (TypeError, ValueError, OverflowError):
                pass  # what this encoding can't say
        for reply in replies_of(path, b"".join(many)):
            done["refused" if reply.error else "answered"] += 1
        done["frames"] += len(many)
    return done


def bent_bytes(rng, path, going):
    """Good frames with bytes changed, cut, doubled, put in."""
    calls, done = frames.table(), collections.Counter()
    while going():
        kind = rng.choice([JsonClient, MsgpackClient])
        method = rng.choice(sorted(calls))
        goods = [kind.encode(1, "memory.put", {"id": "bent", "content": "x", "tags": ["a"]}),
                 kind.encode(2, method, rng.choice(calls[method])), kind.encode(3, "hello")]
        data = b"".join(rng.sample(goods, len(goods)))
        with contextlib.suppress(*CUT_OFF, AssertionError):
            replies_of(path, frames.bent(rng, data))
        done["frames"] += len(goods)
    return done


def claims_held_open(rng, path, going):
    """Just below what is refused, on many connections, and then nothing more."""
    done = collections.Counter()
    while going():
        clients = open_many(path, 150)
        for client in clients:
            flood(client, frames.PUT + b"\x81\xa2id\xdb" + struct.pack(">I", 4000000)
                  + b"x" * rng.choice([0, 100, 100000, 1000000]), going)
        done["connections"] += len(clients)
        hold(clients, going)
        close_all(clients)
    return done


def never_ending_frames(_, path, going):
    """More than all connections may hold together, in frames that never end."""
    done = collections.Counter()
    clients = open_many(path, 200)
    piece = b"x" * 65536
    for client in clients:
        flood(client, frames.PUT + b"\x81\xa7content\xc6" + struct.pack(">I", 4100000), going)
    while clients and going():
        for client in clients:
            if not going():
                break
            with contextlib.suppress(*GONE):
                client.sock.setblocking(False)
                done["bytes"] += client.sock.send(piece)
    close_all(clients)
    return done


# ---- connections ----


def hand_over(client, file):
    """Descriptors nobody asked for. The kernel lets a user who is not root have only so many of them
    on their way, and with a slow broker that is what ends it here."""
    try:
        client.sock.sendmsg([client.encode(1, "hello")], [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()] * 50))])
    except OSError as error:
        if error.errno != errno.ETOOMANYREFS:
            raise


def opens_and_drops(rng, path, going):
    """Nothing, half a frame, a request nobody waits for, descriptors nobody asked for."""
    done = collections.Counter()
    with open(os.devnull, "rb") as null:
        while going():
            client = MsgpackClient(path)
            dice = rng.randrange(5)
            with contextlib.suppress(*GONE):
                if dice == 1:
                    client.raw(b"\x94\x00")
                elif dice == 2:
                    client.raw(client.encode(1, "memory.list", {"limit": 50}))
                elif dice == 3:
                    hand_over(client, null)
                elif dice == 4:
                    client.half_close()
            client.close()  # with a reply unread it ends in a reset
            done["connections"] += 1
    return done


def dies_within_a_frame(rng, path, going):
    """Processes that are killed while they send."""
    done = collections.Counter()
    whole = MsgpackClient.encode(1, "memory.put", {"id": "attack-cut", "content": "x" * 300000})
    while going():
        child = os.fork()
        if child == 0:
            try:
                client = MsgpackClient(path)
                client.raw(whole[:rng.randrange(1, len(whole))])
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        rng.random()  # the child drew from its own copy
        done["killed"] += 1
    with served(MsgpackClient, path) as client:
        assert client.wait(client.send("memory.get", {"id": "attack-cut"})).error is not None
    return done


def more_than_may_connect(_, path, going):
    """All places are taken; who comes then is told busy or turned away, and closed."""
    done = collections.Counter()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(
        resource.RLIMIT_NOFILE)[1]),) * 2)
    while going():
        clients = open_many(path, 1010)
        for _ in range(100):
            if not going():
                break
            with JsonClient(path) as extra, contextlib.suppress(*GONE):
                extra.raw(extra.encode(1, "hello"))
                extra.half_close()
                told = extra.drain()
                assert all(r.error is None or r.error["code"] == BUSY for r in told), told
                done["turned away"] += not told
                done["told busy"] += any(r.error for r in told)
        done["connections"] += len(clients)
        close_all(clients)
    return done


def keeps_on_after_it_is_refused(rng, path, going):
    """Its framing is lost and it goes on sending: it must be closed all the same."""
    done = collections.Counter()
    while going():
        with MsgpackClient(path) as client:
            client.raw(rng.choice([b"\x94\x00\xc1", b"\xdd\xff\xff\xff\xff", b"G"]))
            client.sock.settimeout(0)

            def closed(client=client):
                with contextlib.suppress(BlockingIOError):
                    try:
                        client.sock.send(b"x" * 100)
                    except (BrokenPipeError, ConnectionResetError):
                        return True
                return False

            until(closed, "a connection whose framing was lost to be closed", DEADLINE_S)
        done["connections"] += 1
    return done


# ---- who takes nothing ----


def big_asks(rng, client):
    """Requests whose answers are large."""
    asks = [("memory.get", {"id": BIG}), ("memory.list", {"limit": 1000, "embedding": True}),
            ("memory.history", {"id": OLD, "limit": 1000}), ("memory.list", {"deleted": "any"}),
            ("memory.search", {"query": "attack warm", "limit": 100}),
            ("memory.restore", {"before": rng.choice([1, 2000000000000]), "dry_run": True}),
            ("memory.restore", {"ids": [f"warm{n}" for n in range(500)], "dry_run": True}),
            ("alert.list", {"limit": 1000}), ("session.list", {"limit": 1000}), ("hello", {}),
            ("stats", {"format": "prometheus"}), ("backend.list", {})]
    return b"".join(client.encode(n, *rng.choice(asks)) for n in range(rng.choice([3, 60, 1024])))


def asks_and_never_reads(rng, path, going):
    """Reads with large answers, pipelined up to the window and beyond, on many connections."""
    done = collections.Counter()
    while going():
        clients = open_many(path, rng.choice([20, 150, 400]), rng.choice([JsonClient, MsgpackClient]))
        for client in clients:
            flood(client, big_asks(rng, client), going)
            if rng.randrange(4) == 0:
                with contextlib.suppress(OSError):
                    client.half_close()
        done["connections"] += len(clients)
        done["closed by the broker"] += hold(clients, going)
        close_all(clients)
    return done


def subscribes_and_never_reads(_, path, going):
    done = collections.Counter()
    while going():
        clients = open_many(path, 80)
        for client in clients:
            flood(client, client.encode(1, "event.subscribe", {"from_seq": 1}) * 3, going)
        done["connections"] += len(clients)
        hold(clients, going)
        close_all(clients)
    return done


# ---- calls ----


def floods(rng, path, going):
    """Puts as fast as they are taken, on some connections, far over the window; read now and then."""
    done = collections.Counter()
    clients = [served(MsgpackClient, path) for _ in range(4)]
    data = b"".join(MsgpackClient.encode(n, "memory.put", {
        "id": f"flood{rng.randrange(3000)}", "content": "x" * rng.choice([10, 10, 2000])})
                    for n in range(2000))
    for client in clients:
        client.left = data
    while clients and going():
        for client in clients:
            client.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sent = client.sock.send(client.left)
                done["bytes"] += sent
                client.left = client.left[sent:] or data
            with contextlib.suppress(BlockingIOError):
                client.unpacker.feed(client.sock.recv(1 << 16))
                for reply in client.unpacker:
                    assert reply[2] is None, reply
                    done["receipts"] += 1
    close_all(clients)
    return done


def event_ids_over_again(rng, path, going):
    """One event_id from several connections at once: with the same body it is one change."""
    done = collections.Counter()
    with served(MsgpackClient, path) as one, served(JsonClient, path) as other:
        while going():
            event, ident = str(uuid.UUID(int=rng.getrandbits(128))), f"twice{rng.randrange(50)}"
            body = {"id": ident, "content": event, "event_id": event, "retry": True}
            asked = [(c, c.send("memory.put", body)) for c in (one, other) * 3]
            told = [c.wait(n).get() for c, n in asked]
            assert len({t["seq"] for t in told}) == 1, told
            assert sum(not t["duplicate"] for t in told) == 1, told
            fresh = one.call("memory.put", dict(body, content="another"))
            assert fresh["seq"] > told[0]["seq"] and not fresh["duplicate"], fresh
            done["event ids"] += 1
    return done


def statements(rng, path, going):
    done = collections.Counter()
    with served(MsgpackClient, path) as client:
        while going():
            asked = [client.send("guard.observe", {
                "statement": frames.statement(rng), "dry_run": bool(rng.randrange(4)),
                "language": rng.choice(["sql", "cypher", "shell", "auto"])}) for _ in range(50)]
            for ident in asked:
                done["refused" if check(client.wait(ident)).error else "answered"] += 1
    return done


def sessions_come_and_go(rng, path, going):
    done = collections.Counter()
    with served(JsonClient, path) as client:
        while going():
            asked = []
            for _ in range(50):
                ident = rng.choice([str(uuid.UUID(int=rng.getrandbits(128))), "s", "x" * 300, ""])
                verb = rng.choice(["begin", "touch", "end", "get"])
                asked.append(client.send(f"session.{verb}", {"session_id": ident}))
                asked.append(client.send("session.begin", {
                    "agent": "a" * rng.choice([1, 300]),
                    "pid": rng.choice([0, -1, 1 << 22, os.getpid()])}))
            for ident in asked:
                done["refused" if check(client.wait(ident)).error else "answered"] += 1
    return done


def imports(rng, path, going):
    """Imports of strange times and origins, huge tags and props, and restores of them."""
    done = collections.Counter()
    stamps = [0, 1, -1, 1700000000000000, (1 << 62), (1 << 63) - 1, 1 << 53]
    with served(MsgpackClient, path) as client:
        while going():
            many = [{"id": f"imported{rng.randrange(200)}", "content": "x" * rng.choice([1, 20000]),
                     "created_ms": rng.choice(frames.INTEGERS), "stamp": rng.choice(stamps),
                     "origin": str(uuid.UUID(int=rng.getrandbits(128))),
                     "tags": ["t" * 60] * rng.choice([0, 1, 64, 1000]),
                     "props": {f"p{n}": n for n in range(rng.choice([0, 3, 1000]))}}
                    for _ in range(rng.choice([1, 100]))]
            check(client.wait(client.send("memory.import", {"memories": many})))
            check(client.wait(client.send("memory.restore", {
                "before": rng.choice(frames.INTEGERS), "limit": 50})))
            check(client.wait(client.send("memory.purge", {"ids": [m["id"] for m in many]})))
            done["memories"] += len(many)
    return done


def drips(_, path, going):
    """A byte a second on each of many connections; what is whole in the end is answered."""
    request = MsgpackClient.encode(1, "hello", {})
    clients = open_many(path, 150)
    sent, done = 0, collections.Counter(connections=len(clients))
    while going():
        for client in clients:
            client.raw(request[sent % len(request):][:1])
        sent += 1
        done["bytes"] += len(clients)
        select.select([], [], [], 1)
    for client in clients:
        for _ in range(sent // len(request)):
            assert check(client.receive()).result["protocol"] == 1
            done["answered"] += 1
    close_all(clients)
    return done


ALL = [malformed_frames, changed_calls, bent_bytes, claims_held_open, never_ending_frames,
       opens_and_drops, dies_within_a_frame, more_than_may_connect, keeps_on_after_it_is_refused,
       asks_and_never_reads, subscribes_and_never_reads, floods, event_ids_over_again, statements,
       sessions_come_and_go, imports]
