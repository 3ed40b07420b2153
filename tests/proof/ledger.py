"""What was asked of a broker that is killed at any moment, and what it owes for it.

The model is that of the property tests (model.py): a list of versions for each memory. A ledger adds what is
not known: of a batch that a kill has cut, each operation may have happened or not. Which did is read from the
broker's own events (each operation has a token that comes back in them), and must be a beginning of what the
connection sent: writes of one connection commit in order.
"""
import base64
import struct

from model import CONFLICT, NOT_FOUND, after_put, assert_body, body

STOPPING, TIMEOUT = -32005, -32006


class Operation:
    """One request. A restore makes several events: `goals` has the version that each memory goes to."""

    def __init__(self, method, params, goals=None):
        self.method, self.params, self.goals = method, params, goals
        if goals is None:
            self.token = params["event_id"]

    def __repr__(self):
        return f"{self.method} {str(self.params)[:300]} {self.goals or ''}"


class Change:
    """A version of a memory. `state` is what it must be; once it was looked at, what it is."""

    def __init__(self, ident, seq, token, state, session=None):
        self.ident, self.seq, self.token, self.state = ident, seq, token, state
        self.session, self.order = session, None


class Ledger:
    """`keep`: versions of a memory that the broker keeps, so that older ones may be gone."""

    def __init__(self, keep):
        self.keep = keep
        self.receipts = 0
        self.begin()

    def begin(self):
        self.versions = {}  # {id: [Change]}, oldest first
        self.changes = {}   # {seq: Change}
        self.sent = {}      # {token: Operation}
        self.seen = {}      # {token: seq} of what has happened
        self.maybe = {}     # {token: seq} of what was so already, if it came through: sent again it is
        self.cut = []       # batches of which not all was answered
        self.fresh = []     # changes that were not looked at yet
        self.created = {}   # {id: created_ms}
        self.delivered = []  # receipts that say so: (id, seq, {backend: state})

    def last(self, ident):
        versions = self.versions.get(ident)
        return versions[-1] if versions else None

    def trim(self):
        """For long runs: versions that were looked at and may be gone are forgotten, and with them what is
        known of the requests that made them."""
        for versions in self.versions.values():
            for change in versions[:-self.keep]:
                del self.changes[change.seq], self.seen[change.token]
            del versions[:-self.keep]
        self.sent = {token: op for token, op in self.sent.items() if token in self.seen}
        self.maybe.clear()

    def may_be_gone(self, change):
        versions = self.versions[change.ident]
        return len(versions) - versions.index(change) > self.keep

    def session_goals(self, session, idents):
        """What an undo of this session owes: the version before its first change, where nobody else has
        changed the memory since."""
        goals = {}
        for ident in idents:
            versions = self.versions.get(ident, [])
            mine = [n for n, v in enumerate(versions) if v.session == session]
            if mine and mine[0] > 0 and all(v.session == session for v in versions[mine[0]:]):
                goals[ident] = versions[mine[0] - 1].seq
        return goals

    # ---- what an operation does to the model ----

    def predict(self, op):
        """('change', state), ('same', seq) or ('refused', code)."""
        if op.token in self.seen:
            return "same", self.seen[op.token]
        last = self.last(op.params["id"])
        if op.method == "memory.delete":
            if last is None:
                return "refused", NOT_FOUND
            if "deleted_ms" in last.state:
                return "same", last.seq
            return "change", {**last.state, "deleted_ms": None}
        expected = op.params.get("expected_version")
        if expected is not None and expected != (last.seq if last else 0):
            return "refused", CONFLICT
        if last is None and "content" not in op.params:
            return "refused", NOT_FOUND
        return "change", after_put(last.state if last else None, op.params)

    def add(self, ident, seq, token, state, session):
        assert token not in self.seen, f"{token} happened twice: {self.seen[token]} and {seq}"
        assert seq not in self.changes, f"two changes with seq {seq}: {token}"
        last = self.last(ident)
        assert last is None or seq > last.seq, f"{ident}: {seq} came behind {last.seq}"
        change = Change(ident, seq, token, state, session)
        self.versions.setdefault(ident, []).append(change)
        self.changes[seq], self.seen[token] = change, seq
        self.fresh.append(change)

    def state_at(self, ident, seq):
        return next(v.state for v in self.versions[ident] if v.seq == seq)

    # ---- answers ----

    def begin_batch(self, batch):
        for op in batch:
            if op.goals is None:
                self.sent[op.token] = op
            else:
                self.sent.update((f"{op.params['reason']}/{ident}", op) for ident in op.goals)

    def settle(self, batch, replies):
        """The answers to a batch, None where none came. One that is not whole waits for the events."""
        replies = [None if r is not None and r.error and r.error["code"] == STOPPING else r
                   for r in replies]
        if None in replies:
            self.cut.append((batch, replies))
            return
        for op, reply in zip(batch, replies):
            self.answered(op, reply)

    def settle_cut(self, happened):
        """`happened`: {token: seq} of the broker's events. Returns the operations that stay unknown to
        their caller: what a client would send again."""
        again = []
        for batch, replies in self.cut:
            missing = None
            for op, reply in zip(batch, replies):
                there = self.unanswered(op, happened) if reply is None else True
                if there is False and missing is None:
                    missing = op
                assert there is not True or missing is None, (
                    f"out of order: {missing} is missing, and behind it there is {op}")
                if reply is not None:
                    self.answered(op, reply)
                elif op.goals is None:
                    again.append(op)
        self.cut = []
        return again

    def unanswered(self, op, happened):
        """True: it has happened; False: it has not, and would show; None: it would not show."""
        if op.goals is not None:
            tokens = {f"{op.params['reason']}/{ident}": ident for ident in op.goals}
            landed = [(happened[t], t, ident) for t, ident in tokens.items() if t in happened]
            for seq, token, ident in sorted(landed):
                self.add(ident, seq, token, dict(self.state_at(ident, op.goals[ident])),
                         op.params["by_session_id"])
            return True if landed else None
        kind, what = self.predict(op)
        if kind != "change":
            assert kind == "same" or op.token not in happened, (
                f"{op} must be refused ({what}), and happened")
            if kind == "same":
                self.maybe[op.token] = what
            return None
        if op.token not in happened:
            return None if op.token in self.maybe else False
        self.add(op.params["id"], happened[op.token], op.token, what, op.params.get("session_id"))
        return True

    def answered(self, op, reply):
        if op.goals is not None:
            self.restored(op, reply)
            return
        kind, what = self.predict(op)
        if kind == "refused":
            assert reply.error and reply.error["code"] == what, (op, what, reply)
            return
        told = reply.result
        if reply.error is not None and reply.error["code"] == TIMEOUT:
            told = reply.error["data"]["receipt"]
        assert told is not None, (op, reply)
        assert told["durable"] is True and told["id"] == op.params["id"], (op, told)
        if told["duplicate"] and told["seq"] == self.maybe.get(op.token):
            kind, what = "same", told["seq"]
        assert told["duplicate"] == (kind == "same"), (op, kind, told)
        self.receipts += 1
        if reply.error is None and op.params.get("wait") == "delivered":
            self.delivered.append((told["id"], told["seq"], told["backends"]))
        if kind == "same":
            assert told["seq"] == what, (op, what, told)
        else:
            self.add(told["id"], told["seq"], op.token, what, op.params.get("session_id"))

    def restored(self, op, reply):
        told = {item["id"]: item for item in reply.get()["memories"]}
        for ident, goal in op.goals.items():
            last, state = self.last(ident), dict(self.state_at(ident, goal))
            item = told.pop(ident, {})
            if "version" not in item:  # it is so already
                assert "error" not in item and "conflict" not in item, (op, item)
                assert_body(last.state, {**state, "created_ms": None}, (op, reply))
                continue
            assert (item["from"], item["to"]) == (last.seq, goal), (op, item)
            self.receipts += 1
            self.add(ident, item["version"], f"{op.params['reason']}/{ident}", state,
                     op.params["by_session_id"])
        assert not told, (op, told)

    # ---- what the broker has ----

    def check_events(self, events):
        """Events of memories as a subscription tells them: {token: seq}. Each was asked for, once, and is
        where its receipt says."""
        happened = {}
        for event in events:
            token = event.get("event_id")
            if event["op"] == "restore":
                token = f"{event['reason']}/{event['id']}"
            elif event["op"] == "import":
                token = f"recovered/{event['id']}"
            assert token in self.sent, f"nobody asked for {event}"
            assert token not in happened, f"twice: {event}, and {happened[token]}"
            assert self.seen.get(token, event["seq"]) == event["seq"], (event, self.seen[token])
            happened[token] = event["seq"]
        return happened

    def check_there(self, happened, after=0):
        """Every change behind `after` is among these events, unless it is kept no longer."""
        for seq, change in self.changes.items():
            if seq > after and change.token not in happened:
                assert self.may_be_gone(change), f"lost: {change.ident} {seq} {change.token}"

    def look(self, change, memory):
        """memory: what the broker says this version is; None: it has none."""
        if memory is None:
            assert self.may_be_gone(change), f"lost: {change.ident} version {change.seq}"
            return
        found = body(memory)
        assert memory["version"] == change.seq and memory["id"] == change.ident
        assert_body(found, {**change.state, "created_ms": self.created.get(change.ident)},
                    (change.ident, change.seq))
        self.created[change.ident] = found["created_ms"]
        change.state, change.order = found, (memory["stamp"], memory["origin"])

    def check_latest(self, memories):
        """{id: memory} of all that the broker has."""
        owed = {i: v[-1] for i, v in self.versions.items()}
        assert memories.keys() == owed.keys(), memories.keys() ^ owed.keys()
        for ident, memory in memories.items():
            self.look(owed[ident], memory)

    def rebase(self, memories):
        """A lost journal has come back from a sink: the same states, under new numbers."""
        old = {ident: versions[-1] for ident, versions in self.versions.items()}
        assert memories.keys() == old.keys(), memories.keys() ^ old.keys()
        self.begin()
        for ident, memory in memories.items():
            was, found = old[ident], body(memory)
            assert found == was.state, (ident, found, was.state)
            assert (memory["stamp"], memory["origin"]) == was.order, ident
            self.sent[f"recovered/{ident}"] = None
            self.add(ident, memory["version"], f"recovered/{ident}", found, None)
            self.last(ident).order, self.created[ident] = was.order, found["created_ms"]
        self.fresh = []


