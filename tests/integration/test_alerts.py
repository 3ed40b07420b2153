"""Alerts: raised by the broker itself, listed, acked, and there after a crash."""
import pytest

from load import KEEP, remove_store
from sinks import put
from wire import RpcError, until

NOT_FOUND, PARAMS = -32002, -32602


def alerts(broker, **params):
    return broker.call("alert.list", params)["alerts"]


def wait_alert(broker, rule):
    return until(lambda: alerts(broker, rule=rule), f"an alert {rule}")[0]


def resumed(sink):
    """A backend that is gone is paused with its alert already on its way."""
    sink.wait_status("the pause", lambda s: s["paused"])
    sink.call("resume")


@pytest.fixture
def gone(sink):
    """A broker whose backend says 410."""
    sink.script("gone")
    put(sink.broker, "m", 3)
    wait_alert(sink.broker, "backend-gone")
    return sink


def test_backend_that_is_gone_raises_an_alert_that_says_how_to_go_on(gone):
    alert, = alerts(gone.broker)
    assert alert["id"] == "backend-gone/graph"
    assert alert["severity"] == "critical" and alert["count"] == 1
    assert alert["acked_ms"] is None and alert["sample_ids"] == []
    assert "graph" in alert["summary"] and "script says" in alert["summary"]
    assert alert["undo"] == "memferry backends resume graph"
    assert "alert: critical" in gone.broker.log_text()


def test_backend_that_goes_again_counts_in_the_same_alert(gone):
    for times in (2, 3):
        resumed(gone)
        until(lambda n=times: alerts(gone.broker)[0]["count"] == n, f"a count of {times}")
    alert, = alerts(gone.broker)
    assert alert["first_ms"] <= alert["at_ms"]


def test_backend_that_refuses_everything_raises_an_alert(sink):
    with sink.broker.client() as client:
        for n in range(25):
            client.call("memory.put", {"id": f"p{n}", "content": "poison"})
    alert = wait_alert(sink.broker, "backend-rejects")
    assert alert["severity"] == "warning" and "20 different memories" in alert["summary"]


def test_acked_alert_is_closed_until_it_happens_again(gone):
    broker = gone.broker
    told = broker.call("alert.ack", id="backend-gone/graph", session_id="human")
    assert told["duplicate"] is False and told["durable"] is True
    assert alerts(broker) == []
    alert, = alerts(broker, acked="only")
    assert alert["acked_by"] == "human" and alert["acked_ms"] >= alert["at_ms"]
    assert broker.call("alert.ack", id="backend-gone/graph")["duplicate"] is True
    resumed(gone)
    assert wait_alert(broker, "backend-gone")["acked_ms"] is None


def test_ack_of_what_is_not_there_is_not_found(gone):
    with pytest.raises(RpcError) as failure:
        gone.broker.call("alert.ack", id="nothing")
    assert failure.value.code == NOT_FOUND and "no alert nothing" in str(failure.value)


def test_ack_of_several_tells_of_each(gone):
    first, second = gone.broker.call("alert.ack", ids=["nothing", "backend-gone/graph"])["receipts"]
    assert first["id"] == "nothing" and first["error"]["name"] == "not_found"
    assert second["duplicate"] is False


def test_ack_of_all_counts(gone):
    assert gone.broker.call("stats")["store"]["alerts_open"] == 1
    assert gone.broker.call("alert.ack", all=True) == {"count": 1, "durable": True}
    assert gone.broker.call("alert.ack", all=True) == {"count": 0, "durable": True}
    assert gone.broker.call("stats")["store"]["alerts_open"] == 0


@pytest.mark.parametrize("params", [{}, {"id": "a", "all": True}, {"ids": []}, {"id": ""},
                                    {"ids": ["a"], "id": "b"}, {"ids": [1]}, {"all": False}])
def test_ack_of_nobody_knows_what_is_refused(shared, params):
    with pytest.raises(RpcError) as failure:
        shared.call("alert.ack", params)
    assert failure.value.code == PARAMS


def test_alerts_and_acks_outlive_a_kill(gone):
    broker = gone.broker
    with broker.client() as client:
        client.call("memory.put", id="x", content="x")
        client.call("alert.ack", id="backend-gone/graph")
    before = alerts(broker, acked="any")
    broker.kill()
    broker.start()
    assert alerts(broker, acked="any") == before
    broker.stop()
    done = broker.run("--check-journal")
    assert done.returncode == 0, done.stdout + done.stderr


def test_damage_in_the_journal_raises_an_alert(make_broker):
    broker = make_broker(KEEP)
    for n in range(20):
        broker.call("memory.put", id=f"m{n}", content=f"unique-{n}-" + "c" * 500)
    broker.stop()
    remove_store(broker)
    segment, = (p for p in (broker.state / "journal").glob("*.seg") if b"unique-9-" in p.read_bytes())
    segment.write_bytes(segment.read_bytes().replace(b"unique-9-", b"UNIQUE-9-"))
    broker.start()
    alert = wait_alert(broker, "journal-damage")
    aside, = (broker.state / "journal").glob("aside-*")
    assert alert["severity"] == "critical" and str(aside) in alert["summary"]
    assert alert["id"] == f"journal-damage/{aside.name}"
