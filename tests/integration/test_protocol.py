"""The protocol table: every request of it in both encodings, whole, byte by byte, and many to a
piece; then what concerns one encoding only, and where framing is lost.
"""
import base64
import json
import math
import struct
import uuid

import msgpack
import pytest

from wire import Closed, JsonClient, MsgpackClient, RpcError, floats

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
BUSY, NOT_FOUND, CONFLICT, TIMEOUT, FORBIDDEN = -32001, -32002, -32003, -32006, -32007
MIB = 1 << 20
FRAME_MAX = 4 * MIB
DIMS = 768
VECTOR = [i / 8 - 40 for i in range(DIMS)]


class Error:
    """Expects an error of this code, blaming this field (or something inside it)."""

    def __init__(self, code, field=None):
        self.code, self.field = code, field

    def check(self, reply):
        assert reply.error is not None, f"wanted {self.code}, got the result {reply.result!r:.300}"
        assert reply.error["code"] == self.code, reply.error
        assert reply.error["name"] and reply.error["message"], reply.error
        if self.field:
            blamed = (reply.error.get("data") or {}).get("field", "")
            assert blamed == self.field or blamed.startswith((self.field + ".", self.field + "[")), (
                f"wanted {self.field} blamed: {reply.error}")


class Result:
    """Expects a result with these values in it."""

    def __init__(self, **values):
        self.values = values

    def check(self, reply):
        assert reply.error is None, reply.error
        for name, value in self.values.items():
            assert reply.result[name] == value, (name, reply.result)


def receipt(ident):
    return Result(id=ident, durable=True, duplicate=False)


def refused_put(field, **params):
    return "memory.put", dict({"content": "x"}, **params), Error(PARAMS, field)


def accepted_put(ident, **params):
    return "memory.put", dict({"id": ident, "content": "x"}, **params), receipt(ident)


