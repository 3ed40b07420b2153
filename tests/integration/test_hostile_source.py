"""recover and verify from a backend that gives what no good one would."""
import pytest

import harness
from sinks import PLUGINS, compile_plugin
from wire import RpcError, until

GOOD = ["a", "c", "z"]
REFUSED = ["no-utf8-id", "no-utf8-content", "no-utf8-tag", "large-content", "far-future",
           "negative-stamp", "no-origin", "no-numbers", "other-dims", "long-session"]
BROKEN = ["twice", "out-of-order", "an-error"]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return compile_plugin(PLUGINS / "source.c", tmp_path_factory.mktemp("so") / "source.so")


@pytest.fixture
def recovered(make_broker, source, encoding):
    """recovered(gives): a broker that tried to recover from such a source, a client, and what came of it."""
    opened = []

    def recover(gives):
        broker = make_broker(f'[backend "old"]\nplugin = {source}\ngives = {gives}\n')
        client = broker.client(encoding)
        opened.append(client)
        client.call("backend.recover", name="old")
        told = until(lambda: (now := client.call("backend.recovery"))["state"] != "running" and now,
                     "the recovery to end")
        return broker, client, told

    yield recover
    for client in opened:
        client.close()


def check_store(broker):
    broker.stop()
    done = broker.run("--check-journal")
    assert done.returncode == 0, done


@pytest.mark.parametrize("gives", REFUSED)
def test_what_no_call_would_take_is_left_out_and_told(recovered, gives):
    broker, client, told = recovered(gives)
    assert (told["state"], told["imported"], told["refused"]) == ("done", 3, 1), told
    assert told["refusals"][0].startswith("bad"), told
    assert sorted(harness.all_memories(client)) == GOOD
    verified = client.call("backend.verify", name="old")
    assert verified["same"] == 3 and verified["unknown"] == 1, verified
    check_store(broker)


@pytest.mark.parametrize("gives", BROKEN)
def test_what_is_out_of_order_is_no_recovery(recovered, gives):
    broker, client, told = recovered(gives)
    assert told["state"] == "failed" and told["error"], told
    with pytest.raises(RpcError):
        client.call("backend.verify", name="old")
    client.call("backend.recover", abandon=True)
    assert client.call("memory.put", id="new", content="x")["durable"]
    check_store(broker)


def test_ids_too_long_are_left_out_however_many(recovered):
    broker, client, told = recovered("long-ids")
    assert (told["state"], told["imported"], told["refused"]) == ("done", 4, 450), told
    assert client.call("backend.verify", name="old")["unknown"] == 450
    check_store(broker)
