"""An HTTP server on loopback with a fault to each path: those of the table that every HTTP plugin is
held to (tests/unit/test_http_outcomes.c), which is read from there, so that a row that is added there
is tried here too. It notes when each request came and when it was answered, by the clock that the
test drives. It ends with the test."""
import contextlib
import json
import re
import socket
import struct
import threading

from harness import SOURCE

TABLE = SOURCE / "tests" / "unit" / "test_http_outcomes.c"
GOOD = b'{"ok":true}'


class Row:
    """A fault, and what becomes of a memory that meets it."""

    def __init__(self, name, expected, kind="REPLY", status=200, headers="", body=None,
                 refused=False, waits=False, retry_after_ms=0):
        self.name, self.expected, self.kind, self.status = name, expected, kind, status
        self.headers, self.body, self.refused, self.waits = headers, body, refused, waits
        self.retry_after_ms = retry_after_ms

    @property
    def lane(self):
        return re.sub(r"\W+", "-", self.name)


def member(text, name, pattern, default=None):
    found = re.search(rf"\.{name} = {pattern}", text)
    return found.group(1) if found else default


def unquoted(text):
    return None if text is None else json.loads(f'"{text}"')


def rows(plugin="n8n-webhook"):
    """The table's rows, with what is different for the plugin."""
    text = TABLE.read_text("utf-8")
    column = text[text.index(f'.name = "{plugin}"'):]
    column = column[:column.index(".good")] + column[column.index(".different"):]
    different = dict(re.findall(r'\{"([^"]+)", (\w+)\}', column[:column.index("}}}") + 1]))
    table = text[text.index("static const struct row rows[]"):]
    table = table[:table.index("\n};")]
    after = json.loads('"' + re.search(r'#define AFTER "(.*)"', text).group(1) + '"')
    found = []
    for part in re.split(r"\n    \{(?=\.name)", table)[1:]:
        name = member(part, "name", r'"([^"]+)"')
        headers = unquoted(member(part, "headers", r'"((?:[^"\\]|\\.)*)"', ""))
        found.append(Row(
            name, different.get(name, member(part, "expected", r"(\w+)")),
            kind=member(part, "kind", r"FAULT_(\w+)", "REPLY"),
            status=int(member(part, "status", r"(\d+)", "200")),
            headers=after if ".headers = AFTER" in part else headers,
            body=unquoted(member(part, "body", r'"((?:[^"\\]|\\.)*)"')),
            refused=".refused = true" in part, waits=".waits = true" in part,
            retry_after_ms=int(member(part, "retry_after_ms", r"(\d+)", "0"))))
    assert len(found) == table.count(".name = "), "a row of the table was not understood"
    return found


class Request:
    def __init__(self, at_ms, op, ident):
        self.at_ms, self.op, self.ident, self.answered_ms = at_ms, op, ident, None


class FaultyServer:
    """`faulty`: whether the faults are on. Requests are noted under the name of the row's lane."""

    def __init__(self, faults, now_ms):
        self.rows, self.now_ms, self.faulty = {row.lane: row for row in faults}, now_ms, False
        self.requests = {row.lane: [] for row in faults}
        self.held = {row.lane: {} for row in faults}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.refusing = socket.socket()  # bound, and nobody listens
        self.refusing.bind(("127.0.0.1", 0))
        self.listen_on(self.listener)

    def listen_on(self, listener):
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def url(self, row):
        port = self.refusing.getsockname()[1] if row.refused else self.port
        return f"http://127.0.0.1:{port}/{row.lane}"

    def heal(self):
        self.faulty = False
        self.refusing.listen()
        self.listen_on(self.refusing)

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError), sock:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    data += self.more(sock)
                head, data = data.split(b"\r\n\r\n", 1)
                size = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
                while len(data) < size:
                    data += self.more(sock)
                body, data = json.loads(data[:size]), data[size:]
                if not self.take(sock, head.split(b" ", 2)[1].decode()[1:], body):
                    return

    @staticmethod
    def more(sock):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError
        return piece

    def take(self, sock, lane, body):
        """Answers as the row says; False: the connection ends."""
        row = self.rows[lane]
        request = Request(self.now_ms(), body["event"]["op"], body.get("id"))
        self.requests[lane].append(request)
        if not self.faulty:
            if request.ident is not None:
                self.held[lane][request.ident] = body
            request.answered_ms = self.now_ms()
            sock.sendall(self.reply(200, "", GOOD))
            return True
        request.answered_ms = None if row.waits else self.now_ms()
        return self.fail(sock, row, request)

    @staticmethod
    def reply(status, headers, body):
        return (f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n{headers}\r\n").encode() + body

    def fail(self, sock, row, request):
        body = GOOD if row.body is None else row.body.encode()
        whole = self.reply(row.status, row.headers, body)
        if row.kind == "REPLY":
            sock.sendall(whole)
            return True
        if row.kind in ("RESET_MID_BODY", "TRUNCATED"):
            sock.sendall(whole[:-len(body) // 2])
        if row.kind in ("RESET", "RESET_MID_BODY"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif row.kind == "GARBAGE":
            sock.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        elif row.kind == "HUGE":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            while True:
                sock.sendall(b"x" * 65536)
        elif row.kind in ("HANG", "DRIP"):
            sock.sendall(whole[:-len(body)] if row.kind == "DRIP" else b"")
            self.hold(sock, body[:-1] if row.kind == "DRIP" else b"", request)
        return False

    def hold(self, sock, drops, request):
        """Until the other side gives up."""
        sock.settimeout(0.02)
        try:
            while True:
                try:
                    if not sock.recv(1):
                        break
                except TimeoutError:
                    sock.sendall(drops[:1])
                    drops = drops[1:]
        finally:
            request.answered_ms = self.now_ms()

    def close(self):
        self.listener.close()
        self.refusing.close()