def table(p):
    """(method, params, expectation). Rows don't depend on one another; p makes ids unique."""
    there = p + "there"
    return [
        # calls as such
        ("hello", None, Result(protocol=1)),
        ("hello", {}, Result(protocol=1)),
        ("hello", {"client": "table", "protocol": 1}, Result(protocol=1)),
        ("hello", {"client": 5}, Error(PARAMS, "client")),
        ("hello", {"colour": "red"}, Error(PARAMS, "colour")),
        ("no.such.method", {}, Error(METHOD)),
        ("", {}, Error(METHOD)),
        ("memory.putt", {"content": "x"}, Error(METHOD)),
        ("MEMORY.PUT", {"content": "x"}, Error(METHOD)),
        ("m" * 5000, {}, Error(METHOD)),
        ("no.such.method", {"deep": [[[[{"a": [1, 2, {"b": None}]}]]]]}, Error(METHOD)),
        # ids
        accepted_put(p + "i"),
        accepted_put((p + "é" * 200)[:100] + "日本語"),
        accepted_put(p + "b" * (256 - len(p))),
        accepted_put(p + " spaces / and : signs \\ \" '"),
        refused_put("id", id=""),
        refused_put("id", id=p + "b" * (257 - len(p))),
        refused_put("id", id="é" * 129),
        refused_put("id", id=5),
        refused_put("id", id=None),
        refused_put("id", id=["a"]),
        refused_put("id", id="a\0b"),
        # content
        accepted_put(p + "empty", content=""),
        accepted_put(p + "text", content="Zeile\n\t\"quoted\" \\ \u0001 😀 \u2028"),
        accepted_put(p + "mib", content="m" * MIB),
        refused_put("content", id=p + "big", content="m" * (MIB + 1)),
        refused_put("content", id=p + "c1", content=5),
        refused_put("content", id=p + "c2", content={"a": 1}),
        refused_put("content", id=p + "c3", content=["x"]),
        refused_put("content", id=p + "c4", content=True),
        refused_put("content", id=p + "c5", content="nul \0 inside"),
        # kind
        accepted_put(p + "kind", kind="k" * 64),
        refused_put("kind", id=p + "k1", kind="k" * 65),
        refused_put("kind", id=p + "k2", kind=1),
        refused_put("kind", id=p + "k3", kind="a\0"),
        # tags
        accepted_put(p + "tags", tags=["a", "b", "日"]),
        accepted_put(p + "notags", tags=[]),
        refused_put("tags", id=p + "t1", tags="a"),
        refused_put("tags", id=p + "t2", tags=["a", 1]),
        refused_put("tags", id=p + "t3", tags=[["a"]]),
        refused_put("tags", id=p + "t4", tags=["a", None]),
        refused_put("tags", id=p + "t5", tags={"a": 1}),
        refused_put("tags", id=p + "t6", tags=["a\0b"]),
        # props
        accepted_put(p + "props", props={
            "b": True, "i": -(1 << 63), "j": (1 << 63) - 1, "f": 0.1, "s": "é", "n": None,
            "lb": [True, False], "li": [1, 2], "lf": [0.5, 1.5], "ls": ["a", "b"], "le": []}),
        accepted_put(p + "noprops", props={}),
        refused_put("props", id=p + "p1", props=[1]),
        refused_put("props", id=p + "p2", props="x"),
        refused_put("props", id=p + "p3", props={"a": {"b": 1}}),
        refused_put("props", id=p + "p4", props={"a": [[1]]}),
        refused_put("props", id=p + "p5", props={"a": [{"b": 1}]}),
        refused_put("props", id=p + "p6", props={"a": [1, None]}),
        refused_put("props", id=p + "p7", props={"a": [1, "x"]}),
        refused_put("props", id=p + "p8", props={"a": "nul\0"}),
        refused_put("props", id=p + "p9", props={"a\0b": 1}),
        refused_put("props", id=p + "p10", props={"": 1}),
        refused_put("props", id=p + "p11", props={"a": (1 << 64) - 1}),
        *[refused_put("props", id=p + "r" + name, props={name: "x"}) for name in (
            "id", "content", "kind", "tags", "props", "embedding", "created_ms", "updated_ms",
            "deleted_ms", "version", "stamp", "origin", "session_id", "embedding_state")],
        # embedding
        accepted_put(p + "e", embedding=VECTOR),
        accepted_put(p + "eb", embedding=floats(VECTOR)),
        accepted_put(p + "ei", embedding=[1] * DIMS),
        refused_put("embedding", id=p + "e1", embedding=VECTOR[:-1]),
        refused_put("embedding", id=p + "e2", embedding=VECTOR + [0.5]),
        refused_put("embedding", id=p + "e3", embedding=[]),
        refused_put("embedding", id=p + "e4", embedding=VECTOR[:-1] + ["x"]),
        refused_put("embedding", id=p + "e5", embedding=VECTOR[:-1] + [None]),
        refused_put("embedding", id=p + "e6", embedding=VECTOR[:-1] + [1e39]),
        refused_put("embedding", id=p + "e7", embedding=floats(VECTOR)[:-4]),
        refused_put("embedding", id=p + "e8", embedding=floats(VECTOR)[:-1]),
        refused_put("embedding", id=p + "e9", embedding=floats(VECTOR[:-1] + [math.nan])),
        refused_put("embedding", id=p + "e10", embedding=floats(VECTOR[:-1] + [math.inf])),
        refused_put("embedding", id=p + "e11", embedding=7),
        # read-only and unknown parameters
        *[refused_put(name, id=p + "ro" + name, **{name: 5}) for name in (
            "created_ms", "updated_ms", "deleted_ms", "version", "stamp", "embedding_state")],
        refused_put("origin", id=p + "ro", origin=str(uuid.uuid4())),
        refused_put("colour", id=p + "u", colour="red"),
        refused_put("Content", id=p + "u2", Content="red"),
        # the rest of put
        accepted_put(p + "ev", event_id=str(uuid.uuid4()), retry=False),
        accepted_put(p + "ses", session_id=str(uuid.uuid4())),
        accepted_put(p + "ev0", expected_version=0),
        accepted_put(p + "wait", wait="durable"),
        accepted_put(p + "deliv", wait="delivered", timeout_ms=5000),  # no backend: at once
        refused_put("event_id", id=p + "v1", event_id=5),
        refused_put("retry", id=p + "v2", retry="yes"),
        refused_put("expected_version", id=p + "v3", expected_version="1"),
        refused_put("expected_version", id=p + "v4", expected_version=-1),
        refused_put("expected_version", id=p + "v5", expected_version=1.5),
        refused_put("wait", id=p + "v6", wait="forever"),
        refused_put("wait", id=p + "v7", wait=1),
        refused_put("timeout_ms", id=p + "v8", wait="delivered", timeout_ms="1"),
        refused_put("timeout_ms", id=p + "v9", wait="delivered", timeout_ms=-1),
        refused_put("session_id", id=p + "v10", session_id=5),
        ("memory.put", {"id": there, "content": "x", "expected_version": 0}, Error(CONFLICT)),
        # get, history, delete
        ("memory.get", {"id": there}, Result(id=there, content="old", kind="note")),
        ("memory.get", {}, Error(PARAMS, "id")),
        ("memory.get", {"id": 1}, Error(PARAMS, "id")),
        ("memory.get", {"id": ""}, Error(PARAMS, "id")),
        ("memory.get", {"id": "x" * 257}, Error(PARAMS, "id")),
        ("memory.get", {"id": p + "nowhere"}, Error(NOT_FOUND)),
        ("memory.get", {"id": there, "version": "1"}, Error(PARAMS, "version")),
        ("memory.get", {"id": there, "version": 1 << 40}, Error(NOT_FOUND)),
        ("memory.get", {"id": there, "verison": 1}, Error(PARAMS, "verison")),
        ("memory.history", {"id": p + "nowhere"}, Error(NOT_FOUND)),
        ("memory.history", {"id": []}, Error(PARAMS, "id")),
        ("memory.history", {}, Error(PARAMS, "id")),
        ("memory.delete", {"id": p + "nowhere"}, Error(NOT_FOUND)),
        ("memory.delete", {}, Error(PARAMS, "id")),
        ("memory.delete", {"ids": "x"}, Error(PARAMS, "ids")),
        ("memory.delete", {"ids": [1]}, Error(PARAMS, "ids")),
        ("memory.delete", {"id": there, "reason": 1}, Error(PARAMS, "reason")),
        # list
        ("memory.list", {"kind": p + "none"}, Result(memories=[])),
        ("memory.list", {"limit": 0}, Error(PARAMS, "limit")),
        ("memory.list", {"limit": -1}, Error(PARAMS, "limit")),
        ("memory.list", {"limit": "1"}, Error(PARAMS, "limit")),
        ("memory.list", {"deleted": "maybe"}, Error(PARAMS, "deleted")),
        ("memory.list", {"tag": 5}, Error(PARAMS, "tag")),
        ("memory.list", {"since": "yesterday"}, Error(PARAMS, "since")),
        ("memory.list", {"until": "2026-13-01T00:00:00Z"}, Error(PARAMS, "until")),
        ("memory.list", {"until": [1]}, Error(PARAMS, "until")),
        ("memory.list", {"after": 5.5}, Error(PARAMS, "after")),
        ("memory.list", {"since": "2100-01-01T00:00:00Z"}, Result(memories=[])),
        ("memory.list", {"since": "2100-01-01T00:00:00.250+02:00"}, Result(memories=[])),
        ("memory.list", {"since": 4102444800000}, Result(memories=[])),
        ("memory.list", {"until": "1990-02-28T23:59:59Z"}, Result(memories=[])),
        ("memory.list", {"until": 631152000000}, Result(memories=[])),
        # the others of this stage
        ("backend.list", {}, Result(backends=[])),
        ("backend.list", {"x": 1}, Error(PARAMS, "x")),
        ("backend.flush", {"timeout_ms": 10}, Result(backends=[])),
        ("backend.flush", {"names": ["nobody"]}, Error(NOT_FOUND)),
        ("backend.flush", {"names": "nobody"}, Error(PARAMS, "names")),
        ("backend.pause", {"name": "nobody"}, Error(NOT_FOUND)),
        ("backend.resume", {"name": "nobody"}, Error(NOT_FOUND)),
        ("backend.probe", {"name": "nobody"}, Error(NOT_FOUND)),
        ("backend.forget", {"name": "nobody"}, Error(NOT_FOUND)),
        ("backend.pause", {}, Error(PARAMS, "name")),
        ("backend.pause", {"name": 5}, Error(PARAMS, "name")),
        ("dead.list", {}, Result(dead=[])),
        ("dead.retry", {"backend": "nobody", "all": True}, Error(NOT_FOUND)),
        ("dead.list", {"limit": "x"}, Error(PARAMS, "limit")),
        ("stats", {}, Result()),
        ("stats", {"format": "xml"}, Error(PARAMS, "format")),
    ]


