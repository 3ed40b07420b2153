"""memferry backup, --check-journal of a backup, and --from-backup: going on where a disk was lost."""
import json
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from command import Command
from harness import MEMFERRY, all_memories, die_with_parent, dump
from load import Load, check_receipts, remove_store
from test_full_disk import STORAGE_FULL, Disk
from test_full_disk import pytestmark as needs_namespaces
from wire import RpcError, until

pytestmark = pytest.mark.skipif(not MEMFERRY.exists(), reason=f"not built: {MEMFERRY}")

EX_DATAERR, EX_NOINPUT, EX_CANTCREAT, EX_TEMPFAIL = 65, 66, 73, 75
INVALID_PARAMS, BUSY = -32602, -32001
LARGE = "x" * 200_000


def fill(broker, count, content=LARGE):
    with broker.client() as client:
        for reply in client.many([("memory.put", {"id": f"m{n}", "content": f"{n} {content}"})
                                  for n in range(count)]):
            reply.get()


def back_up(broker, name="backup.db", **more):
    path = broker.root / name
    told = broker.call("store.backup", path=str(path), **more)
    assert told["path"] == str(path) and told["bytes"] == path.stat().st_size
    return path, told


def check(broker, path):
    done = broker.run(f"--check-journal={path}")
    assert done.returncode == 0, done
    return done.stdout


def lose_everything(broker):
    """The disk of the state directory is gone."""
    shutil.rmtree(broker.state)


def go_on_from(broker, path):
    done = broker.run("--from-backup", str(path))
    assert done.returncode == 0, done
    return done.stdout


def versions(broker):
    with broker.client() as client:
        return {i: m["version"] for i, m in all_memories(client).items()}


# ---- the backup ----


def test_a_backup_under_load_holds_all_that_had_a_receipt_before_the_call(make_broker):
    broker = make_broker()
    load = Load(broker, "load").start()
    load.wait_receipts(1000)
    with load.lock:
        before = list(load.receipts)
    path, told = back_up(broker)
    with load.lock:
        during = len(load.receipts)
    load.wait_receipts(during + 200)  # nothing was held up for good
    assert told["seq"] >= max(receipt[0] for receipt in before)
    broker.kill()
    load.join()
    assert f"up to {told['seq']}" in check(broker, path)
    lose_everything(broker)
    go_on_from(broker, path)
    broker.start()
    check_receipts(broker, [receipt for receipt in load.receipts if receipt[0] <= told["seq"]])


def test_a_backup_holds_everything_with_its_history(make_broker):
    broker = make_broker()
    fill(broker, 20, "short")
    broker.call("memory.put", id="m1", content="again", tags=["t"], props={"n": 1})
    broker.call("memory.delete", id="m2", reason="gone")
    with broker.client() as client:
        before = dump(client)
    path, told = back_up(broker)
    assert (told["memories"], told["deleted"], told["events"], told["seq"]) == (19, 1, 22, 22)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(broker.root.glob("backup.db?*"))
    assert "19 memories" not in check(broker, path) and "20 memories (1 of them deleted)" in check(
        broker, path)
    broker.stop()
    lose_everything(broker)
    go_on_from(broker, path)
    broker.start()
    with broker.client() as client:
        assert dump(client) == before


def test_the_command_tells_what_it_made(make_broker):
    broker = make_broker()
    command = Command(broker)
    fill(broker, 3, "short")
    path = broker.root / "b.db"
    assert f"{path}: 3 memories and 0 deleted ones, 3 events up to 3" in command.ok("backup", path)
    command.fails(EX_DATAERR, "backup", path)
    assert command.json("backup", "--force", path)["seq"] == 3


@pytest.mark.parametrize("path, says", [
    ("relative.db", "absolute"), ("/nonexistent/b.db", "No such file"), ("/tmp", "is no file"),
    ("", "path"), (7, "path"), ("/tmp/" + "x" * 5000, "path")])
