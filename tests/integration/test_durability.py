"""A receipt is true: what was acknowledged is there after kill -9, a torn tail, a lost database.

Loads are random but seeded; the seed is in the test's name. Kills come after a random number of
receipts, never after a time.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import uuid

import pytest

import harness
from harness import die_with_parent, dump
from load import KEEP, Load, check_order, check_receipts, remove_store
from wire import until

ROUNDS = 15


def test_kill_9_under_load_loses_nothing_acknowledged(make_broker):
    """15 kills of one state directory, each round's receipts checked after the restart, and all
    rounds' at the end."""
    broker, everything = make_broker(), []
    rng = random.Random(20)
    highest = 0
    for n in range(ROUNDS):
        load = Load(broker, f"r{n}").start()
        load.wait_receipts(rng.randrange(1, 900))
        broker.kill()
        load.join()
        assert load.receipts and min(r[0] for r in load.receipts if not r[4]) > highest
        broker.start()
        check_receipts(broker, load.receipts)
        everything += load.receipts
        highest = max(r[0] for r in everything)
    check_receipts(broker, everything)
    with broker.client() as client:
        assert client.call("memory.put", id="after", content="x")["seq"] > highest


def test_kill_9_while_starting_loses_nothing(make_broker):
    """Killed again and again within its recovery, it still comes up with everything."""
    broker = make_broker()
    load = Load(broker, "first").start()
    load.wait_receipts(1500)
    broker.kill()
    load.join()
    rng = random.Random(5)
    for _ in range(8):
        broker.start(wait=False)
        try:
            broker.process.wait(rng.random() * 0.05)
            assert False, broker.log_text()[-2000:]
        except subprocess.TimeoutExpired:
            broker.kill()
    broker.start()
    check_receipts(broker, load.receipts)


def test_seqs_are_unique_and_follow_the_order_sent(broker):
    load = Load(broker, "seq", writers=8).start()
    load.wait_receipts(3000)
    broker.stop()
    load.join()
    check_order(load.receipts)
    seqs = [r[0] for r in load.receipts if not r[4]]
    assert len(seqs) == len(set(seqs))
    broker.start()
    check_receipts(broker, load.receipts)


def test_sigterm_answers_what_it_committed(make_broker):
    """Everything that is in the store after a stop under load had its receipt, and the reverse.
    Connections end between frames, not within."""
    broker = make_broker()
    for n in range(5):
        load = Load(broker, f"t{n}").start()
        load.wait_receipts(200 + 150 * n)
        broker.stop()
        load.join()
        told = {(r[1], r[0]) for r in load.receipts if not r[4]}
        broker.start()
        check_receipts(broker, load.receipts)
        _, histories = dump_all(broker)
        there = {(ident, v["version"]) for ident, versions in histories.items()
                 if ident.startswith(f"t{n}-") for v in versions}
        assert there == told, f"not acknowledged: {sorted(there - told)[:5]}"


def dump_all(broker):
    with broker.client() as client:
        return dump(client)


def change_everything(broker):
    """Changes of every kind that this stage has, conditional and refused ones among them."""
    rng = random.Random(3)
    with broker.client() as client:
        for n in range(120):
            client.call("memory.put", id=f"m{n}", content=f"c{n}", tags=["a", f"t{n % 7}"],
                        props={"n": n, "x": [1, 2]}, session_id=f"s{n % 3}",
                        **({"embedding": [n / 4] * 768} if n % 5 == 0 else {}))
        for _ in range(600):
            ident = f"m{rng.randrange(130)}"
            call = rng.choice([
                ("memory.put", {"id": ident, "content": f"c{rng.random()}"}),
                ("memory.put", {"id": ident, "props": {"n": None, "y": rng.random()}}),
                ("memory.put", {"id": ident, "content": "cond",
                                "expected_version": rng.randrange(800)}),
                ("memory.put", {"id": ident, "content": "rep", "retry": True,
                                "event_id": f"e{rng.randrange(40)}"}),
                ("memory.delete", {"id": ident, "reason": "r"})])
            client.wait(client.send(*call))  # refusals are part of it