ROWS = len(table(""))


def name_of(index):
    method, params, wanted = table("p-")[index]
    what = "" if params is None else repr(params)[:40]
    return f"{index}-{method[:20]}-{what}-{getattr(wanted, 'code', 'ok')}"


def prepare(broker):
    prefix = uuid.uuid4().hex[:8] + "-"
    broker.call("memory.put", id=prefix + "there", content="old")
    return table(prefix)


def check_all(rows, replies):
    wrong = []
    for index, (row, reply) in enumerate(zip(rows, replies)):
        try:
            row[2].check(reply)
        except AssertionError as failure:
            wrong.append(f"{name_of(index)}: {failure}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("index", range(ROWS), ids=name_of)
def test_table_whole(shared, index):
    method, params, wanted = prepare(shared)[index]
    for kind in (JsonClient, MsgpackClient):
        with kind(shared.socket) as client:
            try:
                wanted.check(client.wait(client.send(method, params)))
            except AssertionError as failure:
                raise AssertionError(f"in {kind.encoding}: {failure}") from failure
            assert client.call("hello")["protocol"] == 1  # the connection stays
        method, params, wanted = prepare(shared)[index]


def test_table_many_to_a_piece(shared, encoding):
    rows = prepare(shared)
    with shared.client(encoding) as client:
        check_all(rows, client.many([row[:2] for row in rows]))


def test_table_byte_by_byte(shared, encoding):
    """Rows of over 30 KB are left to the other ways: a byte costs a system call."""
    rows = prepare(shared)
    with shared.client(encoding) as client:
        encoded = [client.encode(n + 1, *row[:2]) for n, row in enumerate(rows)]
        kept = [n for n, data in enumerate(encoded) if len(data) < 30000]
        replies = client.stream(b"".join(encoded[n] for n in kept), [n + 1 for n in kept], chunk=1)
        check_all([rows[n] for n in kept], replies)


@pytest.mark.parametrize("chunk", [2, 3, 7, 4093])
def test_table_in_odd_pieces(shared, encoding, chunk):
    rows = prepare(shared)
    with shared.client(encoding) as client:
        encoded = [client.encode(n + 1, *row[:2]) for n, row in enumerate(rows)]
        kept = [n for n, data in enumerate(encoded) if len(data) < 3000 * chunk]
        replies = client.stream(b"".join(encoded[n] for n in kept), [n + 1 for n in kept],
                                chunk=chunk)
        check_all([rows[n] for n in kept], replies)


# ---- ids of requests ----


@pytest.mark.parametrize("ident", [
    "0", "1", "-1", "9007199254740993", "18446744073709551616", "123456789012345678901234567890",
    "1.50", "1e3", '""', '"a"', '"\\u00e9\\n"', '"é😀"', '"' + "x" * 200 + '"'])
def test_json_id_comes_back_as_it_was(shared, ident):
    with JsonClient(shared.socket) as client:
        client.raw(b'{"jsonrpc":"2.0","id":%s,"method":"hello"}\n' % ident.encode())
        line = client.receive().raw
        assert b'"id":' + ident.encode() in line.replace(b'"id": ', b'"id":'), line
        client.raw(b'{"id":%s,"method":"nope"}\n' % ident.encode())
        reply = client.receive()
        assert reply.error["code"] == METHOD
        assert b'"id":' + ident.encode() in reply.raw.replace(b'"id": ', b'"id":'), reply.raw


@pytest.mark.parametrize("ident", ["[1]", '{"a":1}', "true"])
def test_json_id_of_another_type_is_no_request(shared, ident):
    with JsonClient(shared.socket) as client:
        client.raw(b'{"jsonrpc":"2.0","id":%s,"method":"hello"}\n' % ident.encode())
        assert client.receive().error["code"] == REQUEST
        assert client.call("hello")


def test_json_id_without_end_is_refused(shared):
    with JsonClient(shared.socket) as client:
        client.raw(b'{"id":"%s","method":"hello"}\n' % (b"x" * 100000))
        assert client.receive().error["code"] == REQUEST
        assert client.call("hello")


@pytest.mark.parametrize("ident", [0, 127, 65536, (1 << 32) - 1])
def test_msgid_comes_back(shared, ident):
    with MsgpackClient(shared.socket) as client:
        client.raw(client.encode(ident, "hello"))
        assert client.receive().id == ident


@pytest.mark.parametrize("ident", [1 << 32, -1, "a", 1.5, None])
def test_msgid_that_is_no_uint32_is_no_request(shared, ident):
    with MsgpackClient(shared.socket) as client:
        client.raw(msgpack.packb([0, ident, "hello", []]))
        assert client.receive().error["code"] == REQUEST
        assert client.call("hello")


def test_same_id_twice_gets_two_replies(shared, encoding):
    with shared.client(encoding) as client:
        client.raw(client.encode(7, "hello") * 2)
        assert [client.receive().id, client.receive().id] == [7, 7]


# ---- notifications ----


def test_notification_gets_no_reply_but_is_done(shared, encoding):
    ident = str(uuid.uuid4())
    with shared.client(encoding) as client:
        client.notify("memory.put", {"id": ident, "content": "quiet"})
        client.notify("no.such.method", {})
        client.notify("memory.put", {"id": "", "content": "bad"})
        seq = client.call("memory.put", id=ident + "2", content="loud")["seq"]
        assert not client.early and not client.notes
        told = client.call("memory.get", id=ident)
        assert told["content"] == "quiet" and told["version"] < seq
        client.half_close()
        assert client.drain() == []


def test_notification_of_a_read_gets_no_reply(shared, encoding):
    with shared.client(encoding) as client:
        for method in ("hello", "stats", "memory.list", "backend.list"):
            client.notify(method, {})
        client.half_close()
        assert client.drain() == []


# ---- half-close and pipelining ----


def test_half_close_gets_every_reply(shared, encoding):
    prefix = uuid.uuid4().hex
    with shared.client(encoding) as client:
        calls = [("memory.put", {"id": f"{prefix}-{n}", "content": "x"}) for n in range(300)]
        calls += [("memory.list", {"limit": 5}), ("hello", {}), ("nope", {})]
        client.raw(b"".join(client.encode(n, *c) for n, c in enumerate(calls)))
        client.half_close()
        replies = client.drain()
        assert sorted(r.id for r in replies) == list(range(len(calls)))
        assert sum(r.error is None for r in replies) == len(calls) - 1


def test_last_json_line_without_newline_is_a_request(shared):
    with JsonClient(shared.socket) as client:
        client.raw(b'{"id":1,"method":"hello"}\n{"id":2,"method":"hello"}')
        client.half_close()
        assert sorted(r.id for r in client.drain()) == [1, 2]


def test_half_frame_at_half_close_is_told_or_dropped(shared):
    with MsgpackClient(shared.socket) as client:
        data = client.encode(1, "memory.put", {"id": "half", "content": "x" * 100})
        client.raw(client.encode(0, "hello") + data[:-1])
        client.half_close()
        replies = client.drain()
        assert replies[0].id == 0 and all(r.error["code"] == PARSE for r in replies[1:])
    with JsonClient(shared.socket) as client:
        client.raw(b'{"id":1,"method":"memory.put","params":{"id":"half","content":"x')
        client.half_close()
        assert [r.error["code"] for r in client.drain()] == [PARSE]
    with pytest.raises(RpcError) as failure:
        shared.call("memory.get", id="half")
    assert failure.value.code == NOT_FOUND


def test_empty_connection_is_closed_quietly(shared):
    with JsonClient(shared.socket) as client:
        client.half_close()
        assert client.drain() == []


def test_two_thousand_pipelined_each_answered_once(shared, encoding):
    prefix = uuid.uuid4().hex
    with shared.client(encoding) as client:
        replies = client.many([("memory.put", {"id": f"{prefix}-{n}", "content": f"c{n}"})
                               for n in range(2000)])
        receipts = [r.get() for r in replies]
        assert [r["id"] for r in receipts] == [f"{prefix}-{n}" for n in range(2000)]
        seqs = [r["seq"] for r in receipts]
        assert seqs == sorted(set(seqs))  # one connection's writes commit in the order sent
        assert not client.early


# ---- what is JSON's own ----


@pytest.mark.parametrize("line,code", [
    (b'{"id":1,"method":"hello"', PARSE), (b'{"id":1 "method":"hello"}', PARSE),
    (b"{}", REQUEST), (b'{"id":1}', REQUEST), (b'{"id":1,"method":5}', REQUEST),
    (b'{"id":1,"method":"hello","params":[]}', None), (b'{"id":1,"method":"hello","params":5}', None),
    (b'{"id":1,"method":"hello","params":{}} x', PARSE), (b'{"id":1,"method":"hello"}{}', PARSE),
    (b'{"id":1,"method":"hello","params":{"client":"\xff"}}', None),
    (b'{"id":1,"method":"hello","params":{"client":"\xed\xa0\x80"}}', None),
    (b'{"id":1,"method":"hello","params":{"client":"\xc0\xaf"}}', None),
    (b'{"id":1,"method":"hello","params":{"client":"\\ud800"}}', None),
    (b'{"id":1,"method":"hello","params":{"client":"a\tb"}}', None),
    (b'{"id":1,"method":"hello","params":{"client":"\\x"}}', PARSE),
    (b'{"id":1,"method":"memory.put","params":{"content":NaN}}', PARSE),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","props":{"a":NaN}}}', PARSE),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","props":{"a":Infinity}}}', PARSE),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","props":{"a":1e999}}}', None),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","props":{"a":99999999999999999999}}}',
     None),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","content":"y"}}', None),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","embedding":"not base64!"}}', PARAMS),
    (b'{"id":1,"method":"memory.put","params":{"content":"x","embedding":"AAA"}}', PARAMS),
    (b'{"id":1,"method":"hello","extra":5}', None),
    (b"\x00{}", PARSE), (b"5", None), (b"[]", None), (b'"x"', None), (b"null", None),
    (b"nul", PARSE), (b"//", PARSE)])
