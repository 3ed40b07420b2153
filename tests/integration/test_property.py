"""Random runs of everything that changes memories, with kills and restarts between and amid, against a
model that is too simple to be wrong: a list of versions for each memory.

A seed gives the same steps again: MEMFERRY_SEED=7 runs that one alone.
"""
import os
import random
import time
import uuid

import pytest

from harness import Broker, scratch
from model import Version, after_put, assert_body, body, vector
from sinks import mirror_lines
from wire import RpcError

SEEDS = [int(os.environ["MEMFERRY_SEED"])] if "MEMFERRY_SEED" in os.environ else [1, 2, 3]
STEPS = 250
IDS = [f"m{n}" for n in range(9)]
SESSIONS = ["s-0", "s-1", "s-2"]
ORIGINS = ["00000000-0000-4000-8000-000000000000", "ffffffff-0000-4000-8000-000000000000"]


class Run:
    """A broker, and the model beside it."""

    def __init__(self, broker, seed, mirror):
        self.broker, self.random, self.mirror = broker, random.Random(seed), mirror
        self.versions = {ident: [] for ident in IDS}
        self.client = None
        self.done = {}

    def last(self, ident):
        return self.versions[ident][-1] if self.versions[ident] else None

    def connect(self):
        if self.client is not None:
            self.client.close()
        self.client = self.broker.client()

    # ---- what the broker has, learned and checked ----

    def learn(self, ident, expected, by):
        """The newest version, which must be as the model says but for what the broker decides."""
        memory = self.client.call("memory.get", id=ident)
        newest = self.client.call("memory.history", id=ident, limit=1)["versions"][0]
        assert newest["version"] == memory["version"] and newest.get("session_id") == by
        assert_body(body(memory), expected, ident)
        self.versions[ident].append(Version(memory, by, newest["at_ms"]))

    # ---- the steps ----

    def put(self, cut):
        ident, rng = self.random.choice(IDS), self.random
        last = self.last(ident)
        given = {"id": ident, "session_id": rng.choice(SESSIONS), "event_id": str(uuid.uuid4())}
        if last is None or rng.random() < 0.6:
            given["content"] = rng.choice(["one", "two", "ünï\u2028", "x" * 3000])
        if rng.random() < 0.3:
            given["kind"] = rng.choice(["fact", "note"])
        if rng.random() < 0.3:
            given["tags"] = rng.sample(["a", "b", "c"], rng.randrange(4))
        if rng.random() < 0.5:
            given["props"] = {rng.choice("pqr"): rng.choice([None, 1, 1.5, True, "t", [1, 2]])
                              for _ in range(2)}
        if rng.random() < 0.25:
            given["embedding"] = rng.choice([vector(1), vector(2)])
        expected = after_put(last.body if last else None, given)
        if self.send("memory.put", given, cut):
            # Whether it came through is not known: with retry it is stored once, either way.
            self.client.call("memory.put", {**given, "retry": True})
        self.learn(ident, expected, given["session_id"])

    def delete(self, cut):
        ident, by = self.random.choice(IDS), self.random.choice(SESSIONS)
        last = self.last(ident)
        if last is None or "deleted_ms" in last.body:
            return
        params = {"id": ident, "session_id": by, "event_id": str(uuid.uuid4())}
        if self.send("memory.delete", params, cut):
            self.client.call("memory.delete", params)
        self.learn(ident, {**last.body, "deleted_ms": None}, by)

    def take_plan(self, params, cut):
        """Carries a restore out; sent again after a cut it finds done what was done."""
        by = self.random.choice(SESSIONS)
        before = {ident: self.last(ident) for ident in IDS}
        params = {**params, "by_session_id": by, "limit": 3}
        told = self.pages(params, cut)
        for ident, item in told.items():
            if "version" in item:
                self.learn(ident, self.at(ident, item["to"]).body, by)
        for ident in IDS:  # what came through before the cut
            memory = self.newest_version(ident)
            if before[ident] is not None and memory != self.last(ident).version:
                assert cut, (ident, "changed, and nobody said so")
                self.adopt(ident, by)
        return told

    def newest_version(self, ident):
        try:
            return self.client.call("memory.history", id=ident, limit=1)["versions"][0]["version"]
        except RpcError:
            return None

    def at(self, ident, version):
        return next(v for v in self.versions[ident] if v.version == version)

    def adopt(self, ident, by):
        """A restore whose reply was lost: its state must be that of some version before."""
        memory = self.client.call("memory.get", id=ident)
        newest = self.client.call("memory.history", id=ident, limit=1)["versions"][0]
        assert newest["op"] == "restore" and newest["session_id"] == by
        assert body(memory) in [v.body for v in self.versions[ident]]
        self.versions[ident].append(Version(memory, by, newest["at_ms"]))

    def pages(self, params, cut):
        told, after = {}, None
        while True:
            page_params = {**params, **({"after": after} if after else {})}
            if "ids" in params or "versions" in params:
                page_params.pop("limit")
            if cut:
                self.send("memory.restore", page_params, True)
            page = self.client.call("memory.restore", page_params)
            told.update((item["id"], item) for item in page["memories"])
            after = page["next"]
            if not after:
                return told

    def restore_ids(self, cut):
        ids = self.random.sample(IDS, 3)
        goal = {}
        for ident in ids:
            alive = [v for v in self.versions[ident] if "deleted_ms" not in v.body]
            goal[ident] = alive[-1] if alive else None
        told = self.take_plan({"ids": ids}, cut)
        for ident in ids:
            assert ("error" in told[ident]) == (goal[ident] is None)
            assert goal[ident] is None or self.last(ident).body == goal[ident].body

    def restore_version(self, cut):
        known = [(i, v) for i in IDS for v in self.versions[i]]
        if not known:
            return
        ident, version = self.random.choice(known)
        self.take_plan({"versions": {ident: version.version}}, cut)
        assert self.last(ident).body == version.body

    def restore_before(self, cut):
        times = [v.at_ms for i in IDS for v in self.versions[i]]
        if not times:
            return
        moment = self.random.choice(times)
        goal = {}
        for ident in IDS:
            then = [v for v in self.versions[ident] if v.at_ms <= moment]
            if then:
                goal[ident] = then[-1].body
        self.take_plan({"before": moment}, cut)
        for ident, expected in goal.items():
            assert self.last(ident).body == expected

    def restore_session(self, cut):
        session = self.random.choice(SESSIONS)
        goal = {}
        for ident in IDS:
            versions = self.versions[ident]
            mine = [n for n, v in enumerate(versions) if v.by == session]
            if mine and mine[0] > 0:
                others = [v for v in versions[mine[0] + 1:] if v.by != session]
                goal[ident] = (versions[-1] if others else versions[mine[0] - 1]).body
        told = self.take_plan({"session_id": session}, cut)
        if not cut:  # after a cut the restores that came through are another session's changes
            for ident, expected in goal.items():
                assert self.last(ident).body == expected, (ident, told.get(ident))

    def import_states(self, cut):
        memories, expected = [], {}
        for ident in self.random.sample(IDS, 3):
            last = self.last(ident)
            near = last.order[0] if last else int(time.time() * 1e6)
            stamp = near + self.random.choice([-1_000_000, 0, 2_000_000])
            memory = {"id": ident, "content": self.random.choice(["imported", "one"]),
                      "kind": "note", "tags": ["i"], "props": {"x": 1.0},
                      "created_ms": self.random.randrange(1, 10**12), "stamp": stamp,
                      "origin": self.random.choice(ORIGINS)}
            if self.random.random() < 0.3:
                memory["deleted_ms"] = self.random.randrange(1, 10**12)
            if self.random.random() < 0.3:
                memory["embedding"] = vector(3)
            memories.append(memory)
            if last is None or (stamp, memory["origin"]) > last.order:
                expected[ident] = body(memory)
        params = {"memories": memories}
        if self.send("memory.import", params, cut):
            told = self.client.call("memory.import", params)
        else:
            told = self.done
        assert told["refused"] == []
        if not cut:
            assert told["imported"] == len(expected)
        for ident, state in expected.items():
            self.learn(ident, state, None)

    # ---- calls, kills and restarts ----

    def send(self, method, params, cut):
        """One call; with `cut` the broker is killed while it is at work. True: the answer is lost."""
        if not cut:
            self.done = self.client.call(method, params)
            return False
        self.client.send(method, params)
        self.kill()
        return True

    def kill(self):
        self.broker.kill()
        self.broker.start()
        self.connect()

    def restart(self):
        self.broker.restart()
        self.connect()

    def step(self):
        roll = self.random.random()
        if roll < 0.02:
            self.kill()
        elif roll < 0.03:
            self.restart()
        step = self.random.choices(
            [self.put, self.delete, self.restore_ids, self.restore_version, self.restore_before,
             self.restore_session, self.import_states], [40, 18, 8, 8, 4, 6, 12])[0]
        step(self.random.random() < 0.04)

    # ---- the end ----

    def compare_store(self):
        for ident in IDS:
            versions = self.versions[ident]
            if not versions:
                assert self.newest_version(ident) is None
                continue
            listed = self.client.call("memory.history", id=ident, limit=1000)["versions"]
            assert [v["version"] for v in listed] == [v.version for v in versions[::-1]]
            for version in versions:
                memory = self.client.call("memory.get", id=ident, version=version.version)
                assert body(memory) == version.body
                assert (memory["stamp"], memory["origin"]) == version.order

    def compare_mirror(self):
        self.client.call("backend.flush", timeout_ms=30000)
        newest = {}
        for line in mirror_lines(self.mirror):
            order = (line["stamp"], line["origin"])
            if line["id"] not in newest or order >= newest[line["id"]][0]:
                newest[line["id"]] = (order, line)
        assert set(newest) == {i for i in IDS if self.versions[i]}
        for ident, (order, line) in newest.items():
            last = self.last(ident)
            assert order == last.order
            for name in ("content", "kind", "tags", "props", "created_ms"):
                assert line[name] == last.body[name], (ident, name)
            assert (line.get("deleted_ms") or None) == last.body.get("deleted_ms")
            assert (line.get("embedding") is not None) == (last.body["embedding"] is not None)

    def compare(self):
        self.compare_store()
        self.compare_mirror()

    def rebuild(self):
        """The journal alone gives the same store again."""
        self.client.close()
        self.broker.stop()
        for file in self.broker.state.glob("memferry.db*"):
            file.unlink()
        self.broker.start()
        self.connect()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_run_ends_as_the_model_says_in_store_journal_and_sink(seed):
    with scratch() as root:
        mirror = root / "mirror"
        broker = Broker(root, "[journal]\nkeep_segments = yes\n"
                        f'[backend "mirror"]\nplugin = mirror-file\npath = {mirror}\n')
        broker.start()
        try:
            run = Run(broker, seed, mirror)
            run.connect()
            for _ in range(STEPS):
                run.step()
            run.compare()
            run.rebuild()
            run.compare()
            run.client.close()
            broker.end()
        finally:
            if broker.process is not None:
                broker.process.kill()
                broker.process.wait()
