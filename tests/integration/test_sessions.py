"""Sessions: the file, alone and beside plain Python programs, and what the broker knows of them."""
import os
import re
import signal
import subprocess
import sys
import uuid

import pytest

import harness
from command import Command
from wire import RpcError, until

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\n")

# As set-ups write it that know nothing of memferry.
PLAIN_READER = """
import pathlib, sys, uuid
path = pathlib.Path.home() / ".claude-session-id"
print(path.read_text().strip())
"""
PLAIN_WRITER = """
import os, uuid
open(os.path.expanduser("~/.claude-session-id"), "w").write(str(uuid.uuid4()))
"""
# Again and again, on request, and tells what it wrote.
PLAIN_REWRITER = """
import os, sys, uuid
for line in sys.stdin:
    session = str(uuid.uuid4())
    with open(os.path.expanduser("~/.claude-session-id"), "w") as file:
        file.write(session)
    print(session, flush=True)
"""


@pytest.fixture
def command(broker):
    return Command(broker)


def session_file(broker):
    return broker.root / ".claude-session-id"


def python(broker, program, **options):
    return subprocess.run([sys.executable, "-c", program], env=broker.environment, text=True,
                          capture_output=True, check=True, timeout=harness.DEADLINE_S, **options)


def used_ago(broker, seconds):
    stat = session_file(broker).stat()
    os.utime(session_file(broker), (stat.st_mtime - seconds,) * 2)


def session(broker, session_id):
    return broker.call("session.get", {"session_id": session_id})


def wait_ended(broker, session_id):
    until(lambda: session(broker, session_id)["ended_ms"], f"session {session_id} to end")
    return session(broker, session_id)["end_reason"]


@pytest.fixture
def process():
    """process() starts one that does nothing; it never outlives the test."""
    started = []

    def start():
        it = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"],
                              preexec_fn=harness.die_with_parent)
        started.append(it)
        return it

    yield start
    for it in started:
        it.kill()
        it.wait()


# ---- the file ----

def test_puts_of_one_session_are_listed_by_it(broker, command):
    current = command.ok("session", "current").strip()
    first = command.ok("put", "one").strip()
    command.ok("put", "--from-json", "-", stdin='{"id":"two","content":"two"}\n')
    command.ok("put", "three", "--session", "other")
    found = broker.call("memory.list", {"session_id": current})["memories"]
    assert {m["id"] for m in found} == {first, "two"}
    command.ok("delete", "two")
    assert broker.call("memory.history", {"id": "two"})["versions"][0]["session_id"] == current


def test_ten_commands_at_once_have_one_session(command):
    started = [command.start("session", "current") for _ in range(10)]
    assert len({p.communicate(timeout=harness.DEADLINE_S)[0] for p in started}) == 1


def test_a_session_that_was_idle_is_followed_by_another(broker, command):
    first = command.ok("session", "current")
    used_ago(broker, 29 * 60)
    assert command.ok("session", "current") == first
    used_ago(broker, 31 * 60)
    command.fails(1, "session", "current", "--peek")
    second = command.ok("session", "current")
    assert UUID.fullmatch(second) and second != first


def test_a_put_goes_without_a_session_where_the_file_cannot_be_used(broker, command):
    target = broker.root / "precious"
    target.write_text("precious")
    session_file(broker).symlink_to(target)
    told = command.run("put", "--id", "x", "without")
    assert told.returncode == 0 and "without a session" in told.stderr
    assert "symbolic link" in told.stderr
    assert broker.call("memory.get", {"id": "x"}).get("session_id") is None
    assert target.read_text() == "precious"
    assert command.run("--quiet", "put", "quiet").stderr == ""
    command.environment["MEMFERRY_SESSION_ID"] = "from-the-environment"
    assert command.run("put", "--id", "y", "with").stderr == ""
    assert broker.call("memory.get", {"id": "y"})["session_id"] == "from-the-environment"


# ---- beside plain programs ----

def test_a_plain_program_reads_what_the_command_began(broker, command):
    current = command.ok("session", "current").strip()
    assert python(broker, PLAIN_READER).stdout.strip() == current


def test_what_a_plain_program_writes_is_the_session(broker, command):
    python(broker, PLAIN_WRITER)
    written = session_file(broker).read_text()
    assert command.ok("session", "current").strip() == written
    command.ok("put", "--id", "x", "tea")
    assert broker.call("memory.get", {"id": "x"})["session_id"] == written
    python(broker, PLAIN_WRITER)
    assert session_file(broker).read_text() != written
    assert command.ok("session", "current").strip() == session_file(broker).read_text()


def test_a_program_that_rewrites_the_file_all_the_time_costs_no_command_its_session(broker, command):
    writer = subprocess.Popen([sys.executable, "-c", PLAIN_REWRITER], env=broker.environment,
                              text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              preexec_fn=harness.die_with_parent)
    found = []
    for _ in range(40):
        started = [command.start("session", "current") for _ in range(2)]
        writer.stdin.write("go\n")
        writer.stdin.flush()
        for process in started:
            out, err = process.communicate(timeout=harness.DEADLINE_S)
            assert process.returncode == 0, err
            found.append(out)
    written = set(writer.communicate(timeout=harness.DEADLINE_S)[0].split())
    assert len(written) == 40
    assert all(UUID.fullmatch(text) for text in found)
    assert command.ok("session", "current").strip() == session_file(broker).read_text().strip()


