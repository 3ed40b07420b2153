"""memory.restore: what comes back, what is left alone, and that a race loses nothing."""
import threading
import time
import uuid

import pytest

from wire import RpcError

ALL = {"limit": 1000, "deleted": "any"}


@pytest.fixture
def client(shared):
    with shared.client() as it:
        yield it


@pytest.fixture
def name():
    return "r" + uuid.uuid4().hex[:12]


def put(client, ident, content, **more):
    return client.call("memory.put", {"id": ident, "content": content, **more})["seq"]


def get(client, ident, **more):
    return client.call("memory.get", {"id": ident, **more})


def restore(client, **params):
    return client.call("memory.restore", params)


def counts(reply):
    return {k: reply[k] for k in ("restored", "conflicts", "unchanged", "created", "failed")
            if reply[k]}


def body(memory):
    """What a restore brings back."""
    return {k: v for k, v in memory.items()
            if k not in ("version", "stamp", "updated_ms", "session_id", "origin")}


def later():
    """A millisecond that nothing before has, and nothing behind will have."""
    began = int(time.time() * 1000)
    while int(time.time() * 1000) < began + 2:
        pass
    return began + 1


# ---- ids ----

def test_deleted_memories_come_back_by_their_ids(client, name):
    put(client, name, "tea", kind="fact", tags=["a"], props={"n": 1, "f": 1.0})
    before = get(client, name)
    client.call("memory.delete", id=name)
    reply = restore(client, ids=[name])
    assert counts(reply) == {"restored": 1}
    item, = reply["memories"]
    assert (item["id"], item["to"], item["change"]) == (name, before["version"], "undelete")
    after = get(client, name)
    assert body(after) == body(before)
    assert after["version"] == item["version"] > item["from"] > before["version"]
    assert after["stamp"] > before["stamp"]


def test_history_keeps_every_version_with_the_reason(client, name):
    put(client, name, "tea")
    client.call("memory.delete", id=name, reason="coffee now")
    restore(client, ids=[name], reason="tea after all", by_session_id="human")
    versions = client.call("memory.history", id=name)["versions"]
    assert [(v["op"], v.get("reason")) for v in versions] == [
        ("restore", "tea after all"), ("delete", "coffee now"), ("put", None)]
    assert versions[0]["session_id"] == "human"
    assert get(client, name)["session_id"] == "human"


def test_what_is_not_deleted_or_not_there_is_told(client, name):
    seq = put(client, name, "tea")
    reply = restore(client, ids=[name, name + "-none"])
    alive, missing = reply["memories"]
    assert alive["unchanged"] is True and alive["to"] == seq
    assert missing["error"]["name"] == "not_found"
    assert counts(reply) == {"unchanged": 1, "failed": 1}
    assert get(client, name)["version"] == seq


def test_a_dry_run_changes_nothing_and_tells_the_same(client, name):
    put(client, name, "tea")
    client.call("memory.delete", id=name)
    dry = restore(client, ids=[name], dry_run=True)
    assert dry["dry_run"] is True and counts(dry) == {"restored": 1}
    assert "deleted_ms" in get(client, name)
    wet = restore(client, ids=[name])
    assert {**wet["memories"][0], "version": 0} == {**dry["memories"][0], "version": 0}


# ---- versions ----

def test_given_versions_come_back_with_their_vectors(client, name):
    first = put(client, name, "one", embedding=[0.25] * 768, props={"a": 1})
    put(client, name, "two", props={"b": 2})
    assert "embedding" not in get(client, name)
    reply = restore(client, versions={name: first})
    assert counts(reply) == {"restored": 1}
    memory = get(client, name)
    assert memory["props"] == {"a": 1} and memory["embedding"] == get(
        client, name, version=first)["embedding"]


def test_a_tombstone_comes_back_only_when_asked_for(client, name):
    put(client, name, "one")
    deleted = client.call("memory.delete", id=name)["seq"]
    put(client, name, "two")
    assert restore(client, versions={name: deleted})["memories"][0]["change"] == "delete"
    memory = get(client, name)
    assert memory["deleted_ms"] == get(client, name, version=deleted)["deleted_ms"]
    assert restore(client, ids=[name])["restored"] == 1
    assert get(client, name)["content"] == "two"


def test_a_version_that_never_was_is_told(client, name):
    put(client, name, "one")
    other = put(client, name + "b", "other")
    reply = restore(client, versions={name: other})
    assert reply["memories"][0]["error"]["name"] == "not_found" and reply["failed"] == 1


# ---- before ----

def test_everything_goes_back_to_a_time(client, name):
    for n in range(30):
        put(client, f"{name}-{n}", f"old {n}", kind=name)
    for n in range(5):
        client.call("memory.delete", id=f"{name}-{n}")
    then = {i["id"]: body(i) for i in client.call("memory.list", kind=name, **ALL)["memories"]}
    moment = later()
    for n in range(0, 30, 2):
        put(client, f"{name}-{n}", f"new {n}")
    for n in range(15, 30):
        client.call("memory.delete", id=f"{name}-{n}")
    put(client, f"{name}-late", "made since", kind=name)
    reply = restore(client, before=moment, kind=name)
    assert counts(reply) == {"restored": 3 + 5 + 15, "created": 1}
    now = {i["id"]: body(i) for i in client.call("memory.list", kind=name, **ALL)["memories"]}
    assert now.pop(f"{name}-late")["content"] == "made since"
    assert now == then
    again = restore(client, before=moment, kind=name)
    assert again["restored"] == 0 and again["conflicts"] == 0


