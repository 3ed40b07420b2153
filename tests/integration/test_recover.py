"""recover: a lost journal comes back from a sink, whole or not at all."""
import shutil

import pytest

from command import Command
from harness import dump
from sinks import Backend, put
from wire import RpcError, until

BUSY, CONFLICT = -32001, -32003


def lose_the_disk(broker):
    broker.kill()
    shutil.rmtree(broker.state)


def mirrored(make_broker, more=""):
    broker = make_broker(start=False)
    backend = Backend(broker, "mirror")
    backend.path = broker.root / "mirror.ndjson"
    broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {backend.path}\n{more}')
    broker.start()
    return backend


@pytest.fixture
def mirror(make_broker):
    return mirrored(make_broker)


def fill(broker, count):
    put(broker, "m", count)
    for n in range(0, count, 7):
        broker.call("memory.put", id=f"m{n}", content=f"changed {n}", tags=["t", "ü"],
                    props={"i": n, "f": 0.5, "s": "漢", "l": [1, 2], "b": True})
    for n in range(0, count, 11):
        broker.call("memory.put", id=f"m{n}", embedding=[n / 1000] * 768)
    for n in range(0, count, 13):
        broker.call("memory.delete", id=f"m{n}")
    for odd in ("\U0001F600", "é", "z" * 256, "a b\n", "\uffff"):
        broker.call("memory.put", id=odd, content=odd)


def state(broker):
    """All that is not the journal's own."""
    with broker.client() as client:
        memories, _ = dump(client)
    return {ident: {k: v for k, v in memory.items() if k != "version"}
            for ident, memory in memories.items()}


def recovery(broker):
    return broker.call("backend.recovery")


def wait_ended(broker):
    return until(lambda: (told := recovery(broker))["state"] != "running" and told,
                 lambda: f"the recovery to end: {recovery(broker)}")


def test_a_lost_journal_comes_back_exactly(mirror):
    broker = mirror.broker
    fill(broker, 1000)
    mirror.flush()
    before = state(broker)
    lose_the_disk(broker)
    broker.start()
    alert, = until(lambda: broker.call("alert.list")["alerts"], "the alert")
    assert alert["rule"] == "journal-lost" and alert["undo"] == "memferry recover --from mirror"
    assert mirror.status()["paused"] is True
    told = Command(broker).ok("recover", "--from", "mirror")
    assert "were verified; 0 left out" in told
    assert state(broker) == before
    mirror.wait_status("the lane to go on", lambda s: not s["paused"])
    receipt = broker.call("memory.put", id="after", content="x", wait="delivered")
    assert receipt["backends"] == {"mirror": "delivered"}
    assert mirror.status()["delivered"] == 1, "what came from there was sent back"
    assert broker.call("backend.verify", name="mirror")["same"] == len(before) + 1


def test_what_is_written_later_is_newer_than_what_was_recovered(mirror):
    broker = mirror.broker
    broker.call("memory.put", id="a", content="old")
    mirror.flush()
    lose_the_disk(broker)
    broker.start()
    Command(broker).ok("recover", "--from", "mirror")
    old = broker.call("memory.get", id="a")
    broker.call("memory.put", id="a", content="new")
    assert broker.call("memory.get", id="a")["stamp"] > old["stamp"]
    mirror.flush()
    assert broker.call("backend.verify", name="mirror")["same"] == 1


def test_writes_are_busy_and_reads_are_not_while_it_is_under_way(mirror):
    broker = mirror.broker
    fill(broker, 100)
    mirror.flush()
    lose_the_disk(broker)
    moved = mirror.path.rename(broker.root / "moved.ndjson")
    mirror.path.mkdir()  # what is there can't be read: the recovery fails, and stays open
    broker.start()
    broker.call("backend.recover", name="mirror")
    assert wait_ended(broker)["state"] == "failed"
    with pytest.raises(RpcError) as failure:
        broker.call("memory.put", id="x", content="x")
    assert failure.value.code == BUSY and "recovered from backend mirror" in str(failure.value)
    with pytest.raises(RpcError) as failure:
        broker.call("memory.delete", ids=["x", "y"])
    assert failure.value.code == BUSY
    assert broker.call("memory.list")["memories"] == []
    broker.kill()
    broker.start()  # it is known after a restart, too
    with pytest.raises(RpcError) as failure:
        broker.call("memory.put", id="x", content="x")
    assert failure.value.code == BUSY
    mirror.path.rmdir()
    moved.rename(mirror.path)
    broker.call("backend.recover", name="mirror")
    assert wait_ended(broker)["state"] == "done"
    broker.call("memory.put", id="x", content="x")


