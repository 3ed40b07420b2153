"""memferryd between a real Ollama, n8n and Neo4j, with configs as a user writes them: what was put while one of them
was away is whole when it is back."""
import contextlib
import math
import time

import pytest

import harness
from command import Command
from graph import DIMS, PASSWORD, assert_node, expected, memory, put_all
from receiver import Answer, Receiver
from signed import SECRET
from sinks import TIMEOUT, Backend
from wire import RpcError, floats, until

LONG_S = 180
HOUR_MS = 3600 * 1000
MODEL = "nomic-embed-text"

GRAPH = """
[backend "graph"]
plugin = neo4j-http
url = {neo4j.url}
password_env = NEO4J_PASSWORD
"""
FLOW = """
[backend "flow"]
plugin = n8n-webhook
url = {n8n.url}/webhook/memory-sync
secret_env = MEMORY_WEBHOOK_TOKEN
"""
VECTORS = """
[backend "vectors"]
plugin = ollama-embed
url = {ollama.url}
model = nomic-embed-text
"""
BELL = """
[backend "bell"]
plugin = alert-notify
webhook = {n8n.url}/webhook/memory-alert
secret_env = MEMORY_WEBHOOK_TOKEN
"""


@pytest.fixture
def servers(farm, graph, ollama, n8n):
    """All up; the graph is empty."""
    ollama.start()
    n8n.be()
    return farm


@contextlib.contextmanager
def broker_with(servers, *sections, secret=SECRET, **names):
    config = "".join(sections).format(neo4j=servers.neo4j, n8n=servers.n8n, ollama=servers.ollama, **names)
    with harness.running(config, NEO4J_PASSWORD=PASSWORD, MEMORY_WEBHOOK_TOKEN=secret) as broker:
        yield broker


def texts(count):
    words = "tea rain zebra engine violin granite harbour comet saffron ledger".split()
    return {f"m{n:03}": f"{words[n % 10]} {words[n // 10 % 10]} of the {n}th day" for n in range(count)}


def put_texts(broker, contents):
    return put_all(broker, [{"id": i, "content": c} for i, c in contents.items()])


def level(broker, name):
    """Waits, as long as it takes a busy machine, until nothing is left to deliver."""
    backend = Backend(broker, name)

    def reached():
        try:
            return backend.flush()["level"]
        except RpcError as failure:
            assert failure.code == TIMEOUT, failure
            return False

    until(reached, lambda: f"{name} to be level; it is {backend.status()}", LONG_S)
    assert backend.status()["dead"] == 0, backend.dead()


def nodes(servers):
    return {n["id"]: n for n in servers.neo4j.nodes("Memory")}


def wait_nodes(servers, what, condition):
    """Until the condition holds for every node; returns them."""
    return until(lambda: all(map(condition, nodes(servers).values())) and nodes(servers),
                 lambda: f"{what}; there is {[n for n in nodes(servers).values() if not condition(n)][:2]}",
                 LONG_S)


def wait_vectors(broker, but=None):
    """Until the store has a vector of every memory but one."""
    def ready():
        with broker.client() as client:
            states = {i: m["embedding_state"] for i, m in harness.all_memories(client).items()}
        return {s for i, s in states.items() if i != but} == {"ready"}

    until(ready, lambda: f"vectors; {Backend(broker, 'vectors').status()}", LONG_S)


def assert_found(servers, broker, ident):
    """It has the vector that the store has, of length 1, and the index finds it by that."""
    node = servers.neo4j.value("MATCH (m:Memory {id: $id}) RETURN properties(m)", id=ident)
    assert len(node["embedding"]) == DIMS
    assert (node["embedding_state"], node["embedding_model"]) == ("ready", MODEL)
    assert math.isclose(math.hypot(*node["embedding"]), 1, rel_tol=1e-5)
    told = broker.call("memory.get", id=ident)
    assert floats(node["embedding"]) == told["embedding"]
    servers.neo4j.wait_nearest(ident, node["embedding"])


# ---- Ollama away ----


@pytest.mark.parametrize("way", [GRAPH, FLOW], ids=["neo4j-http", "n8n"])
def test_memories_put_without_ollama_arrive_pending_and_all_get_vectors_when_it_starts(servers, way):
    servers.ollama.stop()
    contents = texts(30)
    with broker_with(servers, way, VECTORS) as broker:
        put_texts(broker, contents)
        own = memory(1)
        put_all(broker, [own])
        level(broker, "graph" if way is GRAPH else "flow")
        held = nodes(servers)
        assert held.keys() == contents.keys() | {own["id"]}
        for ident in contents:
            assert held[ident]["embedding_state"] == "pending" and "embedding" not in held[ident]
            assert held[ident]["content"] == contents[ident]
        assert held[own["id"]]["embedding_model"] == "caller"

        servers.ollama.start()
        wait_nodes(servers, "every one to have a vector", lambda n: n["embedding_state"] == "ready")
        wait_vectors(broker)
        level(broker, "graph" if way is GRAPH else "flow")
        for ident in contents:
            assert_found(servers, broker, ident)
        after = nodes(servers)
        assert after[own["id"]]["embedding"] == held[own["id"]]["embedding"], "the caller's own is kept"
        for ident in contents:
            for name in ("version", "stamp", "origin", "content", "updated_ms"):
                assert after[ident][name] == held[ident][name], (ident, name)


