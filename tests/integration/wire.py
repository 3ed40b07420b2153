"""The wire as protocol.md tells it, once more and on plain sockets.

It shares no code with the broker or its library, so that a mistake there is not repeated here:
python3-msgpack and json do the encoding. Every wait is bounded by DEADLINE_S and fails loudly.
"""
import base64
import itertools
import json
import os
import select
import socket
import struct
import threading
import time

import msgpack

DEADLINE_S = float(os.environ.get("MEMFERRY_TEST_DEADLINE_S", "30"))


class RpcError(Exception):
    """An error reply: code, name, message and data as they came."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')} {error.get('name')}: {error.get('message')}")
        self.code = error.get("code")
        self.name = error.get("name")
        self.message = error.get("message")
        self.data = error.get("data") or {}
        self.field = self.data.get("field")


class Closed(Exception):
    """The broker closed the connection."""


class Reply:
    """A reply of either encoding. `raw` holds its bytes where the encoding keeps them (JSON)."""

    def __init__(self, ident, result, error, raw=b""):
        self.id, self.result, self.error, self.raw = ident, result, error, raw

    def get(self):
        if self.error is not None:
            raise RpcError(self.error)
        return self.result

    def __repr__(self):
        return f"Reply({self.id!r}, {self.result!r}, {self.error!r})"


def floats(values):
    """Little-endian float32, as `embedding` is carried in binary."""
    return struct.pack(f"<{len(values)}f", *values)


class Client:
    """What both encodings share: the socket, ids, and bounded waits."""

    def __init__(self, path, deadline_s=None):
        self.deadline_s = deadline_s or DEADLINE_S
        self.ids = itertools.count(1)
        self.early = {}
        self.notes = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.deadline_s)
        until(lambda: self.connected(path), "a place in the broker's queue of connections")

    def connected(self, path):
        try:
            self.sock.connect(path)
            return True
        except BlockingIOError:  # the queue is full: a socket with a time-out doesn't wait for it
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, method, params=None):
        """Sends a request without waiting; returns its id."""
        ident = next(self.ids)
        self.raw(self.encode(ident, method, params))
        return ident

    def notify(self, method, params=None):
        self.raw(self.encode(None, method, params))

    def wait(self, ident):
        """The reply to `ident`; others that come before it are kept."""
        if ident in self.early:
            return self.early.pop(ident)
        while True:
            reply = self.receive()
            if reply.id == ident:
                return reply
            self.early[reply.id] = reply

    def call(self, method, params=None, **more):
        params = dict(params or {}, **more)
        return self.wait(self.send(method, params)).get()

    def many(self, calls):
        """Pipelines [(method, params)]; the replies in the order of the calls. A thread writes, so
        that neither side can wait for the other."""
        idents = [next(self.ids) for _ in calls]
        data = b"".join(self.encode(i, *c) for i, c in zip(idents, calls))
        return self.stream(data, idents)

    def stream(self, data, idents, chunk=None):
        """Writes `data` (in pieces of `chunk` bytes) while reading a reply to each of `idents`."""

        def write():
            try:
                step = chunk or len(data) or 1
                for at in range(0, len(data), step):
                    self.sock.sendall(data[at:at + step])
            except OSError:
                pass  # the reader below finds out and says more

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        replies = [self.wait(i) for i in idents]
        writer.join(self.deadline_s)
        assert not writer.is_alive(), "the broker answered everything but never read it"
        return replies

    def drain(self):
        """Everything until the broker closes."""
        replies = []
        try:
            while True:
                replies.append(self.receive())
        except (Closed, ConnectionResetError, BrokenPipeError):
            return replies

    def closed(self):
        """True once the broker has closed; replies before that are dropped."""
        self.drain()
        return True

    def silent(self, for_s):
        """True when nothing at all is readable for this long. Only for `nothing must come`."""
        return not select.select([self.sock], [], [], for_s)[0]


class JsonClient(Client):
    encoding = "json"

    def __init__(self, path, **more):
        super().__init__(path, **more)
        self.buffer = b""

    @staticmethod
    def encode(ident, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if ident is not None:
            message["id"] = ident
        if params is not None:
            message["params"] = params
        return json.dumps(message, ensure_ascii=False, default=JsonClient.binary).encode(
            "utf-8", "surrogatepass") + b"\n"

    @staticmethod
    def binary(value):
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        raise TypeError(type(value))

    def line(self):
        while b"\n" not in self.buffer:
            piece = self.sock.recv(1 << 20)
            if not piece:
                assert not self.buffer, f"closed within a line: {self.buffer[:200]!r}"
                raise Closed()
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def receive(self):
        while True:
            line = self.line()
            message = json.loads(line)
            assert message.get("jsonrpc") == "2.0", line
            if "method" in message:
                self.notes.append(message)
                continue
            assert ("result" in message) != ("error" in message), line
            return Reply(message.get("id"), message.get("result"), message.get("error"), line)


class MsgpackClient(Client):
    encoding = "msgpack"

    def __init__(self, path, **more):
        super().__init__(path, **more)
        self.unpacker = self.fresh()

    @staticmethod
    def fresh():
        return msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=256 << 20)

    @staticmethod
    def encode(ident, method, params=None):
        args = [] if params is None else [params]
        message = [2, method, args] if ident is None else [0, ident, method, args]
        return msgpack.packb(message, use_bin_type=True, unicode_errors="surrogatepass")

    def receive(self):
        while True:
            for message in self.unpacker:
                assert isinstance(message, list), message
                if message[0] == 2:
                    self.notes.append(message)
                    continue
                assert len(message) == 4 and message[0] == 1, message
                assert message[2] is None or message[3] is None, message
                return Reply(message[1], message[3], message[2])
            piece = self.sock.recv(1 << 20)
            if not piece:
                raise Closed()
            self.unpacker.feed(piece)


CLIENTS = {"json": JsonClient, "msgpack": MsgpackClient}


def until(condition, what, deadline_s=None):
    """Waits for condition() to be true and returns it. Bounded; says what it waited for."""
    deadline = time.monotonic() + (deadline_s or DEADLINE_S)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited too long for: {what() if callable(what) else what}")
        time.sleep(0.005)