def test_a_long_plan_is_carried_out_page_by_page(client, name):
    ids = [f"{name}-{n}" for n in range(25)]
    for ident in ids:
        put(client, ident, "old", kind=name)
    moment = later()
    client.call("memory.delete", ids=ids)
    done, after, pages = [], None, 0
    while pages == 0 or after:
        more = {"after": after} if after else {}
        reply = restore(client, before=moment, kind=name, limit=7, **more)
        assert len(reply["memories"]) <= 7
        done += [m["id"] for m in reply["memories"]]
        after, pages = reply["next"], pages + 1
    assert sorted(done) == sorted(ids) and pages == 4 or pages == 5
    assert all("deleted_ms" not in get(client, i) for i in ids)


# ---- a session ----

def test_what_a_session_changed_goes_back(client, name):
    for n in range(6):
        put(client, f"{name}-{n}", f"mine {n}", session_id=f"{name}-good")
    good = {n: body(get(client, f"{name}-{n}")) for n in range(6)}
    bad = {"session_id": f"{name}-bad"}
    put(client, f"{name}-0", "overwritten", **bad)
    put(client, f"{name}-0", "overwritten again", **bad)
    client.call("memory.delete", id=f"{name}-1", **bad)
    client.call("memory.delete", id=f"{name}-2", **bad)
    put(client, f"{name}-2", "brought back otherwise", **bad)
    put(client, f"{name}-new", "its own", **bad)
    reply = restore(client, session_id=f"{name}-bad")
    assert counts(reply) == {"restored": 3, "created": 1}
    assert {n: body(get(client, f"{name}-{n}")) for n in range(6)} == good
    assert get(client, f"{name}-new")["content"] == "its own"
    assert counts(restore(client, session_id=f"{name}-bad")) == {"unchanged": 3, "created": 1}


def test_pages_of_a_session_end_though_it_restores_itself(client, name):
    own = f"{name}-s"
    for n in range(20):
        put(client, f"{name}-{n}", "old")
        client.call("memory.delete", id=f"{name}-{n}", session_id=own)
    restored, after = 0, None
    for _ in range(10):
        more = {"after": after} if after else {}
        reply = restore(client, session_id=own, by_session_id=own, limit=6, **more)
        restored, after = restored + reply["restored"], reply["next"]
        if not after:
            break
    assert restored == 20 and after is None


def test_what_another_session_changed_since_is_left_unless_forced(client, name):
    put(client, name, "old")
    put(client, name, "bad", session_id="bad" + name)
    kept = put(client, name, "kept", session_id="other" + name)
    reply = restore(client, session_id="bad" + name)
    assert counts(reply) == {"conflicts": 1}
    assert f"session other{name}" in reply["memories"][0]["conflict"]
    assert f"version {kept}" in reply["memories"][0]["conflict"]
    assert get(client, name)["content"] == "kept"
    assert counts(restore(client, session_id="bad" + name, force=True)) == {"restored": 1}
    assert get(client, name)["content"] == "old"


def test_what_the_same_session_changed_again_is_no_conflict(client, name):
    put(client, name, "old")
    client.call("memory.delete", id=name, session_id="bad" + name)
    put(client, name, "bad", session_id="bad" + name)
    assert counts(restore(client, session_id="bad" + name)) == {"restored": 1}
    assert get(client, name)["content"] == "old"


# ---- races, sinks, parameters ----

def test_a_put_that_races_with_a_restore_is_never_lost(shared, name):
    """Each put lands before the restore (a later version of it is there), or behind it."""
    ids = [f"{name}-{n}" for n in range(200)]
    with shared.client() as client:
        for ident in ids:
            put(client, ident, "old", session_id=name)
            client.call("memory.delete", id=ident, session_id=name)
        receipts = {}

        def race():
            with shared.client() as other:
                for ident in ids:
                    receipts[ident] = put(other, ident, "raced", session_id="racer")

        thread = threading.Thread(target=race)
        thread.start()
        reply = restore(client, ids=ids)
        thread.join()
        for item in reply["memories"]:
            versions = client.call("memory.history", id=item["id"])["versions"]
            mine = receipts[item["id"]]
            assert mine in [v["version"] for v in versions]
            newest = get(client, item["id"])
            if "version" in item and item["version"] > mine:
                pytest.fail(f"{item} went over the put of version {mine}")
            assert newest["content"] == "raced" and "deleted_ms" not in newest


@pytest.mark.parametrize("params, field", [
    ({}, "ids"),
    ({"ids": ["a"], "before": 5}, "ids"),
    ({"ids": ["a"], "versions": {"a": 1}}, "versions"),
    ({"ids": []}, "ids"),
    ({"ids": ["a"] * 1001}, "ids"),
    ({"ids": [7]}, "ids"),
    ({"ids": ["a"], "kind": "fact"}, "before"),
    ({"ids": ["a"], "after": "1.2"}, "after"),
    ({"session_id": "s", "after": "v7"}, "after"),
    ({"session_id": "s", "after": "1.2.3"}, "after"),
    ({"versions": {"a": 0}}, "versions"),
    ({"versions": {"a": "1"}}, "versions"),
    ({"session_id": "s", "limit": 0}, "limit"),
    ({"session_id": "s", "colour": 0}, "colour"),
])
def test_parameters_are_checked(client, params, field):
    with pytest.raises(RpcError) as failed:
        restore(client, **params)
    assert failed.value.name == "invalid_params" and failed.value.data["field"] == field
