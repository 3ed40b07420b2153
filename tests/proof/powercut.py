#!/usr/bin/env python3
"""Cuts the power at every step, and holds what is left to the receipts that were given before.

The real memferryd runs under record_disk.so, which writes down what it does to its files and what it
sends to its clients, in one order. At a point of that order the power is cut: of what was not synced
the disk keeps any part (disk_model.py tells which it may). The real memferryd then opens what is left,
and must hold every event whose receipt had been given, with its exact content; nothing that was never
asked for; a journal without damage; and take the next put. Then it is cut again, within its start.

Short by default. --long cuts at every operation, in every way. A state that fails is kept: its place
and the way to it are printed.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import disk_model  # noqa: E402
import harness  # noqa: E402
import powercut_scenes as scenes  # noqa: E402
from wire import RpcError, until  # noqa: E402

WAYS = ("nothing", "all", "torn", "prefix", "random", "random", "stale")
FAILURES_MAX = 5
BEHIND = "behind the cut"


class Found(AssertionError):
    """What must not be."""


def hold(condition, text):
    if not condition:
        raise Found(text() if callable(text) else text)


# ---- what a broker is held to ----


class Wanted:
    """What was asked for at all, and the receipts, each with the record that gave it away."""

    def __init__(self, scene, records):
        self.receipts = scenes.receipts_of(scene, records)
        self.asked = collections.defaultdict(set)
        for method, params in scene.calls.values():
            for memory in params.get("memories", [params]):
                if method in ("memory.put", "memory.import"):
                    self.asked[memory["id"]].add(memory["content"])

    def before(self, point):
        return [r for r in self.receipts if r[0] <= point]


def versions_of(method, params, result):
    """[(id, version, content or None for any, deleted)] that a receipt speaks of."""
    if method == "memory.put":
        return [(params["id"], result["seq"], params["content"], False)]
    if method == "memory.delete":
        return [(params["id"], result["seq"], None, True)]
    if method == "memory.restore":
        return [(m["id"], m["version"], None, False) for m in result["memories"] if "version" in m]
    return []


def check_versions(client, receipts):
    wanted = [v for _, *r in receipts for v in versions_of(*r) if v[0] != "secret"]
    replies = client.many([("memory.get", {"id": i, "version": v}) for i, v, _, _ in wanted])
    for (ident, version, content, deleted), reply in zip(wanted, replies):
        hold(reply.error is None, lambda: f"{ident} version {version} had a receipt: {reply.error}")
        memory = reply.result
        hold(content is None or memory["content"] == content, f"{ident} version {version} is another")
        hold(bool(memory.get("deleted_ms")) == deleted, f"{ident} version {version} is not {deleted=}")
    return max((v[1] for v in wanted), default=0)


def check_others(client, receipts, root):
    """Receipts of what is no version."""
    calls, checks = [], []
    alerts = None
    for _, method, params, result in receipts:
        if method == "memory.import":
            for memory in params["memories"]:
                calls.append(("memory.get", {"id": memory["id"]}))
                checks.append(lambda r, m=memory: r.error is None and
                              r.result["content"] == m["content"])
        elif method == "memory.purge":
            calls.append(("memory.history", {"id": params["ids"][0]}))
            checks.append(lambda r: r.error is None and [v["op"] for v in r.result["versions"]] ==
                          ["purge"])
        elif method == "session.begin":
            calls.append(("session.get", {"session_id": params["session_id"]}))
            checks.append(lambda r: r.error is None and r.result["agent"] == "a")
        elif method == "guard.observe":
            if alerts is None:
                alerts = all_alerts(client)
            for alert in result["alerts"]:
                hold(alert["id"] in alerts, f"alert {alert} had a receipt")
        elif method == "store.backup":
            hold(os.path.exists(f"{root}/disk/backup.db"), "a backup that was told of is not there")
    for call, check, reply in zip(calls, checks, client.many(calls)):
        hold(check(reply), lambda: f"{call} had a receipt: {reply}")


def all_alerts(client):
    found, after = set(), None
    while True:
        page = client.call("alert.list", limit=1000, **({"after": after} if after else {}))
        found.update(a["id"] for a in page["alerts"])
        after = page.get("next")
        if not after:
            return found


def check_delivered(receipts, root):
    wanted = {p["id"]: p["content"] for _, m, p, _ in receipts
              if m == "memory.put" and p.get("wait") == "delivered"}
    if not wanted:
        return
    there = collections.defaultdict(set)
    for line in (pathlib.Path(root) / "disk/sinks/mirror.ndjson").read_text(
            errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError):  # not synced: it is sent again
            memory = json.loads(line)
            there[memory["id"]].add(memory["content"])
    for ident, content in wanted.items():
        hold(content in there[ident], f"{ident} was told to be delivered, and the mirror lacks it")


def check_nothing_invented(client, wanted):
    memories = harness.all_memories(client)
    for ident, memory in memories.items():
        hold(memory["content"] in wanted.asked[ident] or is_purged(memory), f"{ident} was never asked for like this")
    return max((m["version"] for i, m in memories.items() if i != BEHIND), default=0)


def is_purged(memory):
    return memory["id"] == "secret" and memory["content"] == "" and memory["deleted_ms"]


def check_before_start(broker, root, backup_given):
    """The two checks of the command line: neither a torn end nor an old store is damage."""
    if (pathlib.Path(root) / "disk/state/journal").is_dir():
        done = broker.run("--check-journal")
        text = done.stdout + done.stderr
        hold("DAMAGE" not in text, f"a power cut made damage: {text}")
    backup = pathlib.Path(root) / "disk/backup.db"
    if backup.exists():
        done = broker.run(f"--check-journal={backup}")
        hold(done.returncode == 0, f"a backup that is not whole has the name: {done}")
    else:
        hold(not backup_given, "the backup had a receipt")
    note = pathlib.Path(root) / "disk/state/newest-backup"
    hold(re.fullmatch(r"\d+ /.*/backup.db\n", note.read_text()) if note.exists() else
         not backup_given, "where the newest backup is was lost")


def check_index(client):
    """What search finds is what is there."""
    def level():
        try:
            found = client.call("memory.search", query="delivered", limit=100, mode="text")
        except RpcError as failure:
            hold(failure.name in ("busy", "unavailable"), str(failure))
            return None
        return found if "behind" not in found else None

    hits = until(level, "an index that is level")["hits"]
    for hit, reply in zip(hits, client.many([("memory.get", {"id": h["id"]}) for h in hits])):
        hold(reply.error is None and reply.result["content"] == hit["content"],
             f"search tells another {hit['id']}")


def check_broker(root, scene, wanted, point, deep, record=False):
    """Starts the real broker on what is left in root/disk. deep: the search index too."""
    broker = scenes.broker_in(root, pathlib.Path(root) / "disk", scene.segment)
    broker.environment["MEMFERRY_PLUGIN_DIR"] = str(scene.broker.plugins)
    receipts = wanted.before(point)
    check_before_start(broker, root, any(r[1] == "store.backup" for r in receipts))
    check_delivered(receipts, root)
    if record:
        shutil.copytree(f"{root}/disk", f"{root}/base")
        broker.environment.update(LD_PRELOAD=str(scenes.RECORDER), RECORD_ROOT=f"{root}/disk",
                                  RECORD_LOG=f"{root}/log.record")
    try:
        broker.start()
        with broker.client() as client:
            told = check_versions(client, receipts)
            check_others(client, receipts, root)
            highest = check_nothing_invented(client, wanted)
            check_versions(client, [r for r in wanted.receipts if r[0] > point and all(
                v[1] <= highest for v in versions_of(*r[1:])) and r[1] == "memory.put"])
            seq = client.call("memory.put", id=BEHIND, content="x")["seq"]
            hold(seq > told, f"seq {seq} was given before: {told}")
            if deep:
                check_index(client)
    finally:
        if broker.process is not None:
            broker.kill()
    hold("journal-damage" not in broker.log_text(), "the start found damage")


def check_from_backup(root, scene, wanted, point, deep):
    """Cut short, it is begun again by the same command."""
    del point, deep
    broker = scenes.broker_in(root, pathlib.Path(root) / "disk", scene.segment)
    broker.environment["MEMFERRY_PLUGIN_DIR"] = str(scene.broker.plugins)
    done = broker.run("--from-backup", f"{root}/disk/backup.db")
    complete = "is there: nothing is replaced" in done.stderr
    hold(done.returncode == 0 or complete, f"--from-backup does not go on: {done}")
    try:
        broker.start()
        with broker.client() as client:
            memories = harness.all_memories(client)
            hold({i: m["version"] for i, m in memories.items()} == wanted, "not what the backup has")
            client.call("memory.put", id=BEHIND, content="x")
    finally:
        if broker.process is not None:
            broker.kill()


def check_recover(root, scene, wanted, point, deep):
    """Cut short, it goes on by itself or by the same call; in the end everything is there."""
    del point, deep
    broker = scenes.broker_in(root, pathlib.Path(root) / "disk", scene.segment)
    broker.environment["MEMFERRY_PLUGIN_DIR"] = str(scene.broker.plugins)
    try:
        broker.start()
        scenes.recover(broker)
        with broker.client() as client:
            memories = harness.all_memories(client)
        hold({i: m["content"] for i, m in memories.items()} == wanted, "not what the mirror has")
    finally:
        if broker.process is not None:
            broker.kill()


def check_session(root, scene, wanted, point, deep):
    """The file is whole, or as the page on sessions says; the next use needs nobody's help."""
    del deep
    disk = pathlib.Path(root) / "disk"
    broker = scenes.broker_in(root, disk)
    file = disk / "home" / "session"
    text = file.read_text() if file.exists() else None
    ids = {i for _, _, told in wanted for i in told}
    hold(text is None or text.strip() in ids and text.endswith("\n"), f"the session file has {text!r}")
    done = scenes.session_command(broker, disk).run("session", "current")
    hold(done.returncode == 0 and len(done.stdout.split()[0]) == 36, f"no session: {done}")
    hold(text is None or done.stdout.split()[0] == text.strip(), "not the session of the file")
    del point, scene


