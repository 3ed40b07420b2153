"""The guard on the real broker: what raises an alert, once, and what does not.

Windows are wider than a test could ever last, so that no clock decides: what is within one is so
however slow the machine is. What is to lie behind one is made older in the store.
"""
import os
import signal
import sqlite3
import uuid

import pytest

import harness
from command import Command, assert_none_in, everything_told
from sinks import PLUGINS, compile_plugin
from wire import RpcError, until

WIDE = "[guard]\nrapid_delete = 10 in 1h\nbulk_change = off\n"
BULK = "[guard]\nrapid_delete = off\nbulk_change = 50% in 1h\n"
QUIET = "[guard]\nrapid_delete = off\nbulk_change = off\n"
PUT, DELETE = "memory.put", "memory.delete"


def fill(broker, count, prefix="m"):
    with broker.client() as client:
        for reply in client.many([(PUT, {"id": f"{prefix}{i}", "content": f"c{i}"})
                                  for i in range(count)]):
            reply.get()


def delete(broker, *ids, session=None):
    params = {"ids": list(ids)}
    if session:
        params["session_id"] = session
    broker.call(DELETE, params)


def change(broker, first, last, session=None, content="x"):
    extra = {"session_id": session} if session else {}
    with broker.client() as client:
        for reply in client.many([(PUT, {"id": f"m{i}", "content": content, **extra})
                                  for i in range(first, last)]):
            reply.get()


def names(prefix, first, last):
    return [f"{prefix}{i}" for i in range(first, last)]


def alerts(broker, rule=None):
    found = broker.call("alert.list", {"acked": "any"})["alerts"]
    return [a for a in found if rule in (None, a["rule"])]


def age(broker):
    """Everything happened two hours earlier than it did."""
    broker.stop()
    with sqlite3.connect(broker.state / "memferry.db") as store:
        store.execute("UPDATE event SET at_ms=at_ms-7200000")
    store.close()
    broker.start()


def wait_alert(broker, rule, count=1):
    def there():
        found = alerts(broker, rule)
        return found if len(found) >= count else None

    return until(there, lambda: f"{count} of {rule}; there are {alerts(broker)}")


def settled(broker):
    """What the guard has to say about what was answered so far is in the store."""
    marker = broker.call("guard.observe", {"statement": "DROP TABLE marker", "language": "sql",
                                           "session_id": f"marker-{uuid.uuid4()}"})
    wanted = marker["alerts"][0]["id"]
    until(lambda: wanted in [a["id"] for a in alerts(broker)], "the marker")
    return [a for a in alerts(broker) if not (a["session_id"] or "").startswith("marker-")]


# ---- rapid-delete ----


def test_ten_deletes_raise_nothing(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 10), session="one")
    assert settled(broker) == []


def test_eleventh_delete_raises_one_alert(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 11), session="one")
    (alert,) = settled(broker)
    assert alert["rule"] == "rapid-delete" and alert["severity"] == "critical"
    assert alert["count"] == 11 and alert["session_id"] == "one"
    assert alert["undo"] == f"memferry undo {alert['id']}"
    assert alert["sample_ids"] == names("m", 0, 10)
    assert "11 memories were deleted by session one" in alert["summary"]


def test_alert_names_the_process_that_deleted(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 11))
    (alert,) = settled(broker)
    assert alert["peer_pid"] == os.getpid() and "python" in alert["peer_command"]


def test_deletes_outside_of_the_window_are_not_counted(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 24)
    for i in range(0, 24, 8):
        delete(broker, *names("m", i, i + 8), session="one")
        age(broker)
    assert settled(broker) == []
    fill(broker, 11)
    delete(broker, *names("m", 0, 11), session="one")
    assert [a["count"] for a in settled(broker)] == [11]


def test_what_was_deleted_before_is_not_counted(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 10), session="one")
    delete(broker, *names("m", 0, 10), session="one")
    assert settled(broker) == []


def test_two_sessions_have_an_alert_each(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 40)
    delete(broker, *names("m", 0, 12), session="one")
    delete(broker, *names("m", 12, 24), session="two")
    found = settled(broker)
    assert sorted((a["session_id"], a["count"]) for a in found) == [("one", 11), ("two", 11)]


def test_sessions_below_the_limit_are_counted_together(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 6), session="one")
    delete(broker, *names("m", 6, 11), session="two")
    (alert,) = settled(broker)
    assert alert["session_id"] is None and alert["count"] == 11


