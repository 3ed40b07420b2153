"""The protocol table: requests, and what protocol.md and the design's table of limits say of each.

The same rows are sent in both encodings by test_protocol.py.
"""
import math
import uuid

from wire import floats

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
BUSY, NOT_FOUND, CONFLICT, TIMEOUT, FORBIDDEN = -32001, -32002, -32003, -32006, -32007
MIB = 1 << 20
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
            inside = (self.field + ".", self.field + "[")
            assert blamed == self.field or blamed.startswith(inside), (
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
        ("health", None, Result(ok=True, stuck=[], full=False)),
        ("health", {"colour": "red"}, Error(PARAMS, "colour")),
        ("no.such.method", {}, Error(METHOD)),
        ("", {}, Error(REQUEST)),
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
        ("backend.flush", {"timeout_ms": 20000}, Result(backends=[])),
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