def test_a_path_that_can_not_be_written_is_refused(shared, path, says):
    with pytest.raises(RpcError) as failed:
        shared.call("store.backup", path=path)
    assert failed.value.code == INVALID_PARAMS and failed.value.field == "path"
    assert says in str(failed.value)


@pytest.mark.parametrize("name", [
    "memferry.db", "memferry.db-wal", "lock", "b.db", "journal/00000001.seg"])
def test_the_brokers_own_files_are_never_replaced(make_broker, name):
    broker = make_broker()
    fill(broker, 1, "short")
    elsewhere = broker.root / "link"
    elsewhere.symlink_to(broker.state)
    store = (broker.state / "memferry.db").stat().st_ino
    for directory in (broker.state, elsewhere):
        with pytest.raises(RpcError) as failed:
            broker.call("store.backup", path=f"{directory}/{name}", replace=True)
        assert failed.value.code == INVALID_PARAMS and "state directory" in failed.value.message
    assert (broker.state / "memferry.db").stat().st_ino == store
    assert not (broker.state / "b.db").exists()
    broker.kill()
    check(broker, broker.state)


def test_one_backup_at_a_time(make_broker):
    broker = make_broker()
    fill(broker, 100)
    with broker.client() as client:
        replies = client.many([("store.backup", {"path": str(broker.root / f"{n}.db")})
                               for n in range(3)])
    done = [n for n, reply in enumerate(replies) if reply.error is None]
    assert done and all(reply.error["code"] == BUSY for n, reply in enumerate(replies)
                        if n not in done)
    assert sorted(p.name for p in broker.root.glob("*.db*")) == [f"{n}.db" for n in done]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_backup_that_is_cut_short_is_no_file(make_broker, how):
    broker = make_broker()
    fill(broker, 300)
    path, part = broker.root / "b.db", broker.root / "b.db.part"
    command = Command(broker)
    cut = 0
    for _ in range(5):
        process = command.start("backup", path)
        until(lambda: part.exists() or path.exists(), "the backup to begin")  # pylint: disable=W0640
        broker.process.send_signal(how)
        code = broker.wait_end()
        assert code == (-how if how == signal.SIGKILL else 0)
        process.communicate()
        if path.exists():  # it was faster
            check(broker, path)
            path.unlink()
        else:
            cut += 1
            assert process.returncode != 0
            assert how == signal.SIGKILL or not part.exists()
        broker.start()
        if part.exists():
            assert "cut short" in command.fails(EX_DATAERR, "backup", path).stderr
            command.ok("backup", "--force", path)
            path.unlink()
    assert not list(broker.root.glob("b.db*"))


@needs_namespaces
def test_no_room_for_a_backup_is_told_and_leaves_nothing(make_broker):
    broker = make_broker(start=False)
    disk = Disk(broker, 60, broker.root / "stick")
    broker.start()
    fill(broker, 100)
    disk.fill()
    with pytest.raises(RpcError) as failed:
        broker.call("store.backup", path=str(disk.place / "b.db"))
    assert failed.value.code == STORAGE_FULL and "no room" in str(failed.value)
    assert not list(disk.root.glob("b.db*"))
    assert broker.call("memory.get", id="m7")
    disk.make_room()
    assert broker.call("store.backup", path=str(disk.place / "b.db"))["memories"] == 100


# ---- going on from it ----


def test_versions_and_stamps_only_grow_after_going_on(make_broker):
    broker = make_broker()
    fill(broker, 5, "short")
    path, told = back_up(broker)
    old = broker.call("memory.get", id="m1")
    broker.kill()
    lose_everything(broker)
    said = go_on_from(broker, path)
    assert "up to event 5" in said and "new journal" in said
    assert broker.run("--check-journal").returncode == 0
    broker.start()
    assert broker.call("memory.put", id="new", content="x")["seq"] == told["seq"] + 1
    broker.call("memory.put", id="m1", content="changed")
    new = broker.call("memory.get", id="m1")
    assert new["version"] > old["version"] and new["stamp"] > old["stamp"]
    assert new["origin"] == old["origin"]
    for _ in range(2):
        before = versions(broker)
        broker.kill()
        broker.start()
        assert versions(broker) == before
    path2, _ = back_up(broker, "second.db")
    assert "up to 7" in check(broker, path2)


