"""SIGTERM with things in flight: everything is answered, and truly, and the end is no error."""
import signal

import pytest

import harness
from sinks import TIMEOUT, put
from wire import RpcError, until


def test_peer_that_never_reads_does_not_hold_up_the_stop(broker):
    broker.call("memory.put", id="big", content="x" * (1 << 20))
    with broker.client() as deaf:
        for _ in range(8):
            deaf.send("memory.get", {"id": "big"})
        until(lambda: broker.call("stats")["requests"]["all"] >= 10, "its requests to be read")
        broker.stop()  # with 0


def test_wait_for_delivery_ends_with_timeout_when_the_broker_stops(sink):
    sink.script("hang")
    put(sink.broker, "m", 1)
    until(sink.batches, "the call")
    with sink.broker.client() as client:
        waiting = client.send("memory.put", {"id": "n", "content": "c", "wait": "delivered"})
        client.call("memory.get", id="m0")
        sink.broker.stop()
        with pytest.raises(RpcError) as failure:
            client.wait(waiting).get()
    assert failure.value.code == TIMEOUT
    assert failure.value.data["receipt"]["durable"] is True


def test_puts_in_flight_never_claim_a_delivery_when_the_broker_stops(sink):
    sink.script("hang")
    put(sink.broker, "m", 1)
    until(sink.batches, "the call")
    with sink.broker.client() as client:
        waiting = [client.send("memory.put", {"id": f"n{n}", "content": "c" * 2000,
                                              "wait": "delivered"}) for n in range(500)]
        sink.broker.process.send_signal(signal.SIGTERM)
        replies = client.drain()
        assert sink.broker.wait_end() == 0
    assert len(replies) <= len(waiting)
    for reply in replies:
        assert reply.error is not None and reply.error["code"] == TIMEOUT, reply


def test_plugin_that_never_ends_its_call_is_left_behind(sink):
    if harness.sanitized():
        pytest.skip("what is left behind is a leak, and is meant to be")
    sink.script("stubborn")
    put(sink.broker, "m", 1)
    until(sink.batches, "the call")
    with sink.broker.client() as client:
        asked = client.send("backend.pause", {"name": "graph"})
        client.call("hello")
        sink.broker.stop()  # with 0
        reply = client.wait(asked)
    assert reply.error["name"] == "unavailable"
