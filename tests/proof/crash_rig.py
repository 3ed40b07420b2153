"""One broker that is killed again and again, its clients, its two sinks, and what it owes them."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from command import Command
from harness import Broker, all_memories, die_with_parent
from ledger import Ledger, Operation, Sink
from load import BROKEN
from receiver import SECRET, Answer, Receiver, section
from wire import DEADLINE_S, RpcError, until
from writer import Writer

KEEP = 12
WRITERS = 3
FULL_EVERY = 10     # kills between two looks at everything
CHECK_EVERY = 6     # ... at the files, with --check-journal
LEVEL_EVERY = 20    # ... at the sinks
RECOVERY_KILLS = 3  # of one recovery
BULK_BYTES = 600_000
CONFIG = f"[journal]\nsegment_size = 1M\n[history]\nkeep = {KEEP}\n"
STAGES = {"load": 18, "checkpoint": 1, "backup": 4, "prune": 3, "stop": 6, "start": 8, "recover": 1,
          "restore": 3}  # of one deal


class Hook(Receiver):
    """The HTTP sink. It knows when everything that a dead broker has sent was taken."""

    def __init__(self, sink):
        super().__init__(SECRET)
        self.sink, self.open, self.failure = sink, 0, None
        self.counting, self.answer = threading.Condition(), self.take_memory
        take_on, let_go = self.server.process_request, self.server.shutdown_request

        def counted(request, address):
            with self.counting:
                self.open += 1
            take_on(request, address)

        def uncounted(request):
            let_go(request)
            with self.counting:
                self.open -= 1
                self.counting.notify_all()

        self.server.process_request, self.server.shutdown_request = counted, uncounted
        self.server.handle_error = self.handler_failed

    def handler_failed(self, *_):
        """Who asked was killed; anything else is a mistake of ours."""
        failure = sys.exc_info()[1]
        if not isinstance(failure, OSError):
            self.failure = self.failure or failure

    def take_memory(self, request):
        with self.counting:
            self.requests.clear()
            if request.op in ("put", "delete"):
                try:
                    self.sink.take(request.body)
                except AssertionError as failure:
                    self.failure = self.failure or failure
        return Answer()

    def drained(self):
        """Once its broker is dead: a connection behind all others comes to be answered, and none is
        left."""
        with contextlib.suppress(OSError), contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", self.port)) as last:
            last.request("POST", "/", b"{}", {"Content-Length": "2"})
            last.getresponse().read()
        with self.counting:
            assert self.counting.wait_for(lambda: self.open == 0, DEADLINE_S), "a connection stays"
        if self.failure is not None:
            raise self.failure
        whole = [r for r in self.refused if int(r.headers["content-length"]) == len(r.raw)]
        assert all(r.raw == b"{}" for r in whole), "a bad signature"
        self.refused.clear()


class Mirror:
    """The mirror file, read on from where the last look ended. It may have been rotated since: what was
    open stays open until all of it was read."""

    def __init__(self, path, sink):
        self.path, self.sink, self.file = path, sink, None

    def read(self):
        while self.path.exists() or self.file is not None:
            if self.file is None:
                self.file = open(self.path, "rb")  # pylint: disable=consider-using-with
            rotated = os.fstat(self.file.fileno()).st_ino != self.path.stat().st_ino
            self.read_lines()
            if not rotated:
                return
            self.close()

    def read_lines(self):
        """Whole ones: a torn line is cut off by the next start."""
        at = self.file.tell()
        data = self.file.read()
        whole = data.rfind(b"\n") + 1
        self.file.seek(at + whole)
        for line in data[:whole].split(b"\n")[:-1]:
            self.sink.take(json.loads(line))

    def close(self):
        if self.file is not None:
            self.file.close()
        self.file = None


class Rig:
    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(seed)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mf-crash-", dir="/tmp"))
        self.ledger = Ledger(KEEP)
        self.flow, self.file = Sink("flow"), Sink("mirror")
        self.hook = Hook(self.flow)
        self.mirror = Mirror(self.root / "mirror.ndjson", self.file)
        self.broker = Broker(
            self.root, CONFIG + section(self.hook, secret_env="CRASH_SECRET") +
            f'[backend "mirror"]\nplugin = mirror-file\npath = {self.mirror.path}\n',
            CRASH_SECRET=SECRET, MEMFERRY_NO_START="1")
        self.writers = [Writer(self.broker, self.ledger, f"w{n}", seed) for n in range(WRITERS)]
        self.kills = dict.fromkeys(STAGES, 0)
        self.backup, self.backup_seq, self.backups = self.root / "backup.db", 0, 0
        self.start_s, self.audited, self.audits, self.levels = 0.1, 0, 0, 0
        self.looked = self.deliveries = 0
        self.deck, self.notes = [], []  # what is to be done, and what was done, for who reads of a failure

    def __enter__(self):
        return self

    def __exit__(self, kind, failure, _):
        if self.broker.process is not None:
            self.broker.process.kill()
            self.broker.process.wait()
        self.hook.close()
        self.mirror.close()
        if kind is None:
            shutil.rmtree(self.root, ignore_errors=True)
            return
        print(f"season {self.seed}, after {sum(self.kills.values())} kills, the last of them: "
              f"{' '.join(self.notes[-12:])}\nall that is left of it is in {self.root}", file=sys.stderr)

    def run(self, kills):
        while sum(self.kills.values()) < kills:
            stage = self.next_stage()
            if stage != "start" and self.broker.process is None:
                self.start()
            self.notes.append(stage)
            getattr(self, f"kill_in_{stage}")()
        if self.broker.process is None:
            self.start()
        self.look_at_everything()
        self.level()
        self.broker.stop()
        self.check_files()
        return {"kills": self.kills, "receipts": self.ledger.receipts, "versions read": self.looked,
                "deliveries": self.flow.count + self.file.count,
                "of them again": self.flow.repeats + self.file.repeats,
                "audits of everything": self.audits,
                "of the sinks": self.levels, "backups": self.backups}

    def next_stage(self):
        if not self.deck:
            self.deck = [stage for stage, count in STAGES.items() for _ in range(count)]
            self.random.shuffle(self.deck)
        return self.deck.pop()

    # ---- kills ----

    def killed(self, stage):
        self.kills[stage] += 1
        self.broker_ended()

    def broker_ended(self):
        """The broker is gone: nothing more comes from it. What it had under way may come again."""
        self.hook.drained()
        self.mirror.read()
        self.flow.life += 1
        self.file.life += 1

    def kill(self, stage):
        self.broker.kill()
        self.join()
        self.killed(stage)
        if sum(self.kills.values()) % CHECK_EVERY == 0:
            self.check_files()

    def join(self):
        for writer in self.writers:
            writer.join()

    def load(self, receipts):
        """The writers, until there are so many more receipts."""
        goal = self.ledger.receipts + receipts
        for writer in self.writers:
            writer.start()
        until(lambda: self.ledger.receipts >= goal or any(w.failure for w in self.writers),
              f"{receipts} receipts")

    def a_moment(self, longest_s):
        """The instant of the kill is what is random here: nothing is waited for."""
        time.sleep(self.random.random() * longest_s)

    def kill_in_load(self):
        self.load(self.random.randrange(120))
        self.a_moment(0.004)
        self.kill("load")

    def kill_in_stop(self):
        self.load(self.random.randrange(80))
        self.broker.process.send_signal(signal.SIGTERM)
        self.wait_writing_back()
        self.a_moment(0.005 if self.random.random() < 0.7 else 0)
        stopping = self.broker.process.poll() is None
        self.broker.kill()
        self.join()
        if stopping:
            self.killed("stop")
        else:
            self.broker_ended()

    def kill_in_start(self):
        """Once or several times in a row; the first makes an end of who runs."""
        if self.broker.process is not None:
            self.load(self.random.randrange(120))
            self.kill("load")
        for _ in range(self.random.choice([1, 1, 2, 4])):
            before = len(self.broker.log_text())
            self.broker.start(wait=False)
            try:
                self.broker.process.wait(self.random.random() * self.start_s * 1.1)
                raise AssertionError(f"it ended: {self.broker.log_text()[-2000:]}")
            except subprocess.TimeoutExpired:
                self.broker.kill()
            started = "started: " in self.broker.log_text()[before:]
            self.killed("load" if started else "start")

    def kill_in_prune(self):
        self.load(self.random.randrange(80))
        self.broker.process.send_signal(signal.SIGHUP)
        self.a_moment(0.02)
        self.kill("prune")

    def writing_back(self):
        """The database is written when the WAL is, and only then."""
        try:
            return (self.broker.state / "memferry.db").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def wait_writing_back(self):
        before = self.writing_back()
        while self.writing_back() == before and self.broker.process.poll() is None:
            pass

    def kill_in_checkpoint(self):
        """Large puts until the WAL is full, beside the writers."""
        before = self.writing_back()
        with self.broker.client() as client:
            self.load(0)
            while self.writing_back() == before:
                batch = [self.bulk() for _ in range(4)]
                self.ledger.begin_batch(batch)
                waiting = [client.send(op.method, op.params) for op in batch]
                self.ledger.settle(batch, [client.wait(n) for n in waiting])
        self.a_moment(0.03)
        self.kill("checkpoint")

    def bulk(self):
        return Operation("memory.put", {
            "id": f"bulk-{self.random.randrange(4)}", "event_id": str(uuid.uuid4()),
            "content": f"{self.random.random()}" + "b" * BULK_BYTES})

    # ---- backups ----

    def kill_in_backup(self):
        self.load(self.random.randrange(80))
        owed = max(self.ledger.changes, default=0)
        part = self.backup.with_name(self.backup.name + ".part")
        old, told = part.stat().st_ino if part.exists() else 0, []

        def ask():
            with contextlib.suppress(*BROKEN):
                told.append(self.broker.call("store.backup", path=str(self.backup), replace=True))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        until(lambda: told or not asking.is_alive() or
              (part.exists() and part.stat().st_ino != old), "the backup to begin")
        self.a_moment(0.02)
        self.kill("backup")
        asking.join(DEADLINE_S)
        self.start()
        if told:
            assert told[0]["seq"] >= owed, (told, owed)
            self.backup_seq, self.backups = owed, self.backups + 1
        self.check_backup(self.backup)

    def check_backup(self, path):
        """If there is one: it is whole, and has what had its receipt when it was begun."""
        if not path.exists():
            assert self.backup_seq == 0, "the backup is gone"
            return
        done = self.broker.run("--check-journal", str(path))
        assert done.returncode == 0, done
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (seq,), = database.execute("select max(seq) from event")
            found = dict(database.execute("select id, version from memory"))
        assert seq >= self.backup_seq, (seq, self.backup_seq)
        owed = {i: max((v.seq for v in versions if v.seq <= seq), default=None)
                for i, versions in self.ledger.versions.items()}
        assert found == {i: v for i, v in owed.items() if v is not None}, seq

    def kill_in_restore(self):
        """Begun again by the same command it comes to its end. The last that it does is to give the
        store its name: killed after that it is done, and says so when it is begun again."""
        place = self.root / "from-backup"
        if not self.backup.exists():
            return
        command = ["--state-dir", str(place), "--from-backup", str(self.backup)]
        for _ in range(2):
            one = subprocess.Popen(self.broker.command(*command), env=self.broker.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=die_with_parent)
            self.a_moment(0.08)
            if one.poll() is None:
                one.kill()
                self.kills["restore"] += 1
            if one.wait(DEADLINE_S) == 0:
                break
        else:
            complete = (place / "memferry.db").exists()
            done = self.broker.run(*command)
            assert done.returncode == (os.EX_CANTCREAT if complete else 0), done
        self.check_backup(place / "memferry.db")
        shutil.rmtree(place)

    # ---- a lost journal ----

    def kill_in_recover(self):
        self.level()
        self.broker.kill()
        self.killed("load")
        self.look_at_sinks()
        lost = self.root / "lost"
        self.broker.state.rename(lost)
        shutil.rmtree(lost)
        self.broker.start()
        command = Command(self.broker)
        for _ in range(RECOVERY_KILLS):
            asking = command.start("recover", "--from", "mirror")
            until(lambda one=asking: one.poll() is not None or self.recovery() != "none", "its begin")
            self.a_moment(0.06)
            running = self.recovery() == "running"
            self.broker.kill()
            asking.wait(DEADLINE_S)
            self.killed("recover" if running else "load")
            self.broker.start()
            if self.recovery() == "none":
                break  # done, and written down
        if self.recovery() != "none" or not all_memories(self.broker.client()):
            command.ok("recover", "--from", "mirror")
        with self.broker.client() as client:
            self.ledger.rebase(all_memories(client))
        self.audited, self.backup_seq = max(self.ledger.changes, default=0), 0
        self.backup.unlink(missing_ok=True)
        for writer in self.writers:
            writer.again, writer.sessions = [], {}
        self.look_at_everything()
        self.level()

    def recovery(self):
        return self.broker.call("backend.recovery")["state"]

    # ---- looking ----

    def start(self):
        began = time.monotonic()
        self.broker.start()
        self.start_s = 0.8 * self.start_s + 0.2 * (time.monotonic() - began)
        self.audit()
        kills = sum(self.kills.values())
        if kills // FULL_EVERY > self.audits:
            self.look_at_everything()
        if kills // LEVEL_EVERY > self.levels:
            self.level()

    def events(self, client, after):
        """All events of memories behind a seq. A put of our own is the mark where they end."""
        mark = Operation("memory.put", {"id": "mark", "content": "m", "event_id": str(uuid.uuid4())})
        self.ledger.begin_batch([mark])
        receipt = client.wait(client.send(mark.method, mark.params))
        with self.broker.client() as subscriber:
            subscriber.call("event.subscribe", from_seq=after + 1,
                            kinds=["put", "delete", "restore", "import"])
            found = []
            while not found or found[-1]["seq"] < receipt.get()["seq"]:
                self.next_notes(subscriber)
                found += [note[2][0] for note in subscriber.notes]
                subscriber.notes.clear()
        return mark, receipt, found

    @staticmethod
    def next_notes(client):
        for message in client.unpacker:
            client.notes.append(message)
        if not client.notes:
            client.unpacker.feed(client.sock.recv(1 << 20))

    def audit(self):
        """What there is behind the last audit, against what is owed."""
        with self.broker.client() as client:
            mark, receipt, events = self.events(client, self.audited)
            happened = self.ledger.check_events(events)
            again = self.ledger.settle_cut(happened)
            self.ledger.settle([mark], [receipt])
            self.ledger.check_there(happened, self.audited)
            self.look_at_fresh(client)
            for writer in self.writers:
                writer.again = [op for op in again if op.params["id"] in writer.idents]
                writer.check_sessions(client)
        self.audited = max(self.ledger.changes)
        self.look_at_sinks()

    def look_at_fresh(self, client):
        fresh, self.ledger.fresh = self.ledger.fresh, []
        step = 8 if any(len(c.state["content"]) > 100_000 for c in fresh) else 500
        for at in range(0, len(fresh), step):
            some = fresh[at:at + step]
            for change, reply in zip(some, client.many(
                    [("memory.get", {"id": c.ident, "version": c.seq}) for c in some])):
                gone = reply.error is not None and reply.error["name"] == "not_found"
                self.ledger.look(change, None if gone else reply.get())
        self.looked += len(fresh)

    def look_at_sinks(self):
        self.mirror.read()
        with self.hook.counting:
            for sink in (self.flow, self.file):
                sink.check(self.ledger)
                sink.check_told(self.ledger)
        self.ledger.delivered.clear()

    def look_at_latest(self):
        with self.broker.client() as client:
            self.ledger.check_latest(all_memories(client))

    def look_at_everything(self):
        self.audits += 1
        with self.broker.client() as client:
            mark, receipt, events = self.events(client, 0)
            self.ledger.settle([mark], [receipt])
            self.ledger.check_there(self.ledger.check_events(events))
            self.ledger.check_latest(all_memories(client))

    def level(self):
        """The lanes flushed: each sink has the latest version of everything."""
        self.levels += 1
        self.broker.call("backend.flush", timeout_ms=int(DEADLINE_S * 1000))
        self.look_at_sinks()
        with self.hook.counting:
            self.flow.check_level(self.ledger)
            self.file.check_level(self.ledger)

    def check_files(self):
        done = self.broker.run("--check-journal")
        assert done.returncode == 0 and "all is well" in done.stdout, done