# ---- where it is cut ----


def interesting(disk, record, name):
    """A class of point, to have many of the rare ones; None: nothing changed."""
    if record.kind == disk_model.SEND:
        return "send"
    if record.kind not in disk_model.CHANGES:
        return None
    base = os.path.basename(name or "")
    if base.endswith(".seg") or base.endswith(".seg.tmp"):
        if record.kind == disk_model.WRITE:
            return "header" if record.offset == 0 else (
                "zeros" if record.marks & disk_model.ZEROS else "group")
        return f"segment {record.kind}"
    del disk
    return f"{base.split('-')[0] if base.startswith('aside') else base} {record.kind}"


def choose_points(scene, records, share, rng):
    """{index: class}: every class has its part; share 1.0: all."""
    disk = disk_model.Disk(scene.disk, scene.base)
    classes = collections.defaultdict(list)
    for record in records:
        name = disk.step(record)
        found = interesting(disk, record, name)
        if found:
            classes[found].append(disk.index)
    chosen = {}
    for found, points in classes.items():
        count = len(points) if share >= 1 else min(len(points), max(2, int(len(points) * share)))
        chosen.update((p, found) for p in rng.sample(points, count))
    return chosen


class Cutter:
    """Goes through a scene, makes the states, and has them checked by a few threads."""

    def __init__(self, place, options):
        self.place, self.options = place, options
        self.pool = concurrent.futures.ThreadPoolExecutor(options.jobs)
        self.running = set()
        self.failures = []
        self.states = collections.Counter()
        self.points = collections.Counter()
        self.serial = 0
        self.is_loud = True
        self.began = time.monotonic()

    def run(self, scene, check, wanted, share, ways=WAYS, limit=None, again=0):
        self.through(scene, scene.records(), check, wanted, share, ways, limit, again)

    def through(self, scene, records, check, wanted, share, ways, limit, again):
        rng = random.Random(f"{self.options.seed}/{scene.name}")
        points = choose_points(scene, records, share, rng)
        if limit and len(points) > limit:
            points = dict(rng.sample(sorted(points.items()), limit))
        disk = disk_model.Disk(scene.disk, scene.base)
        seen = set()
        for record in records:
            disk.step(record)
            if disk.index not in points or len(self.failures) > FAILURES_MAX:
                continue
            self.points[scene.name] += 1
            for number, way in enumerate(self.ways_at(ways, share, rng)):
                self.cut(scene, disk, (way, number), check, wanted, seen, again)
        self.wait(0)
        print(f"  {scene.name}: {self.states[scene.name]} states, after "
              f"{time.monotonic() - self.began:.0f} s", flush=True)

    @staticmethod
    def ways_at(ways, share, rng):
        return ways if share >= 1 else rng.sample(ways, 2)

    def cut(self, scene, disk, way, check, wanted, seen, again):
        rng = random.Random(f"{self.options.seed}/{scene.name}/{disk.index}/{way}")
        state = disk.cut(way[0], rng)
        point = disk.index
        sign = disk_model.digest(state), point if not seen else 0
        if sign in seen:
            return
        seen.add(sign)
        self.serial += 1
        root = self.place / f"c{self.serial}"
        (root / "disk").mkdir(mode=0o700, parents=True)
        disk_model.write_out(state, disk.root, root / "disk")
        self.states[scene.name] += 1
        deep, record = self.serial % 6 == 0, again and self.serial % again == 0
        self.wait(self.options.jobs * 2)
        self.running.add(self.pool.submit(self.check, root, scene, check, wanted, point, way, deep,
                                          record))

    def wait(self, until_count):
        while len(self.running) > until_count:
            done, self.running = concurrent.futures.wait(
                self.running, return_when=concurrent.futures.FIRST_COMPLETED)
            for one in done:
                one.result()

    def check(self, root, scene, check, wanted, point, way, deep, record):
        try:
            if record:
                self.check_twice(root, scene, wanted, point, way)
            else:
                check(root, scene, wanted, point, deep)
            shutil.rmtree(root, ignore_errors=True)
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(f"{scene.name}, cut at {point} ({way[0]}), left in {root}: {failure}")
            if self.is_loud:
                print(self.failures[-1][:2000], flush=True)

    def check_twice(self, root, scene, wanted, point, way):
        """Cuts the power within the start that follows the first cut, too."""
        check_broker(root, scene, wanted, point, False, record=True)
        disk = disk_model.Disk(root / "disk", root / "base")
        rng = random.Random(f"{self.options.seed}/{point}/{way}/again")
        records = disk_model.read_log(root / "log.record")
        points = set(rng.sample(range(1, len(records) + 1), min(3, len(records))))
        for record in records:
            disk.step(record)
            if disk.index not in points:
                continue
            again = root / f"again{disk.index}"
            (again / "disk").mkdir(mode=0o700, parents=True)
            disk_model.write_out(disk.cut(rng.choice(WAYS), rng), disk.root, again / "disk")
            try:
                check_broker(again, scene, WantedAlso(wanted, BEHIND, "x"), point, False)
            except Found as failure:
                raise Found(f"after a second cut, at {disk.index} of the start: {failure}") from None
            self.states["cut twice"] += 1


