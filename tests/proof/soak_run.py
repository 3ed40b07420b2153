"""The soak itself: the rig of the crash proof without kills, a director of faults, others beside the writers,
and samples."""
import os
import socket
import threading
import time
import uuid

import crash_rig
from ledger import Operation
from load import BROKEN
from wire import DEADLINE_S, RpcError, until
from writer import Writer

ROUND_S = 12        # of load; then all is checked
FAULT_S = 3.0       # how long the backend has one trouble
PACE_S = 0.02       # between two batches of a writer
PROBE_PACE_S = 0.03
RESTART_ROUNDS = 4  # with --restarts
FILL_FROM_S = 600   # longer runs begin with full caches: SQLite's grow with the database
FILL_PUTS, FILL_STEP, FILL_BATCH = 180_000, 15_000, 2_500
FAULTS = ["ok", "ok", "500", "503", "hang", "slow", "gone"]
RUDE_BYTES = [b"\xc1", b"{not json\n", b"\x94\x00\x01", b"\xdd\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n",
              b'{"id":1,"method":"memory.put","params":{"content":"half']
STATEMENTS = ["DROP TABLE memories", "DELETE FROM users", "rm -rf /var/lib/x", "MATCH (n) DETACH DELETE n"]


class Prober(Writer):
    """Plain puts one at a time, each of which is measured."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.latency_us = []

    def make_batch(self):
        time.sleep(PROBE_PACE_S)
        op = self.put()
        op.params.pop("expected_version", None)
        op.params.setdefault("content", f"probe {self.count}")
        return [op]

    def send(self, client, batch):
        began = time.monotonic()
        goes_on = super().send(client, batch)
        if len(batch) == 1:
            self.latency_us.append((began, (time.monotonic() - began) * 1e6))
        return goes_on


class Paced(Writer):
    def make_batch(self):
        time.sleep(PACE_S)
        return super().make_batch()


class Beside(threading.Thread):
    """Somebody who does one thing again and again, and survives what the broker does to it."""

    def __init__(self, soak, act):
        super().__init__(daemon=True)
        self.soak, self.act, self.failure = soak, act, None

    def run(self):
        while not self.soak.quiet.is_set():
            try:
                self.act()
            except (*BROKEN, RpcError):
                pass
            except Exception as failure:  # pylint: disable=broad-except
                self.failure = failure
                return


def size_of(path):
    if path.is_dir():
        return sum(one.stat().st_size for one in path.iterdir())
    return path.stat().st_size


class Soak(crash_rig.Rig):
    def __init__(self, seed, restarts):
        super().__init__(seed)
        self.restarts = restarts
        self.writers = [Paced(self.broker, self.ledger, f"w{n}", seed) for n in range(2)]
        self.prober = Prober(self.broker, self.ledger, "probe", seed)
        self.writers.append(self.prober)
        self.latency_us = self.prober.latency_us
        self.rss_kb, self.descriptors, self.threads = [], [], []
        self.wal_bytes, self.journal_bytes = [], []
        self.quiet, self.over = threading.Event(), threading.Event()
        self.released, self.mode = threading.Event(), "ok"
        self.began = self.ended = time.monotonic()
        self.faults = self.rude = self.searches = self.restarted = 0
        self.plain = self.broker.config.read_text()
        self.plain = self.plain.replace('plugin = n8n-webhook\n', 'plugin = n8n-webhook\ntimeout = 2s\n')
        self.broker.configure(self.plain)
        take = self.hook.answer
        self.hook.answer = lambda request: self.backend(request, take)

    # ---- the backend ----

    def backend(self, request, take):
        mode = self.mode
        if mode in ("500", "503"):
            return crash_rig.Answer(int(mode), "not now")
        if mode == "hang":
            self.released.wait(60)
            raise ConnectionResetError()  # nobody is answered
        if mode == "gone":
            raise ConnectionResetError()
        if mode == "slow":
            self.released.wait(0.2)
        return take(request)

    def direct(self):
        """One trouble after the other; now and then the config is read again."""
        self.mode = self.random.choice(FAULTS)
        self.faults += self.mode != "ok"
        self.released.clear()
        self.quiet.wait(FAULT_S)
        self.released.set()
        self.mode = "ok"
        more = f'[backend "second"]\nplugin = mirror-file\npath = {self.root / "second.ndjson"}\n'
        self.broker.configure(self.plain + (more if self.random.random() < 0.5 else ""))
        self.broker.process.send_signal(1)  # SIGHUP

    # ---- others ----

    def search(self):
        with self.broker.client() as client:
            for _ in range(20):
                client.call("memory.search", query=self.random.choice(["ünï", "probe", "w1 3", "none"]))
                client.call("memory.list", limit=20)
                client.call("stats")
                self.searches += 1
                if self.quiet.wait(0.05):
                    return

    def alarm(self):
        with self.broker.client("json") as client:
            client.call("guard.observe", statement=self.random.choice(STATEMENTS), session_id="rude")
            client.call("alert.ack", all=True)
        self.quiet.wait(0.5)

    def subscribe(self):
        with self.broker.client() as client:
            client.call("event.subscribe", from_seq=max(1, self.audited - 50))
            end = time.monotonic() + 2
            client.sock.settimeout(0.2)
            while time.monotonic() < end and not self.quiet.is_set():
                try:
                    self.next_notes(client)
                except TimeoutError:
                    pass
                client.notes.clear()

    def be_rude(self):
        """Half a frame, garbage, a reader that never reads, a drip, and many that only come and go."""
        kept = []
        for _ in range(12):
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(5)
            one.connect(self.broker.socket)
            kept.append(one)
            self.rude += 1
            if self.random.random() < 0.7:
                one.sendall(self.random.choice(RUDE_BYTES))
            else:  # asks and asks, and takes no answer
                one.sendall(b'{"id":1,"method":"memory.list","params":{"limit":200}}\n' * 20)
        for byte in b'{"id":2,"method":"stats"}':
            kept[-1].sendall(bytes([byte]))
            if self.quiet.wait(0.01):
                break
        for one in kept:
            one.close()
        self.quiet.wait(0.3)

    # ---- samples ----

    def sample(self):
        if self.broker.process is not None:
            now = time.monotonic()
            self.rss_kb.append((now, self.broker.rss_kb()))
            for samples, name in ((self.wal_bytes, "memferry.db-wal"), (self.journal_bytes, "journal")):
                samples.append((now, size_of(self.broker.state / name)))
        self.over.wait(1)

    def sample_at_rest(self):
        """Everybody has gone: what is open now is the broker's own."""
        until(lambda: self.broker.call("stats")["peers"]["now"] <= 1, "all to have gone")
        now = time.monotonic()
        self.descriptors.append((now, self.broker.descriptors()))
        self.threads.append((now, len(os.listdir(f"/proc/{self.broker.pid}/task"))))

    # ---- the run ----

    def fill_caches(self):
        """So many puts that the database is larger than what is kept of it in memory."""
        with self.broker.client() as client:
            for _ in range(FILL_PUTS // FILL_STEP):
                for _ in range(FILL_STEP // FILL_BATCH):
                    batch = [Operation("memory.put", {
                        "id": f"fill-{n % 72}", "content": "f" * 600, "event_id": str(uuid.uuid4())})
                        for n in range(FILL_BATCH)]
                    self.ledger.begin_batch(batch)
                    self.ledger.settle(batch, client.many([(op.method, op.params) for op in batch]))
                self.look_at_latest()
                self.level()
                self.ledger.fresh = []
                self.ledger.trim()
                self.broker.process.send_signal(1)  # prunes
        self.audited = max(self.ledger.changes)

    def run(self, seconds):
        self.broker.start()
        if seconds >= FILL_FROM_S:
            self.fill_caches()
        self.began = time.monotonic()
        sampler = threading.Thread(target=self.sample_on, daemon=True)
        sampler.start()
        rounds = 0
        while time.monotonic() < self.began + seconds:
            self.round(min(ROUND_S, self.began + seconds - time.monotonic()))
            rounds += 1
            if self.restarts and rounds % RESTART_ROUNDS == 0:
                self.broker.stop()
                self.broker_ended()
                self.start()
                self.restarted += 1
        self.ended = time.monotonic()
        self.over.set()
        sampler.join()
        self.end_well()
        print(f"{rounds} rounds: {self.ledger.receipts} receipts, {self.looked} versions read, "
              f"{self.flow.count + self.file.count} deliveries, {self.faults} troubles of the backend, "
              f"{self.searches} searches, {self.rude} rude clients, {self.restarted} restarts")

    def sample_on(self):
        while not self.over.is_set():
            try:
                self.sample()
            except (FileNotFoundError, ProcessLookupError, AttributeError):
                self.over.wait(1)  # it is being restarted

    def round(self, seconds):
        self.quiet.clear()
        others = [Beside(self, act) for act in (self.direct, self.search, self.alarm, self.subscribe,
                                                self.be_rude)]
        for one in (*others, *self.writers):
            one.start()
        self.quiet.wait(seconds)
        self.quiet.set()
        for writer in self.writers:
            writer.stop()
        self.join()
        for one in others:
            one.join(DEADLINE_S)
            assert not one.is_alive(), f"{one.act} hangs"
            if one.failure is not None:
                raise one.failure
        self.audit()
        self.sample_at_rest()
        self.ledger.trim()

    def reachable(self):
        try:
            return self.broker.call("backend.probe", name="flow")["reachable"]
        except RpcError:
            return False

    def end_well(self):
        """The model's state, in the broker and in both backends."""
        self.mode = "ok"
        self.look_at_latest()
        until(self.reachable, "the backend")
        self.level()
        self.broker.stop()
        self.check_files()
