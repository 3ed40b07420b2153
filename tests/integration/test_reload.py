"""SIGHUP: what is asked while a backend is being replaced is answered truly."""
import signal

import pytest

from sinks import TIMEOUT, put
from wire import RpcError, until

FORBIDDEN = -32007


@pytest.fixture
def replaced(sink):
    """A backend whose section changed, while its lane cannot end: the call does not return."""
    sink.script("stubborn")
    put(sink.broker, "m", 1)
    until(sink.batches, "the call")
    sink.broker.configure(sink.section + "batch = 7\n")
    sink.broker.process.send_signal(signal.SIGHUP)
    sink.broker.wait_log("config-taken")
    yield sink
    sink.script("")


def test_wait_delivered_waits_for_a_backend_that_is_being_replaced(replaced):
    with pytest.raises(RpcError) as failure:
        replaced.broker.call("memory.put", id="n", content="c", wait="delivered", timeout_ms=300)
    assert failure.value.code == TIMEOUT
    assert failure.value.data["receipt"]["backends"] == {"graph": "pending"}


def test_receipt_names_a_backend_that_is_being_replaced(replaced):
    receipt = replaced.broker.call("memory.put", id="n", content="c")
    assert receipt["backends"] == {"graph": "pending"}


def test_backend_that_is_being_replaced_is_not_forgotten(replaced):
    with pytest.raises(RpcError) as failure:
        replaced.call("forget")
    assert failure.value.code == FORBIDDEN


def test_backend_that_is_being_replaced_is_listed_as_down(replaced):
    assert replaced.status()["health"] == "down"
    with pytest.raises(RpcError) as failure:
        replaced.call("probe")
    assert failure.value.name == "unavailable"


def test_flush_waits_for_a_backend_that_is_being_replaced(replaced):
    replaced.assert_not_level(300)
    with pytest.raises(RpcError) as failure:
        replaced.broker.call("backend.flush", timeout_ms=300)
    assert failure.value.code == TIMEOUT


def test_put_that_waits_while_a_backend_is_replaced_is_answered_by_the_new_one(replaced):
    with replaced.broker.client() as client:
        waiting = client.send("memory.put", {"id": "n", "content": "c", "wait": "delivered"})
        client.call("stats")
        replaced.script("")
        assert client.wait(waiting).get()["backends"] == {"graph": "delivered"}


def test_backend_that_left_the_config_is_forgotten_though_its_lane_has_not_ended(sink):
    sink.script("stubborn")
    put(sink.broker, "m", 1)
    until(sink.batches, "the call")
    sink.broker.configure("")
    sink.broker.process.send_signal(signal.SIGHUP)
    sink.broker.wait_log("config-taken")
    assert sink.call("forget")["forgotten"] is True
    sink.script("")
    sink.broker.restart()
    assert sink.broker.call("backend.list")["backends"] == []


def test_second_sighup_while_a_lane_is_ending_is_not_lost(replaced):
    replaced.broker.configure(replaced.section + "batch = 9\n")
    before = len(replaced.broker.log_text())
    replaced.broker.process.send_signal(signal.SIGHUP)
    replaced.script("")
    replaced.broker.wait_log("config-taken", before)
    replaced.flush()


def test_the_guard_reads_its_windows_back_for_another_config_only(broker):
    def began_after_reload():
        before = len(broker.log_text())
        broker.process.send_signal(signal.SIGHUP)
        broker.wait_log("config-taken", before)
        put(broker, "m", 1)
        broker.call("memory.get", id="m0")  # the store thread has come by
        return broker.log_text().count("guard-began")

    broker.wait_log("guard-began")
    assert began_after_reload() == 1
    broker.configure("[guard]\nrapid_delete = 5 in 30s\n")
    assert began_after_reload() == 2
    assert began_after_reload() == 2
