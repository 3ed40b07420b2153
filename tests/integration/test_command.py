"""The `memferry` command: what it prints, how it exits, and that it starts a broker itself."""
import json
import os
import pathlib
import signal
import subprocess
import uuid

import pytest

import harness
from command import Command
from harness import MEMFERRY
from sinks import Scripted
from wire import MsgpackClient, until

ABSENT, EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM = 1, 64, 65, 69, 75, 77

pytestmark = pytest.mark.skipif(not MEMFERRY.exists(), reason=f"not built: {MEMFERRY}")


@pytest.fixture
def command(broker):
    return Command(broker)


@pytest.fixture
def alone(make_broker):
    """A command whose broker does not run; whoever it starts is ended afterwards."""
    broker = make_broker(start=False)
    it = Command(broker)
    yield it
    try:
        with MsgpackClient(broker.socket) as client:
            pid = client.call("hello")["pid"]
    except OSError:
        return
    os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(broker.socket), "the broker to end")


# ---- put, get, list, history, delete ----


def test_put_and_get(command):
    told = command.json("put", "Tea at four", "--id", "tea", "--kind", "fact", "--tag", "a",
                        "--tag", "b")
    assert told["id"] == "tea" and told["durable"] is True
    memory = command.json("get", "tea")
    assert memory["content"] == "Tea at four" and memory["kind"] == "fact"
    assert memory["tags"] == ["a", "b"] and memory["version"] == told["seq"]
    assert "Tea at four" in command.ok("get", "tea")


def test_put_without_id_makes_one(command):
    told = command.json("put", "anything")
    assert uuid.UUID(told["id"]).version == 4
    assert told["id"] in command.ok("list")


def test_put_reads_stdin(command):
    told = command.json("put", "--id", "in", "-", stdin="from stdin\nsecond line\n")
    assert told["id"] == "in"
    assert command.json("get", "in")["content"].rstrip("\n") == "from stdin\nsecond line"


def test_put_of_ndjson_in_bulk(command):
    lines = "".join(json.dumps({"id": f"b{n}", "content": f"bulk {n}", "props": {"n": n}}) + "\n"
                    for n in range(500))
    command.ok("put", "--from-json", "-", stdin=lines)
    assert command.json("get", "b499")["props"] == {"n": 499}
    assert command.json("get", "b0")["content"] == "bulk 0"


def test_bulk_put_names_the_bad_line(command):
    lines = '{"id":"g1","content":"x"}\n{"id":"g2","content":5}\n{"id":"g3","content":"x"}\n'
    told = command.run("put", "--from-json", "-", stdin=lines)
    assert told.returncode not in (0, EX_UNAVAILABLE) and "2" in told.stderr, told
    told = command.run("put", "--from-json", "-", stdin='{"id":"h1","content":"x"}\nnot json\n')
    assert told.returncode == EX_DATAERR and "2" in told.stderr, told


def test_get_of_a_version(command):
    first = command.json("put", "one", "--id", "v")["seq"]
    command.ok("put", "two", "--id", "v")
    assert command.json("get", "v", "--version", str(first))["content"] == "one"
    assert command.json("get", "v")["content"] == "two"


def test_get_of_the_unknown_fails(command):
    told = command.fails(ABSENT, "get", "nowhere")
    assert "nowhere" in told.stderr and told.stdout == ""


def test_list_filters_and_limits(command):
    for n in range(5):
        command.ok("put", f"c{n}", "--id", f"l{n}", "--kind", "fact" if n % 2 else "note")
    assert [m["id"] for m in command.lines("list", "--kind", "fact")] == ["l3", "l1"]
    assert [m["id"] for m in command.lines("list", "--limit", "2")] == ["l4", "l3"]
    text = command.ok("list")
    assert all(f"l{n}" in text for n in range(5))


def test_history_and_delete(command):
    command.ok("put", "one", "--id", "h")
    command.ok("put", "two", "--id", "h")
    told = command.json("delete", "h", "--reason", "outdated")
    assert told["id"] == "h"
    versions = command.lines("history", "h")
    assert [v["op"] for v in versions] == ["delete", "put", "put"]
    assert versions[0]["reason"] == "outdated"
    text = command.ok("history", "h")
    assert "delete" in text and "outdated" in text
    assert "h" not in [m["id"] for m in command.lines("list")]
    command.fails(ABSENT, "delete", "never-was")


