"""[history] keep and memory.purge: what goes, what stays, and who may."""
import sqlite3
import time

import pytest

from harness import running
from sinks import mirror_lines
from wire import RpcError, until

ALLOWED = "[broker]\nallow_purge = yes\n"


def versions(client, ident):
    return [v["version"] for v in client.call("memory.history", id=ident, limit=1000)["versions"]]


def put_times(client, ident, times):
    return [client.call("memory.put", {"id": ident, "content": f"version {n}"})["seq"]
            for n in range(times)]


# ---- keep ----


def test_everything_is_kept_by_default(make_broker):
    broker = make_broker()
    with broker.client() as client:
        seqs = put_times(client, "m", 300)
    broker.restart()
    with broker.client() as client:
        assert versions(client, "m") == seqs[::-1]


def test_a_count_keeps_the_newest_versions(make_broker):
    broker = make_broker()
    with broker.client() as client:
        many, few = put_times(client, "many", 2500), put_times(client, "few", 2)
        put_times(client, "gone", 5)
        client.call("memory.delete", id="gone")
    broker.configure("[history]\nkeep = 3\n")
    broker.process.send_signal(1)  # SIGHUP
    with broker.client() as client:
        until(lambda: versions(client, "many") == many[:-4:-1], "old versions to go")
        assert versions(client, "few") == few[::-1]
        until(lambda: len(versions(client, "gone")) == 3, "those of a deleted one to go")
        client.call("memory.restore", ids=["gone"])
        assert client.call("memory.get", id="gone")["content"] == "version 4"
        with pytest.raises(RpcError) as failed:
            client.call("memory.get", id="many", version=many[0])
        assert failed.value.name == "not_found"
        restored = client.call("memory.restore", versions={"many": many[0]})["memories"][0]
        assert "kept no longer" in restored["error"]["message"]
    broker.wait_log("old versions of")
    broker.restart()
    with broker.client() as client:
        assert len(versions(client, "many")) == 3
    assert broker.run("--check-journal", str(broker.state)).returncode == 75  # it runs
    broker.stop()
    check = broker.run("--check-journal", str(broker.state))
    assert check.returncode == 0, check


def test_an_age_keeps_what_was_current_since(make_broker):
    broker = make_broker("[history]\nkeep = 1s\n")
    with broker.client() as client:
        seqs = put_times(client, "m", 20)
        at_ms = client.call("memory.get", id="m")["updated_ms"]
        until(lambda: time.time() * 1000 > at_ms + 1000, "a second to pass")
    broker.restart()
    with broker.client() as client:
        until(lambda: versions(client, "m") == seqs[-1:], "old versions to go")
        assert client.call("memory.get", id="m")["content"] == "version 19"


@pytest.mark.parametrize("value", ["0", "-1", "0d", "10", "90d", "all", "soon", "500ms"])
def test_keep_is_checked(make_broker, value):
    broker = make_broker(f"[history]\nkeep = {value}\n", start=False)
    told = broker.run("--check-config")
    assert (told.returncode == 0) == (value in ("10", "90d", "all")), told


# ---- purge ----


def test_purge_is_forbidden_unless_the_config_allows_it(broker):
    with broker.client() as client:
        put_times(client, "m", 1)
        with pytest.raises(RpcError) as failed:
            client.call("memory.purge", ids=["m"])
        assert failed.value.name == "forbidden" and "allow_purge" in failed.value.message
        assert client.call("memory.get", id="m")["content"] == "version 0"


def test_purge_removes_the_history_here_and_deletes_at_sinks(make_broker, tmp_path):
    mirror = tmp_path / "mirror"
    broker = make_broker(
        ALLOWED + f'[backend "mirror"]\nplugin = mirror-file\npath = {mirror}\n')
    with broker.client() as client:
        put_times(client, "m", 3)
        put_times(client, "stays", 2)
        told = client.call("memory.purge", ids=["m", "never"], reason="a secret")
        assert told == {"count": 1, "missing": ["never"]}
        versions_left = client.call("memory.history", id="m")["versions"]
        assert [(v["op"], v["reason"]) for v in versions_left] == [("purge", "a secret")]
        assert client.call("memory.restore", ids=["m"])["failed"] == 1
        assert len(versions(client, "stays")) == 2
        client.call("backend.flush")
        last = [line for line in mirror_lines(mirror) if line["id"] == "m"][-1]
        assert last["content"] == "" and last["deleted_ms"]
        alert, = until(lambda: client.call("alert.list", rule="purge")["alerts"], "the alert")
        assert alert["count"] == 1 and alert["sample_ids"] == ["m"]
        assert alert["severity"] == "critical"
        assert client.call("memory.purge", ids=["m"]) == {"count": 0, "missing": []}
    broker.restart()
    broker.stop()
    assert broker.run("--check-journal", str(broker.state)).returncode == 0
    with sqlite3.connect(broker.state / "memferry.db") as store:
        assert store.execute("SELECT count(*) FROM event WHERE memory_id='m'").fetchone() == (1,)


def test_a_purge_survives_a_kill_and_an_old_export_does_not_undo_it(make_broker):
    broker = make_broker(ALLOWED)
    with broker.client() as client:
        put_times(client, "m", 2)
        old = client.call("memory.get", id="m")
        client.call("memory.purge", ids=["m"])
    broker.kill()
    broker.start()
    with broker.client() as client:
        assert client.call("memory.get", id="m")["content"] == ""
        assert client.call("memory.import", memories=[old])["older"] == 1


@pytest.mark.parametrize("params, field", [
    ({}, "ids"), ({"ids": []}, "ids"), ({"ids": "m"}, "ids"), ({"ids": [""]}, "ids"),
    ({"ids": ["m"] * 1001}, "ids"), ({"ids": ["m"], "colour": 1}, "colour"),
])
def test_purge_parameters_are_checked(params, field):
    with running(ALLOWED) as broker, broker.client() as client:
        with pytest.raises(RpcError) as failed:
            client.call("memory.purge", params)
        assert failed.value.field == field
