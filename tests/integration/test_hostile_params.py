"""Every parameter of every method, given everything that it should not be, in both encodings.

The table is only what a good call looks like: the bad ones are made from it. Whatever comes, it is
answered with a result or with an error of the protocol that says something, never with `internal`;
a parameter of the wrong type is blamed by its name; and the broker goes on as before.
"""
import uuid

import harness
from table import DIMS, PARAMS
from wire import RpcError, floats

STAMP = 1700000000000000
ORIGIN = "99999999-2222-4333-8444-555555555555"


def good_calls():
    memory = {"id": "imported", "content": "x", "created_ms": 1, "stamp": STAMP, "origin": ORIGIN}
    return {
        "memory.put": [{"id": "p", "content": "x", "kind": "k", "tags": ["t"], "props": {"a": 1},
                        "embedding": floats([0.5] * DIMS), "session_id": "s",
                        "event_id": str(uuid.uuid4()), "retry": True, "expected_version": 0,
                        "wait": "durable", "timeout_ms": 10}],
        "memory.delete": [{"id": "gone", "reason": "r", "event_id": "e", "session_id": "s",
                           "wait": "durable", "timeout_ms": 10}, {"ids": ["gone", "gone too"]}],
        "memory.get": [{"id": "a", "version": 1}],
        "memory.history": [{"id": "a", "limit": 5}],
        "memory.list": [{"session_id": "s", "kind": "k", "tag": "t", "since": 1, "until": 2,
                         "deleted": "any", "limit": 3, "embedding": True, "order": "newest"}],
        "memory.restore": [
            {"ids": ["a"], "force": True, "dry_run": True, "limit": 5, "reason": "r",
             "by_session_id": "s"},
            {"versions": {"a": 1}, "dry_run": True}, {"alert": "none", "dry_run": True},
            {"before": 1, "session_id": "s", "kind": "k", "tag": "t", "since": 1, "until": 2,
             "deleted": "any", "dry_run": True},
            {"session_id": "nobody", "dry_run": True}],
        "memory.import": [{"memories": [memory]}],
        "memory.search": [
            {"query": "there", "mode": "auto", "limit": 3, "session_id": "s", "kind": "k",
             "tag": "t", "since": 1, "until": 2, "deleted": "any"},
            {"embedding": floats([0.5] * DIMS), "embedding_model": "caller", "mode": "semantic"}],
        "memory.purge": [{"ids": ["x"], "reason": "r", "session_id": "s"}],
        "backend.flush": [{"names": [], "timeout_ms": 10}],
        "backend.verify": [{"name": "nobody", "repair": False}],
        "backend.recover": [{"name": "nobody", "merge": False}, {"abandon": True}],
        **{f"backend.{verb}": [{"name": "nobody"}] for verb in (
            "pause", "resume", "probe", "forget")},
        "dead.list": [{"backend": "nobody", "limit": 3}],
        "dead.retry": [{"backend": "nobody", "id": "a"}],
        "dead.drop": [{"backend": "nobody", "all": True}],
        "alert.list": [{"rule": "r", "session_id": "s", "since": 1, "until": 2, "acked": "any",
                        "limit": 3}],
        "alert.ack": [{"id": "none", "session_id": "s"}, {"ids": ["none"]}, {"all": True}],
        "session.begin": [{"session_id": "s", "agent": "a", "cwd": "/", "pid": 1}],
        "session.touch": [{"session_id": "s"}],
        "session.end": [{"session_id": "s", "reason": "r"}],
        "session.get": [{"session_id": "s"}],
        "session.list": [{"active": True, "agent": "a", "limit": 3}],
        "guard.observe": [{"statement": "DELETE FROM memory", "language": "sql", "source": "psql",
                           "session_id": "s", "dry_run": True}, {"statement": "rm -rf /"}],
        "event.subscribe": [{"kinds": ["put"], "from_seq": 1 << 50}],
        "stats": [{}], "store.backup": [{"path": "/nowhere/near", "replace": True}],
        "hello": [{"client": "c", "protocol": 1}],
        "health": [{}],
        "backend.list": [{}], "backend.recovery": [{}],
    }