def test_the_clock_goes_on_behind_the_newest_stamp_of_the_backup(make_broker):
    broker = make_broker()
    ahead = int(time.time() * 1e6) + 12 * 3600 * 1_000_000
    broker.call("memory.import", memories=[
        {"id": "m", "content": "c", "created_ms": 1, "stamp": ahead,
         "origin": "aaaaaaaa-0000-4000-8000-000000000000"}])
    path, _ = back_up(broker)
    broker.stop()
    lose_everything(broker)
    go_on_from(broker, path)
    broker.start()
    broker.call("memory.put", id="m", content="later")
    assert broker.call("memory.get", id="m")["stamp"] > ahead


def test_a_lost_store_is_replaced_and_the_journal_brings_the_rest(make_broker):
    broker = make_broker()
    fill(broker, 10, "short")
    path, _ = back_up(broker)
    fill(broker, 15, "newer")
    with broker.client() as client:
        before = dump(client)
    broker.kill()
    remove_store(broker)
    assert "applies its 15 newer events" in go_on_from(broker, path)
    broker.start()
    with broker.client() as client:
        assert dump(client) == before


def test_a_store_whose_journal_is_lost_is_a_backup_too(make_broker):
    broker = make_broker()
    fill(broker, 10, "short")
    with broker.client() as client:
        before = dump(client)
    broker.stop()
    lost = broker.root / "lost"
    broker.state.rename(lost)
    shutil.rmtree(lost / "journal")
    go_on_from(broker, lost / "memferry.db")
    broker.start()
    with broker.client() as client:
        assert dump(client) == before


def test_an_attempt_that_was_cut_short_is_begun_again(make_broker):
    broker = make_broker()
    fill(broker, 10, "short")
    path, _ = back_up(broker)
    before = versions(broker)
    broker.stop()
    lose_everything(broker)
    broker.state.mkdir(mode=0o700)
    (broker.state / "memferry.db.part").write_bytes(path.read_bytes()[:5000])  # while it copied
    go_on_from(broker, path)
    (broker.state / "memferry.db").unlink()  # before the copy had its name
    refused = broker.run()
    assert refused.returncode != 0 and "--from-backup" in refused.stderr
    assert str(path) in refused.stderr
    go_on_from(broker, path)
    broker.start()
    assert versions(broker) == before


@pytest.mark.parametrize("seen", ["memferry.db.part", "journal", "journal/*.seg", "memferry.db"])
def test_going_on_that_was_killed_is_begun_again(make_broker, seen):
    broker = make_broker()
    fill(broker, 60)
    path, _ = back_up(broker)
    before = versions(broker)
    broker.stop()
    lose_everything(broker)
    process = subprocess.Popen(broker.command("--from-backup", str(path)), env=broker.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=die_with_parent)
    until(lambda: list(broker.state.glob(seen)) or process.poll() is not None, seen)
    process.kill()
    process.wait()
    if not (broker.state / "memferry.db").exists():
        go_on_from(broker, path)
    assert broker.run("--check-journal").returncode == 0
    broker.start()
    assert versions(broker) == before
    assert broker.call("memory.put", id="next", content="x")["seq"] == 61


def test_nothing_that_is_there_is_replaced(make_broker):
    broker = make_broker()
    fill(broker, 3, "short")
    path, _ = back_up(broker)
    for running in (True, False):
        if not running:
            broker.stop()
        done = broker.run("--from-backup", str(path))
        assert done.returncode == EX_CANTCREAT and "nothing is replaced" in done.stderr, done
    broker.start()
    assert len(versions(broker)) == 3


