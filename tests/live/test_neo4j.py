"""memferryd and a real Neo4j: what is put over the socket arrives exact and once, come what may."""
import pytest

import harness
from command import Command
from graph import (PASSWORD, assert_graph, assert_node, expected, lane_to, memory, put_all, vector)
from wire import RpcError

MANY = 10000
POISON = MANY * 3 // 4
EMAIL = "CREATE CONSTRAINT one_email FOR (m:Memory) REQUIRE m.email IS UNIQUE"


def put(lane, **params):
    """One memory; returns when it is there, with what the receipt says of the graph."""
    receipt = lane.broker.call("memory.put", wait="delivered", **params)
    return receipt["backends"]["graph"]


def node(graph, ident):
    return graph.value("MATCH (m:Memory {id: $id}) RETURN properties(m)", id=ident)


def links_of(graph, ident):
    return [session for session, to in graph.links() if to == ident]


def wait_down(lane, why):
    return lane.wait_status(f"the circuit to open for {why}",
                            lambda s: s["circuit"] != "closed" and why in s["last_error"])


# ---- the whole job ----


def many_with_a_poison():
    """The poison has the e-mail address of the first."""
    memories = [memory(n) for n in range(MANY)]
    for number in (0, POISON):
        memories[number]["props"] = {"email": "ada@example.org"}
    return memories


