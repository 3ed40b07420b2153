"""memferry diff, restore and undo: what is shown, what is asked, and that it is done."""
import os
import pty
import uuid

import pytest

from command import Command
from harness import MEMFERRY, die_with_parent, dump
from sinks import put
from wire import until

pytestmark = pytest.mark.skipif(not MEMFERRY.exists(), reason=f"not built: {MEMFERRY}")

ABSENT, CONFLICT, EX_USAGE = 1, 2, 64
GOOD, BAD = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def command(broker):
    return Command(broker)


@pytest.fixture
def harmed(command):
    """Six memories of one session; another deletes two and overwrites one."""
    for n in range(6):
        command.ok("put", "--id", f"m{n}", "--session", GOOD, f"good {n}")
    with command.broker.client() as client:
        client.call("memory.delete", id="m0", session_id=BAD)
        client.call("memory.delete", id="m1", session_id=BAD)
    command.ok("put", "--id", "m2", "--session", BAD, "bad")
    return command


def contents(command):
    with command.broker.client() as client:
        return {m["id"]: m["content"] for m in client.call("memory.list", limit=100)["memories"]}


GOOD_CONTENTS = {f"m{n}": f"good {n}" for n in range(6)}


def on_terminal(command, answer, *arguments):
    """Runs it on a terminal; what stands there afterwards, and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        die_with_parent()
        os.execve(MEMFERRY, [str(MEMFERRY), *arguments], dict(command.environment, NO_COLOR="1"))
    os.write(fd, answer)
    told = b""
    try:
        while data := os.read(fd, 65536):
            told += data
    except OSError:  # the other side is closed
        pass
    os.close(fd)
    return told.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ---- undo ----


def test_undo_of_a_session_brings_everything_back(harmed):
    lines = harmed.lines("undo", "--session", BAD, "--yes", "--reason", "it went wrong")
    assert {(m["id"], m["change"]) for m in lines if "id" in m} == {
        ("m0", "undelete"), ("m1", "undelete"), ("m2", "replace")}
    assert lines[-1] == {"dry_run": False, "restored": 3, "conflicts": 0, "unchanged": 0,
                         "created": 0, "failed": 0}
    assert contents(harmed) == GOOD_CONTENTS
    assert harmed.lines("history", "m0")[0]["reason"] == "it went wrong"


def test_undo_does_nothing_where_nobody_can_be_asked(harmed):
    told = harmed.fails(EX_USAGE, "undo", "--session", BAD)
    assert "nothing was done" in told.stderr and "--yes" in told.stderr
    assert "m0\tundelete" in told.stdout
    assert contents(harmed) != GOOD_CONTENTS


def test_undo_asks_on_a_terminal(harmed):
    told, code = on_terminal(harmed, b"n\n", "undo", "--session", BAD)
    assert code == 0 and "m1" in told and "undelete" in told and "nothing was done" in told
    assert contents(harmed) != GOOD_CONTENTS
    told, code = on_terminal(harmed, b"y\n", "undo", "--session", BAD)
    assert code == 0 and "3 memories are back" in told
    assert contents(harmed) == GOOD_CONTENTS


def test_undo_dry_run_changes_nothing(harmed):
    lines = harmed.lines("undo", "--session", BAD, "--dry-run")
    assert lines[-1]["dry_run"] is True and lines[-1]["restored"] == 3
    assert contents(harmed) != GOOD_CONTENTS


def test_undo_since_a_time_takes_filters(command):
    command.ok("put", "--id", "a", "--kind", "fact", "one")
    command.ok("put", "--id", "b", "one")
    memory = command.json("get", "b")
    moment = str(memory["updated_ms"])
    with command.broker.client() as client:
        until_later(client, memory["updated_ms"])
    command.ok("delete", "a", "b")
    command.ok("undo", "--since", moment, "--kind", "fact", "--yes")
    assert contents(command) == {"a": "one"}
    command.ok("undo", "--since", moment, "--yes")
    assert contents(command) == {"a": "one", "b": "one"}


def until_later(client, moment_ms):
    """Puts until the broker's clock has passed that millisecond."""
    ident = uuid.uuid4().hex
    while client.call("memory.get", id=client.call(
            "memory.put", {"id": ident, "content": "tick"})["id"])["updated_ms"] <= moment_ms:
        pass
    client.call("memory.delete", id=ident)


