"""A memory that grows to its limit: whoever had a receipt is in it, and who is refused is told so."""
import contextlib
import sqlite3

import pytest

from harness import running, sanitized
from wire import RpcError, until

TOO_LARGE = -32009
CHUNK = "x" * 3_900_000  # 17 of them are more than 64 MiB
PUTS = 20
PATIENCE_S = 600 if sanitized() else 120  # each writes the whole memory: half a gigabyte in all


def put(n):
    return "memory.put", {"id": "big", "content": f"c{n}", "props": {f"p{n:02}": CHUNK}}


def props(broker):
    memory = broker.call("memory.get", id="big")
    assert all(value == CHUNK for value in memory["props"].values())
    return sorted(memory["props"])


def took(replies):
    """The props of the puts that had a receipt; the others are refused for the size alone."""
    for reply in replies:
        assert reply.error is None or (reply.error["code"], reply.error["data"]["field"]) == (
            TOO_LARGE, "props"), reply.error
    return [f"p{n:02}" for n, reply in enumerate(replies) if reply.error is None]


@pytest.fixture(scope="module")
def big():
    """Grown by puts that were all on their way at once; killed behind the last answer."""
    with running() as broker:
        with broker.client(deadline_s=PATIENCE_S) as client:
            broker.replies = client.many([put(n) for n in range(PUTS)])
            broker.kill()
        broker.start()
        yield broker


def version(broker):
    return broker.call("memory.history", id="big", limit=1)["versions"][0]["version"]


def assert_refused(broker, n):
    before = version(broker)
    with pytest.raises(RpcError) as failure:
        broker.call(*put(n))
    assert failure.value.code == TOO_LARGE and "64 MiB" in str(failure.value)
    assert version(broker) == before


def test_each_put_that_had_a_receipt_is_there_after_a_kill(big):
    assert took(big.replies) == [f"p{n:02}" for n in range(17)]
    assert props(big) == took(big.replies)
    assert "event-set-aside" not in big.log_text()


def test_one_that_was_large_before_the_start_takes_no_more(big):
    assert_refused(big, 30)
    big.call("memory.put", id="other", content="x", props={"p": CHUNK})
    big.call("memory.put", id="big", content="small changes go on")


def test_one_that_was_made_smaller_takes_puts_again_until_a_restore_makes_it_large(big):
    large = version(big)
    big.call("memory.put", id="big", content="emptied",
             props=dict.fromkeys(f"p{n:02}" for n in range(PUTS)))
    big.call(*put(31))
    assert props(big) == ["p31"]
    assert big.call("memory.restore", versions={"big": large})["restored"] == 1
    assert_refused(big, 32)
    assert big.call("alert.list")["alerts"] == []


def test_one_that_a_start_finds_too_large_is_told(big):
    """As an older broker may have left it: with a receipt, in the journal and not in the store."""
    with contextlib.closing(sqlite3.connect(big.state / "memferry.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with big.client() as client:
            client.send(*put(33))
            until(lambda: big.call("health")["unapplied"] == 1, "the put in the journal")
            big.kill()
    big.start()
    alert, = until(lambda: big.call("alert.list")["alerts"], "an alert")
    assert alert["rule"] == "event-set-aside" and alert["severity"] == "critical"
    assert "1 events of the journal" in alert["summary"]
    assert "(put of memory big) cannot be applied: the memory would grow over 64 MiB" in big.log_text()
    assert "p33" not in props(big)