class WantedAlso:
    """The same, and one more that may be there."""

    def __init__(self, wanted, ident, content):
        self.receipts, self.before = wanted.receipts, wanted.before
        self.asked = collections.defaultdict(set, {**wanted.asked, ident: {content}})


# ---- all of it ----


def mirror_contents(disk):
    newest = {}
    for line in (disk / "sinks/mirror.ndjson").read_text().splitlines():
        memory = json.loads(line)
        if not (memory["stamp"], memory["origin"]) < newest.get(memory["id"], ((0, ""),))[0]:
            newest[memory["id"]] = (memory["stamp"], memory["origin"]), memory["content"]
    return {i: content for i, (_, content) in newest.items()}


def backup_versions(place, scene):
    root = place / "backup-look"
    (root / "disk").mkdir(mode=0o700, parents=True)
    broker = scenes.broker_in(root, root / "disk")
    assert broker.run("--from-backup", str(scene.disk / "backup.db")).returncode == 0
    broker.start()
    with broker.client() as client:
        found = {i: m["version"] for i, m in harness.all_memories(client).items()}
    broker.stop()
    return found


def check_it_finds(place, options, scene, wanted):
    """A proof that cannot fail is none: on a disk whose syncs of the journal do nothing, receipts are
    lost, and this must say so."""
    cutter = Cutter(place / "lies", options)
    cutter.is_loud = False
    fds, records = {}, []
    for record in scene.records():
        if record.kind == disk_model.OPEN:
            fds[record.fd] = record.data
        if record.kind != disk_model.SYNC_END or not fds.get(record.fd, b"").endswith(b".seg"):
            records.append(record)
    cutter.through(scene, records, check_broker, wanted, 0.01, ("nothing", "random"), 8, 0)
    shutil.rmtree(cutter.place)
    assert cutter.failures, "a disk that loses what was synced was not found out"


