"""memferry doctor: what is wrong is found and named, and the command that it says mends it."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

import msgpack
import pytest

import harness
from command import Command
from sinks import put
from wire import until


def doctor(command, code, *options):
    """{check: [(state, what, mend)]}"""
    told = command.run("--json", "doctor", *options)
    assert told.returncode == code, told
    found = {}
    for line in told.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one["check"], []).append((one["state"], one["what"], one.get("mend")))
    return found


def only(found, check):
    (one,) = found[check]
    return one


def todo(found):
    return {check for check, told in found.items() for state, *_ in told if state == "todo"}


def mend(command, line):
    """As a user would: copied into a shell."""
    path = f'{harness.MEMFERRY.parent}:{command.environment["PATH"]}'
    done = subprocess.run(["bash", "-c", line], env=dict(command.environment, PATH=path),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done)
    return done.stdout


def test_all_well_is_zero_and_each_check_says_so(broker):
    command = Command(broker)
    command.ok("put", "--id", "tea", "Tea at four")
    command.ok("backup", broker.root / "backup.db")
    found = doctor(command, 0)
    assert {"config", "broker", "socket", "state", "disk", "journal", "progress", "store", "search",
            "backends", "alerts", "limits", "clock", "backup", "session"} <= set(found)
    assert not todo(found)
    assert str(broker.pid) in only(found, "broker")[1]
    assert str(broker.state) in only(found, "state")[1]
    assert str(broker.root / "backup.db") in only(found, "backup")[1]
    assert command.ok("doctor").endswith(" worth knowing\n")


def test_without_a_broker_the_disk_and_the_config_are_looked_at(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    assert only(doctor(command, 0), "broker")[0] == "note"
    broker.start()
    broker.stop()
    found = doctor(command, 0)
    assert only(found, "state")[0] == "ok" and "backends" not in found
    assert not broker.state.with_suffix(".new").exists()


def test_looking_starts_no_broker_and_changes_nothing(make_broker):
    broker = make_broker(start=False)
    doctor(Command(broker), 0)
    assert not broker.state.exists() and not os.path.exists(broker.socket)


def test_a_config_that_is_wrong_is_told_with_its_line(make_broker):
    broker = make_broker()
    broker.configure("[broker]\nsockt = x\n")
    state, what, line = only(doctor(Command(broker), 1), "config")
    assert state == "todo" and "memferry.conf:2" in what and line.endswith("--check-config")


def test_a_config_that_was_changed_is_reloaded_by_what_it_says(make_broker):
    broker = make_broker("[guard]\n")
    command = Command(broker)
    later = os.stat(broker.config).st_mtime + 3600
    assert only(doctor(command, 0), "config")[0] == "ok"
    os.utime(broker.config, (later, later))
    state, _, line = only(doctor(command, 1), "config")
    assert state == "todo"
    os.utime(broker.config)
    assert line == f"kill -HUP {broker.pid}"
    after = len(broker.log_text())
    mend(command, line)
    broker.wait_log("config-taken", after)
    assert only(doctor(command, 0), "config")[0] == "ok"


def test_a_config_that_was_made_after_the_start_is_taken_by_what_it_says(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    home = broker.root / "config"
    del command.environment["MEMFERRY_CONFIG"]
    command.environment["XDG_CONFIG_HOME"] = str(home)
    command.ok("put", "first")
    pid = command.json("call", "hello")["pid"]
    try:
        assert only(doctor(command, 0), "config")[0] == "ok"
        (home / "memferry").mkdir(parents=True)
        (home / "memferry/memferry.conf").write_text("[guard]\n")
        state, what, line = only(doctor(command, 1), "config")
        assert state == "todo" and str(home / "memferry/memferry.conf") in what
        assert line == f"kill -HUP {pid}"
        mend(command, line)
        until(lambda: command.json("call", "stats")["server"]["config"], "the config to be taken")
        assert only(doctor(command, 0), "config")[0] == "ok"
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(broker.socket), "the broker to end")


def test_what_backends_need_is_named(sink):
    command = Command(sink.broker)
    put(sink.broker, "bad", 1, "poison")
    sink.wait_status("a dead letter", lambda it: it["dead"] == 1)
    command.ok("backends", "pause", "graph")
    told = doctor(command, 1)["backends"]
    (dead,) = [line for _, what, line in told if "refuses 1 memory" in what]
    assert "bad0" in mend(command, dead)
    (resume,) = [line for state, what, line in told if state == "note" and "paused" in what]
    mend(command, resume)
    assert sink.status()["paused"] is False


def test_a_backend_that_is_down_is_probed_by_what_it_says(sink):
    command = Command(sink.broker)
    sink.script("down")
    put(sink.broker, "m", 1)
    sink.wait_status("down", lambda it: it["health"] == "down")
    ((state, what, line),) = doctor(command, 1)["backends"]
    assert state == "todo" and "graph is down, 1 memory waits" in what
    sink.script("")
    mend(command, line)
    until(lambda: sink.status()["pending"] == 0, "the delivery")
    assert doctor(command, 0, "--probe")["backends"][0][1].startswith("graph is reachable")


def test_an_open_alert_is_something_to_do(broker):
    command = Command(broker)
    command.ok("guard", "observe", "DROP TABLE users")
    _, what, line = only(doctor(command, 1), "alerts")
    assert what == "1 is not acked"
    assert "schema-change" in mend(command, line)
    command.ok("alert", "ack", "--all")
    assert only(doctor(command, 0), "alerts")[0] == "ok"


@pytest.mark.parametrize("name, mode", [(".", 0o755), ("memferry.db", 0o644),
                                        ("journal/lock", 0o640)])
def test_what_others_may_read_is_closed_by_what_it_says(broker, name, mode):
    path = broker.state / name
    path.chmod(mode)
    command = Command(broker)
    _, what, line = only(doctor(command, 1), "state")
    assert f"mode {mode:04o}" in what
    mend(command, line)
    assert only(doctor(command, 0), "state")[0] == "ok"


def test_pieces_that_were_set_aside_are_named(broker):
    (broker.state / "journal/aside-7-9.bin").touch(mode=0o600)
    (broker.state / "journal/3.seg.bad").touch(mode=0o600)
    command = Command(broker)
    _, what, line = only(doctor(command, 1), "journal")
    assert what.startswith("2 damaged pieces are kept in ")
    assert mend(command, line).startswith("journal-damage (log, error)")


def test_a_state_directory_in_memory_is_told_of(make_broker):
    if subprocess.run(["stat", "-f", "-c", "%T", "/dev/shm"], capture_output=True, text=True,
                      check=False).stdout.strip() != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs")
    broker = make_broker(start=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        command = Command(broker)
        command.environment["MEMFERRY_STATE_DIR"] = place
        disk = doctor(command, 1)["disk"]
    assert any(state == "todo" and "tmpfs" in what for state, what, _ in disk)


def test_the_last_error_of_the_log_is_shown_until_a_broker_starts(make_broker):
    broker = make_broker(start=False)
    broker.state.mkdir(mode=0o700)
    broker.configure(f"[broker]\nsocket = {broker.log}/s\n")
    command = Command(broker)
    del command.environment["MEMFERRY_SOCKET"]
    command.environment["XDG_RUNTIME_DIR"] = str(broker.root / "run")
    command.run("put", "x")
    state, what, line = only(doctor(command, 0), "log")
    assert state == "note" and "start-failed" in what
    assert mend(command, line).startswith("start-failed (log, error)")
    broker.configure("")
    command.ok("put", "x")
    assert only(doctor(command, 0), "log")[0] == "ok"
    os.kill(command.json("call", "hello")["pid"], 15)


def test_an_alert_in_the_log_is_no_error_of_its_own(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    command.ok("guard", "observe", "DROP TABLE users")
    try:
        assert only(doctor(command, 1), "log")[0] == "ok"
        command.ok("alert", "ack", "--all")
        assert only(doctor(command, 0), "log")[0] == "ok"
        assert "alert: critical" in (broker.state / "memferryd.log").read_text()
    finally:
        os.kill(command.json("call", "hello")["pid"], 15)


def test_a_session_file_that_cannot_be_used_is_told_of(broker):
    command = Command(broker)
    path = broker.root / "session"
    path.symlink_to("/dev/null")
    command.environment["MEMFERRY_SESSION_FILE"] = str(path)
    state, what, _ = only(doctor(command, 1), "session")
    assert state == "todo" and str(path) in what


def test_without_a_broker_it_says_what_reads_the_whole_journal(make_broker):
    broker = make_broker()
    broker.stop()
    assert "memferryd --check-journal" in only(doctor(Command(broker), 0), "journal")[1]


def agents(command):
    return doctor(command, 0).get("agents")


def test_hooks_and_tools_are_looked_for_where_the_agent_is_in_use(broker):
    command = Command(broker)
    home = command.environment["HOME"]
    assert agents(command) is None
    os.mkdir(f"{home}/.claude")
    ((state, what, line),) = agents(command)
    assert state == "note" and "claude mcp add" in what
    command.environment["PATH"] += f":{harness.MEMFERRY.parent}"
    mend(command, f"{line} --yes")
    ((state, what, _),) = agents(command)
    assert state == "ok" and what == f"hooks are in {home}/.claude/settings.json"
    with open(f"{home}/.claude.json", "w", encoding="utf-8") as file:
        json.dump({"projects": {"/x": {"mcpServers": {"memferry": {
            "type": "stdio", "command": "memferry", "args": ["mcp"]}}}}}, file)
    assert [state for state, *_ in agents(command)] == ["ok", "ok"]
    mend(command, "memferry hook remove --yes")
    ((state, what, _),) = agents(command)
    assert state == "ok" and what == f"tools (MCP) are in {home}/.claude.json"


def test_hooks_that_are_not_whole_or_cannot_run_are_mended_by_what_it_says(broker):
    command = Command(broker)
    settings = f'{command.environment["HOME"]}/.claude/settings.json'
    os.mkdir(os.path.dirname(settings))
    hook = {"hooks": [{"type": "command", "command": "'/gone/memferry' hook"}]}
    with open(settings, "w", encoding="utf-8") as file:
        json.dump({"hooks": {"SessionStart": [hook]}, "permissions": {"allow": []}}, file)
    state, what, line = only(doctor(command, 1), "agents")
    assert state == "todo" and "/gone/memferry" in what
    mend(command, f"{line} --yes")
    command.environment["PATH"] += f":{harness.MEMFERRY.parent}"
    assert [state for state, *_ in agents(command)] == ["ok"]
    with open(settings, encoding="utf-8") as file:
        told = json.load(file)
    del told["hooks"]["PreToolUse"]
    with open(settings, "w", encoding="utf-8") as file:
        json.dump(told, file)
    ((state, what, line),) = agents(command)
    assert state == "note" and what.startswith("3 of 4 hooks")
    mend(command, f"{line} --yes")
    assert [state for state, *_ in agents(command)] == ["ok"]


def test_settings_that_are_no_json_tell_nothing(broker):
    command = Command(broker)
    os.mkdir(f'{command.environment["HOME"]}/.claude')
    for name in (".claude/settings.json", ".claude.json"):
        with open(f'{command.environment["HOME"]}/{name}', "w", encoding="utf-8") as file:
            file.write('{"hooks": "memferry hook"')
    assert [state for state, *_ in agents(command)] == ["note"]


def test_few_open_files_are_told_of(make_broker):
    broker = make_broker(start=False)
    low = ["prlimit", "--nofile=512:512"]
    before = broker.command
    broker.command = lambda *more: [*low, *before(*more)]
    broker.start()
    state, what, _ = only(doctor(Command(broker), 1), "limits")
    assert state == "todo" and "512 files" in what


def test_a_broker_of_another_version_is_to_be_restarted(make_broker):
    broker = make_broker(start=False)
    listener = harness.bound_socket(broker.socket)
    os.chmod(broker.socket, 0o600)
    listener.listen(1)

    def serve():
        peer, _ = listener.accept()
        unpacker = msgpack.Unpacker(raw=False)
        while data := peer.recv(65536):
            unpacker.feed(data)
            for kind, ident, method, *_ in unpacker:
                if kind != 0:
                    continue
                results = {"stats": {"server": {"version": "0.0.1", "pid": os.getpid()}},
                           "backend.list": {"backends": []}}
                failure = {"code": -32601, "name": "method_not_found", "message": "no"}
                peer.sendall(msgpack.packb([1, ident, None if method in results else failure,
                                            results.get(method)]))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    state, what, line = only(doctor(Command(broker), 1), "broker")
    assert state == "todo" and re.search(r"memferryd 0\.0\.1 runs .* this command is of \d", what)
    assert line == f"kill {os.getpid()}"
    thread.join(30)
    listener.close()
    os.unlink(broker.socket)
