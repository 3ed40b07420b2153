"""What a memory is: put, merge, versions, history, lists, tombstones, conditions, repeats."""
import random
import threading
import time
import uuid

import pytest

from wire import RpcError

NOT_FOUND, CONFLICT, PARAMS = -32002, -32003, -32602


@pytest.fixture
def client(shared):
    with shared.client() as it:
        yield it


@pytest.fixture
def ident():
    return "m-" + uuid.uuid4().hex


def refused(code, client, method, **params):
    with pytest.raises(RpcError) as failure:
        client.call(method, params)
    assert failure.value.code == code, failure.value
    return failure.value


# ---- put and get ----


def test_put_answers_a_receipt_and_get_the_memory(client, ident):
    before = int(time.time() * 1000) - 1
    told = client.call("memory.put", id=ident, content="Tea at four", kind="fact",
                       tags=["tea", "time"], props={"cups": 2, "hot": True}, session_id="s-1")
    assert told["id"] == ident and told["durable"] is True and told["duplicate"] is False
    assert told["seq"] >= 1 and uuid.UUID(told["event_id"]) and told["backends"] == {}
    memory = client.call("memory.get", id=ident)
    after = int(time.time() * 1000) + 1
    assert memory["content"] == "Tea at four" and memory["kind"] == "fact"
    assert memory["tags"] == ["tea", "time"] and memory["props"] == {"cups": 2, "hot": True}
    assert memory["version"] == told["seq"] and memory["session_id"] == "s-1"
    assert before <= memory["created_ms"] <= memory["updated_ms"] <= after
    assert not memory.get("deleted_ms")
    assert before * 1000 <= memory["stamp"] <= after * 1000 + 1000000
    assert uuid.UUID(memory["origin"])
    assert memory["embedding_state"] == "none" and not memory.get("embedding")


def test_kind_is_note_unless_given(client, ident):
    client.call("memory.put", id=ident, content="x")
    assert client.call("memory.get", id=ident)["kind"] == "note"
    client.call("memory.put", id=ident, kind="decision")
    client.call("memory.put", id=ident, content="y")
    assert client.call("memory.get", id=ident)["kind"] == "decision"


def test_put_merges_props_key_by_key(client, ident):
    client.call("memory.put", id=ident, content="x", props={"a": 1, "b": 2, "c": [1, 2]})
    client.call("memory.put", id=ident, props={"b": "two", "c": None, "d": 0.5, "nothere": None})
    assert client.call("memory.get", id=ident)["props"] == {"a": 1, "b": "two", "d": 0.5}
    client.call("memory.put", id=ident, props={})
    assert client.call("memory.get", id=ident)["props"] == {"a": 1, "b": "two", "d": 0.5}


def test_absent_fields_stay_and_given_ones_replace(client, ident):
    client.call("memory.put", id=ident, content="one", tags=["a", "b"], props={"p": 1})
    client.call("memory.put", id=ident, content="two")
    memory = client.call("memory.get", id=ident)
    assert (memory["content"], memory["tags"], memory["props"]) == ("two", ["a", "b"], {"p": 1})
    client.call("memory.put", id=ident, tags=["c"])
    memory = client.call("memory.get", id=ident)
    assert (memory["content"], memory["tags"]) == ("two", ["c"])


def test_put_without_content_needs_a_memory(client, ident):
    with pytest.raises(RpcError) as failure:
        client.call("memory.put", id=ident, kind="fact")
    assert failure.value.code in (NOT_FOUND, PARAMS)
    refused(NOT_FOUND, client, "memory.get", id=ident)


def test_created_stays_and_updated_moves(client, ident):
    client.call("memory.put", id=ident, content="one")
    one = client.call("memory.get", id=ident)
    client.call("memory.put", id=ident, content="two")
    two = client.call("memory.get", id=ident)
    assert two["created_ms"] == one["created_ms"] and two["updated_ms"] >= one["updated_ms"]
    assert two["version"] > one["version"] and two["stamp"] > one["stamp"]
    assert two["origin"] == one["origin"]


