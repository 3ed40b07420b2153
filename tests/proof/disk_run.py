"""One run of the real memferryd on a disk that fails, and the check of its receipts on a good one."""
import ctypes
import errno
import mmap
import os
import shutil
import signal

import harness
import powercut
from harness import BUILD
from powercut_scenes import DIMS, broker_in, clean
from wire import Closed, RpcError, floats, until

BREAKER = BUILD / "tests" / "proof" / "break_disk.so"
KINDS = {"open": 1, "write": 2, "sync": 4, "read": 8, "size": 16, "name": 32}
# What protocol.md promises of a disk that fails. The others are for what is read, and for backups.
PROMISED = {"storage_full", "storage_failed", "busy", "unavailable", "timeout"}
EX_OK, EX_IOERR = 0, 74
REFUSED = {71, 73, 74, 78}  # a start that says why
# What cannot be read is no promise broken; protocol.md has `internal` for it.
MORE = {m: {"internal"} for m in ("memory.get", "memory.list", "memory.search", "memory.restore",
                                  "session.begin", "backend.pause", "backend.resume")}
MORE["store.backup"] = {"internal", "invalid_params"}
BROKEN = (Closed, ConnectionError, FileNotFoundError)
NEVER = 1 << 40
LARGE = 300_000
FULL_S = 14  # SQLite alone may wait for 10 s


class Control(ctypes.Structure):
    _fields_ = [("kinds", ctypes.c_uint32), ("error", ctypes.c_int32),
                ("countdown", ctypes.c_int64), ("calls", ctypes.c_uint64),
                ("failed", ctypes.c_uint64), ("lasting", ctypes.c_uint32),
                ("half", ctypes.c_uint32), ("clock_ms", ctypes.c_int64),
                ("match", ctypes.c_char * 64)]


class Wrong(AssertionError):
    """What must not be."""


def script(root):
    """Every kind of write, over more than one segment, reads between, and a backup."""
    yield "memory.put", {"id": "m1", "content": "one, a lighthouse",
                         "embedding": floats([0.5] * DIMS)}
    yield "memory.put", {"id": "m2", "content": "two", "session_id": "s"}
    yield "memory.put", {"id": "m1", "content": "one again"}
    yield "memory.delete", {"id": "m2"}
    yield "memory.restore", {"ids": ["m2"]}
    for n in range(4):
        yield "memory.put", {"id": f"large{n}", "content": f"{n}" * LARGE}
    yield "memory.get", {"id": "old1"}
    yield "memory.search", {"query": "lighthouse"}
    yield "session.begin", {"session_id": "begun", "agent": "a"}
    yield "guard.observe", {"statement": "DROP TABLE t", "language": "sql"}
    yield "backend.pause", {"name": "mirror"}
    yield "backend.resume", {"name": "mirror"}
    yield "store.backup", {"path": f"{root}/disk/backup.db"}
    yield "memory.put", {"id": "d1", "content": "delivered", "wait": "delivered",
                         "timeout_ms": 1000}
    yield "memory.list", {}
    yield "memory.put", {"id": "last", "content": "last"}