def test_the_workflow_makes_vectors_where_the_broker_has_no_embedder(servers):
    contents = texts(5)
    with broker_with(servers, FLOW) as broker:
        put_texts(broker, contents)
        level(broker, "flow")
        assert all(n["embedding_model"] == MODEL and len(n["embedding"]) == DIMS
                   for n in nodes(servers).values())
        assert broker.call("memory.get", id="m000")["embedding_state"] == "none"


# ---- both ways into one graph ----


def test_both_ways_make_the_same_node_of_every_type_there_is(servers):
    memories = [memory(n) for n in (1, 2, 3, 50)]
    with broker_with(servers, GRAPH) as broker:
        receipts = put_all(broker, memories)
        level(broker, "graph")
        by_plugin = nodes(servers)
        servers.neo4j.clear()
        Backend(broker, "graph").call("pause")
        broker.configure(broker.config.read_text() + FLOW.format(n8n=servers.n8n))
        broker.restart()
        level(broker, "flow")
        by_workflow = nodes(servers)
        for put, receipt in zip(memories, receipts):
            told = broker.call("memory.get", id=put["id"])
            node = by_workflow[put["id"]]
            assert len(node.pop("memferry_webhooks")) == 1
            assert_node(node, expected(put, receipt, told))
            assert_node(by_plugin[put["id"]], expected(put, receipt, told))


def test_both_ways_at_once_leave_one_newest_state(servers):
    with broker_with(servers, GRAPH, FLOW, VECTORS) as broker:
        put_all(broker, [{"id": f"m{n % 10}", "content": f"{n}", "props": {f"p{n}": n, "n": n},
                          "session_id": f"s{n % 3}"} for n in range(60)])
        broker.call("memory.delete", id="m7")
        wait_vectors(broker, but="m7")
        level(broker, "graph")
        level(broker, "flow")
        with broker.client() as client:
            told = harness.all_memories(client)
        held = nodes(servers)
        assert held.keys() == told.keys()
        for ident, node in held.items():
            for name in ("content", "stamp", "origin", "version", "session_id", "deleted_ms"):
                assert node.get(name) == told[ident].get(name), (ident, name)
            assert {k: node[k] for k in node["memferry_keys"]} == told[ident]["props"]
        assert servers.neo4j.links() == sorted(
            (m["session_id"], i) for i, m in told.items() if "session_id" in m)
        verified = broker.call("backend.verify", name="graph")
        assert verified["same"] == verified["here"] == verified["there"] == 10, verified


# ---- n8n and Neo4j away ----


def test_outages_of_n8n_and_neo4j_cost_no_memory(servers):
    contents = texts(60)
    with broker_with(servers, FLOW) as broker:
        flow = Backend(broker, "flow")
        put_texts(broker, dict(list(contents.items())[:20]))
        level(broker, "flow")
        servers.n8n.kill()
        put_texts(broker, dict(list(contents.items())[20:40]))
        flow.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
        servers.n8n.start()
        flow.call("probe")
        level(broker, "flow")
        assert len(nodes(servers)) == 40

        servers.neo4j.kill()
        put_texts(broker, dict(list(contents.items())[40:]))
        flow.wait_status("Neo4j to be missed", lambda s: "Neo4j" in (s["last_error"] or ""))
        assert flow.status()["dead"] == 0
        servers.neo4j.start()
        level(broker, "flow")
        assert {i: n["content"] for i, n in nodes(servers).items()} == contents


def test_a_wrong_secret_blames_no_memory_and_its_correction_heals(servers):
    with broker_with(servers, FLOW, secret="a wrong secret") as broker:
        flow = Backend(broker, "flow")
        put_texts(broker, texts(25))
        told = flow.wait_status("the refusal", lambda s: "401" in s["last_error"])
        assert told["circuit"] != "closed" and (told["dead"], told["deferred"]) == (0, 0)
        assert "a wrong secret" not in broker.log_text() + str(told)
        assert nodes(servers) == {}
        broker.environment["MEMORY_WEBHOOK_TOKEN"] = SECRET
        broker.restart()
        level(broker, "flow")
        assert len(nodes(servers)) == 25


def test_an_unpublished_workflow_blames_no_memory(servers):
    wrong = FLOW.replace("memory-sync", "no-such-workflow")
    with broker_with(servers, wrong) as broker:
        put_texts(broker, texts(25))
        told = Backend(broker, "flow").wait_status("the refusal", lambda s: "404" in s["last_error"])
        assert told["circuit"] != "closed" and (told["dead"], told["deferred"]) == (0, 0)