def run(options, place):
    long, seed = options.long, options.seed
    cutter = Cutter(place, options)
    told = scenes.check_recorder_is_complete(place)
    assert told is None or told[0] == told[1], (
        f"strace saw {told[0]} changes of files, the recorder {told[1]}")
    scene = scenes.record_broker(place, seed, options.rounds)
    wanted = Wanted(scene, scene.records())
    print(f"recorded: {len(scene.records())} operations, {len(wanted.receipts)} receipts", flush=True)
    cutter.run(scene, check_broker, wanted, 1.0 if long else options.share, again=40)
    check_it_finds(place, options, scene, wanted)
    back = scenes.record_from_backup(place, scene.disk)
    cutter.run(back, check_from_backup, backup_versions(place, scene), 1.0 if long else 0.2,
               limit=None if long else 15)
    again = scenes.record_recover(place, scene.disk)
    cutter.run(again, check_recover, mirror_contents(scene.disk), 1.0 if long else 0.2,
               limit=None if long else 10)
    session = scenes.record_session(place)
    cutter.run(session, check_session, session.told, 1.0)
    heavy = scenes.record_checkpoint(place, seed, 70)
    cutter.run(heavy, check_broker, Wanted(heavy, heavy.records()), 0.3 if long else 0.02,
               ways=("nothing", "torn", "random", "stale"), limit=400 if long else 4)
    return cutter


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="every operation, in every way")
    parser.add_argument("--seed", default=None, help="of what is put and of what is cut")
    parser.add_argument("--rounds", type=int, default=None, help="of 18 writes each, in four parts")
    parser.add_argument("--share", type=float, default=0.005, help="of the points, when not --long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="states checked at once")
    options = parser.parse_args()
    options.seed = options.seed or str(time.time_ns())
    options.rounds = options.rounds or (24 if options.long else 14)
    began = time.monotonic()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = pathlib.Path(tempfile.mkdtemp(prefix="mf-cut-", dir=base))
    cutter = run(options, place)
    print(f"seed {options.seed}: {sum(cutter.points.values())} cuts, {sum(cutter.states.values())} "
          f"states opened ({', '.join(f'{n} {c}' for n, c in cutter.states.items())}), "
          f"{len(cutter.failures)} bad, in {time.monotonic() - began:.0f} s")
    if cutter.failures:
        sys.exit(1)
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