def test_changed_content_drops_the_vector_and_unchanged_keeps_it(client, ident):
    vector = [0.5] * 768
    client.call("memory.put", id=ident, content="one", embedding=vector)
    kept = client.call("memory.get", id=ident)["embedding"]
    client.call("memory.put", id=ident, props={"a": 1})
    assert client.call("memory.get", id=ident)["embedding"] == kept
    client.call("memory.put", id=ident, content="one", tags=["x"])
    assert client.call("memory.get", id=ident)["embedding"] == kept
    seq = client.call("memory.put", id=ident, content="two")["seq"]
    memory = client.call("memory.get", id=ident)
    assert not memory.get("embedding") and memory["embedding_state"] == "none"
    history = client.call("memory.history", id=ident)["versions"]
    older = client.call("memory.get", id=ident, version=history[1]["version"])
    assert history[0]["version"] == seq and older["embedding"] == kept


# ---- versions and history ----


def test_any_version_can_be_read_alone(client, ident):
    seqs = [client.call("memory.put", id=ident, content=f"c{n}", props={f"p{n}": n})["seq"]
            for n in range(10)]
    assert seqs == sorted(set(seqs))
    for n, seq in enumerate(seqs):
        memory = client.call("memory.get", id=ident, version=seq)
        assert memory["content"] == f"c{n}" and memory["version"] == seq
        assert memory["props"] == {f"p{k}": k for k in range(n + 1)}
    refused(NOT_FOUND, client, "memory.get", id=ident, version=seqs[-1] + 1000000)
    if seqs[0] > 1:
        refused(NOT_FOUND, client, "memory.get", id=ident, version=seqs[0] - 1)


def test_history_is_newest_first_and_complete(client, ident):
    seqs = [client.call("memory.put", id=ident, content="one", session_id="s-a")["seq"],
            client.call("memory.put", id=ident, content="two", session_id="s-b")["seq"],
            client.call("memory.delete", id=ident, reason="no longer true")["seq"],
            client.call("memory.put", id=ident, content="three")["seq"]]
    versions = client.call("memory.history", id=ident)["versions"]
    assert [v["version"] for v in versions] == seqs[::-1]
    assert [v["op"] for v in versions] == ["put", "delete", "put", "put"]
    assert [v.get("session_id") or None for v in versions[2:]] == ["s-b", "s-a"]
    assert versions[1]["reason"] == "no longer true"
    times = [v["at_ms"] for v in versions]
    assert times == sorted(times, reverse=True)


# ---- delete ----


def test_delete_is_a_tombstone_that_keeps_its_last_state(client, ident):
    first = client.call("memory.put", id=ident, content="x", props={"a": 1})["seq"]
    told = client.call("memory.delete", id=ident, reason="test")
    assert told["id"] == ident and told["seq"] > first and told["durable"] is True
    memory = client.call("memory.get", id=ident)
    assert memory["deleted_ms"] > 0 and memory["content"] == "x" and memory["props"] == {"a": 1}
    assert memory["version"] == told["seq"]
    before = client.call("memory.get", id=ident, version=first)
    assert not before.get("deleted_ms")


def test_deleting_twice_answers_the_first_receipt_as_duplicate(client, ident):
    client.call("memory.put", id=ident, content="x")
    first = client.call("memory.delete", id=ident)
    again = client.call("memory.delete", id=ident)
    assert again["duplicate"] is True and first["duplicate"] is False
    assert (again["seq"], again["id"]) == (first["seq"], first["id"])
    assert len(client.call("memory.history", id=ident)["versions"]) == 2


def test_deleting_what_never_was_is_not_found(client, ident):
    refused(NOT_FOUND, client, "memory.delete", id=ident)
    refused(NOT_FOUND, client, "memory.history", id=ident)


def test_put_brings_a_deleted_memory_back(client, ident):
    client.call("memory.put", id=ident, content="x", props={"a": 1})
    created = client.call("memory.get", id=ident)["created_ms"]
    client.call("memory.delete", id=ident)
    client.call("memory.put", id=ident, content="y", props={"b": 2})
    memory = client.call("memory.get", id=ident)
    assert not memory.get("deleted_ms") and memory["content"] == "y"
    assert memory["props"] == {"a": 1, "b": 2} and memory["created_ms"] == created
    again = client.call("memory.delete", id=ident)
    assert again["duplicate"] is False