def test_storm_of_deletes_is_one_alert_whose_count_grows(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 200)
    delete(broker, *names("m", 0, 200), session="one")
    (alert,) = settled(broker)
    assert alert["count"] == 176  # 11, doubled as long as there were as many


def test_count_is_told_when_the_window_has_passed(make_broker):
    broker = make_broker("[guard]\nrapid_delete = 10 in 2s\nbulk_change = off\n")
    fill(broker, 15)
    delete(broker, *names("m", 0, 15), session="one")
    until(lambda: [a["count"] for a in alerts(broker, "rapid-delete")] == [15], "its end")


def test_alert_of_the_guard_is_undone(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 11), session="one")
    (alert,) = settled(broker)
    result = broker.call("memory.restore", {"alert": alert["id"]})
    assert result
    for i in range(11):
        assert broker.call("memory.get", {"id": f"m{i}"})["content"] == f"c{i}"


# ---- bulk-change ----


def test_half_of_the_memories_raise_nothing_and_one_more_does(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    age(broker)
    change(broker, 0, 5, session="one")
    delete(broker, *names("m", 5, 10), session="one")
    change(broker, 0, 5, session="one", content="again")
    assert settled(broker) == []
    change(broker, 10, 11, session="one")
    (alert,) = settled(broker)
    assert alert["count"] == 11 and alert["session_id"] == "one"
    assert alert["rule"] == "bulk-change" and alert["undo"] == f"memferry undo {alert['id']}"
    assert set(alert["sample_ids"]) == set(names("m", 0, 10))


def test_bulk_change_is_undone(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    age(broker)
    delete(broker, *names("m", 0, 6), session="one")
    change(broker, 6, 20, session="two")
    (alert,) = settled(broker)
    assert alert["session_id"] is None
    result = broker.call("memory.restore", {"alert": alert["id"], "force": True})
    assert result
    contents = [broker.call("memory.get", {"id": f"m{i}"})["content"] for i in range(11)]
    assert contents == [f"c{i}" for i in range(11)]


def test_bulk_change_is_the_same_after_a_crash(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    age(broker)
    change(broker, 0, 8, session="one")
    broker.kill()
    broker.start()
    change(broker, 8, 11, session="one")
    (first,) = settled(broker)
    assert first["count"] == 11
    broker.kill()
    broker.start()
    change(broker, 11, 20, session="one")
    (again,) = settled(broker)
    assert again["id"] == first["id"]


def test_restore_that_replaces_what_lives_counts_as_a_change(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    change(broker, 0, 20)
    age(broker)
    with broker.client() as client:
        versions = {f"m{i}": client.call("memory.history", {"id": f"m{i}"})["versions"][1]["version"]
                    for i in range(11)}
        client.call("memory.restore", {"versions": versions, "force": True})
    assert [a["rule"] for a in settled(broker)] == ["bulk-change"]


def test_memories_made_within_the_window_are_no_bulk(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    delete(broker, *names("m", 0, 20))
    assert settled(broker) == []


def test_changes_that_change_nothing_do_not_count(make_broker):
    broker = make_broker(BULK)
    fill(broker, 20)
    age(broker)
    fill(broker, 20)
    assert settled(broker) == []
    change(broker, 0, 10)
    assert settled(broker) == []
    change(broker, 10, 11)
    assert [a["count"] for a in settled(broker)] == [11]


def test_each_purge_is_an_alert(make_broker):
    broker = make_broker(QUIET + "[broker]\nallow_purge = yes\n")
    fill(broker, 2)
    broker.call("memory.purge", {"ids": ["m0"]})
    (alert,) = settled(broker)
    assert alert["rule"] == "purge" and alert["count"] == 1 and alert["sample_ids"] == ["m0"]
    broker.call("memory.purge", {"ids": ["m1"]})
    assert [a["count"] for a in settled(broker)] == [2]


# ---- statements ----


def test_the_command_line_that_observed_a_statement_is_masked_too(make_broker):
    broker = make_broker(QUIET)
    Command(broker).ok("guard", "observe", "psql 'postgres://u:hunter2-url@h/db' -c 'DROP TABLE t'")
    Command(broker).ok("guard", "observe", f"psql -c 'DROP TABLE {'t' * 900}' postgres://u:hunter2-long@h/db")
    until(lambda: sum(a["count"] for a in alerts(broker)) == 2, "both to be counted")
    commands = [a["peer_command"] or "" for a in alerts(broker)]
    assert any(c.endswith("guard observe psql 'postgres://u:***@h/db' -c 'DROP TABLE t'") for c in commands)
    assert_none_in(everything_told(broker), ["hunter2"])


def test_observed_statement_raises_an_alert_with_its_secrets_masked(make_broker):
    broker = make_broker(QUIET)
    reply = broker.call("guard.observe", {
        "statement": "PGPASSWORD=s3cret psql -c 'DROP TABLE users'", "session_id": "one"})
    assert [r["rule"] for r in reply["rules"]] == ["schema-change"]
    assert [a["rule"] for a in reply["alerts"]] == ["schema-change"]
    (alert,) = wait_alert(broker, "schema-change")
    assert alert["id"] == reply["alerts"][0]["id"]
    assert alert["statement"] == "PGPASSWORD=*** psql -c 'DROP TABLE users'"
    assert not alert["undo"]
    state = b"".join(harness.read_files(broker.state))
    assert b"s3cret" not in state and "s3cret" not in broker.log_text()


def test_statement_can_fire_both_rules(make_broker):
    broker = make_broker(QUIET)
    reply = broker.call("guard.observe", {"statement": "DROP TABLE a; DELETE FROM b",
                                          "language": "sql"})
    assert [a["rule"] for a in reply["alerts"]] == ["schema-change", "mass-statement"]


def test_harmless_statement_is_kept_and_raises_nothing(make_broker):
    broker = make_broker(QUIET)
    reply = broker.call("guard.observe", {"statement": "please drop me a note"})
    assert reply["rules"] == [] and reply["alerts"] == [] and reply["seq"] == 1
    assert settled(broker) == []


def test_dry_run_is_kept_nowhere(make_broker):
    broker = make_broker(QUIET)
    reply = broker.call("guard.observe", {"statement": "rm -rf /", "dry_run": True})
    assert reply == {"rules": [{"rule": "mass-statement", "what": "rm -r"}]}
    assert broker.call("guard.observe", {"statement": "ls"})["seq"] == 1


def test_statements_of_a_session_are_one_alert(make_broker):
    broker = make_broker(QUIET)
    ids = {broker.call("guard.observe", {"statement": f"DROP TABLE t{i}", "language": "sql",
                                         "session_id": "one"})["alerts"][0]["id"]
           for i in range(4)}
    assert len(ids) == 1
    until(lambda: [a["count"] for a in alerts(broker, "schema-change")] == [4], "4 counted")


def test_rule_that_is_off_raises_nothing(make_broker):
    broker = make_broker(QUIET + "schema_change = off\nmass_statement = off\n")
    reply = broker.call("guard.observe", {"statement": "DROP TABLE a; DELETE FROM b",
                                          "language": "sql"})
    assert len(reply["rules"]) == 2 and reply["alerts"] == []


@pytest.mark.parametrize("params, field", [
    ({}, "statement"),
    ({"statement": ""}, "statement"),
    ({"statement": 5}, "statement"),
    ({"statement": "x" * 65537}, "statement"),
    ({"statement": "x", "language": "latin"}, "language"),
    ({"statement": "x", "who": "y"}, "who"),
])
def test_bad_parameters_are_named(shared, params, field):
    with pytest.raises(RpcError) as failure:
        shared.call("guard.observe", params)
    assert failure.value.name == "invalid_params" and failure.value.data["field"] == field


# ---- it holds up nobody ----


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    return compile_plugin(PLUGINS / "block_proc.c", tmp_path_factory.mktemp("so") / "block.so")


@pytest.mark.skipif(harness.sanitized(), reason="a sanitizer comes first in the list of libraries")
def test_put_has_its_receipt_while_the_guard_is_stuck(make_broker, block, tmp_path):
    """The guard stops in the middle of raising an alert, and with it the store thread."""
    gate, stuck = tmp_path / "gate", tmp_path / "stuck"
    broker = make_broker(WIDE, LD_PRELOAD=str(block), BLOCK_WHILE=str(gate), BLOCK_TELL=str(stuck))
    fill(broker, 20)
    gate.touch()
    with broker.client() as deleting, broker.client() as putting:
        waits = deleting.send(DELETE, {"ids": names("m", 0, 11), "session_id": "one"})
        until(stuck.exists, "the guard to be stuck")
        for i in range(50):
            receipt = putting.call(PUT, {"id": f"n{i}", "content": "c"})
            assert receipt["durable"] and not receipt["duplicate"]
        assert gate.exists()
        gate.unlink()
        assert len(deleting.wait(waits).get()["receipts"]) == 11
    assert [a["count"] for a in settled(broker)] == [11]


# ---- restarts and reloads ----


def test_deletes_before_and_after_a_crash_are_counted_together(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 20)
    delete(broker, *names("m", 0, 6), session="one")
    broker.kill()
    broker.start()
    delete(broker, *names("m", 6, 10), session="one")
    assert settled(broker) == []
    delete(broker, "m10", session="one")
    (alert,) = settled(broker)
    assert alert["count"] == 11 and alert["sample_ids"] == names("m", 0, 10)


def test_alert_is_the_same_after_a_crash(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 40)
    delete(broker, *names("m", 0, 15), session="one")
    (first,) = settled(broker)
    broker.kill()
    broker.start()
    (again,) = settled(broker)
    assert again["id"] == first["id"]
    delete(broker, *names("m", 15, 40), session="one")
    (later,) = settled(broker)
    assert later["id"] == first["id"] and later["count"] > 11
    assert later["statement"] == first["statement"]
    assert later["peer_command"] == first["peer_command"]


def test_alert_that_a_crash_has_swallowed_is_raised_at_the_start(make_broker):
    """The store is put back to before; the journal is applied again."""
    broker = make_broker(WIDE)
    fill(broker, 20)
    broker.stop()
    files = [p for p in broker.state.glob("memferry.db*")]
    kept = {p: p.read_bytes() for p in files}
    broker.start()
    delete(broker, *names("m", 0, 11), session="one")
    (first,) = settled(broker)
    broker.kill()
    for path in broker.state.glob("memferry.db*"):
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
    broker.start()
    (again,) = settled(broker)
    assert (again["id"], again["count"]) == (first["id"], first["count"])


def test_many_crashes_raise_it_once(make_broker):
    broker = make_broker(WIDE)
    fill(broker, 12)
    for i in range(12):
        delete(broker, f"m{i}", session="one")
        broker.kill()
        broker.start()
    (alert,) = settled(broker)
    assert alert["count"] == 11


def test_statement_alert_is_the_same_after_a_crash(make_broker):
    broker = make_broker(QUIET)
    observe = {"statement": "DROP TABLE a", "language": "sql", "session_id": "one"}
    first = broker.call("guard.observe", observe)["alerts"]
    wait_alert(broker, "schema-change")
    broker.kill()
    broker.start()
    assert broker.call("guard.observe", observe)["alerts"] == first
    until(lambda: [a["count"] for a in alerts(broker, "schema-change")] == [2], "2 counted")


def test_another_config_is_in_force_after_a_reload(make_broker):
    broker = make_broker(QUIET)
    fill(broker, 20)
    delete(broker, *names("m", 0, 11), session="one")
    assert settled(broker) == []
    broker.configure(WIDE)
    broker.process.send_signal(signal.SIGHUP)
    (alert,) = wait_alert(broker, "rapid-delete")
    assert alert["count"] == 11 and alert["session_id"] == "one"


# ---- the command ----


def test_command_tells_what_an_observed_statement_raises(make_broker):
    command = Command(make_broker(QUIET))
    told = command.ok("guard", "observe", "rm -rf build")
    assert "mass-statement" in told and "rm -r" in told
    assert command.ok("guard", "observe", "--language", "sql", "-", stdin="SELECT 1").strip()
    reply = command.json("guard", "observe", "--source", "hook", "DROP TABLE x")
    assert reply["alerts"][0]["rule"] == "schema-change"


def test_command_tests_a_file_of_statements(make_broker, tmp_path):
    broker = make_broker(QUIET)
    command = Command(broker)
    statements = tmp_path / "statements"
    statements.write_text("ls -la\nrm -rf build\n\nDROP TABLE x\nDROP TABLE a; DELETE FROM b\n")
    assert command.ok("guard", "test", statements).splitlines() == [
        "1: -", "2: mass-statement", "4: schema-change", "5: schema-change, mass-statement"]
    assert [line["line"] for line in command.lines("guard", "test", statements)] == [1, 2, 4, 5]
    assert alerts(broker) == []
    command.fails(64, "guard", "nonsense")
    command.fails(64, "guard", "observe", "--language", "latin", "x")


def test_what_an_observed_statement_raised_is_in_the_list_at_once(make_broker):
    broker = make_broker(QUIET)
    for n in range(20):
        with broker.client() as client:
            told = client.call("guard.observe", {"statement": f"DROP TABLE t{n}", "session_id": f"s{n}"})
            (raised,) = told["alerts"]
            assert raised["id"] in [a["id"] for a in client.call("alert.list")["alerts"]]
