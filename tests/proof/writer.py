"""A client with memories of its own, that notes what it sent and what was answered, until it is cut off."""
import random
import threading
import uuid

from ledger import Operation, STOPPING
from load import BROKEN
from model import vector
from wire import DEADLINE_S, RpcError

IDS = 24
BATCH = 12


class Writer:
    """Some 24 memories; each batch is pipelined, and settled in the ledger before the next is made."""

    def __init__(self, broker, ledger, name, seed):
        self.broker, self.ledger, self.name = broker, ledger, name
        self.random = random.Random(f"{seed}/{name}")
        self.idents = [f"{name}-{n}" for n in range(IDS)]
        self.again, self.sessions, self.count, self.life = [], {}, 0, 0
        self.thread = self.failure = self.session = None
        self.stopping = False

    # ---- one life ----

    def start(self):
        self.life += 1
        self.stopping = False
        self.thread = threading.Thread(target=self.guard, daemon=True)
        self.thread.start()

    def stop(self):
        """Behind the batch that is under way."""
        self.stopping = True

    def join(self):
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), f"{self.name} hangs"
        if self.failure is not None:
            raise self.failure

    def guard(self):
        try:
            with self.broker.client(self.random.choice(["json", "msgpack"])) as client:
                self.write(client)
        except BROKEN:
            pass  # the kill
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def write(self, client):
        self.begin_session(client)
        again = [self.resent(op) for op in self.again if self.random.random() < 0.5]
        self.again = []
        if again:
            self.send(client, again)
        while not self.stopping and self.send(client, self.make_batch()):
            pass

    def send(self, client, batch):
        """False: the broker has gone."""
        self.ledger.begin_batch(batch)
        waiting, replies = {}, [None] * len(batch)
        try:
            for n, op in enumerate(batch):
                waiting[client.send(op.method, op.params)] = n
                self.count += 1
            while waiting:
                reply = client.receive()
                replies[waiting.pop(reply.id)] = reply
        except BROKEN:
            self.read_rest(client, waiting, replies)
        self.ledger.settle(batch, replies)
        return all(r is not None and not (r.error and r.error["code"] == STOPPING) for r in replies)

    @staticmethod
    def read_rest(client, waiting, replies):
        """It takes no more, but may have answered."""
        try:
            while waiting:
                reply = client.receive()
                replies[waiting.pop(reply.id)] = reply
        except BROKEN:
            pass

    # ---- sessions: a state each, and what was asked for and not answered ----

    def begin_session(self, client):
        if self.sessions.get(self.session) == "begun" and self.random.random() < 0.5:
            self.session_call(client, "session.end", self.session, "ended")
        self.session = f"{self.name}-s{self.life}"
        self.session_call(client, "session.begin", self.session, "begun", agent=self.name)

    def session_call(self, client, method, session, state, **more):
        before = self.sessions.get(session)
        self.sessions[session] = (before, state)  # either
        client.call(method, {"session_id": session, **more})
        self.sessions[session] = state

    def check_sessions(self, client):
        for session, state in self.sessions.items():
            try:
                told = client.call("session.get", session_id=session)
                found = "ended" if told["ended_ms"] else "begun"
                assert found == "begun" or told["end_reason"] == "command", told
                assert told["agent"] == self.name, told
            except RpcError:
                found = None
            assert found in (state if isinstance(state, tuple) else (state,)), (session, state, found)
            self.sessions[session] = found
        self.sessions = {s: state for s, state in self.sessions.items() if s == self.session}

    # ---- what it sends ----

    def make_batch(self):
        roll = self.random.random()
        for chance, make in ((0.12, self.bring_back), (0.03, self.undo)):
            if roll < chance:
                made = make()
                if made is not None:
                    return [made]
            roll -= chance
        if roll < 0.03:
            op = self.put()
            op.params["wait"] = "delivered"
            return [op]
        return [self.delete() if self.random.random() < 0.15 else self.put()
                for _ in range(self.random.randint(1, BATCH))]

    def resent(self, op):
        """The same event, memory and request once more."""
        if op.method == "memory.delete":
            return op
        return Operation(op.method, {**op.params, "retry": True})

    def put(self):
        rng, ident = self.random, self.random.choice(self.idents)
        last = self.ledger.last(ident)
        given = {"id": ident, "session_id": self.session, "event_id": str(uuid.uuid4())}
        if last is None or rng.random() < 0.7:
            size = rng.choice([10, 10, 600, 600, 4096, 60000 if rng.random() < 0.1 else 100])
            given["content"] = f"{self.name} {self.life} {self.count} ünï " + "." * size
        if rng.random() < 0.2:
            given["kind"] = rng.choice(["fact", "note"])
        if rng.random() < 0.2:
            given["tags"] = rng.sample(["a", "b", "c"], rng.randrange(4))
        if rng.random() < 0.3:
            given["props"] = {rng.choice("pqr"): rng.choice([None, 1, 1.5, True, "t", [1, 2]])}
        if rng.random() < 0.1:
            given["embedding"] = vector(rng.randrange(5))
        if rng.random() < 0.2:
            seq = last.seq if last else 0
            given["expected_version"] = seq if rng.random() < 0.7 else seq + 1
        return Operation("memory.put", given)

    def delete(self):
        return Operation("memory.delete", {"id": self.random.choice(self.idents), "reason": "r",
                                           "session_id": self.session, "event_id": str(uuid.uuid4())})

    def restore(self, how, goals):
        if not goals:
            return None
        return Operation("memory.restore", {**how, "by_session_id": f"{self.name}-undo",
                                            "reason": str(uuid.uuid4())}, goals)

    def bring_back(self):
        """Some memories to pinned versions that are surely kept, or a deleted one to its last."""
        goals = {}
        for ident in self.random.sample(self.idents, 3):
            versions = self.ledger.versions.get(ident, [])
            if versions and "deleted_ms" in versions[-1].state and self.random.random() < 0.5:
                alive = [v for v in versions[-4:] if "deleted_ms" not in v.state]
                if alive:
                    return self.restore({"ids": [ident]}, {ident: alive[-1].seq})
            if len(versions) > 1:
                goals[ident] = self.random.choice(versions[-4:-1]).seq
        return self.restore({"versions": goals}, goals)

    def undo(self):
        """What the session did: but only while its first change is kept."""
        goals = self.ledger.session_goals(self.session, self.idents)
        mine = [i for i in self.idents
                if any(v.session == self.session for v in self.ledger.versions.get(i, []))]
        if any(len(self.ledger.versions[i]) > self.ledger.keep for i in mine):
            return None
        if len(goals) < sum(self.ledger.versions[i][0].session != self.session for i in mine):
            return None  # somebody has changed one since: conflicts are for other tests
        return self.restore({"session_id": self.session}, goals)