def test_what_the_workflow_refuses_is_a_dead_letter_alone_and_says_why(servers):
    servers.neo4j.query("CREATE CONSTRAINT one_email FOR (m:Memory) REQUIRE m.email IS UNIQUE")
    with broker_with(servers, FLOW) as broker:
        receipts = [broker.call("memory.put", id=i, content=i, props={"email": "ada@example.org"}, wait="delivered")
                    for i in ("a", "b")]
        assert [r["backends"]["flow"] for r in receipts] == ["delivered", "dead"]
        (dead,) = Command(broker).lines("dead", "list")
        assert dead["id"] == "b" and "ConstraintValidationFailed" in dead["reason"]
        put_texts(broker, texts(10))
        assert Backend(broker, "flow").flush(60000)["dead"] == 1
        assert len(nodes(servers)) == 11


# ---- 429 ----


def test_retry_after_of_a_429_is_obeyed(servers):
    receiver = Receiver(SECRET)
    busy = '\n[backend "busy"]\nplugin = n8n-webhook\nurl = {receiver.url}\nsecret_env = MEMORY_WEBHOOK_TOKEN\n'
    try:
        receiver.answer = lambda request: (
            Answer() if request.op == "ping" else Answer(429, "slower", Retry_After="3600"))
        with broker_with(servers, busy, FLOW, receiver=receiver) as broker:
            it = Backend(broker, "busy")
            it.wait_status("the first probe", lambda s: s["circuit"] == "closed")
            before_ms = time.time() * 1000
            put_texts(broker, texts(10))
            told = it.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
            assert told["next_probe_ms"] >= before_ms + HOUR_MS and told["dead"] == 0
            level(broker, "flow")  # its neighbour did not wait
            asked = len(receiver.of("put"))
            assert asked <= 4, "one a connection"
            receiver.answer = lambda request: Answer()
            broker.call("memory.put", id="more", content="c", wait="durable")
            assert len(receiver.of("put")) == asked, "nothing is sent before its time"
            it.call("probe")
            level(broker, "busy")
            assert len(receiver.state()) == 11
    finally:
        receiver.close()


# ---- alerts ----


def test_alerts_raised_while_n8n_is_down_arrive_when_it_is_back(servers):
    """A webhook that says it is gone for good is what raises this one."""
    receiver = Receiver(SECRET)
    gone = '\n[backend "gone"]\nplugin = n8n-webhook\nurl = {receiver.url}\nsecret_env = MEMORY_WEBHOOK_TOKEN\n'
    receiver.answer = lambda request: Answer(200 if request.op == "ping" else 410)
    try:
        servers.n8n.stop()
        with broker_with(servers, gone, BELL, receiver=receiver) as broker:
            broker.call("memory.put", id="m", content="c")
            (alert,) = until(lambda: broker.call("alert.list")["alerts"], "the alert")
            bell = Backend(broker, "bell")
            bell.wait_status("the bell to be missed", lambda s: s["circuit"] != "closed")
            broker.restart()  # it is in the journal
            assert servers.neo4j.query("MATCH (a:MemoryAlert) RETURN a") == []
            servers.n8n.start()
            (kept,) = until(lambda: servers.neo4j.query(
                "MATCH (a:MemoryAlert) WHERE a.handed_on_ms > 0 RETURN properties(a)"),
                lambda: f"the alert at memory-alert; the bell is {bell.status()}", LONG_S)
            for name in ("id", "rule", "severity", "summary", "undo", "at_ms"):
                assert kept[name] == alert[name], name
            until(lambda: bell.status()["pending"] == 0, bell.status)
            assert bell.status()["dead"] == 0
    finally:
        receiver.close()


def test_an_agent_that_deletes_too_much_is_told_of_when_n8n_is_back(servers):
    with broker_with(servers, BELL) as broker:
        contents = texts(40)
        put_texts(broker, contents)
        servers.n8n.stop()
        for ident in list(contents)[:30]:
            broker.call("memory.delete", id=ident, session_id="careless")
        raised = until(lambda: {a["id"]: a for a in broker.call("alert.list")["alerts"]
                                if a["rule"] == "rapid-delete" and a["count"] == 30}, "the alert")
        servers.n8n.start()

        def told():
            return {a["id"]: a for a in servers.neo4j.query("MATCH (a:MemoryAlert) RETURN properties(a)")}

        until(lambda: all((a := told().get(i, {})).get("count") == 30 and "handed_on_ms" in a for i in raised),
              lambda: f"{raised} at memory-alert; there is {told()}", LONG_S)
        for ident, alert in raised.items():
            kept = told()[ident]
            for name in ("rule", "severity", "summary", "undo", "sample_ids"):
                assert kept[name] == alert[name], name


# ---- secrets ----


def test_no_secret_is_in_what_any_of_them_wrote(servers):
    with broker_with(servers, GRAPH, FLOW, VECTORS, BELL) as broker:
        put_texts(broker, texts(5))
        level(broker, "graph")
        level(broker, "flow")
        told = str(broker.call("backend.list")) + broker.log_text()
        written = [p for p in broker.state.rglob("*") if p.is_file()]
        assert written
        for secret in (SECRET, PASSWORD):
            assert secret not in told
            for path in written:
                assert secret.encode() not in path.read_bytes(), path
            assert secret.encode() not in (servers.n8n.home / "n8n.log").read_bytes()