class Sink:
    """What a backend was sent, in order. Nothing comes that is older than what is there. What a broker had
    under way when it ended comes again in its next life; within one life a state comes once, or twice where
    it was left over from the life before and changed since: as what was put off, and as what is new."""

    def __init__(self, name):
        self.name, self.held, self.life, self.pending = name, {}, 0, []
        self.count = self.repeats = 0

    def take(self, memory):
        self.count += 1
        ident, order, times = memory["id"], (memory["stamp"], memory["origin"]), 1
        if ident in self.held:
            before, life, version, times_before = self.held[ident]
            assert order >= before, f"{self.name}: {ident} {memory['version']} is older than {version}"
            if order == before:
                self.repeats += 1
                times += times_before if life == self.life else 0
                assert times <= 2, f"{self.name}: {ident} {version} came again and again"
        self.held[ident] = (order, self.life, memory["version"], times)
        self.pending.append(memory)

    def check(self, ledger):
        """Each state that came is what that version is."""
        for memory in self.pending:
            change = ledger.changes.get(memory["version"])
            assert change is not None and change.ident == memory["id"], (
                f"{self.name}: nobody made {memory['id']} {memory['version']}")
            if change.order is not None:  # else it was not looked at, being kept no longer
                assert change.order == (memory["stamp"], memory["origin"]), (self.name, memory["id"])
            assert_body(self.state_of(memory), change.state, (self.name, change.ident, change.seq))
        self.pending = []

    @staticmethod
    def state_of(memory):
        vector = memory.get("embedding")
        if isinstance(vector, list):
            vector = struct.pack(f"<{len(vector)}f", *vector)
        elif vector is not None:
            vector = base64.b64decode(vector)
        return body({**memory, "embedding": vector})

    def check_told(self, ledger):
        """What a receipt called delivered is here."""
        for ident, seq, backends in ledger.delivered:
            if backends.get(self.name) in ("delivered", "superseded"):
                assert self.held[ident][2] >= seq, (self.name, ident, seq)

    def check_level(self, ledger):
        """It has the latest version of everything, and nothing else."""
        owed = {ident: versions[-1].order for ident, versions in ledger.versions.items()}
        assert {ident: held[0] for ident, held in self.held.items()} == owed, self.name
