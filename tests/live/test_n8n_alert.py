"""The workflow memory-alert on a real n8n and Neo4j."""
from signed import SECRET, alert, ping, state


def alerts(bell):
    return bell.graph.query("MATCH (a:MemoryAlert) RETURN properties(a) ORDER BY a.id")


def test_a_ping_is_answered_without_any_change(bell):
    assert bell.post(ping()).body == {"status": "pong"}
    assert bell.everything() == []


def test_a_wrong_signature_is_refused(bell):
    reply = bell.post(alert(), secrets=("another secret",))
    assert reply.status == 401 and SECRET not in reply.text, reply
    assert bell.everything() == []


def test_an_alert_is_kept_with_all_that_it_says(bell):
    bell.stored(alert("a", sample_ids=["m1", "'}) //"]))
    (kept,) = alerts(bell)
    assert kept.pop("received_ms") <= kept.pop("handed_on_ms")
    wanted = alert("a", sample_ids=["m1", "'}) //"])["alert"]
    assert kept == {k: v for k, v in wanted.items() if v is not None}


def test_a_repeated_alert_is_handed_on_once(bell):
    bell.stored(alert(), ident="msg_1")
    (first,) = alerts(bell)
    for ident in ("msg_1", "msg_2"):
        reply = bell.post(alert(), ident=ident)
        assert reply.status == 200 and reply.body["status"] == "repeated", reply
    assert alerts(bell) == [first]


def test_an_alert_that_grew_is_the_same_alert(bell):
    bell.stored(alert(count=11))
    (first,) = alerts(bell)
    bell.stored(alert(count=40, summary="40 deletes"))
    (grown,) = alerts(bell)
    assert grown == {**first, "count": 40, "summary": "40 deletes"}
    assert bell.post(alert(count=12)).body["status"] == "repeated"
    assert alerts(bell) == [grown]


def test_ten_of_one_alert_at_once_are_one(bell):
    replies = bell.at_once([alert(count=n) for n in range(1, 11)])
    assert {r.status for r in replies} == {200}, replies
    (kept,) = alerts(bell)
    assert kept["count"] == 10


def test_without_neo4j_it_says_that_it_may_be_tried_again(bell, graph):
    graph.kill()
    reply = bell.post(alert())
    assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0, reply
    graph.start()
    bell.stored(alert())


BAD = [
    ("alert.id", {"id": ""}), ("alert.rule", {"rule": None}), ("alert.severity", {"severity": 3}),
    ("alert.at_ms", {"at_ms": 1.5}), ("alert.count", {"count": "many"}),
    ("alert.sample_ids", {"sample_ids": "m"}), ("alert.sample_ids[0]", {"sample_ids": [1]}),
    ("alert.summary", {"summary": {"a": 1}}), ("alert.peer_pid", {"peer_pid": "x"}),
]


def test_a_bad_alert_is_rejected_naming_the_field(bell):
    for field, fields in BAD:
        reply = bell.post(alert(**fields))
        assert (reply.status, reply.body.get("field")) == (422, field), (fields, reply)
    assert alerts(bell) == []


def test_what_is_no_alert_is_rejected(bell):
    for body in ({}, {"event": []}, {"event": {"op": "alert"}}, {"event": {"op": "alert"}, "alert": []}):
        assert bell.post(body).status == 422, body


def test_a_memory_at_the_wrong_webhook_blames_the_url_and_no_memory(bell):
    reply = bell.post(state())
    assert reply.status == 404 and "url" in reply.body["error"], reply
