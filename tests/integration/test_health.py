"""Health and the watchdog: judged by what the threads finish, and told whatever they do."""
import contextlib
import socket
import sqlite3

import pytest

import tracing
from harness import bound_socket
from wire import until

WATCHDOG_S = 2


class Manager:
    """The service manager's side of NOTIFY_SOCKET."""

    def __init__(self, broker, watchdog_s=WATCHDOG_S):
        self.socket = bound_socket(broker.root / "notify", socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        broker.environment.update(NOTIFY_SOCKET=str(broker.root / "notify"),
                                  WATCHDOG_USEC=str(int(watchdog_s * 1e6)))

    def hear(self):
        return self.socket.recv(4096).decode().split("\n")

    def hear_until(self, wanted):
        """All that is told, up to the message with a line that begins so."""
        told = []
        while not told or not any(line.startswith(wanted) for line in told[-1]):
            told.append(self.hear())
        return [line for message in told for line in message]


@pytest.fixture
def watched(make_broker):
    broker = make_broker(start=False)
    manager = Manager(broker)
    broker.start()
    yield broker, manager
    manager.socket.close()


def test_a_broker_with_nothing_to_do_is_well(broker):
    assert broker.call("health") == {
        "ok": True, "stuck": [], "backends": [], "writer_ms": 0, "store_ms": 0, "unapplied": 0,
        "unapplied_ms": 0, "full": False}


def test_what_is_written_leaves_it_well(broker):
    with broker.client() as client:
        client.many([("memory.put", {"id": f"m{i}", "content": "x"}) for i in range(500)])
        client.call("memory.get", id="m499")
        until(lambda: client.call("health")["unapplied"] == 0, "the store")
        found = client.call("health")
    assert found["ok"] and found["writer_ms"] == found["store_ms"] == found["unapplied_ms"] == 0


def test_watchdog_is_fed_while_it_is_idle(watched):
    _, manager = watched
    told = manager.hear_until("READY=1")
    assert any(line.startswith("STATUS=") for line in told)
    for _ in range(3):
        assert manager.hear() == ["WATCHDOG=1"]


def test_without_a_watchdog_nobody_is_told_anything_after_ready(make_broker):
    broker = make_broker(start=False)
    manager = Manager(broker)
    del broker.environment["WATCHDOG_USEC"]
    broker.start()
    broker.stop()
    assert "WATCHDOG=1" not in manager.hear_until("STOPPING=1")
    manager.socket.close()


def test_watchdog_of_another_process_is_left_alone(make_broker):
    broker = make_broker(start=False)
    manager = Manager(broker)
    broker.environment["WATCHDOG_PID"] = "1"
    broker.start()
    broker.stop()
    assert "WATCHDOG=1" not in manager.hear_until("STOPPING=1")
    manager.socket.close()


@pytest.mark.parametrize("thread", ["writer", "store"])
def test_a_thread_that_stands_still_is_told_of_and_the_watchdog_is_not_fed(watched, thread):
    broker, manager = watched
    manager.hear_until("WATCHDOG=1")
    with tracing.held(broker.pid, thread), broker.client() as client:
        asked = client.send("memory.put", {"id": "a", "content": "x"})
        found = until(lambda: (f := client.call("health"))["stuck"] and f, "health to see it")
        assert found["stuck"] == [thread] and not found["ok"]
        assert found[f"{thread}_ms"] >= WATCHDOG_S / 2 * 1000
        manager.hear_until(f"STATUS=The {thread} thread")
        broker.wait_log(rf"error\s+stuck: the {thread} thread")
        if thread == "store":  # the receipt needs the journal alone
            assert client.wait(asked).get()["durable"] and found["unapplied"] == 1
    told = manager.hear_until("STATUS=Writer and store go on")
    assert "WATCHDOG=1" not in told
    manager.hear_until("WATCHDOG=1")
    assert broker.call("memory.get", id="a")["content"] == "x"
    assert broker.call("health")["ok"]


def test_a_locked_database_is_waited_for_and_nothing_is_stuck(make_broker):
    broker = make_broker(start=False)
    manager = Manager(broker, watchdog_s=14)  # an attempt takes 5 s, and 7 would be stuck
    broker.start()
    with contextlib.closing(sqlite3.connect(broker.state / "memferry.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert broker.call("memory.put", id="a", content="x")["durable"]
        broker.wait_log("(?s)store-locked.*store-locked")
        found = broker.call("health")
        assert found["stuck"] == [] and found["unapplied"] == 1 and found["unapplied_ms"] > 0
        other.rollback()
    assert broker.call("memory.get", id="a")["content"] == "x"
    assert broker.call("health")["unapplied_ms"] == 0
    manager.socket.close()


def test_call_of_a_plugin_that_lasts_is_told_and_harms_nothing_else(sink):
    broker = sink.broker
    sink.script("hang")
    broker.call("memory.put", id="a", content="x")
    until(lambda: broker.call("health")["backends"][0]["call_ms"] > 0, "the call to be told")
    found = broker.call("health")
    assert found["ok"] and found["backends"][0]["name"] == "graph"
    assert broker.call("backend.list")["backends"][0]["call_ms"] > 0
    sink.script("")
    until(lambda: broker.call("health")["backends"][0]["call_ms"] == 0, "the call to end")
