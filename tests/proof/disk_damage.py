"""What lies on the disk is damaged, cut, gone or replaced, between runs and under a running broker; and
the wall clock jumps. What is told is right or an error, and what can be mended is."""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import harness
from disk_run import BROKEN, Run
from powercut_scenes import DIMS
from wire import RpcError, floats, until

BLOCK = 4096
DAY_MS = 86_400_000
HEADER_BYTES = 2 * BLOCK


class Fixture:
    """One state directory with memories of known content, and copies of it to be damaged."""

    def __init__(self, place):
        self.place, self.serial = place, 0
        root = place / "whole"
        root.mkdir(mode=0o700)
        self.run = Run(root)
        self.run.broker.start()
        self.put(range(0, 30))
        with self.run.broker.client() as client:
            client.call("store.backup", path=str(self.run.disk / "backup.db"))
        self.run.broker.restart()
        self.put(range(30, 60))
        self.level(self.run)
        self.run.broker.kill()

    def put(self, numbers):
        assert self.run.play([
            ("memory.put", {"id": f"m{n}", "content": f"{n} lighthouse " + "c" * (n * 40),
                            "embedding": floats([(n * 7 + k) % 5 - 2.5 for k in range(DIMS)])})
            for n in numbers])

    @staticmethod
    def level(run):
        with run.broker.client() as client:
            until(lambda: "behind" not in search(client), "an index that is level")

    @contextlib.contextmanager
    def copy(self, without_store=False):
        """without_store: the journal alone tells what was, as far as it reaches."""
        self.serial += 1
        root = self.place / f"d{self.serial}"
        root.mkdir(mode=0o700)
        run = Run(root, self.run)
        if without_store:
            for path in (run.disk / "state").glob("memferry.db-*"):
                path.unlink()
        try:
            yield run
            if run.broker.process is not None:
                run.broker.kill()
            shutil.rmtree(root)
        finally:
            run.end()

    @property
    def contents(self):
        return {p["id"]: p["content"] for _, m, p, _ in self.run.receipts if m == "memory.put"}


def search(client, **how):
    try:
        return client.call("memory.search", query="lighthouse", limit=100, **how)
    except RpcError as failure:
        assert failure.name in ("busy", "unavailable"), failure
        return {"behind": 1}


def read_back(run, contents):
    """Each memory as it was, or an error; never another. Returns how many were there."""
    there = 0
    with run.broker.client() as client:
        replies = client.many([("memory.get", {"id": i}) for i in contents])
    for (ident, content), reply in zip(contents.items(), replies):
        if reply.error is None:
            run.hold(reply.result["content"] == content, f"{ident} is told wrongly")
            there += 1
        else:
            run.hold(reply.error["name"] in ("not_found", "internal", "busy"), str(reply))
    return there


def starts_or_refuses(run, contents, wanted=None):
    """False: refused. Else what it tells is right, and `wanted` of it is there."""
    if not run.start():
        return False
    there = read_back(run, contents)
    run.hold(wanted is None or there >= wanted, f"{there} of {wanted} are there")
    return True


def flip(path, at, bit=0x10):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ bit]))


def active_segment(run):
    """The newest one, and where its groups lie: [(begin, end)] in blocks that are not zero."""
    path = max((run.disk / "state/journal").glob("*.seg"), key=lambda p: (
        any(p.read_bytes()[HEADER_BYTES:HEADER_BYTES + BLOCK]), p.stat().st_mtime_ns))
    return path, len(path.read_bytes().rstrip(b"\0"))


# ---- the journal ----