class Run:
    def __init__(self, root, template=None):
        self.root = root
        self.disk = root / "disk"
        self.receipts, self.asked = [], {}
        if template:
            shutil.copytree(template.disk, self.disk)
            self.receipts, self.asked = list(template.receipts), dict(template.asked)
        else:
            for folder in (self.disk, self.disk / "sinks", self.disk / "home"):
                folder.mkdir(mode=0o700)
        self.broker = broker_in(root, self.disk)
        with open(root / "control", "w+b") as file:
            file.truncate(4096)
            self.map = mmap.mmap(file.fileno(), 4096)
        self.control = Control.from_buffer(self.map)
        self.control.countdown = NEVER

    def breakable(self):
        self.broker.environment.update(LD_PRELOAD=str(BREAKER), BREAK_ROOT=str(self.disk),
                                       BREAK_CONTROL=str(self.root / "control"))
        return self

    def arm(self, kinds, error, countdown, lasting=False, half=False, match=""):
        it = self.control
        it.kinds = sum(KINDS[k] for k in kinds.split())
        it.error = getattr(errno, error) if error else 0
        it.lasting, it.half, it.match = lasting, half, match.encode()
        it.calls = it.failed = 0
        it.countdown = countdown

    def heal(self):
        self.control.kinds = 0

    # ---- the run ----

    def start(self):
        """False: it refused to, and said why."""
        self.broker.start(wait=False)
        process = self.broker.process

        def ready():
            if process.poll() is not None:
                return "ended"
            try:
                with self.broker.client() as client:
                    return client.call("hello")
            except BROKEN:
                return None

        if until(ready, lambda: f"a start\n{self.broker.log_text()[-3000:]}") != "ended":
            return True
        code = self.broker.wait_end()
        self.hold(code in REFUSED and " error " in self.broker.log_text(),
                  f"a start ended with {code}")
        return False

    def hold(self, condition, text):
        if not condition:
            raise Wrong(f"{text}\n{self.broker.log_text()[-2500:]}")

    def call(self, client, method, params):
        if method == "memory.put":
            self.asked.setdefault(params["id"], set()).add(params["content"])
        try:
            self.receipts.append((0, method, params, self.answer(client, method, params)))
        except RpcError as failure:
            allowed = PROMISED | MORE.get(method, set())
            self.hold(failure.name in allowed or (failure.name == "not_found" and method not in (
                "memory.get", "memory.put")), f"{method} is answered {failure}")

    def answer(self, client, method, params):
        """What is journaled already waits for its apply, and that for room: it comes when there is."""
        ident = client.send(method, params)
        client.sock.settimeout(FULL_S)
        try:
            return client.wait(ident).get()
        except TimeoutError:
            self.hold(self.control.error == errno.ENOSPC and self.control.failed,
                      f"{method} hangs")
            self.heal()
            client.sock.settimeout(client.deadline_s)
            return client.wait(ident).get()

    def play(self, steps):
        """False: the broker ended on the way."""
        try:
            with self.broker.client() as client:
                for method, params in steps:
                    self.call(client, method, params)
        except BROKEN:
            return False
        return self.broker.process.poll() is None

    def go(self):
        if not self.start():
            return "starts refused"
        alive = self.play(script(self.root))
        self.heal()
        if alive:
            alive = self.recovers()
        if alive:
            self.broker.process.send_signal(signal.SIGTERM)
        code = self.broker.wait_end()
        self.broker.check_log()
        self.hold(code in (EX_OK, EX_IOERR) if alive else code == EX_IOERR, f"it ended with {code}")
        return "went on" if alive else "stopped by themselves"

    def recovers(self):
        """On a good disk again a put is taken, sooner or later; or the broker has ended."""
        def taken():
            try:
                with self.broker.client() as client:
                    self.call(client, "memory.put", {"id": "healed", "content": "healed"})
                    return any(r[2].get("id") == "healed" for r in self.receipts)
            except BROKEN:
                return self.broker.process.poll() is not None

        until(taken, lambda: f"a put to be taken again\n{self.broker.log_text()[-3000:]}")
        return self.broker.process.poll() is None

    # ---- afterwards ----

    def check_afterwards(self):
        self.broker.environment = clean_of_breaker(self.broker.environment)
        backup = self.disk / "backup.db"
        if backup.exists():
            done = self.broker.run(f"--check-journal={backup}")
            self.hold(done.returncode == 0, f"the backup is not whole: {done}")
        self.broker.start()
        with self.broker.client() as client:
            told = powercut.check_versions(client, self.receipts)
            powercut.check_others(client, self.receipts, self.root)
            for ident, memory in harness.all_memories(client).items():
                self.hold(memory["content"] in self.asked.get(ident, ()), f"{ident} was never asked")
            seq = client.call("memory.put", id="behind", content="x")["seq"]
            self.hold(seq > told, f"seq {seq} was given before")
        powercut.check_delivered(self.receipts, self.root)
        self.broker.stop()

    def end(self):
        if self.broker.process is not None:
            self.broker.process.kill()
            self.broker.wait_end()
        del self.control
        self.map.close()


def clean_of_breaker(environment):
    return {n: v for n, v in clean(environment).items() if not n.startswith("BREAK_")}


def make_template(place):
    """A state directory whose newest events are in the journal alone, as a power cut leaves it."""
    root = place / "template"
    root.mkdir(mode=0o700)
    run = Run(root)
    run.broker.start()
    run.play([("memory.put", {"id": f"old{n}", "content": f"old {n}"}) for n in range(20)])
    run.broker.restart()
    run.play([("memory.put", {"id": f"new{n}", "content": f"new {n}"}) for n in range(20)])
    run.broker.kill()
    for ending in ("-wal", "-shm"):
        os.unlink(f"{run.disk}/state/memferry.db{ending}")
    return run


def count_calls(place, template, kinds, match):
    """How many calls a run without faults makes."""
    root = place / f"count-{kinds.replace(' ', '-')}-{match.replace('/', '')}"
    root.mkdir(mode=0o700)
    run = Run(root, template).breakable()
    run.arm(kinds, None, NEVER, match=match)
    run.hold(run.start() and run.play(script(root)), "a run without faults")
    calls = run.control.calls
    run.broker.stop()
    run.end()
    shutil.rmtree(root)
    return calls
