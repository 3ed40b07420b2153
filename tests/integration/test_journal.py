"""The journal's files: torn tails, damage, and memferryd --check-journal."""
import random

import pytest

from load import KEEP, Load, check_receipts, remove_store

# ---- a torn tail, seen from outside: groups lie on 4 KB boundaries, segments are zero-filled ----

BLOCK = 4096


def segments(broker):
    found = sorted((broker.state / "journal").glob("*.seg"))
    assert found, list(broker.state.rglob("*"))
    return found


def last_written(broker):
    """(path, size, offset behind the last block that is not zero) of the segment written last."""
    best = None
    for path in segments(broker):
        data = path.read_bytes()
        end = len(data.rstrip(b"\0"))
        end = (end + BLOCK - 1) // BLOCK * BLOCK
        if end > BLOCK and (best is None or path.stat().st_mtime_ns > best[3]):
            best = (path, len(data), end, path.stat().st_mtime_ns)
    assert best, "no segment holds a group"
    return best[:3]


def tear_garbage(path, _size, end):
    with open(path, "r+b") as file:
        file.seek(end)
        file.write(random.Random(1).randbytes(3000))


def tear_copy_of_a_head(path, _size, end):
    """Half a group: the first 512 bytes of the last one, where the next would begin."""
    with open(path, "r+b") as file:
        file.seek(end - BLOCK)
        head = file.read(512)
        file.seek(end)
        file.write(head)


def tear_truncate_behind(path, _size, end):
    with open(path, "r+b") as file:
        file.truncate(end)


def tear_truncate_odd(path, size, end):
    with open(path, "r+b") as file:
        file.truncate(min(size, end + 1000))


def tear_append(path, size, _end):
    with open(path, "r+b") as file:
        file.seek(size)
        file.write(b"garbage behind the end of a segment" * 100)


TEARS = [tear_garbage, tear_copy_of_a_head, tear_truncate_behind, tear_truncate_odd, tear_append]


@pytest.mark.parametrize("tear", TEARS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("store", ["kept", "lost"])
def test_torn_tail_is_cut_and_nothing_acknowledged_with_it(make_broker, tear, store):
    broker = make_broker(KEEP)
    load = Load(broker, "torn").start()
    load.wait_receipts(400)
    broker.kill()
    load.join()
    tear(*last_written(broker))
    if store == "lost":
        remove_store(broker)
    broker.start()
    check_receipts(broker, load.receipts)
    highest = max(r[0] for r in load.receipts)
    assert broker.call("memory.put", id="next", content="x")["seq"] > highest
    broker.restart()
    check_receipts(broker, load.receipts)


def test_unfinished_last_group_is_cut_whole(make_broker):
    """The last group's own bytes are broken (a write that never was acknowledged): what came
    before is there, and the broker goes on."""
    broker = make_broker(KEEP)
    seqs = [broker.call("memory.put", id=f"m{n}", content="c" * 500)["seq"] for n in range(20)]
    broker.kill()
    remove_store(broker)
    path, _, end = last_written(broker)
    with open(path, "r+b") as file:
        file.seek(end - BLOCK + 300)
        file.write(b"\xff" * 40)
    broker.start()
    with broker.client() as client:
        for n, seq in list(enumerate(seqs))[:-1]:
            assert client.call("memory.get", id=f"m{n}")["version"] == seq
        assert client.wait(client.send("memory.get", {"id": "m19"})).error["code"] == -32002
        client.call("memory.put", id="m19", content="again")
    broker.restart()
    assert broker.call("memory.get", id="m19")["content"] == "again"


def test_damage_in_the_middle_is_set_aside_and_the_rest_is_there(make_broker):
    broker = make_broker(KEEP)
    for n in range(30):
        broker.call("memory.put", id=f"m{n}", content=f"unique-{n}-" + "c" * 500)
    broker.stop()
    remove_store(broker)
    for path in segments(broker):
        data = path.read_bytes()
        at = data.find(b"unique-15-")
        if at >= 0:
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(b"UNIQUE")
            break
    else:
        assert False, "not in any segment"
    checked = broker.run("--check-journal")
    assert "damage" in (checked.stdout + checked.stderr).lower(), checked
    broker.start()
    with broker.client() as client:
        for n in range(30):
            reply = client.wait(client.send("memory.get", {"id": f"m{n}"}))
            if n == 15:
                assert reply.error["code"] == -32002
            else:
                assert reply.get()["content"].startswith(f"unique-{n}-")


def damage(path, text):
    """In the middle of an event that holds the text."""
    data = path.read_bytes()
    with open(path, "r+b") as file:
        file.seek(data.index(text))
        file.write(b"DAMAGED")


def test_damage_in_what_the_store_holds_is_for_the_check_alone(make_broker):
    broker = make_broker(KEEP)
    for n in range(10):
        broker.call("memory.put", id=f"m{n}", content=f"unique-{n}-" + "c" * 500)
    broker.restart()
    broker.call("memory.put", id="later", content="x")
    broker.stop()
    damage(next(p for p in segments(broker) if b"unique-5-" in p.read_bytes()), b"unique-5-")
    before = len(broker.log_text())
    broker.start()
    for n in range(10):
        assert broker.call("memory.get", id=f"m{n}")["content"].startswith(f"unique-{n}-")
    broker.stop()
    assert "journal-damage" not in broker.log_text()[before:]
    checked = broker.run("--check-journal")
    assert checked.returncode != 0
    assert "damage" in (checked.stdout + checked.stderr).lower(), checked


# ---- --check-journal ----


def test_check_journal_of_a_good_state_directory(make_broker):
    broker = make_broker()
    for n in range(50):
        broker.call("memory.put", id=f"m{n}", content="x")
    last = broker.call("memory.put", id="m0", content="y")["seq"]
    running = broker.run("--check-journal")
    assert running.returncode != 0 and str(broker.pid) in running.stdout + running.stderr
    broker.stop()
    done = broker.run("--check-journal")
    assert done.returncode == 0, done
    assert str(last) in done.stdout + done.stderr, done
    before = {p: p.read_bytes() for p in segments(broker)}
    assert broker.run("--check-journal").returncode == 0
    assert {p: p.read_bytes() for p in segments(broker)} == before, "checking changed the journal"
    broker.start()
    assert broker.call("memory.get", id="m0")["version"] == last


def test_check_journal_after_kill_9(make_broker):
    broker = make_broker()
    load = Load(broker, "check").start()
    load.wait_receipts(500)
    broker.kill()
    load.join()
    assert broker.run("--check-journal").returncode == 0
    broker.start()
    check_receipts(broker, load.receipts)