def test_bad_json_line_is_told_and_the_connection_stays(shared, line, code):
    """code None: the spec says that it is refused, but not by which of the four."""
    with JsonClient(shared.socket) as client:
        client.raw(b" \n" if line[:1] not in b"{ " else b"")  # white space: it is JSON
        client.raw(line + b"\n")
        if b'"extra"' in line:
            client.receive()  # members beside the four may be refused or ignored
        else:
            error = client.receive().error
            assert error is not None
            assert error["code"] in ([code] if code else [PARSE, REQUEST, PARAMS]), error
        assert client.call("hello")["protocol"] == 1


def test_jsonrpc_may_be_left_out_and_white_space_is_free(shared):
    with JsonClient(shared.socket) as client:
        client.raw(b' \r\n\t\n  { "method" : "hello" , "id" : 1 }  \r\n\n')
        assert client.receive().id == 1
        assert client.call("hello")


def test_json_put_without_id_gets_a_uuid(shared):
    with JsonClient(shared.socket) as client:
        told = client.call("memory.put", content="Tea at four")
        assert uuid.UUID(told["id"]).version == 4
        assert uuid.UUID(told["event_id"])
        assert client.call("memory.get", id=told["id"])["content"] == "Tea at four"


def test_json_escapes_are_read(shared):
    with JsonClient(shared.socket) as client:
        ident = uuid.uuid4().hex
        client.raw(b'{"id":1,"method":"memory.put","params":{"id":"%s","content":"\\u00e9\\ud83d'
                   b'\\ude00\\/\\b"}}\n' % ident.encode())
        client.receive().get()
        assert client.call("memory.get", id=ident)["content"] == "é😀/\b"