def test_delete_of_several_answers_each(client, ident):
    for n in range(3):
        client.call("memory.put", id=f"{ident}-{n}", content="x")
    told = client.call("memory.delete", ids=[f"{ident}-{n}" for n in range(3)])["receipts"]
    assert [r["id"] for r in told] == [f"{ident}-{n}" for n in range(3)]
    seqs = [r["seq"] for r in told]
    assert seqs == sorted(set(seqs)) and all(r["durable"] for r in told)
    for n in range(3):
        assert client.call("memory.get", id=f"{ident}-{n}")["deleted_ms"]


# ---- conditions ----


def test_expected_version_is_held_to(client, ident):
    first = client.call("memory.put", id=ident, content="one", expected_version=0)["seq"]
    told = refused(CONFLICT, client, "memory.put", id=ident, content="no", expected_version=0)
    assert told.data["version"] == first
    second = client.call("memory.put", id=ident, content="two", expected_version=first)["seq"]
    told = refused(CONFLICT, client, "memory.put", id=ident, content="no", expected_version=first)
    assert told.data["version"] == second
    refused(CONFLICT, client, "memory.put", id=ident + "new", content="no", expected_version=first)
    refused(NOT_FOUND, client, "memory.get", id=ident + "new")
    assert client.call("memory.get", id=ident)["content"] == "two"
    assert len(client.call("memory.history", id=ident)["versions"]) == 2


def test_of_many_conditional_puts_at_once_one_wins(shared, ident):
    first = shared.call("memory.put", id=ident, content="start")["seq"]
    barrier, results = threading.Barrier(8), []

    def put(n):
        with shared.client("msgpack" if n % 2 else "json") as mine:
            barrier.wait()
            reply = mine.wait(mine.send("memory.put", {"id": ident, "content": f"by {n}",
                                                       "expected_version": first}))
            results.append((n, reply))

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [n for n, reply in results if reply.error is None]
    assert len(results) == 8 and len(winners) == 1
    assert all(r.error["code"] == CONFLICT for _, r in results if r.error)
    assert shared.call("memory.get", id=ident)["content"] == f"by {winners[0]}"


# ---- repeats ----


def put_twice(client, first, second):
    one = client.call("memory.put", first)
    return one, client.call("memory.put", second)


def test_repeat_answers_the_first_receipt(client, ident):
    put = {"id": ident, "content": "x", "props": {"n": 1}, "event_id": str(uuid.uuid4())}
    one, two = put_twice(client, put, dict(put, retry=True))
    assert two["duplicate"] is True and one["duplicate"] is False
    assert (two["seq"], two["event_id"], two["id"]) == (one["seq"], put["event_id"], ident)
    assert len(client.call("memory.history", id=ident)["versions"]) == 1


def test_repeat_however_late_changes_nothing(client, ident):
    put = {"id": ident, "content": "first", "event_id": str(uuid.uuid4())}
    one = client.call("memory.put", put)
    client.call("memory.put", id=ident, content="second")
    client.call("memory.delete", id=ident)
    two = client.call("memory.put", put, retry=True)
    assert two["duplicate"] is True and two["seq"] == one["seq"]
    client.call("memory.put", put)  # and without saying so
    memory = client.call("memory.get", id=ident)
    assert memory["deleted_ms"] and memory["content"] == "second"
    assert len(client.call("memory.history", id=ident)["versions"]) == 3


def test_first_send_marked_as_repeat_is_a_put(client, ident):
    told = client.call("memory.put", id=ident, content="x", event_id=str(uuid.uuid4()), retry=True)
    assert told["duplicate"] is False
    assert client.call("memory.get", id=ident)["version"] == told["seq"]


