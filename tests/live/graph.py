"""A broker that delivers to Neo4j, memories with everything in them, and what must come of them."""
import contextlib
import random
import struct
import time

import harness
from server import PASSWORD
from sinks import TIMEOUT, Backend
from wire import RpcError, floats, until

DIMS = 768
LEVEL_S = 180
PIPELINED = 1000

CORNERS = [0.0, -0.0, 1.0, -1.0, 1e-30, 16777217.0, 0.1, 3.0]
CHANCE = random.Random(768)
POOL = floats([CHANCE.choice(CORNERS) if n % 500 == 0 else CHANCE.gauss(0, 1)
               for n in range(40000)])

# ---- the broker ----


class Lane(Backend):
    """The backend `graph` of a broker of its own; its password lies in a file."""

    def __init__(self, broker, server, **options):
        super().__init__(broker, "graph")
        self.password_file = broker.root / "password"
        options.update(plugin="neo4j-http", url=server.url, password_file=self.password_file)
        broker.configure('[backend "graph"]\n' + "".join(
            f"{name} = {value}\n" for name, value in options.items()))

    def write_password(self, password):
        fresh = self.password_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(password + "\n")
        fresh.rename(self.password_file)

    def probe(self):
        """Sees that it is up now, and not only when the back-off has passed. Neo4j locks a user out
        for 5 s after three bad passwords."""

        def up():
            try:
                return self.call("probe") is not None
            except RpcError as failure:
                assert "AuthenticationRateLimit" in failure.message, failure
                return False

        until(up, "Neo4j's lock-out to end")

    def level(self):
        """Waits, as long as it takes a busy machine, until nothing is left to deliver."""
        deadline = time.monotonic() + LEVEL_S
        while True:
            try:
                told = self.flush()
                assert told["level"] is True, told
                return told
            except RpcError as failure:
                assert failure.code == TIMEOUT, failure
                assert time.monotonic() < deadline, self.status()


@contextlib.contextmanager
def lane_to(server, password=PASSWORD, **options):
    with harness.running(start=False) as broker:
        lane = Lane(broker, server, **options)
        lane.write_password(password)
        broker.start()
        yield lane


def put_all(broker, memories):
    """Pipelined; the receipts in the order of the memories."""
    receipts = []
    with broker.client() as client:
        for at in range(0, len(memories), PIPELINED):
            calls = [("memory.put", m) for m in memories[at:at + PIPELINED]]
            receipts += [reply.get() for reply in client.many(calls)]
    return receipts


# ---- memories ----


def vector(number):
    """768 float32s as they are carried, others for each number."""
    at = number * 37 % (len(POOL) // 4 - DIMS)
    return POOL[4 * at:4 * (at + DIMS)]


def props(number):
    """Every type there is, corners first."""
    return {
        "n": number, "int min": -2**63, "int_max": 2**63 - 1, "float": number / 7,
        "whole": float(number), "tiny": 5e-324, "huge": -1.7976931348623157e308, "minus": -0.0,
        "yes": True, "no": False, "string": f"{number}: \u00e4\u20ac\U0001f600 \"'\\\n\t\x01",
        "empty": "", "quo`te $x": "name", "ints": [number, -1, 2**53 + 1], "floats": [0.1, 1.0],
        "bools": [True, False], "strings": ["", "b", "a"], "none": [],
    }


def memory(number):
    """Full of everything; some of it left out, by the number."""
    it = {"id": f"m{number:05}-\u00fc", "content": f"Tea at {number}. " + "\u8336" * (number % 200),
          "embedding": vector(number)}
    if number % 3:
        it.update(kind=("fact", "decision", "episode")[number % 4 % 3], props=props(number))
    if number % 4:
        it.update(tags=["tea", f"tag {number % 10}", "a"], session_id=f"session-{number % 97}")
    if number % 50 == 0:  # as a list of numbers
        it["embedding"] = list(struct.unpack(f"<{DIMS}f", it["embedding"]))
    return it


# ---- what must be in the graph ----


def expected(put, receipt, told):
    """The node's properties: what was put, and what the broker says that it set itself."""
    own = put.get("props", {})
    node = {"content": put["content"], "id": put["id"], "kind": put.get("kind", "note"),
            "tags": put.get("tags", []), "version": receipt["seq"], "memferry_keys": sorted(own),
            "embedding_state": "none", **own}
    for name in ("created_ms", "updated_ms", "stamp", "origin"):
        node[name] = told[name]
    if "session_id" in put:
        node["session_id"] = put["session_id"]
    if "embedding" in put:
        given = put["embedding"]
        node.update(embedding=given if isinstance(given, bytes) else floats(given),
                    embedding_state="ready", embedding_model="caller")
    return node


def found(node):
    """A node as it is, its vector back in float32s, and the keys, which are a set, in order."""
    node = dict(node)
    if "embedding" in node:
        assert all(isinstance(x, float) for x in node["embedding"]), node["id"]
        node["embedding"] = floats(node["embedding"])
    node["memferry_keys"] = sorted(node["memferry_keys"])
    return node


def exact(value):
    """For comparing: 1 is not 1.0, nor True, and 0.0 not -0.0."""
    if isinstance(value, list):
        return ("list", [exact(v) for v in value])
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    return (type(value).__name__, value)


def assert_node(node, wanted):
    node = found(node)
    for name in wanted.keys() | node.keys():
        there, should = node.get(name), wanted.get(name)
        assert exact(there) == exact(should), f"{wanted['id']}: {name} is {there!r}, not {should!r}"


def assert_graph(server, broker, puts, receipts, without=()):
    """The graph holds these memories, each once and exact, their sessions and links; no more."""
    with broker.client() as client:
        told = harness.all_memories(client)
    wanted = {p["id"]: expected(p, r, told[p["id"]]) for p, r in zip(puts, receipts)
              if p["id"] not in without}
    assert server.value("MATCH (m:Memory) RETURN count(*)") == len(wanted)
    seen = set()
    for node in server.nodes("Memory"):
        assert node["id"] in wanted and node["id"] not in seen, node["id"]
        seen.add(node["id"])
        assert_node(node, wanted[node["id"]])
    assert seen == wanted.keys()
    links = sorted((w["session_id"], i) for i, w in wanted.items() if "session_id" in w)
    assert server.links() == links
    assert sorted(server.query("MATCH (s:Session) RETURN s.id")) == sorted({s for s, _ in links})