# ---- what is MessagePack's own ----


@pytest.mark.parametrize("message", [
    [], [0], [0, 1], [0, 1, "hello"], [0, 1, "hello", [], 5], [3, 1, "hello", []],
    [1, 1, None, {}], ["0", 1, "hello", []], [0, 1, 5, []], [0, 1, "hello", 5],
    [0, 1, "hello", [5]], [0, 1, "hello", [{}, {}]], [0, 1, "hello", [{1: 2}]],
    [0, 1, b"hello", []], [2, 5, []], [2, "hello"]], ids=repr)
def test_bad_msgpack_request_is_told_and_the_connection_stays(shared, message):
    with MsgpackClient(shared.socket) as client:
        client.raw(msgpack.packb(message, use_bin_type=True))
        if message[:1] == [2]:
            pass  # half a notification: telling is allowed, not asked for
        else:
            error = client.receive().error
            assert error is not None and error["code"] in (REQUEST, PARAMS), error
        assert client.call("hello")["protocol"] == 1


def test_msgpack_float_that_is_none_is_refused(shared):
    with MsgpackClient(shared.socket) as client:
        for bad in (math.nan, math.inf, -math.inf):
            for params, field in (({"props": {"a": bad}}, "props"),
                                  ({"props": {"a": [0.5, bad]}}, "props"),
                                  ({"embedding": VECTOR[:-1] + [bad]}, "embedding")):
                reply = client.wait(client.send("memory.put", dict(params, id="x", content="x")))
                Error(PARAMS, field).check(reply)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                                 b"ab\xe2\x82"], ids=repr)