def flipped_bits(fixture, rng, count):
    """Of a segment: a header copy, a group's head, its records, the padding behind them."""
    for n in range(count):
        with fixture.copy(without_store=True) as run:
            path, end = active_segment(run)
            at = rng.choice([rng.randrange(0, 64), rng.randrange(BLOCK, BLOCK + 64),
                             rng.randrange(HEADER_BYTES, end) // BLOCK * BLOCK + rng.randrange(64),
                             rng.randrange(HEADER_BYTES, end)])
            flip(path, at, 1 << rng.randrange(8))
            group = at >= HEADER_BYTES
            run.hold(starts_or_refuses(run, fixture.contents, 30 if group else 60),
                     f"a bit at {at} is a reason not to start")
            run.broker.stop()
        yield n


def journal_gone(fixture, rng, count):
    del rng, count
    with fixture.copy() as run:  # a segment that the store does not have yet
        active_segment(run)[0].unlink()
        starts_or_refuses(run, fixture.contents, 30)
    yield 1
    with fixture.copy() as run:
        shutil.rmtree(run.disk / "state/journal")
        run.hold(not starts_or_refuses(run, fixture.contents), "a store without its journal is taken")
    yield 1
    with fixture.copy() as run:  # under a running broker
        run.hold(run.start(), "a start")
        shutil.rmtree(run.disk / "state/journal")
        run.play([("memory.put", {"id": f"x{n}", "content": "x"}) for n in range(3)])
        read_back(run, fixture.contents)
    yield 1


# ---- the store ----


def corrupt_pages(fixture, rng, count):
    for n in range(count):
        with fixture.copy() as run:
            run.broker.start()
            run.broker.stop()  # all of it is in the database now
            path = run.disk / "state/memferry.db"
            at = rng.randrange(0, path.stat().st_size) // BLOCK * BLOCK
            with open(path, "r+b") as file:
                file.seek(at + rng.choice([0, 8, 100, 2000]))
                file.write(rng.randbytes(rng.choice([1, 16, 512])))
            # SQLite's pages have no sums: the check of the command line is what finds a scribble
            if run.broker.run("--check-journal").returncode == 0:
                run.hold(starts_or_refuses(run, fixture.contents, 60), "it is well, and refused")
            elif run.start():
                with contextlib.suppress(*BROKEN, UnicodeDecodeError):
                    with run.broker.client() as client:
                        client.many([("memory.get", {"id": i}) for i in fixture.contents])
                    run.play([("memory.put", {"id": "more", "content": "more"})])
            if run.broker.process is not None:
                if run.broker.process.poll() is None:
                    run.broker.process.send_signal(signal.SIGTERM)
                code = run.broker.wait_end()
                run.hold(code in (0, 74), f"it ended with {code}")
        yield n


def store_gone(fixture, rng, count):
    del rng, count
    other = fixture.place / "other.db"
    other.write_bytes((fixture.run.disk / "backup.db").read_bytes())
    for how in ("missing", "empty", "half", "backup", "text"):
        with fixture.copy() as run:
            path = run.disk / "state/memferry.db"
            for more in path.parent.glob("memferry.db-*"):
                more.unlink()
            path.unlink()
            if how == "half":
                path.write_bytes(other.read_bytes()[:20000])
            elif how == "backup":
                path.write_bytes(other.read_bytes())
            elif how != "missing":
                path.write_bytes(b"not a database" * 1000 if how == "text" else b"")
            taken = starts_or_refuses(run, fixture.contents)
            run.hold(not taken or read_back(run, fixture.contents) == 60,
                     f"a store that is {how} is taken, and memories are missing")
            if not taken:
                shutil.move(path.parent / "memferry.db", run.root / "gone") if path.exists() else None
                done = run.broker.run("--from-backup", str(run.disk / "backup.db"))
                run.hold(done.returncode == 0, f"what it says to do does not work: {done}")
                run.hold(starts_or_refuses(run, fixture.contents, 60), "a start from the backup")
        yield how
    with fixture.copy() as run:  # under a running broker
        run.hold(run.start(), "a start")
        for path in (run.disk / "state").glob("memferry.db*"):
            path.unlink()
        with contextlib.suppress(*BROKEN):
            run.play([("memory.put", {"id": f"x{n}", "content": "x"}) for n in range(3)])
            read_back(run, fixture.contents)
        run.broker.process.send_signal(signal.SIGTERM)
        run.hold(run.broker.wait_end() in (0, 74), "how it ended")
        starts_or_refuses(run, fixture.contents)
    yield "running"