def test_a_journal_that_does_not_meet_the_backup_is_refused(make_broker):
    broker, other = make_broker("[journal]\nsegment_size = 1M\n"), make_broker()
    fill(broker, 3, "short")
    path, _ = back_up(broker)
    fill(broker, 3, "short")
    later, _ = back_up(broker, "later.db")
    fill(other, 9, "short")
    other.stop()
    remove_store(other)
    done = other.run("--from-backup", str(path))
    assert done.returncode == EX_DATAERR and "another one than the backup's" in done.stderr, done
    with broker.client() as client:
        for n in range(20):  # more than the store takes between two checkpoints
            client.many([("memory.put", {"id": f"{n}-{k}", "content": LARGE}) for k in range(20)])
        until(lambda: client.call("stats")["journal"].get("first_seq", 1) > 7,
              "a segment to be reused")
    broker.stop()
    remove_store(broker)
    done = broker.run("--from-backup", str(later))
    assert done.returncode == EX_DATAERR and "in neither" in done.stderr, done
    shutil.rmtree(broker.state)
    go_on_from(broker, path)
    remove_store(broker)
    done = broker.run("--from-backup", str(later))
    assert done.returncode == EX_DATAERR and "ends before the backup does" in done.stderr, done
    assert not list(broker.state.glob("memferry.db*"))


def damage_page(path):
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 4)


def damage_content(path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE memory SET content_hash=x'00'")


def damage_head(path):
    path.write_bytes(b"not a database, and not a short text either" * 100)


def make_another(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t(a)")


def lose(path):
    path.unlink()


@pytest.mark.parametrize("change", [damage_page, damage_content, damage_head, make_another, lose])
def test_a_backup_that_is_no_good_is_refused_and_nothing_is_made(make_broker, change):
    broker = make_broker()
    fill(broker, 50, "short")
    path, _ = back_up(broker)
    broker.stop()
    lose_everything(broker)
    change(path)
    if path.exists():
        checked = broker.run(f"--check-journal={path}")
        assert checked.returncode == EX_DATAERR and checked.stderr, checked
    done = broker.run("--from-backup", str(path))
    assert done.returncode != 0 and str(broker.root) in done.stderr, done
    assert not list(broker.state.glob("*")), "it left something"


def test_a_backend_is_level_again_after_going_on(make_broker):
    broker = make_broker(start=False)
    mirror = broker.root / "mirror.ndjson"
    broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {mirror}\n')
    broker.start()
    fill(broker, 10, "short")
    path, _ = back_up(broker)
    broker.call("memory.put", id="m1", content="changed after the backup")
    broker.call("memory.put", id="late", content="made after the backup")
    broker.call("backend.flush")
    broker.stop()
    lose_everything(broker)
    go_on_from(broker, path)
    broker.start()
    broker.call("memory.put", id="m2", content="changed after going on")
    broker.call("backend.flush")
    told = broker.call("backend.verify", name="mirror")
    assert told["newer"] == 1 and told["samples"]["newer"] == ["m1"]  # what the disk took away
    assert told["unknown"] == 1 and told["samples"]["unknown"] == ["late"]
    assert told["same"] == 9 and not told["missing"] and not told["older"]
    newest = {}
    for line in mirror.read_text().splitlines():
        memory = json.loads(line)
        if memory["stamp"] >= newest.get(memory["id"], (0,))[0]:
            newest[memory["id"]] = memory["stamp"], memory["content"]
    assert newest["m1"][1] == "changed after the backup"
    assert newest["m2"][1] == "changed after going on"
    Command(broker).ok("recover", "--from", "mirror", "--merge")  # and it comes back
    assert broker.call("memory.get", id="m1")["content"] == "changed after the backup"
    assert broker.call("memory.get", id="late")["content"] == "made after the backup"
    assert broker.call("memory.get", id="m2")["content"] == "changed after going on"
    broker.call("backend.flush")
    assert broker.call("backend.verify", name="mirror")["same"] == 11