@pytest.mark.parametrize("field", ["id", "content", "kind", "tags", "props", "reason"])
def test_text_that_is_not_utf8_is_refused_by_field(shared, bad, field):
    def text(data):
        return struct.pack(">BB", 0xd9, len(data)) + data

    good = text(b"fine")
    values = {"id": text(bad), "content": text(bad), "kind": text(bad), "reason": text(bad),
              "tags": b"\x92" + good + text(bad), "props": b"\x81" + good + text(bad)}
    method = "memory.delete" if field == "reason" else "memory.put"
    fields = {"id": good} if field == "reason" else {"id": good, "content": good}
    fields[field] = values[field]
    body = bytes([0x80 + len(fields)]) + b"".join(text(k.encode()) + v for k, v in fields.items())
    with MsgpackClient(shared.socket) as client:
        client.raw(b"\x94\x00\x01" + text(method.encode()) + b"\x91" + body)
        Error(PARAMS, field).check(client.receive())
        assert client.call("hello")


def test_ext_types_end_the_connection(shared):
    with MsgpackClient(shared.socket) as client:
        client.raw(msgpack.packb([0, 1, "hello", [{"client": msgpack.ExtType(5, b"x")}]]))
        reply = client.receive()
        assert reply.error["code"] in (PARSE, REQUEST, PARAMS)
    assert shared.call("hello")


