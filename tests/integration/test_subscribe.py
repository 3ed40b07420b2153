"""event.subscribe: a connection is told what happens, in order, from now or from a seq on."""
import json

import pytest

import harness
from sinks import put
from wire import RpcError, until

BUSY, CONFLICT, PARAMS = -32001, -32003, -32602


def notes(client, count):
    """The next `count` notifications, as (method, params)."""
    while len(client.notes) < count:
        receive_note(client)
    taken, client.notes = client.notes[:count], client.notes[count:]
    return [(n["method"], n["params"]) if isinstance(n, dict) else (n[1], n[2][0]) for n in taken]


def receive_note(client):
    """Reads until one more notification is there; no reply is on its way."""
    before = len(client.notes)
    if client.encoding == "json":
        message = json.loads(client.line())
        assert "method" in message, message
        client.notes.append(message)
        return
    while len(client.notes) == before:
        for message in client.unpacker:
            assert message[0] == 2, message
            client.notes.append(message)
        if len(client.notes) == before:
            piece = client.sock.recv(1 << 20)
            assert piece, "closed"
            client.unpacker.feed(piece)


def test_events_come_as_they_happen(broker, encoding):
    broker.call("memory.put", id="before", content="x")
    with broker.client(encoding) as client:
        told = client.call("event.subscribe")
        seq = broker.call("memory.put", id="tea", content="x", session_id="s-1",
                          event_id="e-1")["seq"]
        broker.call("memory.delete", id="tea", reason="cold")
        (first, one), (second, two) = notes(client, 2)
    assert told == {"from_seq": seq} and first == second == "event"
    assert one.pop("at_ms") > 0 and one.pop("peer_pid") > 0
    assert one == {"seq": seq, "op": "put", "id": "tea", "event_id": "e-1", "session_id": "s-1"}
    assert (two["seq"], two["op"], two["id"], two["reason"]) == (seq + 1, "delete", "tea", "cold")


def test_what_has_been_comes_by_its_seq(broker, encoding):
    put(broker, "m", 2000)
    with broker.client(encoding) as client:
        client.call("event.subscribe", from_seq=501)
        told = [params["seq"] for _, params in notes(client, 1500)]
        assert told == list(range(501, 2001))
        broker.call("memory.put", id="next", content="x")
        assert notes(client, 1)[0][1]["seq"] == 2001


def test_only_the_wanted_kinds_come(broker):
    with broker.client() as client:
        client.call("event.subscribe", kinds=["delete"])
        put(broker, "m", 600)
        broker.call("memory.delete", id="m7")
        (_, params), = notes(client, 1)
    assert params["op"] == "delete" and params["id"] == "m7"


def test_alerts_come_whole(sink, encoding):
    broker = sink.broker
    with broker.client(encoding) as client:
        client.call("event.subscribe", kinds=["alert", "alert_ack"])
        sink.script("gone")
        put(broker, "m", 1)
        (method, alert), = notes(client, 1)
        assert method == "alert" and alert == broker.call("alert.list")["alerts"][0]
        assert alert["id"] == "backend-gone/graph"
        broker.call("alert.ack", all=True)
        (method, event), = notes(client, 1)
        assert method == "event" and event["op"] == "alert_ack"


def test_calls_go_on_beside_notifications(broker, encoding):
    with broker.client(encoding) as client:
        client.call("event.subscribe")
        seqs = [client.call("memory.put", id=f"m{n}", content="x")["seq"] for n in range(200)]
        assert [params["seq"] for _, params in notes(client, 200)] == seqs


def test_who_does_not_read_costs_no_more_than_the_pause(broker):
    put(broker, "warm", 3000)
    with broker.client() as client:
        client.call("event.subscribe", from_seq=1)
        before = broker.rss_kb()
        for n in range(10):
            put(broker, f"m{n}-" + "x" * 200, 2000)
        if not harness.sanitized():
            assert broker.rss_kb() - before < 48 * 1024
        told = [params["seq"] for _, params in notes(client, 23000)]
    assert told == list(range(1, 23001))


def is_subscribed(client):
    """One that went counts until what is being read for it has been read."""
    try:
        client.call("event.subscribe", from_seq=1)
    except RpcError as failure:
        assert failure.code == BUSY
        return False
    return True


def test_one_that_goes_is_forgotten(broker):
    for _ in range(3):
        clients = [broker.client() for _ in range(64)]
        for client in clients:
            until(lambda one=client: is_subscribed(one), "a place among the subscribers")
        with broker.client() as one_more, pytest.raises(RpcError) as failure:
            one_more.call("event.subscribe")
        assert failure.value.code == BUSY
        put(broker, "m", 50)
        for client in clients:
            client.close()
        until(lambda: broker.call("stats")["peers"]["now"] <= 1, "the connections to go")


def test_a_second_subscription_is_refused(broker):
    with broker.client() as client:
        client.call("event.subscribe")
        with pytest.raises(RpcError) as failure:
            client.call("event.subscribe")
    assert failure.value.code == CONFLICT


@pytest.mark.parametrize("params, field", [({"kinds": []}, "kinds"), ({"kinds": "alert"}, "kinds"),
                                           ({"kinds": ["alarm"]}, "kinds"),
                                           ({"kinds": [1]}, "kinds"), ({"from_seq": 0}, "from_seq"),
                                           ({"from_seq": -1}, "from_seq"), ({"since": 1}, "since")])
def test_params_without_sense_are_refused(shared, params, field):
    with pytest.raises(RpcError) as failure:
        shared.call("event.subscribe", params)
    assert failure.value.code == PARAMS and failure.value.field == field


def test_the_broker_stops_with_subscribers(broker):
    with broker.client() as client:
        client.call("event.subscribe", from_seq=1)
        put(broker, "m", 500)
        broker.stop()
        assert client.closed()