def test_same_event_id_with_another_body_is_a_new_change(client, ident):
    event = str(uuid.uuid4())
    one, two = put_twice(client, {"id": ident, "content": "one", "event_id": event},
                         {"id": ident, "content": "two", "event_id": event, "retry": True})
    assert two["duplicate"] is False and two["seq"] > one["seq"]
    other = client.call("memory.put", id=ident + "b", content="one", event_id=event, retry=True)
    assert other["duplicate"] is False
    assert client.call("memory.get", id=ident)["content"] == "two"


def test_refused_event_leaves_no_key(client, ident):
    event = str(uuid.uuid4())
    put = {"id": ident, "content": "x", "event_id": event, "expected_version": 12345678}
    refused(CONFLICT, client, "memory.put", **put)
    refused(CONFLICT, client, "memory.put", **put, retry=True)
    told = client.call("memory.put", id=ident, content="x", event_id=event, retry=True)
    assert told["duplicate"] is False


def test_repeat_of_a_conditional_put_is_told_as_done(client, ident):
    put = {"id": ident, "content": "x", "event_id": str(uuid.uuid4()), "expected_version": 0}
    one, two = put_twice(client, put, dict(put, retry=True))
    assert two["duplicate"] is True and two["seq"] == one["seq"]


def test_repeat_is_known_after_a_restart(broker):
    put = {"id": "a", "content": "x", "event_id": str(uuid.uuid4())}
    one = broker.call("memory.put", put)
    broker.restart()
    two = broker.call("memory.put", put, retry=True)
    assert two["duplicate"] is True and two["seq"] == one["seq"]


# ---- reads ----


def test_reads_see_every_write_that_had_its_receipt(shared, ident):
    """Twelve rounds of: a burst of writes, then a read on another connection at once."""
    with shared.client() as writer, shared.client("json") as reader:
        for n in range(12):
            replies = writer.many([("memory.put", {"id": f"{ident}-{k}", "content": f"{n}.{k}",
                                                   "kind": ident}) for k in range(100)])
            seqs = [r.get()["seq"] for r in replies]
            assert reader.call("memory.get", id=f"{ident}-99")["content"] == f"{n}.99"
            page = reader.call("memory.list", kind=ident, limit=100)["memories"]
            assert {m["version"] for m in page} == set(seqs)
            assert reader.call("memory.history", id=f"{ident}-0")["versions"][0][
                "version"] == seqs[0]


# ---- against a model ----


def apply(model, state, params):
    """What the spec says a put makes of a state."""
    new = dict(state or {"content": None, "kind": "note", "tags": [], "props": {}})
    for name in ("content", "kind", "tags"):
        if name in params:
            new[name] = params[name]
    props = dict(new["props"])
    for name, value in params.get("props", {}).items():
        if value is None:
            props.pop(name, None)
        else:
            props[name] = value
    new["props"], new["deleted"] = props, False
    model.append(new)
    return new


@pytest.mark.parametrize("seed", range(4))
def test_random_changes_match_a_model(shared, seed, ident):
    rng = random.Random(seed)
    with shared.client(rng.choice(["json", "msgpack"])) as client:
        state, model, seqs = None, [], []
        for _ in range(120):
            if state is not None and not state["deleted"] and rng.random() < 0.15:
                seqs.append(client.call("memory.delete", id=ident)["seq"])
                state = dict(state, deleted=True)
                model.append(state)
                continue
            params = {"id": ident}
            if state is None or rng.random() < 0.5:
                params["content"] = rng.choice("abc") * rng.randrange(1, 2000)
            if rng.random() < 0.3:
                params["kind"] = rng.choice(["fact", "note", "episode"])
            if rng.random() < 0.3:
                params["tags"] = rng.sample(["x", "y", "z"], rng.randrange(4))
            if rng.random() < 0.7:
                params["props"] = {rng.choice("pqrst"): rng.choice(
                    [None, 1, -5, 0.25, "s", True, [1, 2], ["a"], []]) for _ in range(3)}
            seqs.append(client.call("memory.put", params)["seq"])
            state = apply(model, state, params)
        for seq, wanted in zip(seqs, model):
            told = client.call("memory.get", id=ident, version=seq)
            for name in ("content", "kind", "tags", "props"):
                assert told[name] == wanted[name], (seq, name)
            assert bool(told.get("deleted_ms")) == wanted["deleted"]