def test_key_given_twice_is_refused(shared):
    with MsgpackClient(shared.socket) as client:
        key = msgpack.packb("client") + msgpack.packb("x")
        client.raw(b"\x94\x00\x01" + msgpack.packb("hello") + b"\x91\x82" + key + key)
        assert client.receive().error["code"] in (REQUEST, PARAMS, PARSE)
        assert client.call("hello")


# ---- where framing is lost ----


def refused_and_closed(shared, client, *data):
    for piece in data:
        try:
            client.raw(piece)
        except (BrokenPipeError, ConnectionResetError):
            break  # it has refused already
    replies = client.drain()
    assert len(replies) == 1 and replies[0].error["code"] in (PARSE, REQUEST, PARAMS, BUSY), replies
    assert shared.call("hello")["protocol"] == 1


@pytest.mark.parametrize("first", [b"\x00", b"\x7f", b"\x80", b"\xa0", b"\xc0", b"\xc1", b"\xde",
                                   b"\xff", b"G", b"[", b'"', b"-"], ids=repr)
def test_first_byte_of_neither_encoding_is_told_in_json_and_closed(shared, first):
    with JsonClient(shared.socket) as client:
        client.raw(first)
        reply = client.receive()
        assert reply.error["code"] == PARSE and reply.id is None
        with pytest.raises((Closed, ConnectionResetError)):
            client.receive()
    assert shared.call("hello")


@pytest.mark.parametrize("data", [
    b"\xdd\xff\xff\xff\xff", b"\xdc\xff\xff" + b"\xdd\xff\xff\xff\xff",
    b"\x94\x00\x01\xdb\xff\xff\xff\xff", b"\x94\x00\x01\xa5hello\x91\xdf\xff\xff\xff\xff",
    b"\x94\x00\x01\xa5hello\x91\x81\xa1a\xc6\xff\xff\xff\xff",
    b"\x94\x00\x01\xa5hello\x91\x81\xa1a\xdd\x03\xff\xff\xff",
    b"\x94\x00\x01\xa5hello\x91\x81\xa1a\xdb" + struct.pack(">I", FRAME_MAX),
    b"\x94\x00\xc1"], ids=lambda d: d.hex())
def test_giant_claim_or_reserved_byte_is_told_and_closed(shared, data):
    with MsgpackClient(shared.socket) as client:
        refused_and_closed(shared, client, data)


def test_valid_requests_before_lost_framing_are_answered(shared):
    with MsgpackClient(shared.socket) as client:
        ident = uuid.uuid4().hex
        client.raw(client.encode(1, "memory.put", {"id": ident, "content": "x"}) + b"\x94\x00\xc1")
        replies = {r.id: r for r in client.drain()}
        assert replies[1].result["id"] == ident
        assert len(replies) == 2