def test_undo_leaves_what_others_changed_since(harmed):
    harmed.ok("put", "--id", "m2", "--session", GOOD, "mended")
    told = harmed.run("undo", "--session", BAD, "--yes")
    assert told.returncode == CONFLICT and "1 changed since" in told.stderr
    assert f"session {GOOD} has changed it since" in told.stdout
    assert contents(harmed) == {**GOOD_CONTENTS, "m2": "mended"}
    harmed.ok("undo", "--session", BAD, "--yes", "--force")
    assert contents(harmed) == GOOD_CONTENTS


def test_undo_needs_one_thing_to_undo(command):
    for arguments in ([], ["--session", BAD, "--since", "1h"], ["alert", "--session", BAD],
                      ["--session", BAD, "--kind", "fact"], ["--since", "yesterday"]):
        command.fails(EX_USAGE, "undo", *arguments)
    assert "no alert" in command.fails(ABSENT, "undo", "none", "--yes").stderr


def test_nothing_to_undo_is_no_failure(command):
    assert "nothing to bring back" in command.run("undo", "--session", BAD).stderr


# ---- restore ----


def test_restore_by_id_and_by_version(command):
    first = command.json("put", "--id", "tea", "one")["seq"]
    command.ok("put", "--id", "tea", "two")
    command.ok("delete", "tea")
    told = command.json("restore", "tea")
    assert told["change"] == "undelete" and contents(command) == {"tea": "two"}
    command.ok("restore", "tea", "--version", str(first))
    assert contents(command) == {"tea": "one"}


def test_restore_tells_what_was_not_there(command):
    command.ok("put", "--id", "tea", "one")
    command.ok("delete", "tea")
    told = command.run("restore", "tea", "cake")
    assert told.returncode == ABSENT and "there is no memory cake" in told.stdout
    assert contents(command) == {"tea": "one"}
    command.fails(EX_USAGE, "restore")
    command.fails(EX_USAGE, "restore", "a", "b", "--version", "1")
    command.fails(EX_USAGE, "restore", "a", "--version", "x")


# ---- purge ----


def test_purge_asks_and_needs_the_config(make_broker):
    command = Command(make_broker())
    command.ok("put", "--id", "tea", "one")
    assert "allow_purge" in command.fails(77, "purge", "tea", "--yes").stderr
    command.broker.stop()
    command.broker.configure("[broker]\nallow_purge = yes\n")
    command.broker.start()
    assert "nothing was done" in command.fails(EX_USAGE, "purge", "tea").stderr
    told, code = on_terminal(command, b"n\n", "purge", "tea")
    assert code == 0 and "for good?" in told and contents(command) == {"tea": "one"}
    assert "1 purged" in command.ok("purge", "tea", "--yes", "--reason", "a secret")
    assert command.json("get", "tea")["content"] == ""
    command.fails(ABSENT, "purge", "never", "--yes")


# ---- diff ----


def test_diff_shows_lines_fields_and_props(command):
    command.ok("put", "--id", "tea", "--kind", "fact", "--prop", "sugar=2", "one\ntwo\nthree")
    command.ok("put", "--id", "tea", "--kind", "note", "--prop", "milk=true", "--prop",
               "sugar:=null", "--tag", "t", "one\n2\nthree")
    assert command.ok("diff", "tea").splitlines() == [
        "tea: version 1 → 2", 'kind: "fact" → "note"', 'tags: [] → ["t"]',
        "props.sugar: 2 → (none)", "props.milk: (none) → true", "content:", "  one", "- two",
        "+ 2", "  three"]
    assert set(command.json("diff", "tea")["changed"]) == {
        "kind", "tags", "props.sugar", "props.milk", "content"}
    assert "no difference" in command.ok("diff", "tea", "1", "1")


def test_diff_needs_two_versions(command):
    command.ok("put", "--id", "tea", "one")
    assert "one version only" in command.fails(ABSENT, "diff", "tea").stderr
    command.fails(ABSENT, "diff", "cake")
    command.fails(ABSENT, "diff", "tea", "7")
    command.fails(EX_USAGE, "diff", "tea", "x")
    command.fails(EX_USAGE, "diff")


def test_undo_of_an_alert_brings_back_what_came_behind_its_last_update(broker):
    """An alert is told when it is raised and when its count doubles, and not for each delete."""
    put(broker, "m", 60)
    for n in range(40):
        broker.call("memory.delete", id=f"m{n}", session_id="the-agent")
    alert, = until(lambda: broker.call("alert.list", rule="rapid-delete")["alerts"], "the alert")
    assert 10 < alert["count"] < 40
    Command(broker).ok("undo", alert["id"], "--yes")
    with broker.client() as client:
        memories, _ = dump(client)
    assert not [m for m in memories.values() if m.get("deleted_ms")]