def wrong_values(encoding):
    values = [None, True, False, 0, -1, 1, 1 << 31, 1 << 62, (1 << 63) - 1, -(1 << 63), 0.5, 1e300,
              -0.0, "", "x", "0", "x" * 65, "x" * 257, "x" * 70000, "a\0b", "nul\0", "\x01\x7f",
              "é" * 129, "\u202e", "%s%n%d", "'; DROP TABLE memory; --", "../../etc/passwd",
              "a\r\nX-Evil: 1", [], [[]], [None], [1, "x", {}], ["x"] * 5000, [""], ["a\0"], {},
              {"": 1}, {"a": {"b": {"c": []}}}, {"x" * 300: 1}, {"a\0": 1},
              {str(i): i for i in range(3000)}]
    nested = "leaf"
    for _ in range(24):
        nested = [nested]
    values.append(nested)
    if encoding == "msgpack":
        values += [(1 << 64) - 1, float("nan"), float("inf"), b"", b"\xff\xfe", b"\0" * 3072]
    return values


def root(field):
    return field.split(".")[0].split("[")[0]


def check(method, name, value, reply):
    told = f"{method} with {name} = {repr(value)[:80]}"
    if reply.error is None:
        return
    error = reply.error
    assert error["name"] != "internal", f"{told}: {error}"
    assert error["message"] and len(error["message"]) < 1000, f"{told}: {error}"
    assert error["code"] <= -32000, f"{told}: {error}"
    if error["code"] == PARAMS:
        field = (error.get("data") or {}).get("field")
        assert field, f"{told}: nothing is blamed: {error}"
        assert isinstance(value, bool) or root(field) == name, f"{told}: another is blamed: {error}"


def bad_calls(encoding):
    for method, goods in good_calls().items():
        for good in goods:
            for name in [*good, "after", "stranger"]:
                for value in wrong_values(encoding):
                    yield method, name, value, dict(good, **{name: value})


def test_every_method_is_in_the_table(broker):
    assert sorted(good_calls()) == sorted(broker.call("hello")["methods"])


def test_no_parameter_does_harm(broker, encoding):
    with broker.client(encoding) as client:
        client.call("memory.put", id="a", content="there")
        calls = list(bad_calls(encoding))
        replies = client.many([(method, params) for method, _, _, params in calls])
        for (method, name, value, _), reply in zip(calls, replies):
            check(method, name, value, reply)
        assert client.call("memory.get", id="a")["content"] == "there"
    broker.restart()
    assert broker.call("memory.get", id="a")["content"] == "there"


def import_of(**changes):
    memory = {"id": "m", "content": "x", "created_ms": 1, "stamp": STAMP, "origin": ORIGIN}
    memory.update(changes)
    return {k: v for k, v in memory.items() if v is not ...}


def test_an_import_blames_each_memory_by_its_field(broker, encoding):
    names = ["id", "content", "kind", "tags", "props", "embedding", "embedding_model", "created_ms",
             "updated_ms", "deleted_ms", "stamp", "origin", "session_id", "stranger", "version"]
    tried = [(name, value) for name in names for value in wrong_values(encoding)]
    with broker.client(encoding) as client:
        for start in range(0, len(tried), 50):
            part = tried[start:start + 50]
            try:
                answer = client.call("memory.import", memories=[import_of(**{n: v}) for n, v in part])
            except RpcError as error:
                assert error.code == PARAMS and error.field, error
                continue
            refused = {r["index"]: r for r in answer["refused"]}
            done = answer["imported"] + answer["unchanged"] + answer["older"]
            assert done + len(refused) == len(part), answer
            for index, refusal in refused.items():
                assert root(refusal["field"]) == part[index][0], (part[index], refusal)
                assert refusal["message"], refusal
        dump = harness.dump(client)
    broker.restart()
    with broker.client(encoding) as client:
        assert harness.dump(client) == dump