def test_msgpack_frame_over_4_mib_is_told_and_closed(shared):
    with MsgpackClient(shared.socket) as client:
        half = "x" * (FRAME_MAX // 2)
        refused_and_closed(shared, client,
                           client.encode(1, "memory.put", {"content": half, "kind": half}))


def test_json_line_over_4_mib_is_told_and_closed(shared):
    with JsonClient(shared.socket) as client:
        line = client.encode(1, "memory.put", {"content": "x" * FRAME_MAX})
        refused_and_closed(shared, client, line)
    with JsonClient(shared.socket) as client:
        refused_and_closed(shared, client, b"{" + b" " * (FRAME_MAX + 10))


def test_frame_just_below_4_mib_is_read(shared, encoding):
    with shared.client(encoding) as client:
        spent = len(client.encode(1, "nope", {"a": ""}))
        reply = client.wait(client.send("nope", {"a": "x" * (FRAME_MAX - spent - 16)}))
        assert reply.error["code"] == METHOD
        assert client.call("hello")


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_of_32_is_read(shared):
    with MsgpackClient(shared.socket) as client:  # request, params, map: 3
        assert client.wait(client.send("nope", {"a": nested(29)})).error["code"] == METHOD
    with JsonClient(shared.socket) as client:  # request, params: 2
        assert client.wait(client.send("nope", {"a": nested(30)})).error["code"] == METHOD


@pytest.mark.parametrize("depth", [31, 100, 100000])
def test_nesting_over_32_is_refused(shared, depth):
    with MsgpackClient(shared.socket) as client:
        refused_and_closed(shared, client, b"\x94\x00\x01\xa4nope\x91\x81\xa1a" + b"\x91" * depth)
    with JsonClient(shared.socket) as client:
        client.raw(b'{"id":1,"method":"nope","params":{"a":' + b"[" * depth + b"]" * depth
                   + b"}}\n")
        assert client.receive().error["code"] in (PARSE, REQUEST)
    assert shared.call("hello")


# ---- both encodings tell the same ----


def test_embedding_is_the_same_by_every_way(shared):
    prefix = uuid.uuid4().hex
    ways = {"mp-list": ("msgpack", VECTOR), "mp-bin": ("msgpack", floats(VECTOR)),
            "js-list": ("json", VECTOR),
            "js-b64": ("json", base64.b64encode(floats(VECTOR)).decode())}
    for name, (encoding, value) in ways.items():
        with shared.client(encoding) as client:
            client.call("memory.put", id=prefix + name, content="x", embedding=value)
    with JsonClient(shared.socket) as js, MsgpackClient(shared.socket) as mp:
        for name in ways:
            assert mp.call("memory.get", id=prefix + name)["embedding"] == floats(VECTOR), name
            told = js.call("memory.get", id=prefix + name)
            assert base64.b64decode(told["embedding"]) == floats(VECTOR), name
            assert told["embedding_state"] == "ready"


def test_a_memory_reads_the_same_in_both_encodings(shared):
    ident = uuid.uuid4().hex
    props = {"b": True, "i": -(1 << 63), "j": (1 << 63) - 1, "f": 0.1, "g": 1e-300, "z": 2.0,
             "s": "é😀\n\"", "l": [1, 2], "lf": [0.5, 1.0], "e": []}
    with JsonClient(shared.socket) as js, MsgpackClient(shared.socket) as mp:
        mp.call("memory.put", id=ident, content="c", kind="fact", tags=["b", "a"], props=props)
        one, two = mp.call("memory.get", id=ident), js.call("memory.get", id=ident)
        assert one == two
        assert one["props"] == props
        assert isinstance(two["props"]["z"], float) and isinstance(one["props"]["z"], float)
        assert one["tags"] == ["b", "a"] and one["kind"] == "fact"


def test_error_replies_have_code_name_and_message(shared, encoding):
    with shared.client(encoding) as client:
        with pytest.raises(RpcError) as failure:
            client.call("memory.put", id=5, content="x")
        assert (failure.value.code, failure.value.name) == (PARAMS, "invalid_params")
        assert failure.value.field == "id" and len(failure.value.message) > 5
        with pytest.raises(RpcError) as failure:
            client.call("nope")
        assert (failure.value.code, failure.value.name) == (METHOD, "method_not_found")
        with pytest.raises(RpcError) as failure:
            client.call("memory.get", id=uuid.uuid4().hex)
        assert (failure.value.code, failure.value.name) == (NOT_FOUND, "not_found")


def test_hello_says_who_answers(shared, encoding):
    with shared.client(encoding) as client:
        told = client.call("hello", client="tests", protocol=1)
    assert told["pid"] == shared.pid
    assert told["server"] == "memferryd" and told["version"] and told["protocol"] == 1
    assert {"memory.put", "memory.get", "backend.list", "stats", "hello"} <= set(told["methods"])
    assert isinstance(told["limits"], dict)


def test_stats_are_numbers(shared, encoding):
    with shared.client(encoding) as client:
        client.call("memory.put", content="counted", id=uuid.uuid4().hex)
        told = client.call("stats")
    assert told["server"]["pid"] == shared.pid
    assert told["store"]["memories"] >= 1 and told["journal"]["committed_seq"] >= 1
    assert told["peers"]["now"] >= 1 and told["peers"]["max"] >= 1000


def test_purge_is_forbidden_by_default(shared):
    with pytest.raises(RpcError) as failure:
        shared.call("memory.purge", ids=["x"])
    assert failure.value.code in (FORBIDDEN, METHOD)


def test_json_text_is_one_line_each(shared):
    """A reply holds no newline of its own, whatever is in the memory."""
    ident = uuid.uuid4().hex
    with JsonClient(shared.socket) as client:
        client.call("memory.put", id=ident, content="a\nb\r\n\u2028", props={"x": "\n"})
        client.send("memory.get", {"id": ident})
        assert json.loads(client.line())["result"]["content"] == "a\nb\r\n\u2028"
