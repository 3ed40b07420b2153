"""A journal that was lost comes back from a real Neo4j, and Neo4j is held against what is here."""
import shutil

from command import Command
from graph import lane_to, memory, put_all
from harness import dump
from wire import until

MANY = 3000
# Where orders of text may differ: bytes, UTF-16 units, letters without their accents, white space.
ODD = ["\U0001F600", "\uffff", "\ue000", "é", "e", "E", "z" * 256, "a b\n", "\x01", "-", "0"]


def state(broker):
    """All but what is a journal's own."""
    with broker.client() as client:
        memories, _ = dump(client)
    return {ident: {k: v for k, v in one.items() if k != "version"}
            for ident, one in memories.items()}


def fill(broker):
    put_all(broker, [memory(n) for n in range(MANY)])
    put_all(broker, [{"id": ident, "content": f"odd {ident}"} for ident in ODD])
    for n in range(0, MANY, 97):
        broker.call("memory.delete", id=memory(n)["id"])
    for n in range(1, MANY, 89):
        broker.call("memory.put", id=memory(n)["id"], content="changed", props={"n": None})


def test_a_lost_journal_comes_back_from_neo4j_exactly(graph):
    with lane_to(graph) as lane:
        broker = lane.broker
        fill(broker)
        lane.level()
        before = state(broker)
        broker.kill()
        shutil.rmtree(broker.state)
        broker.start()
        alert, = until(lambda: broker.call("alert.list")["alerts"], "the alert")
        assert alert["rule"] == "journal-lost" and alert["undo"] == "memferry recover --from graph"
        told = Command(broker).ok("recover", "--from", "graph")
        assert "verified; 0 left out" in told
        assert state(broker) == before
        assert broker.call("backend.verify", name="graph")["same"] == MANY + len(ODD)
        receipt = broker.call("memory.put", id="later", content="x", wait="delivered")
        assert receipt["backends"] == {"graph": "delivered"}


def test_what_was_changed_in_the_graph_is_found_and_mended(graph):
    with lane_to(graph) as lane:
        broker = lane.broker
        put_all(broker, [memory(n) for n in range(200)])
        lane.level()
        ids = [memory(n)["id"] for n in range(200)]
        graph.query("MATCH (m:Memory) WHERE m.id IN $gone DETACH DELETE m", gone=ids[:3])
        graph.query("MATCH (m:Memory {id: $id}) SET m.content = 'theirs'", id=ids[3])
        graph.query("MATCH (m:Memory {id: $id}) SET m.stamp = m.stamp - 1", id=ids[4])
        told = broker.call("backend.verify", name="graph", repair=True)
        assert (told["missing"], told["changed"], told["older"], told["same"]) == (3, 1, 1, 195)
        assert told["samples"]["missing"] == sorted(ids[:3]) and told["repaired"] == 5
        lane.level()
        assert broker.call("backend.verify", name="graph")["same"] == 200
