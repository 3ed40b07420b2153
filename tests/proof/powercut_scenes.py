"""What is recorded for powercut.py: real programs at work, and what they may be held to afterwards."""
import itertools
import os
import random
import shutil
import signal

import msgpack

import disk_model
from command import Command
from harness import BUILD, Broker
from wire import MsgpackClient, floats, until

RECORDER = BUILD / "tests" / "proof" / "record_disk.so"
DIMS = 8
CONFIG = """[broker]
dims = {dims}
allow_purge = true
[journal]
segment_size = {segment}
[guard]
rapid_delete = 3 in 60s
[backend "mirror"]
plugin = mirror-file
path = {root}/sinks/mirror.ndjson
"""


def config_for(root, segment="1M"):
    return CONFIG.format(root=root, dims=DIMS, segment=segment)


class Scene:
    """One directory under the recorder: its broker, the log, and what was asked for by message id."""

    def __init__(self, name, place, segment="1M", base=None):
        self.name, self.segment = name, segment
        self.root = place / name
        self.root.mkdir(mode=0o700)
        self.disk = self.root / "disk"  # what is recorded is below
        self.base = base or self.root / "base"  # what is on it when recording begins
        if base is None:
            for folder in (self.base, self.base / "sinks", self.base / "home"):
                folder.mkdir(mode=0o700)
        shutil.copytree(self.base, self.disk)
        self.log = self.root / "log.record"
        self.calls = {}  # message id: (method, params)
        self.ids = itertools.count(1000)  # below are the harness's own
        self.broker = broker_in(self.root, self.disk, segment)
        self.broker.environment.update(LD_PRELOAD=str(RECORDER), RECORD_ROOT=str(self.disk),
                                       RECORD_LOG=str(self.log))
        self.command = None

    def client(self):
        client = MsgpackClient(self.broker.socket)
        client.ids = self.ids
        return client

    def ask(self, client, method, **params):
        ident = client.send(method, params)
        self.calls[ident] = method, params
        return ident

    def call(self, client, method, **params):
        return client.wait(self.ask(client, method, **params)).get()

    def records(self):
        return disk_model.read_log(self.log)


def broker_in(root, disk, segment="1M"):
    broker = Broker(root, config_for(disk, segment))
    broker.state = disk / "state"
    return broker


def receipts_of(scene, records):
    """[(index of the record that gave it away, method, params, result)] in that order."""
    streams, found = {}, []
    for index, record in enumerate(records, 1):
        if record.kind == disk_model.ACCEPT:
            streams[record.fd] = MsgpackClient.fresh()
        elif record.kind == disk_model.SEND:
            streams[record.fd].feed(record.data)
            for message in streams[record.fd]:
                if message[0] == 1 and message[1] in scene.calls and message[2] is None:
                    found.append((index, *scene.calls[message[1]], message[3]))
    return found


# ---- the load ----


class Load:
    """Writes of every kind by three connections; what one asks for does not depend on the others."""

    def __init__(self, scene, seed):
        self.scene, self.rng = scene, random.Random(seed)
        self.count = 0
        self.live = []

    def put(self, client):
        self.count += 1
        size = self.rng.choice([10, 100, 600, 600, 4000, 20000])
        params = {"id": f"m{self.count}", "content": f"{self.count} " + "c" * size}
        if self.rng.random() < 0.3:
            params["embedding"] = floats([self.rng.random() for _ in range(DIMS)])
        if self.rng.random() < 0.3:
            params["session_id"] = f"s{self.count % 5}"
        self.live.append(params["id"])
        return self.scene.ask(client, "memory.put", **params)

    def change(self, client):
        """Anything else, about what is there."""
        self.count += 1
        n, ident = self.count, self.rng.choice(self.live)
        ask = self.scene.ask
        choice = self.rng.randrange(8)
        if choice < 2:
            return ask(client, "memory.put", id=ident, content=f"{n} again", tags=["t"])
        if choice == 2:
            return ask(client, "memory.delete", id=self.live[self.rng.randrange(len(self.live))])
        if choice == 3:
            return ask(client, "memory.restore", ids=[ident])
        if choice == 4:
            return ask(client, "memory.import", memories=[
                {"id": f"i{n}-{k}", "content": f"imported {n} {k}", "created_ms": 1000, "stamp": n,
                 "origin": "5d0f6dd0-0000-4000-8000-000000000001"} for k in range(3)])
        if choice == 5:
            return ask(client, "session.begin", session_id=f"begun-{n}", agent="a")
        if choice == 6:
            return ask(client, "guard.observe", statement=f"DROP TABLE t{n}", language="sql",
                       session_id=f"guarded-{n}")
        return ask(client, "memory.put", id=f"d{n}", content=f"{n} delivered", wait="delivered")

    def rounds(self, count, per_client=6):
        with self.scene.client() as a, self.scene.client() as b, self.scene.client() as c:
            for _ in range(count):
                asked = [(client, (self.change if self.live and self.rng.random() < 0.25
                                   else self.put)(client))
                         for client in (a, b, c) for _ in range(per_client)]
                for client, ident in asked:
                    client.wait(ident)

    def purge(self):
        with self.scene.client() as client:
            self.scene.call(client, "memory.put", id="secret", content="purged afterwards")
            self.scene.call(client, "memory.purge", ids=["secret"])

    def search(self):
        """The index is level, and so written."""
        with self.scene.client() as client:
            until(lambda: "behind" not in client.call("memory.search", query="delivered"),
                  "an index that is level")

    def back_up(self, name, **more):
        with self.scene.client() as client:
            self.scene.call(client, "store.backup", path=str(self.scene.disk / name), **more)


