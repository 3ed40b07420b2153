"""The workflow memory-sync on a real n8n, Neo4j and Ollama: what it refuses, and what it stores."""
import base64
import contextlib
import json
import math
import sqlite3
import time

import pytest

from graph import assert_node, expected, memory
from signed import NEXT_SECRET, SECRET, alert, numbers, ping, secret_bytes, sign, state
from wire import floats, until

MINUTES = 60
OTHER_ORIGIN = "ffffffff-0000-4000-8000-000000000001"


def refused(flow, reply):
    """It said no, told nobody the secret, and the graph is as empty as before."""
    assert reply.status == 401 and reply.body["status"] == "refused", reply
    assert SECRET not in reply.text
    assert flow.everything() == []


# ---- who may ----


def test_a_ping_is_answered_without_any_change(flow):
    reply = flow.post(ping())
    assert (reply.status, reply.body) == (200, {"status": "pong"})
    assert flow.everything() == []
    assert flow.graph.query("SHOW CONSTRAINTS YIELD name RETURN name") == []


def test_a_ping_with_a_wrong_signature_is_refused(flow):
    refused(flow, flow.post(ping(), secrets=("another secret",)))


def test_a_wrong_signature_is_refused(flow):
    refused(flow, flow.post(state(), secrets=("another secret",)))


def test_the_hash_of_the_body_alone_is_refused_for_it_says_not_when(flow):
    raw = json.dumps(state()).encode()
    hash_only = {k: v for k, v in sign(raw).items() if not k.startswith("webhook-")}
    refused(flow, flow.send(raw, hash_only))


CHANGED = [
    {"X-Signature-256": "sha256=" + "0" * 64}, {"X-Signature-256": ""}, {"X-Signature-256": "sha256="},
    {"webhook-signature": ""}, {"webhook-signature": "v1,"}, {"webhook-signature": "v1,AAAA"},
    {"webhook-signature": "v2,AAAA"}, {"webhook-signature": "v1,\u00e9"},
    {"webhook-id": "msg_other"}, {"webhook-id": "a b"}, {"webhook-id": "m" * 129},
    {"webhook-timestamp": ""}, {"webhook-timestamp": "soon"}, {"webhook-timestamp": "1e9"},
    {"webhook-timestamp": "-5"}, {"webhook-timestamp": "9" * 30},
    {"webhook-id": None}, {"webhook-timestamp": None}, {"webhook-signature": None},
]


def test_a_header_that_is_missing_or_was_changed_is_refused(flow):
    raw = json.dumps(state()).encode()
    for changed in CHANGED:
        headers = {k: v for k, v in {**sign(raw), **changed}.items() if v is not None}
        reply = flow.send(raw, headers)
        assert reply.status == 401 and reply.body["status"] == "refused", (changed, reply)
        assert SECRET not in reply.text
    assert flow.everything() == []


def test_a_body_that_was_changed_is_refused(flow):
    raw = json.dumps(state()).encode()
    refused(flow, flow.send(raw.replace(b"Tea at four", b"Tea at five"), sign(raw)))


def test_an_id_with_a_dot_is_refused_for_it_could_shift_what_is_signed(flow):
    refused(flow, flow.post(state(), ident="msg_1.17"))


def test_a_timestamp_over_five_minutes_away_is_refused(flow):
    for minutes in (-6, 6, -600000):
        reply = flow.post(state(), timestamp=int(time.time()) + minutes * MINUTES)
        assert "webhook-timestamp" in reply.body["error"], reply
        refused(flow, reply)


def test_a_timestamp_within_five_minutes_is_taken(flow):
    for minutes in (-4, 4):
        flow.stored(state(f"{minutes}"), timestamp=int(time.time()) + minutes * MINUTES)


def test_either_of_two_secrets_is_taken(flow):
    flow.stored(state("a"))
    flow.stored(state("b"), secrets=(NEXT_SECRET,))
    flow.stored(state("c"), secrets=(NEXT_SECRET, "one that is not known here"))
    flow.stored(state("d"), secrets=(SECRET, NEXT_SECRET))
    flow.stored(state("e"), secrets=("one that is not known here", SECRET))