# ---- with a broker, and without ----

def test_a_session_begun_offline_is_known_from_its_first_memory(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    told = command.run("--no-start", "session", "begin", "--agent", "claude")
    assert told.returncode == 0 and "warning" in told.stderr
    begun = told.stdout.strip()
    assert command.ok("--no-start", "session", "current").strip() == begun
    broker.start()
    assert broker.call("session.list")["sessions"] == []
    command.ok("put", "one")
    known = session(broker, begun)
    assert known["ended_ms"] is None and known["agent"] is None
    broker.kill()
    told = command.run("--no-start", "session", "end")
    assert told.returncode == 0 and "idle" in told.stderr
    assert not session_file(broker).exists()
    command.fails(69, "--no-start", "session", "end", begun)
    broker.start()
    assert session(broker, begun)["ended_ms"] is None


def test_begin_and_end_tell_the_broker(broker, command):
    begun = command.json("session", "begin", "--agent", "claude")
    assert begun == {"id": begun["id"], "begun": True, "from_environment": False, "known": True}
    known = session(broker, begun["id"])
    assert (known["agent"], known["cwd"], known["pid"]) == ("claude", os.getcwd(), None)
    ended = command.json("session", "end", "--reason", "all done")
    assert (ended["end_reason"], ended["end_note"]) == ("command", "all done")
    command.fails(1, "session", "end")
    command.fails(1, "session", "end", str(uuid.uuid4()))
    assert command.ok("session", "end", begun["id"]) == ""
    command.fails(64, "session", "begin", "--pid", "me")
    command.fails(65, "session", "begin", "--pid", "4194304")
    command.fails(64, "session", "run")
    command.fails(64, "session", "sleep")


def test_a_put_of_an_ended_session_is_taken(broker, command):
    begun = command.ok("session", "begin").strip()
    command.ok("session", "end")
    before = session(broker, begun)
    command.ok("put", "--id", "x", "late", "--session", begun)
    assert broker.call("memory.get", {"id": "x"})["session_id"] == begun
    after = session(broker, begun)
    assert (after["ended_ms"], after["end_reason"]) == (before["ended_ms"], "command")
    again = broker.call("session.begin", {"session_id": begun})
    assert again["ended_ms"] is None and again["started_ms"] == before["started_ms"]


def test_sessions_are_listed_by_pages(broker, command):
    ids = [broker.call("session.begin", {"agent": f"a{n % 2}"})["id"] for n in range(5)]
    broker.call("session.end", {"session_id": ids[4]})
    assert [s["id"] for s in command.lines("session", "list")] == ids[::-1]
    assert [s["id"] for s in command.lines("session", "list", "--active")] == ids[3::-1]
    assert [s["id"] for s in command.lines("session", "list", "--agent", "a1")] == [ids[3], ids[1]]
    rows = [line.split("\t") for line in command.ok("session", "list", "--limit", "2").splitlines()]
    assert [(row[0], row[4]) for row in rows] == [(ids[4], "command"), (ids[3], "active")]
    page = broker.call("session.list", {"limit": 2})
    assert page["next"]
    rest = command.lines("session", "list", "--after", page["next"])
    assert [s["id"] for s in rest] == ids[2::-1]


def test_what_a_session_cannot_be_is_refused(broker, encoding):
    with broker.client(encoding) as client:
        for method, params, field in (
                ("session.begin", {"session_id": ""}, "session_id"),
                ("session.begin", {"session_id": "x" * 65}, "session_id"),
                ("session.begin", {"agent": "x" * 129}, "agent"),
                ("session.begin", {"cwd": 1}, "cwd"),
                ("session.begin", {"pid": 0}, "pid"),
                ("session.begin", {"pid": 4194304}, "pid"),
                ("session.begin", {"reason": "x"}, "reason"),
                ("session.touch", {}, "session_id"),
                ("session.touch", {"session_id": "x", "agent": "x"}, "agent"),
                ("session.end", {}, "session_id"),
                ("session.get", {}, "session_id"),
                ("session.list", {"after": "v1"}, "after"),
                ("session.list", {"limit": 0}, "limit")):
            with pytest.raises(RpcError) as refused:
                client.call(method, params)
            assert (refused.value.name, refused.value.field) == ("invalid_params", field)


# ---- ends ----

def test_a_session_ends_with_its_owner(broker, command, process):
    owner = process()
    begun = command.ok("session", "begin", "--pid", owner.pid).strip()
    assert session(broker, begun)["pid"] == owner.pid
    owner.kill()
    assert wait_ended(broker, begun) == "owner_exit"


def test_owners_are_watched_again_after_a_restart(broker, process):
    owner, other = process(), process()
    first = broker.call("session.begin", {"pid": owner.pid})["id"]
    second = broker.call("session.begin", {"pid": other.pid})["id"]
    broker.kill()
    broker.start()
    assert session(broker, first)["ended_ms"] is None
    owner.kill()
    assert wait_ended(broker, first) == "owner_exit"
    assert session(broker, second)["ended_ms"] is None


def test_an_owner_that_died_while_no_broker_ran_is_found_at_the_start(broker, process):
    owner = process()
    begun = broker.call("session.begin", {"pid": owner.pid})["id"]
    broker.stop()
    owner.kill()
    owner.wait()
    broker.start()
    assert wait_ended(broker, begun) == "owner_exit"


def test_a_session_with_another_owner_does_not_end_with_the_first(broker, process):
    first, second = process(), process()
    begun = broker.call("session.begin", {"pid": first.pid})["id"]
    broker.call("session.begin", {"session_id": begun, "pid": second.pid})
    marker = broker.call("session.begin", {"pid": first.pid})["id"]
    first.kill()
    assert wait_ended(broker, marker) == "owner_exit"
    assert session(broker, begun)["ended_ms"] is None
    second.kill()
    assert wait_ended(broker, begun) == "owner_exit"


def test_idle_sessions_end_and_go_on_when_they_are_used(make_broker, process):
    broker = make_broker("[session]\nidle = 1s\n")
    owned = broker.call("session.begin", {"pid": process().pid})["id"]
    broker.call("memory.put", {"content": "x", "session_id": "idle"})
    assert wait_ended(broker, "idle") == "idle"
    assert session(broker, owned)["ended_ms"] is None
    broker.call("memory.put", {"content": "y", "session_id": "idle"})
    assert session(broker, "idle")["ended_ms"] is None
    assert wait_ended(broker, "idle") == "idle"


def test_how_long_a_session_may_be_idle_changes_with_a_reload(broker):
    broker.call("memory.put", {"content": "x", "session_id": "s"})
    broker.configure("[session]\nidle = 1s\n")
    os.kill(broker.pid, signal.SIGHUP)
    assert wait_ended(broker, "s") == "idle"
    broker.configure("[session]\nidle = 999ms\n")
    assert "idle" in broker.run("--check-config").stderr


def test_owners_beyond_the_descriptors_there_are_are_found_all_the_same(make_broker, process):
    broker = make_broker("[broker]\nmax_peers = 8\n[session]\nidle = 1s\n", start=False)
    plain = broker.command
    needed = 8 + 24 + 64
    broker.command = lambda *more: ["prlimit", f"--nofile={needed + 2}:{needed + 2}",
                                    *plain(*more)]
    broker.start()
    owners = [process() for _ in range(3)]
    begun = [broker.call("session.begin", {"pid": owner.pid})["id"] for owner in owners]
    broker.wait_log("sessions-full")
    for owner, session_id in zip(owners, begun):
        owner.kill()
        owner.wait()
        assert wait_ended(broker, session_id) == "owner_exit"


# ---- run ----

def run_python(program, *arguments):
    return ("session", "run", "--", sys.executable, "-u", "-c", program, *arguments)


def test_run_gives_a_command_a_session_that_ends_with_it(broker, command):
    told = command.run(*run_python("import os, sys; print(os.environ['MEMFERRY_SESSION_ID'], "
                                   "os.getpid()); sys.exit(7)"))
    assert told.returncode == 7
    begun, pid = told.stdout.split()
    ended = session(broker, begun)
    assert (ended["pid"], ended["end_reason"]) == (int(pid), "owner_exit")
    assert ended["agent"] == os.path.basename(sys.executable)
    assert not session_file(broker).exists()


def test_run_ends_as_its_command_does(broker, command):
    assert command.run(*run_python("import os; os.kill(os.getpid(), 9)")).returncode == -9
    assert command.run(*run_python("import os; os.kill(os.getpid(), 15)")).returncode == -15
    assert command.run("session", "run", "--", "/no/such/command").returncode == 127
    assert command.run("session", "run", "--", str(broker.root)).returncode == 126
    assert broker.call("session.list", {"active": True})["sessions"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_run_forwards_signals(command, number):
    process = command.start(*run_python(
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(40))\n"
        "print('ready')\n"
        "while True: signal.pause()"))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=harness.DEADLINE_S)
    assert process.returncode == 40


def test_a_session_goes_on_when_run_is_killed_and_ends_with_its_command(broker, command):
    process = command.start(*run_python(
        "import os, sys; print(os.environ['MEMFERRY_SESSION_ID'], os.getpid()); sys.stdin.read()"),
        stdin=subprocess.PIPE)
    begun, pid = process.stdout.readline().split()
    process.kill()
    process.wait()
    assert session(broker, begun)["ended_ms"] is None
    os.kill(int(pid), signal.SIGKILL)
    assert wait_ended(broker, begun) == "owner_exit"
    process.communicate()


def test_run_goes_without_a_broker(make_broker):
    broker = make_broker(start=False)
    told = Command(broker).run("--no-start", *run_python(
        "import os; print(os.environ['MEMFERRY_SESSION_ID'])"))
    assert told.returncode == 0 and UUID.fullmatch(told.stdout) and "warning" in told.stderr
