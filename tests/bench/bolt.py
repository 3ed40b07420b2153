"""The least of a Bolt client: statements whose bytes were made before, over one connection, one after the
other. What it reaches is the server's, and not a driver's."""
import socket
import struct

VERSIONS = bytes([0, 3, 4, 5]) + bytes(12)  # 5.4 down to 5.1
HELLO, RUN, PULL, LOGON = 0x01, 0x10, 0x3F, 0x6A
SUCCESS, RECORD = 0x70, 0x71
CHUNK_MAX = 0xFFFF


def sized(count, tiny, tags):
    """The head of a string, list or map: its tag and how much follows."""
    if tiny is not None and count < 16:
        return bytes([tiny | count])
    for tag, form, limit in zip(tags, (">BB", ">BH", ">BI"), (1 << 8, 1 << 16, 1 << 32)):
        if tag is not None and count < limit:
            return struct.pack(form, tag, count)
    raise ValueError(count)


def floats(values):
    """The items of a list of floats, many at a time."""
    return struct.pack(">" + "Bd" * len(values), *(x for value in values for x in (0xC1, value)))


def pack(value):
    """PackStream, of what JSON has."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return struct.pack(">b", value) if -16 <= value < 128 else b"\xcb" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xc1" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return sized(len(text), 0x80, (0xD0, 0xD1, 0xD2)) + text
    if isinstance(value, list):
        head = sized(len(value), 0x90, (0xD4, 0xD5, 0xD6))
        return head + (floats(value) if value and isinstance(value[0], float) else
                       b"".join(map(pack, value)))
    return sized(len(value), 0xA0, (0xD8, 0xD9, 0xDA)) + b"".join(
        pack(key) + pack(item) for key, item in value.items())


def message(tag, *fields):
    body = bytes([0xB0 | len(fields), tag]) + b"".join(map(pack, fields))
    chunks = [body[at:at + CHUNK_MAX] for at in range(0, len(body), CHUNK_MAX)]
    return b"".join(struct.pack(">H", len(chunk)) + chunk for chunk in chunks) + b"\0\0"


def statement(cypher, **parameters):
    """A transaction of its own, and its result asked for."""
    return message(RUN, cypher, parameters, {}) + message(PULL, {"n": -1})


class Client:
    def __init__(self, port, user, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        self.socket.sendall(b"\x60\x60\xb0\x17" + VERSIONS)
        assert self.replies.read(4)[3] == 5
        agent = {"user_agent": "bench/1", "bolt_agent": {"product": "bench/1"}}
        login = {"scheme": "basic", "principal": user, "credentials": password}
        self.socket.sendall(message(HELLO, agent) + message(LOGON, login))
        self.done(2)

    def close(self):
        self.replies.close()
        self.socket.close()

    def receive(self):
        body = b""
        while True:
            (size,) = struct.unpack(">H", self.replies.read(2))
            if size == 0 and body:
                return body
            body += self.replies.read(size)

    def done(self, count):
        """Until so many messages have been answered."""
        while count > 0:
            told = self.receive()
            assert told[1] in (SUCCESS, RECORD), told
            count -= told[1] == SUCCESS

    def run(self, prepared):
        self.socket.sendall(prepared)
        self.done(2)