def test_a_whsec_secret_is_its_bytes_and_not_its_text(flow):
    text_of_it = "whsec_" + base64.b64encode(NEXT_SECRET.encode()).decode()
    assert secret_bytes(text_of_it) == NEXT_SECRET.encode()
    refused(flow, flow.post(state(), secrets=(text_of_it,)))


def test_a_secret_is_changed_without_a_memory_refused(flow_with):
    """As docs/n8n.md tells: n8n takes both, then memferry signs with the new one, then n8n forgets
    the old one."""
    new = "whsec_" + base64.b64encode(b"a new secret of the tests").decode()
    flow = flow_with(MEMORY_WEBHOOK_TOKEN_NEXT=new)
    flow.stored(state("a"), secrets=(SECRET,))
    flow.stored(state("b"), secrets=(new,))
    flow = flow_with(MEMORY_WEBHOOK_TOKEN=new, MEMORY_WEBHOOK_TOKEN_NEXT=None)
    flow.stored(state("c"), secrets=(new,))
    assert flow.post(state("d"), secrets=(SECRET,)).status == 401


@pytest.mark.parametrize("environment, hint", [
    ({"MEMORY_WEBHOOK_TOKEN": "", "MEMORY_WEBHOOK_TOKEN_NEXT": None}, "MEMORY_WEBHOOK_TOKEN is not set"),
    ({"MEMORY_WEBHOOK_TOKEN": "whsec_$!", "MEMORY_WEBHOOK_TOKEN_NEXT": None}, "is not base64"),
    ({"NEO4J_HTTP_URL": ""}, "NEO4J_HTTP_URL is not set"),
    ({"N8N_BLOCK_ENV_ACCESS_IN_NODE": "true"}, "N8N_BLOCK_ENV_ACCESS_IN_NODE"),
    ({"NODE_FUNCTION_ALLOW_BUILTIN": ""}, "NODE_FUNCTION_ALLOW_BUILTIN"),
], ids=str)
def test_an_n8n_that_is_not_set_up_blames_no_memory_and_says_what_is_missing(flow_with, environment, hint):
    reply = flow_with(**environment).post(state())
    assert reply.status == 503 and hint in reply.body["error"] and "$!" not in reply.text, reply
    assert int(reply.headers["Retry-After"]) > 0


# ---- what is stored ----


def test_a_memory_arrives_exact_with_every_type_there_is(flow):
    for number in (1, 2, 3, 7):
        put = memory(number)
        body = {**state(put["id"]), **{k: v for k, v in put.items() if k != "embedding"},
                "created_ms": number, "updated_ms": number + 1, "stamp": 2_000_000 + number,
                "version": number, "embedding": numbers(number), "embedding_model": "caller",
                "embedding_state": "ready"}
        flow.stored(body)
        assert_node(flow.node(put["id"]), expected(put, {"seq": number}, body))
    links = [(f"session-{n}", memory(n)["id"]) for n in (1, 2, 3, 7)]
    assert flow.graph.links() == sorted(links)


def test_a_vector_of_whole_numbers_is_one_of_floats(flow):
    vector = [1] + [0] * 767
    flow.stored(state(embedding=vector))
    node = flow.node()
    assert all(isinstance(x, float) for x in node["embedding"]) and node["embedding"] == vector
    assert node["embedding_model"] == "caller" and node["embedding_state"] == "ready"


def test_a_missing_vector_is_made_of_length_one_and_found_by_the_index(flow):
    told = flow.stored(state(content="Tea at four"))
    assert told["embedding_state"] == "ready"
    node = flow.node()
    assert len(node["embedding"]) == 768 and node["embedding_model"] == "nomic-embed-text"
    assert math.isclose(math.hypot(*node["embedding"]), 1, rel_tol=1e-6)
    assert floats(node["embedding"]) != floats([0] * 768)
    flow.stored(state("other", content="A quite different text of zebras"))
    flow.graph.wait_nearest("m", node["embedding"])