# ---- the index ----


def damage_file(path, rng):
    size = path.stat().st_size
    how = rng.choice(["scribble", "cut", "gone", "empty"])
    if how == "gone":
        path.unlink()
    elif how == "scribble":
        with open(path, "r+b") as file:
            for _ in range(rng.choice([1, 20])):
                file.seek(rng.randrange(size))
                file.write(rng.randbytes(rng.choice([1, 64, 4000])))
            file.truncate(size)
    else:
        os.truncate(path, 0 if how == "empty" else rng.randrange(size))
    return how


def searches_right(run, fixture, patient):
    """Right, or unavailable for a moment; patient: in the end all of it."""
    def all_found():
        with run.broker.client() as client:
            if client.call("hello") and not patient:
                search(client, embedding=floats([0.5] * DIMS))
            found = search(client)
        for hit in found.get("hits", ()):
            run.hold(fixture.contents[hit["id"]] == hit["content"], f"{hit['id']} is told wrongly")
        return not patient or ("behind" not in found and len(found["hits"]) == 60)

    until(all_found, lambda: f"everything to be found\n{run.broker.log_text()[-2000:]}")


def index_damaged(fixture, rng, count):
    for n in range(count):
        name = rng.choice(["search.db", "vectors.idx"])
        running = rng.random() < 0.5
        with fixture.copy() as run:
            if running:
                run.hold(run.start(), "a start")
            damage_file(run.disk / "state" / name, rng)
            if not running:
                run.hold(run.start(), f"a damaged {name} is a reason not to start")
            for _ in range(3):
                searches_right(run, fixture, False)
            run.hold(run.play([("memory.put", {"id": "m0", "content": "0 lighthouse "})]), "a put")
            if running:
                run.broker.restart()
            searches_right(run, fixture, True)
            run.hold(read_back(run, fixture.contents) == 60, "memories")
            run.broker.stop()
        yield n


def vectors_cut_while_searching(fixture, rng, count):
    """The mapped file shrinks under the search: an error of that search, and a new index."""
    del rng, count
    with fixture.copy() as run:
        run.hold(run.start(), "a start")
        fixture.level(run)
        with run.broker.client() as client:
            near = {"embedding": floats([0.5] * DIMS), "embedding_model": "caller", "limit": 5}
            run.hold(client.call("memory.search", near)["hits"], "vectors are found")
            os.truncate(run.disk / "state/vectors.idx", BLOCK)
            with contextlib.suppress(RpcError):
                client.call("memory.search", near)

            def found_again():
                with contextlib.suppress(RpcError):
                    return client.call("memory.search", near)["hits"]
                return None

            until(found_again, "the vectors to be made anew")
        run.broker.stop()
    yield 1


# ---- the clock ----


def clock_jumps(fixture, rng, count):
    """Stamps only grow, windows and sessions go on, whichever way the wall clock goes."""
    del rng, count
    for jumps in ((2 * DAY_MS, 0), (-2 * DAY_MS, 0), (60_000, -60_000, 60_000)):
        with fixture.copy() as run:
            run.breakable()
            run.hold(run.start(), "a start")
            with run.broker.client() as client:
                last = 0
                for turn, jump in enumerate((0, *jumps)):
                    run.control.clock_ms = jump
                    for n in range(3):
                        ident = f"t{turn}-{n}"
                        client.call("memory.put", id=ident, content=ident)
                        stamp = client.call("memory.get", id=ident)["stamp"]
                        run.hold(stamp > last, f"stamps went back by a jump of {jump} ms")
                        last = stamp
                    before = client.call("alert.list", limit=1000)["alerts"]
                    client.call("session.begin", session_id=f"at-{turn}")
                    for n in range(12):
                        client.call("memory.put", id=f"g{turn}-{n}", content="g")
                        client.call("memory.delete", id=f"g{turn}-{n}", session_id=f"at-{turn}")
                    after = until(lambda: [
                        a for a in client.call("alert.list", limit=1000)["alerts"]
                        if a["session_id"] == f"at-{turn}"], "an alert after a jump")
                    run.hold(after[0]["rule"] == "rapid-delete" and len(before) < 1000, "its rule")
                    session = client.call("session.get", session_id=f"at-{turn}")
                    run.hold(not session["ended_ms"], f"a session in use ended by a jump of {jump}")
            run.broker.restart()
            read_back(run, fixture.contents)
            run.broker.stop()
        yield jumps