def test_status_and_backends(make_broker, library):
    broker = make_broker(start=False)
    sink = Scripted(broker, "graph", library)
    broker.configure(sink.section)
    broker.start()
    command = Command(broker)
    command.ok("put", "x", "--id", "a")
    assert command.json("status")
    assert str(broker.pid) in command.ok("status")
    assert command.json("backends")["name"] == "graph"
    assert "graph" in command.ok("backends")
    assert command.json("flush")["level"] is True
    assert [d[0] for d in sink.done()] == ["a"]


def test_flush_that_does_not_get_level_fails(make_broker, library):
    broker = make_broker(start=False)
    sink = Scripted(broker, "graph", library)
    sink.script("down")
    broker.configure(sink.section)
    broker.start()
    command = Command(broker)
    command.ok("put", "x")
    told = command.run("flush", "--timeout", "300ms")
    assert told.returncode == EX_TEMPFAIL, told


def test_dead_letters(make_broker, library):
    broker = make_broker(start=False)
    sink = Scripted(broker, "graph", library)
    broker.configure(sink.section)
    broker.start()
    command = Command(broker)
    for n in range(3):
        command.ok("put", "poison", "--id", f"bad{n}")
    until(lambda: len(sink.dead()) == 3, "the dead letters")
    assert sorted(d["id"] for d in command.lines("dead", "list")) == ["bad0", "bad1", "bad2"]
    assert "bad1" in command.ok("dead", "list")
    command.ok("dead", "drop", "bad0", "--backend", "graph")
    sink.script("cured")
    command.ok("dead", "retry", "--all", "--backend", "graph")
    until(lambda: len(sink.state()) == 2, "the retried")
    assert command.lines("dead", "list") == []


def test_call_of_any_method(command):
    told = command.json("call", "hello")
    assert told["pid"] == command.broker.pid
    command.ok("call", "memory.put", '{"id":"c","content":"called"}')
    assert json.loads(command.ok("call", "memory.get", '{"id":"c"}'))["content"] == "called"
    command.fails(ABSENT, "call", "memory.get", '{"id":"nowhere"}')
    command.fails(EX_USAGE, "call")
    told = command.run("call", "memory.put", "{not json")
    assert told.returncode in (EX_USAGE, EX_DATAERR)
    told = command.run("call", "no.such.method")
    assert told.returncode not in (0, EX_UNAVAILABLE) and "no.such.method" in told.stderr


def test_put_on_a_condition(command):
    first = command.json("put", "one", "--id", "c", "--expect", "0")["seq"]
    told = command.run("put", "no", "--id", "c", "--expect", "0")
    assert told.returncode == 2 and str(first) in told.stderr, told
    command.ok("put", "two", "--id", "c", "--expect", str(first))
    assert command.json("get", "c")["content"] == "two"


def test_put_of_properties(command):
    command.ok("put", "x", "--id", "p", "--prop", "n=2", "--prop", "s=text", "--prop", "b=true",
               "--prop", 'l:=[1,2]', "--prop", "f=0.5")
    command.ok("put", "--id", "p", "--prop", "n:=null")
    assert command.json("get", "p")["props"] == {"s": "text", "b": True, "l": [1, 2], "f": 0.5}


# ---- usage ----


def test_help_and_version():
    for arguments in (["--help"], ["help"], ["put", "--help"]):
        told = subprocess.run([str(MEMFERRY), *arguments], capture_output=True, text=True,
                              timeout=30, check=False)
        assert told.returncode == 0 and "memferry" in told.stdout and told.stderr == "", told
    told = subprocess.run([str(MEMFERRY), "--help"], capture_output=True, text=True, timeout=30,
                          check=False).stdout
    for verb in ("put", "get", "list", "history", "delete", "status", "backends", "flush", "dead",
                 "call"):
        assert verb in told
    told = subprocess.run([str(MEMFERRY), "--version"], capture_output=True, text=True, timeout=30,
                          check=False)
    assert told.returncode == 0 and "0.1.0" in told.stdout