def test_a_content_without_a_word_gets_no_vector(flow):
    assert flow.stored(state(content=" \n"))["embedding_state"] == "none"
    assert "embedding" not in flow.node()


def test_a_long_content_is_stored_whole_and_gets_a_vector(flow):
    """At once, or where that takes over ten seconds by memory-embed."""
    content = "x" * 100_000 + " and more" * 1000
    flow.stored(state(content=content))
    assert flow.node()["content"] == content
    until(lambda: "embedding" in flow.node(), flow.node, 180)


def test_the_largest_content_is_stored(flow):
    content = "\U0001f375" * (1024 * 1024 // 4)
    flow.stored(state(content=content, embedding=numbers(1)))
    assert flow.node()["content"] == content


def test_only_what_a_state_no_longer_has_is_removed(flow):
    flow.stored(state(props={"keep": 1, "go": 2, "turn": "x"}, session_id="first"))
    flow.graph.query("MATCH (m:Memory {id: 'm'}) SET m.theirs = 'kept', m:Starred "
                     "CREATE (m)-[:ABOUT]->(:Topic {name: 'tea'})")
    flow.stored(state(stamp=2_000_000, props={"keep": 1, "turn": [1, 2], "new": True},
                      session_id="second"))
    node = flow.node()
    assert "go" not in node and node["turn"] == [1, 2] and node["new"] is True
    assert sorted(node["memferry_keys"]) == ["keep", "new", "turn"] and node["theirs"] == "kept"
    assert flow.graph.query("MATCH (m:Starred)-[:ABOUT]->(t:Topic) RETURN t.name") == ["tea"]
    assert flow.graph.links() == [("second", "m")]


def test_a_delete_is_a_tombstone_and_can_come_back(flow):
    flow.stored(state(props={"a": 1}))
    before = flow.node()
    flow.stored(state(op="delete", stamp=2_000_000, props={"a": 1}))
    after = flow.node()
    assert after.pop("deleted_ms") == 3
    assert after == {**before, "stamp": 2_000_000}
    flow.stored(state(stamp=3_000_000))
    assert "deleted_ms" not in flow.node() and flow.node()["embedding_state"] == "ready"


def test_an_unchanged_content_keeps_its_vector_when_none_can_be_made(flow, ollama):
    flow.stored(state())
    before = flow.node()
    ollama.stop()
    told = flow.stored(state(stamp=2_000_000, tags=["new"]))
    assert told["embedding_state"] == "ready"
    assert flow.node() == {**before, "stamp": 2_000_000, "tags": ["new"]}
    flow.stored(state(stamp=3_000_000, content="another"))
    node = flow.node()
    assert "embedding" not in node and node["embedding_state"] == "pending"


# ---- order and repeats ----


def test_a_repeated_id_is_answered_with_success_and_changes_nothing(flow):
    flow.stored(state(props={"a": 1}, session_id="s"), ident="msg_1")
    before = flow.everything()
    for _ in range(2):
        reply = flow.post(state(props={"a": 1}, session_id="s"), ident="msg_1")
        assert reply.status == 200 and reply.body["status"] == "repeated", reply
    assert flow.everything() == before


def test_a_repeat_does_not_take_the_vector_that_came_since(flow):
    """The vector of a state comes later, with the same stamp."""
    plain = state(embedding_state="pending", content=" ")
    flow.stored(plain, ident="msg_1")
    flow.stored({**plain, "embedding": numbers(1)}, ident="msg_2")
    before = flow.everything()
    assert flow.post(plain, ident="msg_1").body["status"] == "repeated"
    assert flow.everything() == before


def test_a_repeat_is_known_after_n8n_was_killed(flow):
    flow.stored(state(), ident="msg_1")
    before = flow.everything()
    flow.n8n.kill()
    flow.n8n.start()
    assert flow.post(state(), ident="msg_1").body["status"] == "repeated"
    assert flow.everything() == before


def test_of_ten_repeats_at_once_one_is_stored(flow):
    replies = flow.at_once([state()] * 10, ident="msg_1")
    assert [r.status for r in replies] == [200] * 10
    assert sorted(r.body["status"] for r in replies) == ["repeated"] * 9 + ["stored"]
    assert flow.graph.value("MATCH (m:Memory) RETURN count(*)") == 1


@pytest.mark.parametrize("stamp, origin", [
    (4_999_999, OTHER_ORIGIN), (5_000_000, "00000000-0000-4000-8000-000000000000")])
def test_an_older_state_is_superseded(flow, stamp, origin):
    flow.stored(state(stamp=5_000_000, props={"a": 1}))
    before = flow.everything()
    reply = flow.post(state(stamp=stamp, origin=origin, content="older", session_id="older"))
    assert reply.status == 200, reply
    assert reply.body == {"status": "superseded", "id": "m", "superseded": True,
                          "embedding_state": "ready"}
    assert flow.everything() == before


def test_of_two_with_one_stamp_the_higher_origin_stays(flow):
    flow.stored(state())
    flow.stored(state(origin=OTHER_ORIGIN, content="theirs"))
    assert flow.node()["content"] == "theirs"


def test_ten_memories_at_once_arrive(flow):
    replies = flow.at_once([state(f"m{n}", session_id="s") for n in range(10)])
    assert [r.body.get("status") for r in replies] == ["stored"] * 10, replies
    assert sorted(flow.graph.query("MATCH (m:Memory) RETURN m.id")) == [f"m{n}" for n in range(10)]
    assert flow.graph.value("MATCH (s:Session) RETURN count(*)") == 1
    assert len(flow.graph.links()) == 10


def test_of_ten_states_of_one_memory_at_once_the_newest_stays(flow):
    order = [3, 9, 0, 7, 1, 8, 5, 2, 6, 4]
    replies = flow.at_once([state(stamp=1_000_000 + n, content=f"{n}", props={f"p{n}": n})
                            for n in order])
    assert {r.status for r in replies} == {200}, replies
    assert {r.body["status"] for r in replies} <= {"stored", "superseded"}
    node = flow.node()
    assert node["content"] == "9" and node["memferry_keys"] == ["p9"]
    assert [name for name in node if name.startswith("p")] == ["p9"]


# ---- what goes wrong ----


def test_without_ollama_a_memory_goes_without_a_vector_marked_pending(flow, ollama):
    ollama.stop()
    assert flow.stored(state())["embedding_state"] == "pending"
    node = flow.node()
    assert node["embedding_state"] == "pending" and "embedding" not in node
    ollama.start()
    flow.stored(state(stamp=2_000_000))
    assert len(flow.node()["embedding"]) == 768


def test_an_ollama_that_hangs_holds_up_no_memory_for_long(flow, ollama):
    ollama.hang()
    try:
        assert flow.stored(state())["embedding_state"] == "pending"
    finally:
        ollama.kill()


def test_a_missing_model_blames_no_memory(flow_with):
    assert flow_with(OLLAMA_MODEL="no-such-model").stored(state())["embedding_state"] == "pending"


def test_without_an_ollama_in_its_settings_no_vector_is_promised(flow_with):
    flow = flow_with(OLLAMA_URL="")
    assert flow.stored(state())["embedding_state"] == "none"
    assert flow.stored(state("p", embedding_state="pending"))["embedding_state"] == "pending"


def test_without_neo4j_it_says_that_it_may_be_tried_again(flow, graph):
    graph.kill()
    reply = flow.post(state())
    assert reply.status == 503 and reply.body["status"] == "unavailable", reply
    assert int(reply.headers["Retry-After"]) > 0 and "Neo4j" in reply.body["error"]
    graph.start()
    flow.stored(state())


def test_a_wrong_password_of_neo4j_blames_no_memory_and_is_in_no_answer(flow_with):
    reply = flow_with(NEO4J_PASSWORD="a-wrong-password").post(state())
    assert reply.status == 503 and "Security" in reply.body["error"], reply
    assert "a-wrong-password" not in reply.text


def test_a_memory_that_breaks_a_constraint_is_rejected_alone(flow):
    flow.graph.query("CREATE CONSTRAINT one_email FOR (m:Memory) REQUIRE m.email IS UNIQUE")
    flow.stored(state("a", props={"email": "ada@example.org"}))
    reply = flow.post(state("b", props={"email": "ada@example.org"}))
    assert reply.status == 422 and "ConstraintValidationFailed" in reply.body["error"], reply
    assert flow.node("b") is None


def test_malformed_json_is_rejected_whoever_reads_it_first(flow):
    raw = b'{"id": "m", "content": '
    assert flow.post(raw).status == 422  # n8n's own parser
    reply = flow.send(raw, {**sign(raw), "Content-Type": "text/plain"})
    assert (reply.status, reply.body["field"]) == (400, "body"), reply


def test_what_is_no_object_in_utf8_is_rejected(flow):
    for raw in (b"[]", b"null", b'"text"', b"7", b"", b'{"content": "\xff"}', b"\xef\xbb\xbf{}"):
        reply = flow.send(raw, {**sign(raw), "Content-Type": "application/octet-stream"})
        assert (reply.status, reply.body["field"]) == (400, "body"), (raw, reply)


BAD = [
    ("event.op", {"event": None}), ("event.op", {"event": {"op": 7}}), ("event.op", {"event": {}}),
    ("id", {"id": ""}), ("id", {"id": "x" * 257}), ("id", {"id": 7}),
    ("id", {"id": None}), ("id", {"id": "\ud800"}), ("id", {"id": "a\0"}),
    ("content", {"content": None}), ("content", {"content": ["x"]}),
    ("content", {"content": "x" * (1024 * 1024 + 1)}), ("content", {"content": "\0"}),
    ("kind", {"kind": ""}), ("kind", {"kind": "k" * 65}), ("kind", {"kind": 1}),
    ("tags", {"tags": "t"}), ("tags", {"tags": ["t"] * 257}), ("tags[1]", {"tags": ["a", 1]}),
    ("tags[0]", {"tags": [""]}), ("props", {"props": []}), ("props", {"props": {"": 1}}),
    ("props", {"props": {"n" * 257: 1}}), ("props", {"props": {f"{n}": 1 for n in range(1025)}}),
    ("props.a", {"props": {"a": {}}}), ("props.a", {"props": {"a": {"rawJSON": "1"}}}),
    ("props.a", {"props": {"a": [[1]]}}), ("props.a", {"props": {"a": [1, "x"]}}),
    ("props.a", {"props": {"a": [1, 1.5]}}), ("props.a", {"props": {"a": [None]}}),
    ("props.a", {"props": {"a": 2**63}}), ("props.a", {"props": {"a": -2**63 - 1}}),
    ("props.a", {"props": {"a": [0] * 4097}}), ("props.id", {"props": {"id": "x"}}),
    ("props.memferry_keys", {"props": {"memferry_keys": []}}),
    ("props.memferry_webhooks", {"props": {"memferry_webhooks": []}}),
    ("embedding", {"embedding": [0.5] * 767}), ("embedding", {"embedding": "AAAA"}),
    ("embedding", {"embedding": [0.5] * 767 + ["1"]}), ("embedding", {"embedding": [0.5] * 767 + [None]}),
    ("embedding_state", {"embedding_state": "soon"}), ("stamp", {"stamp": None}),
    ("stamp", {"stamp": 1.5}), ("stamp", {"stamp": "1"}), ("stamp", {"stamp": 2**63}),
    ("version", {"version": True}), ("created_ms", {"created_ms": None}),
    ("updated_ms", {"updated_ms": []}), ("deleted_ms", {"deleted_ms": 5}),
    ("deleted_ms", {"event": {"op": "delete"}}), ("origin", {"origin": ""}),
    ("origin", {"origin": None}), ("session_id", {"session_id": "s" * 65}),
]


def test_a_bad_memory_is_rejected_naming_the_field(flow):
    for field, fields in BAD:
        reply = flow.post({**state(), **fields})
        assert (reply.status, reply.body.get("field")) == (422, field), (str(fields)[:80], reply)
        assert reply.body["error"].startswith(field) and "\n" not in reply.text
    assert flow.everything() == []


def test_a_number_beyond_any_float_is_rejected(flow):
    raw = json.dumps(state(props={"a": 1})).replace('"a": 1', '"a": 1e400').encode()
    assert flow.post(raw).body["field"] == "props.a"


HOSTILE = [
    "'}) DETACH DELETE m //", "\\' OR 1=1 //", "`) RETURN 1 //", "$id", "{{ $env.NEO4J_PASSWORD }}",
    "={{ 1 + 1 }}", "__proto__", "constructor", "toString", "../../etc/passwd", "a\nb\r\t", "\u202e",
    "\U0001f375", "%s%n", "\x7f", "\u2028", "null", "true", "0", " ", '"', "</script>", "id.x[0]",
]


def test_hostile_ids_are_stored_as_they_are(flow):
    ids = HOSTILE + ["\U0001f375" * 64, "x" * 256]
    for ident in ids:
        assert flow.stored(state(ident, content=ident, kind=ident.encode()[:60].decode(errors="ignore"),
                                 session_id="s", embedding=numbers(1)))["id"] == ident
    stored = dict(map(tuple, flow.graph.query("MATCH (m:Memory) RETURN m.id, m.content")))
    assert stored == {ident: ident for ident in ids}
    assert sorted(flow.graph.query("CALL db.labels()")) == ["Memory", "Session"]


def test_hostile_names_and_values_of_props_are_data(flow):
    props = {name: name for name in HOSTILE}
    flow.stored(state(props=props, embedding=numbers(1)))
    node = flow.node()
    assert {name: node[name] for name in props} == props
    assert sorted(node["memferry_keys"]) == sorted(props)
    flow.stored(state(stamp=2_000_000, embedding=numbers(1)))
    node = flow.node()
    assert node["memferry_keys"] == [] and not props.keys() & node.keys()


def test_an_op_of_a_later_version_is_answered_and_left_alone(flow):
    reply = flow.post({**state(), "event": {"op": "of a later version"}})
    assert (reply.status, reply.body) == (200, {"status": "ignored"})
    assert flow.everything() == []


def test_an_alert_at_the_wrong_webhook_blames_the_url(flow):
    reply = flow.post(alert())
    assert reply.status == 404 and "url" in reply.body["error"], reply


def test_unknown_fields_are_left_alone(flow):
    flow.stored({**state(), "of_a_later_version": {"deep": [1]}})
    assert "of_a_later_version" not in flow.node()


def test_no_secret_is_in_any_file_of_n8n_and_no_execution_is_kept(flow):
    flow.stored(state(content="a content that only Neo4j may keep"))
    flow.post(state(), secrets=("another secret",))
    flow.n8n.stop()
    paths = {p.name: p for p in flow.n8n.home.rglob("*") if p.is_file()}
    for path in paths.values():
        data = path.read_bytes()
        for secret in (SECRET, NEXT_SECRET, flow.n8n.environment["NEO4J_PASSWORD"]):
            assert secret.encode() not in data, path
    assert b"only Neo4j may keep" not in paths["n8n.log"].read_bytes()
    with contextlib.closing(sqlite3.connect(paths["database.sqlite"])) as database:
        kept = "SELECT count(*) FROM execution_entity WHERE deletedAt IS NULL"
        assert database.execute(kept).fetchone() == (0,)