def test_ten_thousand_arrive_exact_and_once_through_all_troubles(graph):
    memories = many_with_a_poison()
    poison = memories[POISON]["id"]
    graph.query(EMAIL)
    with lane_to(graph, password="a-wrong-password") as lane:
        receipts = put_all(lane.broker, memories[:MANY // 2])
        status = wait_down(lane, "Unauthorized")
        assert (status["dead"], status["deferred"], status["delivered"]) == (0, 0, 0)
        assert "a-wrong-password" not in lane.broker.log_text()
        lane.write_password(PASSWORD)
        lane.wait_status("it to heal by itself", lambda s: s["delivered"] > 0)

        receipts += put_all(lane.broker, memories[MANY // 2:])
        lane.wait_status("deliveries in full swing", lambda s: s["delivered"] > 2000)
        graph.kill()
        assert lane.status()["pending"] > 0, "it was killed too late"
        status = lane.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
        assert status["deferred"] == 0 and status["dead"] <= 1
        graph.start()
        lane.probe()
        assert lane.level()["dead"] == 1

        assert_graph(graph, lane.broker, memories, receipts, without=[poison])
        command = Command(lane.broker)
        (dead,) = command.lines("dead", "list")
        assert (dead["backend"], dead["id"]) == ("graph", poison)
        assert "ConstraintValidationFailed" in dead["reason"]
        assert poison in command.ok("dead", "list")

        graph.query("DROP CONSTRAINT one_email")
        assert command.json("dead", "retry", poison)["count"] == 1
        assert lane.level()["dead"] == 0
        assert_graph(graph, lane.broker, memories, receipts)
        assert command.ok("dead", "list") == ""


def test_a_broker_killed_amid_deliveries_goes_on_where_it_was(lane, graph):
    memories = [memory(n) for n in range(4000)]
    receipts = put_all(lane.broker, memories)
    lane.wait_status("some to be delivered", lambda s: s["delivered"] > 0)
    lane.broker.kill()
    there = graph.value("MATCH (m:Memory) RETURN count(*)")
    assert 0 < there < len(memories), "it was killed too late"
    lane.broker.start()
    assert lane.level()["dead"] == 0
    assert_graph(graph, lane.broker, memories, receipts)


def test_a_password_put_right_heals_at_once_by_a_probe(graph):
    with lane_to(graph, password="a-wrong-password") as lane:
        receipt = lane.broker.call("memory.put", **memory(1))
        wait_down(lane, "Unauthorized")
        with pytest.raises(RpcError, match="a-wrong-password|Unauthorized|RateLimit") as refused:
            lane.call("probe")
        assert "a-wrong-password" not in str(refused.value)
        lane.write_password(PASSWORD)
        lane.probe()
        assert lane.status()["circuit"] == "closed"
        lane.level()
        assert_graph(graph, lane.broker, [memory(1)], [receipt])


# ---- changes ----


def test_a_merge_sets_and_removes_and_leaves_what_others_made(lane, graph):
    put(lane, id="m", content="a", kind="fact", tags=["t"], props={"keep": 1, "go": 2, "turn": "x"},
        embedding=vector(1))
    graph.query("MATCH (m:Memory {id: 'm'}) SET m.theirs = 'kept', m:Starred "
                "CREATE (m)-[:ABOUT]->(:Topic {name: 'tea'})")
    before = node(graph, "m")
    assert put(lane, id="m", props={"go": None, "turn": [1, 2], "new": True}) == "delivered"
    after = node(graph, "m")
    assert {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)} == {
        "go", "turn", "new", "memferry_keys", "version", "stamp", "updated_ms"}
    assert "go" not in after and after["turn"] == [1, 2] and after["new"] is True
    assert sorted(after["memferry_keys"]) == ["keep", "new", "turn"]
    assert after["theirs"] == "kept" and after["embedding"] == before["embedding"]
    assert graph.query("MATCH (m:Starred {id: 'm'})-[:ABOUT]->(t:Topic) RETURN t.name") == ["tea"]


def test_changed_content_takes_the_vector_away(lane, graph):
    put(lane, id="m", content="a", embedding=vector(1))
    assert put(lane, id="m", content="b") == "delivered"
    after = node(graph, "m")
    assert after["content"] == "b" and after["embedding_state"] == "none"
    assert "embedding" not in after and "embedding_model" not in after


def test_only_the_last_of_many_states_need_arrive(lane, graph):
    lane.call("pause")
    receipts = put_all(lane.broker, [{"id": "m", "content": f"{n}", "props": {f"p{n}": n}}
                                     for n in range(50)])
    lane.call("resume")
    lane.level()
    told = node(graph, "m")
    assert told["content"] == "49" and told["version"] == receipts[-1]["seq"]
    assert len(told["memferry_keys"]) == 50 and told["p0"] == 0


def test_a_tombstone_keeps_its_node_and_can_come_back(lane, graph):
    put(lane, **memory(1))
    before = node(graph, memory(1)["id"])
    told = lane.broker.call("memory.delete", id=memory(1)["id"], wait="delivered")
    after = node(graph, memory(1)["id"])
    assert after.pop("deleted_ms") > 0 and after["version"] == told["seq"]
    for name in before.keys() | after.keys():
        if name not in ("version", "stamp", "updated_ms", "session_id"):
            assert after.get(name) == before.get(name), name
    assert put(lane, id=memory(1)["id"], content="back") == "delivered"
    again = node(graph, memory(1)["id"])
    assert again["content"] == "back" and "deleted_ms" not in again


def test_a_memory_hangs_on_the_session_that_changed_it_last(lane, graph):
    put(lane, id="m", content="a", session_id="first")
    put(lane, id="n", content="a", session_id="first")
    assert graph.links() == [("first", "m"), ("first", "n")]
    put(lane, id="m", content="b", session_id="second")
    assert graph.links() == [("first", "n"), ("second", "m")]
    assert node(graph, "m")["session_id"] == "second"


def test_the_vector_index_finds_a_memory_by_its_vector(lane, graph):
    memories = [memory(n) for n in range(300)]
    put_all(lane.broker, memories)
    lane.level()
    graph.query("CALL db.awaitIndexes(60)")
    for number in (7, 150, 299):
        told = graph.query(
            "MATCH (m:Memory {id: $id}) "
            "CALL db.index.vector.queryNodes('memory_embedding', 1, m.embedding) "
            "YIELD node, score RETURN node.id, score", id=memories[number]["id"])
        assert told[0][0] == memories[number]["id"] and told[0][1] > 0.999


# ---- order between writers ----


def test_a_newer_state_that_is_there_wins(graph):
    """Two brokers, one graph: the one that comes late with the older state loses."""
    with lane_to(graph) as late, lane_to(graph) as swift:
        swift.wait_status("it to find an empty graph", lambda s: s["circuit"] == "closed")
        put(late, id="other", content="warm")
        late.call("pause")
        late.broker.call("memory.put", id="m", content="older", props={"a": 1}, session_id="s1")
        assert put(swift, id="m", content="newer", session_id="s2") == "delivered"
        before = node(graph, "m")
        with late.broker.client() as client:
            late.call("resume")
            late.level()
            assert node(graph, "m") == before and before["content"] == "newer"
            assert links_of(graph, "m") == ["s2"]
            told = client.call("memory.put", id="m", content="newest", wait="delivered")
        assert told["backends"]["graph"] == "delivered"
        assert node(graph, "m")["content"] == "newest"


def test_the_receipt_says_superseded(lane, graph):
    put(lane, id="m", content="a")
    graph.query("MATCH (m:Memory {id: 'm'}) SET m.stamp = m.stamp + 86400000000, m.content = 'b'")
    before = node(graph, "m")
    assert put(lane, id="m", content="c") == "superseded"
    assert node(graph, "m") == before
    status = lane.status()
    assert (status["dead"], status["deferred"], status["circuit"]) == (0, 0, "closed")


# ---- poison ----


def test_only_the_poison_of_a_batch_is_dead(lane, graph):
    graph.query(EMAIL)
    lane.call("pause")
    memories = [memory(n) for n in range(400)]
    for number in (3, 200, 201, 333):
        memories[number]["props"] = {"email": "ada@example.org"}
    receipts = put_all(lane.broker, memories)
    lane.call("resume")
    assert lane.level()["dead"] == 3
    dead = {d["id"] for d in lane.dead()}
    assert len(dead) == 3 and dead < {memories[n]["id"] for n in (3, 200, 201, 333)}
    assert_graph(graph, lane.broker, memories, receipts, without=dead)


def test_a_dead_letter_is_cured_by_a_change(lane, graph):
    lane.wait_status("its own schema to be made", lambda s: s["circuit"] == "closed")
    graph.query(EMAIL)
    put(lane, id="a", content="a", props={"email": "ada@example.org"})
    assert put(lane, id="b", content="b", props={"email": "ada@example.org"}) == "dead"
    assert put(lane, id="b", props={"email": "bob@example.org"}) == "delivered"
    assert lane.dead() == [] and node(graph, "b")["email"] == "bob@example.org"


# ---- pause ----


def test_a_paused_backend_gets_nothing_until_it_is_resumed(lane, graph):
    put(lane, id="before", content="a")
    lane.call("pause")
    receipt = lane.broker.call("memory.put", wait="delivered", **memory(1))
    assert receipt["backends"]["graph"] == "paused" and lane.status()["health"] == "paused"
    lane.broker.restart()
    assert lane.status()["paused"] is True
    assert graph.query("MATCH (m:Memory) RETURN m.id") == ["before"]
    lane.call("resume")
    lane.level()
    told = lane.broker.call("memory.get", id=memory(1)["id"])
    assert_node(node(graph, memory(1)["id"]), expected(memory(1), receipt, told))


# ---- the plugin alone ----


def test_the_plugin_alone(graph):
    """Its own tests, in C, which also look at what no broker would do."""
    program = harness.BUILD / "tests" / "unit" / "test_neo4j_plugin"
    graph.clear()
    graph.run_program(program)
