"""Outages, poison and plugins that hang: nobody else is held up, and nothing is given up."""
import contextlib

import pytest

import harness
from sinks import assert_level, put
from wire import RpcError, until

# ---- an outage ----


def test_outage_opens_the_circuit_and_blames_no_memory(sink):
    sink.script("down")
    put(sink.broker, "m", 300)
    status = sink.wait_status("the circuit to open",
                              lambda s: s["circuit"] != "closed" and s["last_error"])
    assert status["health"] == "down" and "script says down" in status["last_error"]
    assert status["dead"] == 0 and status["pending"] >= 300
    calls = len(sink.batches())
    put(sink.broker, "n", 300)  # puts don't care
    assert len(sink.batches()) <= calls + 2, "it sends although the circuit is open"
    sink.script("")
    sink.call("probe")
    assert_level(sink)
    assert sink.status()["circuit"] == "closed" and sink.status()["health"] == "ok"


def test_outage_ends_by_itself(sink):
    sink.script("down")
    put(sink.broker, "m", 10)
    sink.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
    sink.script("")
    sink.wait_status("the circuit to close by its own probes", lambda s: s["circuit"] == "closed")
    assert_level(sink)


def test_outage_outlives_the_broker(sink):
    sink.script("down")
    put(sink.broker, "m", 100)
    sink.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
    sink.broker.kill()
    sink.broker.start()
    put(sink.broker, "n", 100)
    sink.script("")
    with contextlib.suppress(RpcError):
        sink.call("probe")
    assert_level(sink)
    assert len(sink.state()) == 200


def test_backlog_costs_no_memory(sink):
    if harness.sanitized():
        pytest.skip("memory of a sanitized broker says nothing")
    sink.script("down")
    put(sink.broker, "warm", 500, "x" * 1000)
    before = sink.broker.rss_kb()
    for n in range(5):
        put(sink.broker, f"m{n}-", 3000, "x" * 2000)
    assert sink.broker.rss_kb() - before < 64 * 1024
    sink.script("")
    sink.call("probe")
    assert sink.flush()["level"] is True
    assert len(sink.state()) == 15500


# ---- poison ----


def test_poison_record_alone_ends_in_the_dead_letters(sink):
    sink.call("pause")
    put(sink.broker, "a", 50)
    version = sink.broker.call("memory.put", id="bad", content="poison")["seq"]
    put(sink.broker, "b", 50)
    sink.call("resume")
    told = sink.flush()
    assert told["dead"] == 1 and told["pending"] == 0
    assert set(sink.state()) == {f"{p}{n}" for p in "ab" for n in range(50)}
    (dead,) = sink.dead()
    assert (dead["backend"], dead["id"], dead["version"]) == ("graph", "bad", version)
    assert "script says no" in dead["reason"] and dead["attempts"] >= 1 and dead["at_ms"] > 0
    assert sink.broker.call("memory.get", id="bad")["content"] == "poison"  # never the memory


def test_request_refused_as_a_whole_is_halved_until_the_poison_stands_alone(sink):
    sink.call("pause")
    put(sink.broker, "a", 40)
    sink.broker.call("memory.put", id="bad", content="batchpoison")
    put(sink.broker, "b", 40)
    sink.call("resume")
    sink.flush()
    until(lambda: len(sink.state()) == 80, lambda: f"80 neighbours: {len(sink.state())}")
    assert [d["id"] for d in sink.dead()] == ["bad"]
    assert len(sink.batches()) < 40, "halving, not one by one"


def test_dead_letter_is_retried_on_request(sink):
    sink.broker.call("memory.put", id="bad", content="poison")
    until(sink.dead, "the dead letter")
    sink.script("cured")
    assert sink.broker.call("dead.retry", backend="graph", id="bad")["count"] == 1
    assert_level(sink)
    assert sink.dead() == [] and sink.state()["bad"][2] == "poison"