@pytest.mark.parametrize("arguments", [
    [], ["frobnicate"], ["put", "--no-such"], ["get"], ["history"], ["delete"],
    ["dead", "frob"], ["dead", "drop"], ["list", "--limit", "many"], ["put", "a", "--id"]])
def test_wrong_usage_is_64_and_says_so(command, arguments):
    command.fails(EX_USAGE, *arguments)


def test_errors_of_the_broker_name_the_field(command):
    told = command.run("put", "x", "--id", "y" * 300)
    assert told.returncode in (EX_USAGE, EX_DATAERR) and "id" in told.stderr
    assert told.stdout == ""


def test_no_colours_or_progress_when_it_is_no_terminal(command):
    command.ok("put", "x", "--id", "a")
    for arguments in (["list"], ["get", "a"], ["status"], ["history", "a"], ["backends"]):
        told = command.run(*arguments)
        assert "\x1b" not in told.stdout + told.stderr


def test_closed_pipe_is_no_crash(command):
    for n in range(50):
        command.broker.call("memory.put", id=f"p{n}", content="x" * 2000)
    process = command.start("list", "--limit", "50")
    process.stdout.close()
    process.stderr.read()
    assert process.wait(30) in (0, 1, 74, -signal.SIGPIPE)


# ---- starting the broker ----


def may_look_into(pid):
    """A broker keeps even its own user from looking into it; root may, where it may do all."""
    try:
        return os.readlink(f"/proc/{pid}/fd/0") != ""
    except PermissionError:
        return False


def test_it_starts_a_broker_when_none_runs(alone):
    told = alone.json("put", "first", "--id", "a")
    assert told["durable"] is True
    pid = alone.json("call", "hello")["pid"]
    assert alone.json("get", "a")["content"] == "first"
    assert os.getsid(pid) == pid, "it runs in a session of its own"
    for number in (0, 1, 2) if may_look_into(pid) else ():
        target = os.readlink(f"/proc/{pid}/fd/{number}")
        assert not target.startswith("pipe:"), f"it holds the caller's descriptor {number}"


def test_ten_at_once_start_one_broker(alone):
    running = [alone.start("--json", "put", f"n{n}", "--id", f"m{n}") for n in range(10)]
    for process in running:
        out, err = process.communicate(timeout=harness.DEADLINE_S)
        assert process.returncode == 0, err
        assert json.loads(out)["durable"] is True
    with MsgpackClient(alone.broker.socket) as client:
        pid = client.call("hello")["pid"]
        for n in range(10):
            assert client.call("memory.get", id=f"m{n}")["content"] == f"n{n}"
    if not may_look_into(pid):
        return
    others = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes().split(b"\0")
            environment = (entry.parent / "environ").read_bytes()
        except OSError:
            continue
        mine = alone.broker.socket.encode()
        if arguments[0].endswith(b"memferryd") and (mine in b" ".join(arguments)
                                                    or mine in environment):
            others.append(int(entry.parent.name))
    assert others == [pid]


def test_no_start_refuses_with_69(alone):
    told = alone.fails(EX_UNAVAILABLE, "--no-start", "put", "x")
    assert alone.broker.socket in told.stderr
    assert not os.path.exists(alone.broker.socket)


def test_broker_that_cannot_start_is_told(alone):
    alone.broker.configure("[broker]\ncolour = red\n")
    told = alone.run("put", "x")
    assert told.returncode not in (0, EX_USAGE) and told.stderr
    assert not os.path.exists(alone.broker.socket)


def test_default_directory_that_is_open_to_others_is_refused(command):
    """A socket that was named may lie anywhere; the default place must be the user's own."""
    del command.environment["MEMFERRY_SOCKET"]
    place = command.broker.root / "run" / "memferry"
    place.mkdir()
    place.chmod(0o777)
    told = command.run("put", "x")
    assert told.returncode == EX_NOPERM, told
    assert str(place) in told.stderr
    assert list(place.iterdir()) == []
