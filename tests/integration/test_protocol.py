"""Every row of the table in both encodings, whole, byte by byte, and many to a piece; then request
ids, notifications, pipelines, and that both encodings tell the same.
"""
import base64
import uuid

import msgpack
import pytest

from table import FORBIDDEN, METHOD, NOT_FOUND, PARAMS, REQUEST, VECTOR, table
from wire import JsonClient, MsgpackClient, RpcError, floats

ROWS = len(table(""))


def describe(row):
    method, params, wanted = row
    what = "" if params is None else repr(params)[:40]
    return f"{method[:20]}-{what}-{getattr(wanted, 'code', 'ok')}"


def name_of(index):
    return f"{index}-{describe(table('p-')[index])}"


def prepare(broker):
    prefix = uuid.uuid4().hex[:8] + "-"
    broker.call("memory.put", id=prefix + "there", content="old")
    return table(prefix)


def check_all(rows, replies):
    wrong = []
    for row, reply in zip(rows, replies):
        try:
            row[2].check(reply)
        except AssertionError as failure:
            wrong.append(f"{describe(row)}: {failure}")
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
