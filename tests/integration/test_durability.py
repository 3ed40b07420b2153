"""A receipt is true: what was acknowledged is there after kill -9, a torn tail, a lost database.

Loads are random but seeded; the seed is in the test's name. Kills come after a random number of
receipts, never after a time.
"""
import random
import shutil
import signal
import subprocess
import threading
import uuid

import pytest

from harness import die_with_parent, dump
from wire import Closed, until

ROUNDS = 15
BROKEN = (Closed, ConnectionError, BrokenPipeError, OSError)


class Load:
    """Writers on several connections that note every receipt the moment it has come."""

    def __init__(self, broker, seed, writers=6, depth=16):
        self.broker, self.seed, self.depth = broker, seed, depth
        self.lock = threading.Lock()
        self.receipts = []  # (seq, id, op, content or None, event_id)
        self.failures = []
        self.threads = [threading.Thread(target=self.guard, args=(n,), daemon=True)
                        for n in range(writers)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        assert not self.failures, self.failures

    def guard(self, number):
        try:
            self.write(number)
        except BROKEN:
            pass  # the kill
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))

    def request(self, rng, number, count):
        """Mostly new memories, some changes of old ones of this writer, some deletes."""
        fresh = f"{self.seed}-{number}-{count}"
        dice = rng.random()
        if count > 20 and dice < 0.15:
            ident = f"{self.seed}-{number}-{rng.randrange(20)}"
            return "memory.put", {"id": ident, "content": f"again {fresh}"}
        if count > 20 and dice < 0.2:
            return "memory.delete", {"id": f"{self.seed}-{number}-{rng.randrange(20)}"}
        size = rng.choice([10, 600, 600, 4096, 60000] if dice < 0.9 else [200])
        return "memory.put", {"id": fresh, "content": fresh + "." * size}

    def write(self, number):
        rng = random.Random(f"{self.seed}/{number}")
        encoding = "json" if number % 3 == 0 else "msgpack"
        with self.broker.client(encoding) as client:
            pending, count = {}, 0
            while True:
                while len(pending) < self.depth:
                    call = self.request(rng, number, count)
                    pending[client.send(*call)] = call
                    count += 1
                reply = client.receive()
                method, params = pending.pop(reply.id)
                self.note(method, params, reply)

    def note(self, method, params, reply):
        if reply.error is not None:
            if reply.error["code"] == -32005:
                return  # stopping
            raise AssertionError(f"{method} {params['id']}: {reply.error}")
        told = reply.result
        assert told["durable"] is True and told["id"] == params["id"], told
        with self.lock:
            self.receipts.append((told["seq"], told["id"], method, params.get("content"),
                                  told["duplicate"]))

    def wait_receipts(self, count):
        until(lambda: len(self.receipts) >= count or self.failures, f"{count} receipts")


def check_receipts(broker, receipts):
    """Each receipt's version is there, and says what was put."""
    changed = [r for r in receipts if not r[4]]
    seqs = [r[0] for r in changed]
    assert len(seqs) == len(set(seqs)), "two receipts with one seq"
    with broker.client() as client:
        replies = client.many([("memory.get", {"id": r[1], "version": r[0]}) for r in changed])
        newest = {}
        for (seq, ident, method, content, _), reply in zip(changed, replies):
            memory = reply.get()
            assert memory["id"] == ident and memory["version"] == seq
            if method == "memory.delete":
                assert memory["deleted_ms"], (ident, seq)
            else:
                assert memory["content"] == content and not memory.get("deleted_ms"), (ident, seq)
            newest[ident] = max(newest.get(ident, 0), seq)
        idents = list(newest)
        for ident, reply in zip(idents, client.many(
                [("memory.get", {"id": i}) for i in idents])):
            assert reply.get()["version"] >= newest[ident], ident


def increasing(receipts):
    """Per memory, receipts in the order they came have growing seqs."""
    last = {}
    for seq, ident, _, _, duplicate in receipts:
        if not duplicate:
            assert seq > last.get(ident, 0), (ident, seq, last[ident])
            last[ident] = seq


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


def test_seqs_of_one_broker_are_unique_and_grow(broker):
    load = Load(broker, "seq", writers=8).start()
    load.wait_receipts(3000)
    broker.stop()
    load.join()
    increasing(load.receipts)
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


KEEP = "[journal]\nkeep_segments = true\n"


def remove_store(broker):
    removed = list(broker.state.glob("memferry.db*"))
    assert removed, list(broker.state.iterdir())
    for path in removed:
        path.unlink()


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
        for n in range(8):
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


# ---- --check-journal ----


def test_check_journal_of_a_good_state_directory(make_broker):
    broker = make_broker()
    for n in range(50):
        broker.call("memory.put", id=f"m{n}", content="x")
    last = broker.call("memory.put", id="m0", content="y")["seq"]
    running = broker.run("--check-journal")
    assert running.returncode != 0 and str(broker.pid) in running.stderr, running
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
        seen = [n for n, line in enumerate(text.splitlines())
                if mark in line and "socket" in line.lower()]
        lines = text.splitlines()[seen[0]:seen[-1] + 1]
        assert any("fdatasync" in line or "fsync" in line for line in lines), "\n".join(lines)
