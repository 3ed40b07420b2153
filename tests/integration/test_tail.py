"""memferry tail: follows what happens, over restarts of the broker, without missing or repeating."""
import json
import os
import pty
import signal
import subprocess

import pytest

import harness
from command import Command
from sinks import put
from wire import until


class Tail:
    """A tail that runs; what it says is read line by line, with a bound."""

    def __init__(self, command, *options):
        self.process = command.start("tail", *options)
        self.process.stdin = None

    def lines(self, count):
        got = []
        for _ in range(count):
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.process.stderr.read()}"
            got.append(json.loads(line))
        return got

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=harness.DEADLINE_S)
        assert not harness.SANITIZER.search(err), err
        return err


@pytest.fixture
def tail(broker):
    command = Command(broker)
    opened = []

    def start(*options):
        it = Tail(command, *options)
        opened.append(it)
        return it

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def subscribed(broker, count=1):
    until(lambda: broker.call("stats")["peers"]["subscribed"] == count, "the subscription")


def test_events_and_alerts_come_as_objects_in_order(broker, tail):
    put(broker, "before", 1)
    it = tail()
    subscribed(broker)
    put(broker, "m", 3)
    broker.call("memory.delete", id="m1", reason="old")
    broker.call("guard.observe", statement="DROP TABLE users")
    told = it.lines(6)
    assert [(one["type"], one.get("op"), one["id"]) for one in told[:4]] == [
        ("event", "put", "m0"), ("event", "put", "m1"), ("event", "put", "m2"),
        ("event", "delete", "m1")]
    assert told[3]["reason"] == "old"
    assert {one["type"] for one in told[4:]} == {"event", "alert"}
    assert [one["seq"] for one in told] == sorted(one["seq"] for one in told)
    it.end()


def test_a_restart_of_the_broker_neither_loses_nor_repeats(broker, tail):
    it = tail("--op", "put")
    subscribed(broker)
    seqs = []
    for turn in range(3):
        put(broker, f"m{turn}-", 40)
        seqs += [one["seq"] for one in it.lines(20)]  # the others are on their way, or not yet read
        broker.kill()
        broker.start()
        put(broker, f"n{turn}-", 10)
        seqs += [one["seq"] for one in it.lines(30)]
    assert len(seqs) == len(set(seqs)) == 150 and seqs == sorted(seqs)
    told = broker.call("stats")["journal"]["committed_seq"]
    assert seqs[-1] == told
    err = it.end()
    assert err.count("the connection to the broker broke") == 3
    assert err.count("the broker is there again") == 3


@pytest.mark.parametrize("options, wanted", [
    (["--op", "delete"], [("delete", "a0")]),
    (["--id", "b0"], [("put", "b0")]),
    (["--id", "b0", "--id", "a0"], [("put", "a0"), ("put", "b0"), ("delete", "a0")]),
    (["--op", "put", "--session", "11111111-1111-4111-8111-111111111111"], [("put", "s")]),
    (["--since", "2h", "--op", "put"], [("put", "a0"), ("put", "b0"), ("put", "s")]),
    (["--since", "2020-01-01T00:00:00+01:00", "--op", "put"],
     [("put", "a0"), ("put", "b0"), ("put", "s")]),
    (["--from-seq", "2", "--op", "put"], [("put", "b0"), ("put", "s")]),
])
def test_what_is_not_asked_for_is_left_out(broker, options, wanted):
    put(broker, "a", 1)
    put(broker, "b", 1)
    broker.call("memory.put", id="s", content="x",
                session_id="11111111-1111-4111-8111-111111111111")
    broker.call("memory.delete", id="a0")
    begin = [] if "--since" in options or "--from-seq" in options else ["--from-seq", "1"]
    told = Command(broker).ok("tail", *options, *begin, "--count", len(wanted))
    assert [(one["op"], one["id"]) for one in map(json.loads, told.splitlines())] == wanted


def test_since_leaves_out_what_was_before(broker):
    put(broker, "a", 1)
    at = broker.call("memory.get", id="a0")["updated_ms"]
    until(lambda: broker.call("memory.put", id="b0", content="x") and
          broker.call("memory.get", id="b0")["updated_ms"] > at, "the clock to go on")
    told = Command(broker).ok("tail", "--since", at + 1, "--op", "put", "--count", 1)
    assert json.loads(told)["id"] == "b0"


def test_another_journal_is_told_of(broker, tail):
    put(broker, "m", 50)
    it = tail("--from-seq", "1")
    it.lines(50)
    broker.stop()
    broker.state.rename(broker.root / "lost")
    broker.start()
    assert "it has another journal" in it.process.stderr.readline() + it.process.stderr.readline()
    subscribed(broker)
    put(broker, "n", 1)
    assert it.lines(1)[0]["id"] == "n0"
    it.end()


def test_a_terminal_gets_lines_for_people_without_controls(broker):
    command = Command(broker)
    broker.call("memory.put", id="tea", content="x")
    broker.call("memory.delete", id="tea", reason="a\x1b[31mred")
    master, slave = pty.openpty()
    done = subprocess.run([harness.MEMFERRY, "tail", "--from-seq", "1", "--count", "2"], stdout=slave,
                          env=dict(command.environment, NO_COLOR="1"), check=True, timeout=30)
    os.close(slave)
    told = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0
    assert [line.split()[2:5] for line in told.splitlines()][0] == ["1", "put", "tea"]
    assert "\\x1b[31mred" in told and "\x1b" not in told


def test_without_a_broker_it_ends_at_once(make_broker):
    broker = make_broker(start=False)
    told = Command(broker).fails(69, "tail")
    assert "no broker listens" in told.stderr
    Command(broker).fails(64, "tail", "--since", "yesterday")


def test_an_op_that_is_none_is_named(broker):
    told = Command(broker).fails(65, "tail", "--op", "putt")
    assert "--op: kinds may hold put, delete" in told.stderr