# ---- the scenes ----


def record_broker(place, seed, rounds):
    """Starts, load, a backup, stops with its checkpoint, the recycling after it, a kill."""
    scene = Scene("broker", place)
    load = Load(scene, seed)
    scene.broker.start()
    load.rounds(rounds)
    load.purge()
    load.search()
    scene.broker.stop()
    scene.broker.start()
    load.rounds(rounds // 2)
    load.back_up("backup.db")
    with scene.client() as client:
        scene.call(client, "backend.pause", name="mirror")
        scene.call(client, "backend.resume", name="mirror")
        scene.call(client, "session.end", session_id="s1", reason="done")
    load.rounds(rounds // 2)
    load.back_up("backup.db", replace=True)
    scene.broker.restart()
    load.rounds(rounds)
    load.search()
    scene.broker.kill()
    return scene


def record_checkpoint(place, seed, rounds):
    """A WAL so large that the store is checkpointed under load, and segments are written again."""
    scene = Scene("checkpoint", place, segment="4M")
    rng = random.Random(seed)
    scene.broker.start()
    with scene.client() as client:
        for n in range(rounds):
            asked = [scene.ask(client, "memory.put", id=f"m{n}-{k}",
                               content=f"{n}-{k} " + rng.choice("cde") * size)
                     for k, size in enumerate((1_000_000, 200, 30_000, 200))]
            for ident in asked:
                client.wait(ident).get()
    scene.broker.kill()
    return scene


def record_from_backup(place, source):
    """`source` is the disk of a scene that was left behind, with backup.db on it."""
    base = place / "backup-base"
    base.mkdir(mode=0o700)
    for folder in ("sinks", "home"):
        (base / folder).mkdir(mode=0o700)
    shutil.copyfile(source / "backup.db", base / "backup.db")
    scene = Scene("from_backup", place, base=base)
    done = scene.broker.run("--from-backup", str(scene.disk / "backup.db"))
    assert done.returncode == 0, done
    return scene


def record_recover(place, source):
    """An empty state directory, and the mirror of one that was lost."""
    base = place / "recover-base"
    (base / "home").mkdir(mode=0o700, parents=True)
    shutil.copytree(source / "sinks", base / "sinks")
    scene = Scene("recover", place, base=base)
    scene.broker.start()
    recover(scene.broker)
    scene.broker.kill()
    return scene


def recover(broker):
    with broker.client() as client:
        if client.call("backend.recovery")["state"] != "running":
            client.call("backend.recover", name="mirror", merge=True)

        def done():
            told = client.call("backend.recovery")
            assert told["state"] != "failed", told
            return told["state"] == "done"

        until(done, lambda: f"the recovery: {client.call('backend.recovery')}")


def session_command(scene_or_broker, disk, **environment):
    command = Command(scene_or_broker)
    command.environment.update(MEMFERRY_SESSION_FILE=str(disk / "home" / "session"),
                               MEMFERRY_NO_START="1", **environment)
    return command


def record_session(place):
    """The session file, by the command, without a broker."""
    scene = Scene("session", place)
    recording = {n: scene.broker.environment[n] for n in ("LD_PRELOAD", "RECORD_ROOT", "RECORD_LOG")}
    command = session_command(scene.broker, scene.disk, **recording)
    scene.told = []
    for line in (["current"], ["begin"], ["current"], ["end"], ["current"], ["begin"]):
        done = command.run("session", *line)
        scene.told.append((len(scene.records()), line[0], done.stdout.split()[:1]))
    return scene


def clean(environment):
    return {n: v for n, v in environment.items()
            if n not in ("LD_PRELOAD", "RECORD_ROOT", "RECORD_LOG")}


def check_recorder_is_complete(place):
    """By strace: no call that changes a file below the root passes by the recorder. None: no strace."""
    if shutil.which("strace") is None:
        return None
    scene = Scene("strace", place)
    trace = scene.root / "trace"
    command = scene.broker.command
    scene.broker.command = lambda *more: ["strace", "-f", "-qq", "-y", "-o", str(trace), "-e",
                                          "trace=write,pwrite64,writev,pwritev,pwritev2,ftruncate,"
                                          "fallocate,copy_file_range,sendfile,msync",
                                          "-E", f"LD_PRELOAD={RECORDER}", *command(*more)]
    environment, scene.broker.environment = scene.broker.environment, clean(
        scene.broker.environment)
    for name in ("RECORD_ROOT", "RECORD_LOG"):
        scene.broker.environment[name] = environment[name]
    load = Load(scene, "strace")
    scene.broker.start()
    load.rounds(3)
    load.search()
    load.back_up("backup.db")
    with scene.client() as client:
        os.kill(client.call("hello")["pid"], signal.SIGTERM)
    scene.broker.wait_end()
    disk = f"<{os.path.realpath(scene.disk)}/"
    changed = sum(disk in line and " = -1 E" not in line
                  for line in trace.read_text(errors="replace").splitlines())
    kinds = (disk_model.WRITE, disk_model.TRUNCATE, disk_model.RESERVE)
    logged = sum(r.kind in kinds for r in scene.records())
    return changed, logged