# ---- a real small file system ----


def loop_mount(fixture, rng, count):
    """ext4 in a file, filled to the brim: refused, read, and taken again when there is room."""
    del rng, count
    root = fixture.place / "loop"
    root.mkdir(mode=0o700)
    image, disk = root / "image", root / "disk"
    disk.mkdir(mode=0o700)
    with open(image, "wb") as file:
        file.truncate(160 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=False, capture_output=True) \
        if shutil.which("mkfs.ext4") and os.geteuid() == 0 else None
    if made is None or made.returncode != 0 or subprocess.run(
            ["mount", "-o", "loop", str(image), str(disk)], check=False,
            capture_output=True).returncode != 0:
        print("  no loop mount here (root and mkfs.ext4 are needed): left out", flush=True)
        return
    try:
        disk.chmod(0o700)
        (root / "inner").mkdir(mode=0o700)
        fill_and_empty(root, disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    yield "ext4"


def fill_and_empty(root, disk):
    broker = harness.Broker(root / "inner", "[journal]\nsegment_size = 1M\n")
    broker.state = disk / "state"
    receipts, filler = {}, disk / "filler"
    # When it goes there is room twice for all that may not be applied yet: in the WAL, and in the database.
    filler.write_bytes(bytes(108 << 20))
    broker.start()
    try:
        with broker.client() as client:
            try:
                for n in range(10000):
                    content = f"{n} " + "c" * 100_000
                    receipts[f"m{n}"] = (client.call("memory.put", id=f"m{n}", content=content)[
                        "seq"], content)
            except RpcError as failure:
                assert failure.name == "storage_full" and len(receipts) > 10, failure
            assert len(receipts) < 10000, "the disk never got full"
        broker.kill()
        broker.start(wait=False)  # what waits in the journal needs room: it may say so, and end
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert broker.process.wait(2) == 74 and "no room" in broker.log_text(), (
                broker.process.returncode, broker.log_text()[-2000:])
            broker.process = None
        if broker.process is not None:
            broker.kill()
        filler.unlink()
        broker.start()
        with broker.client() as client:
            for ident, (seq, content) in receipts.items():
                memory = client.call("memory.get", id=ident)
                assert memory["version"] == seq and memory["content"] == content, ident
    finally:
        if broker.process is not None:
            broker.kill()


PARTS = {flipped_bits: 12, journal_gone: 1, corrupt_pages: 12, store_gone: 1, index_damaged: 12,
         vectors_cut_while_searching: 1, clock_jumps: 1, loop_mount: 1}


def run(place, options):
    """How many checks, and what was wrong."""
    rng, fixture = random.Random(options.seed), Fixture(place)
    checks, bad = 0, []
    for part, count in PARTS.items():
        began = time.monotonic()
        try:
            checks += sum(1 for _ in part(fixture, rng, count * (20 if options.long else 1)))
        except Exception as failure:  # pylint: disable=broad-except
            bad.append(f"{part.__name__}: {failure!r}"[:3000])
            print(bad[-1], flush=True)
        print(f"  {part.__name__}: {time.monotonic() - began:.0f} s", flush=True)
    return checks, bad