def test_store_rebuilt_from_the_journal_is_equal(make_broker):
    broker = make_broker(KEEP)
    change_everything(broker)
    load = Load(broker, "rebuild").start()
    load.wait_receipts(1000)
    broker.kill()
    load.join()
    broker.start()
    memories, histories = dump_all(broker)
    assert len(memories) > 400
    broker.stop()
    remove_store(broker)
    broker.start()
    again, histories_again = dump_all(broker)
    assert again.keys() == memories.keys()
    for ident, memory in memories.items():
        assert again[ident] == memory, ident
    assert histories_again == histories
    one = broker.call("memory.put", id="m1", content="rep", event_id="e1", retry=True)
    two = broker.call("memory.put", id="m1", content="rep", event_id="e1", retry=True)
    assert two["duplicate"] is True and two["seq"] == one["seq"]


def test_lost_store_is_not_replaced_by_an_empty_one(make_broker):
    """With segments that were reused the journal can't rebuild it: refused, with what to do."""
    broker = make_broker("[journal]\nsegment_size = 1M\n")
    content = "x" * 100000
    with broker.client() as client:
        for n in range(20):  # more than the store takes between two checkpoints
            client.many([("memory.put", {"id": f"{n}-{k}", "content": content})
                         for k in range(40)])
        until(lambda: client.call("stats")["journal"].get("first_seq", 1) > 1,
              "a segment to be reused")
    broker.stop()
    remove_store(broker)
    done = broker.run()
    assert done.returncode != 0
    assert "memferry recover" in done.stderr, done.stderr
    assert not list(broker.state.glob("memferry.db")), "it made an empty store"


def test_lost_journal_is_refused(make_broker):
    broker = make_broker()
    broker.call("memory.put", id="a", content="x")
    broker.stop()
    shutil.move(broker.state / "journal", broker.state / "journal-lost")
    done = broker.run()
    assert done.returncode != 0 and "journal" in done.stderr
    shutil.rmtree(broker.state / "journal", ignore_errors=True)
    shutil.move(broker.state / "journal-lost", broker.state / "journal")
    broker.start()
    assert broker.call("memory.get", id="a")["content"] == "x"


# ---- one broker per state directory ----


def test_second_broker_on_a_state_directory_is_refused(broker):
    done = broker.run("--socket", broker.socket + "2")
    assert done.returncode != 0
    assert str(broker.pid) in done.stderr, done.stderr
    assert broker.call("hello")["pid"] == broker.pid


def test_second_broker_on_a_socket_is_refused(broker):
    done = broker.run("--state-dir", str(broker.root / "state2"))
    assert done.returncode != 0 and broker.socket in done.stderr, done.stderr
    assert broker.call("hello")["pid"] == broker.pid


def test_left_over_socket_and_lock_of_a_killed_broker_are_no_hindrance(broker):
    for _ in range(3):
        broker.kill()
        broker.start()
    assert broker.call("hello")["pid"] == broker.pid


# ---- what reaches the disk ----


def test_receipt_comes_after_the_sync(make_broker):
    """strace sees: between a request's read and its reply's write lies an fdatasync."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    broker = make_broker()
    trace = broker.root / "trace"
    tracer = subprocess.Popen(
        [strace, "-f", "-y", "-e", "trace=fdatasync,fsync,write,writev,sendmsg,sendto,read,recvmsg",
         "-s", "400", "-o", str(trace), "-p", str(broker.pid)],
        stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        line = tracer.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"strace can't attach: {line.strip()}")
        marks = [uuid.uuid4().hex for _ in range(10)]
        with broker.client("json") as client:
            for mark in marks:
                client.call("memory.put", id=mark, content="x")
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)
    text = trace.read_text()
    for mark in marks:
        seen = [n for n, line in enumerate(text.splitlines()) if mark in line]
        lines = text.splitlines()[seen[0]:seen[-1] + 1]  # from the request's to the receipt's
        assert "durable" in lines[-1]
        assert any("fdatasync" in line or "fsync" in line for line in lines), "\n".join(lines)


def test_start_syncs_the_directories_it_found(make_broker):
    """Who made them may have been killed before that; a power cut would take what lies in them."""
    strace = shutil.which("strace")
    if strace is None or harness.sanitized():  # a leak check does not work under strace
        pytest.skip("strace is not installed, or the broker is sanitized")
    broker = make_broker()
    broker.kill()
    trace = broker.root / "trace"
    command = broker.command
    broker.command = lambda: [strace, "-f", "-y", "-e", "trace=fsync", "-o", str(trace), *command()]
    broker.start()
    pid = broker.call("hello")["pid"]
    os.kill(pid, signal.SIGTERM)
    assert broker.wait_end() == 0
    synced = re.findall(r"fsync\(\d+<([^>]*)>\) += 0", trace.read_text())
    assert str(broker.state) in synced and str(broker.state / "journal") in synced, synced