def test_dead_letters_are_retried_and_dropped_all_together(sink):
    for n in range(5):
        sink.broker.call("memory.put", id=f"bad{n}", content="poison")
        sink.broker.call("memory.put", id=f"good{n}", content="x")
    until(lambda: len(sink.dead()) == 5, "the dead letters")
    assert sink.broker.call("dead.drop", backend="graph", id="bad0")["count"] == 1
    assert sorted(d["id"] for d in sink.dead()) == [f"bad{n}" for n in range(1, 5)]
    assert sink.broker.call("dead.drop", backend="graph", all=True)["count"] == 4
    assert sink.dead() == [] and sink.status()["dead"] == 0
    assert sink.flush()["level"] is True
    assert sink.broker.call("memory.get", id="bad0")["content"] == "poison"


def test_dead_letters_outlive_the_broker(sink):
    sink.broker.call("memory.put", id="bad", content="poison")
    until(sink.dead, "the dead letter")
    sink.broker.kill()
    sink.broker.start()
    until(lambda: [d["id"] for d in sink.dead()] == ["bad"], "the dead letter again")


def test_change_of_a_dead_memory_is_delivered(sink):
    sink.broker.call("memory.put", id="bad", content="poison")
    until(sink.dead, "the dead letter")
    receipt = sink.broker.call("memory.put", id="bad", content="fine", wait="delivered")
    assert receipt["backends"] == {"graph": "delivered"}
    assert sink.dead() == [] and sink.state()["bad"][2] == "fine"


def test_dead_list_is_paged(sink):
    for n in range(12):  # below twenty in a row
        sink.broker.call("memory.put", id=f"bad{n:02}", content="poison")
        sink.broker.call("memory.put", id=f"good{n}", content="x")
    until(lambda: len(sink.dead()) == 12, "the dead letters")
    seen, after = [], None
    for _ in range(10):
        params = {"backend": "graph", "limit": 5}
        if after is not None:
            params["after"] = after
        page = sink.broker.call("dead.list", params)
        seen += [d["id"] for d in page["dead"]]
        after = page.get("next")
        if not after:
            break
    assert sorted(seen) == [f"bad{n:02}" for n in range(12)]


def test_twenty_refused_in_a_row_mean_the_backend(sink):
    sink.call("pause")
    put(sink.broker, "bad", 60, "poison")
    sink.call("resume")
    sink.wait_status("the circuit to open", lambda s: s["circuit"] != "closed")
    assert len(sink.dead()) < 20
    sink.script("cured")
    with contextlib.suppress(RpcError):
        sink.call("probe")
    until(lambda: len(sink.state()) == 60, lambda: f"all delivered: {len(sink.state())}")


def test_put_off_record_is_tried_again_and_holds_nobody_up(sink):
    sink.broker.call("memory.put", id="slow", content="later")
    put(sink.broker, "m", 100)
    until(lambda: len(sink.state()) == 100, "the neighbours")
    status = sink.wait_status("the record to be deferred", lambda s: s["deferred"] == 1)
    assert status["circuit"] == "closed" and status["dead"] == 0
    sink.assert_not_level(timeout_ms=50)
    sink.script("cured")
    until(lambda: "slow" in sink.state(), "the next try")
    assert_level(sink)
    assert sink.status()["deferred"] == 0


def test_change_of_a_deferred_memory_is_delivered_as_it_comes(sink):
    sink.broker.call("memory.put", id="slow", content="later")
    sink.wait_status("the record to be deferred", lambda s: s["deferred"] == 1)
    receipt = sink.broker.call("memory.put", id="slow", content="now", wait="delivered")
    assert receipt["backends"] == {"graph": "delivered"}
    assert sink.status()["deferred"] == 0
    assert [d[3] for d in sink.done()] == ["now"]


# ---- a plugin that hangs ----


def test_broker_stops_while_a_plugin_is_in_a_call(sink):
    sink.script("hang")
    put(sink.broker, "m", 10)
    until(sink.batches, "the call")
    sink.broker.stop()  # with 0, by itself
    assert sink.done() == []
    sink.script("")
    sink.broker.start()
    assert_level(sink)


def test_hanging_plugin_stalls_nothing_else(sink):
    sink.script("hang")
    put(sink.broker, "m", 10)
    until(sink.batches, "the call")
    with sink.broker.client() as client:
        for n in range(200):
            client.call("memory.put", id=f"n{n}", content="x")
        assert client.call("memory.get", id="n199")["content"] == "x"
        assert client.call("backend.list")["backends"][0]["pending"] >= 200
    sink.script("")
    assert_level(sink)