def test_a_recovery_that_was_killed_goes_on_where_it_was(mirror):
    broker = mirror.broker
    fill(broker, 4000)
    mirror.flush()
    before = state(broker)
    lose_the_disk(broker)
    broker.start()
    broker.call("backend.recover", name="mirror")
    until(lambda: recovery(broker)["fetched"] >= 400 or recovery(broker)["state"] == "done",
          "a part to be there")
    broker.kill()
    broker.start()
    assert recovery(broker)["state"] in ("failed", "none")
    if recovery(broker)["state"] == "failed":
        Command(broker).ok("recover", "--from", "mirror")
    assert state(broker) == before


def test_one_that_was_stopped_can_be_given_up(mirror):
    broker = mirror.broker
    broker.call("memory.put", id="a", content="a")
    mirror.flush()
    lose_the_disk(broker)
    mirror.path.rename(broker.root / "moved.ndjson")
    mirror.path.mkdir()
    broker.start()
    broker.call("backend.recover", name="mirror")
    wait_ended(broker)
    Command(broker).ok("recover", "--abandon")
    broker.call("memory.put", id="b", content="b")
    broker.kill()
    broker.start()
    broker.call("memory.put", id="c", content="c")
    Command(broker).fails(1, "recover", "--abandon")


def test_a_journal_that_holds_memories_wants_merge_and_the_newer_state_wins(mirror):
    broker = mirror.broker
    broker.call("memory.put", id="a", content="old")
    broker.call("memory.put", id="b", content="only there")
    mirror.flush()
    lose_the_disk(broker)
    broker.start()
    until(lambda: mirror.status()["paused"], "the lane to wait")
    broker.call("memory.put", id="a", content="newer here")
    with pytest.raises(RpcError) as failure:
        broker.call("backend.recover", name="mirror")
    assert failure.value.code == CONFLICT and "--merge" in str(failure.value)
    told = Command(broker).run("recover", "--from", "mirror", "--merge")
    assert broker.call("memory.get", id="a")["content"] == "newer here"
    assert broker.call("memory.get", id="b")["content"] == "only there"
    assert told.returncode == 0, told
    mirror.flush()
    assert broker.call("backend.verify", name="mirror")["same"] == 2


def test_an_empty_source_erases_nothing(mirror):
    broker = mirror.broker
    broker.call("memory.put", id="a", content="a")
    mirror.flush()
    broker.stop()
    mirror.path.unlink()
    broker.start()
    Command(broker).ok("recover", "--from", "mirror", "--merge")
    assert broker.call("memory.get", id="a")["content"] == "a"


def test_a_new_machine_beside_others_resumes_and_keeps_both(mirror, make_broker):
    mirror.broker.call("memory.put", id="theirs", content="t")
    mirror.flush()
    mirror.broker.stop()
    other = make_broker(start=False)
    other.configure(mirror.broker.config.read_text())
    other.start()
    lane = Backend(other, "mirror")
    until(lambda: lane.status()["paused"], "the lane to wait")
    assert "recover --from mirror" in lane.status()["last_error"]
    lane.call("resume")
    other.call("memory.put", id="ours", content="o", wait="delivered")
    verified = other.call("backend.verify", name="mirror")
    assert (verified["same"], verified["unknown"]) == (1, 1)


def test_a_backend_that_cannot_be_read_back_is_no_source(sink):
    with pytest.raises(RpcError, match="can't be read back"):
        sink.broker.call("backend.recover", name=sink.name)
    sink.broker.call("memory.put", id="a", content="a")


def test_other_backends_wait_until_all_is_verified_and_then_get_it(make_broker, library):
    import sinks
    backend = mirrored(make_broker)
    broker = backend.broker
    put(broker, "m", 50)
    backend.flush()
    lose_the_disk(broker)
    other = sinks.Scripted(broker, "graph", library)
    broker.configure(broker.config.read_text() + other.section)
    broker.start()
    Command(broker).ok("recover", "--from", "mirror")
    other.flush()
    assert len(other.state()) == 50


def test_of_two_that_are_asked_for_at_once_one_runs(make_broker):
    backend = mirrored(make_broker)
    broker = backend.broker
    put(broker, "m", 300)
    backend.flush()
    lose_the_disk(broker)
    other = broker.root / "other.ndjson"
    broker.configure(broker.config.read_text() +
                     f'[backend "other"]\nplugin = mirror-file\npath = {other}\n')
    broker.start()
    with broker.client() as client:
        told = client.many([("backend.recover", {"name": "mirror"}),
                            ("backend.recover", {"name": "other"})])
        first, second = (reply.error for reply in told)
    assert first is None and second["code"] in (BUSY, CONFLICT)
    ended = wait_ended(broker)
    assert (ended["state"], ended["name"], ended["compared"]) == ("done", "mirror", 300)
