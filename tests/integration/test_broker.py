"""memferryd as a process: its command line, config, signals, socket, activation, limits, and that
no peer can hurt another.
"""
import contextlib
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import uuid

import pytest

import harness
from harness import MEMFERRYD, bound_socket
from wire import MsgpackClient, RpcError, until


def run(*arguments, **environment):
    return subprocess.run([str(MEMFERRYD), *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, check=False, env=dict(os.environ, **environment))


# ---- command line ----


def test_version_and_help():
    told = run("--version")
    assert told.returncode == 0 and re.search(r"memferryd \d+\.\d+\.\d+", told.stdout), told
    told = run("--help")
    assert told.returncode == 0
    for option in ("--config", "--socket", "--state-dir", "--plugin-dir", "--log-level",
                   "--check-config", "--version"):
        assert option in told.stdout
    assert told.stderr == ""


@pytest.mark.parametrize("arguments", [["--no-such"], ["--socket"], ["extra"],
                                       ["--log-level", "shouting"]])
def test_bad_command_line_is_told_and_ends(arguments, tmp_path):
    told = run(*arguments, MEMFERRY_SOCKET=str(tmp_path / "s"), MEMFERRY_STATE_DIR=str(tmp_path))
    assert told.returncode == 64, told  # EX_USAGE
    assert arguments[-1] in told.stderr or arguments[0] in told.stderr


# ---- config ----

GOOD = [
    "", "# nothing\n\n; at all\n",
    "[broker]\ndims = 768\nmax_peers = 100\n",
    "[journal]\nkeep_segments = yes\n",
    '[backend "mirror"]\nplugin = mirror-file\npath = /tmp/x.ndjson\n',
]


@pytest.mark.parametrize("text", GOOD)
def test_check_config_accepts(make_broker, text):
    broker = make_broker(text, start=False)
    told = broker.run("--check-config")
    assert told.returncode == 0, told
    assert not broker.state.exists(), "checking made a state directory"


BAD = [  # (text, the line to blame, what must be named)
    ("[broker]\ncolour = red\n", 2, "colour"),
    ("\n\n[brokre]\ndims = 5\n", None, "brokre"),
    ("[broker]\ndims = many\n", 2, "dims"),
    ("[broker]\ndims = 0\n", 2, "dims"),
    ("[broker]\ndims = -1\n", 2, "dims"),
    ("[broker]\ndims = 99999999999999999999\n", 2, "dims"),
    ("[broker]\nmax_peers = 5000\n", 2, "max_peers"),
    ("[broker]\nallow_purge = perhaps\n", 2, "allow_purge"),
    ("[broker]\n\n\ndims\n", 4, ""),
    ("[broker\ndims = 5\n", 1, ""),
    ("dims = 5\n", 1, "dims"),
    ("[broker]\ndims = 4\ndims = 5\n", 3, "dims"),
    ('[backend "x"]\nurl = http://127.0.0.1\n', 1, "plugin"),
    ('[backend ""]\nplugin = mirror-file\n', 1, ""),
    ('[backend "a b"]\nplugin = mirror-file\n', 1, "a b"),
    ('[backend "x"]\nplugin = mirror-file\npath = /tmp/x\ncolour = red\n', 4, "colour"),
    ('[backend "x"]\nplugin = no-such-plugin\n', None, "no-such-plugin"),
    ('[backend "x"]\nplugin = mirror-file\npath = /tmp/x\n[backend "x"]\nplugin = mirror-file\n',
     4, "x"),
    ("[broker]\n# " + "x" * 100000 + "\ncolour = red\n", None, ""),
]


@pytest.mark.parametrize("text,line,word", BAD, ids=lambda v: repr(v)[:40])
def test_check_config_names_file_and_line(make_broker, text, line, word):
    broker = make_broker(text, start=False)
    for told in (broker.run("--check-config"), broker.run()):
        assert told.returncode == 78, told  # EX_CONFIG
        assert word in told.stderr
        where = f"{broker.config}:{line}:" if line else str(broker.config)
        assert where in told.stderr, told.stderr
        assert told.stderr.count("\n") <= 4, "one sentence is enough"


def test_config_that_was_named_must_exist(make_broker):
    broker = make_broker(start=False)
    broker.config.unlink()
    told = broker.run()
    assert told.returncode != 0 and str(broker.config) in told.stderr


def test_secret_in_the_file_is_refused_without_repeating_it(make_broker):
    broker = make_broker('[backend "g"]\nplugin = neo4j-http\npassword = hunter2\n', start=False)
    told = broker.run("--check-config")
    assert told.returncode == 78 and "hunter2" not in told.stdout + told.stderr
    assert ":3:" in told.stderr


def test_sighup_with_a_bad_file_keeps_the_old_config(make_broker):
    good = '[backend "mirror"]\nplugin = mirror-file\npath = {}\n'
    broker = make_broker(start=False)
    broker.configure(good.format(broker.root / "out"))
    broker.start()
    before = len(broker.log_text())
    broker.configure(good.format(broker.root / "out") + "colour = red\n")
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log(re.escape(f"{broker.config}:4"), before)
    told = broker.call("backend.list")["backends"]
    assert [b["name"] for b in told] == ["mirror"]
    assert broker.call("memory.put", id="a", content="x")["backends"] == {"mirror": "pending"}
    assert broker.call("backend.flush", timeout_ms=20000)["backends"][0]["level"] is True


def test_sighup_adds_and_detaches_a_backend(make_broker):
    broker = make_broker()
    broker.call("memory.put", id="a", content="before")
    out = broker.root / "out"
    broker.configure(f'[backend "late"]\nplugin = mirror-file\npath = {out}\n')
    broker.process.send_signal(signal.SIGHUP)

    def names():
        return {b["name"]: b for b in broker.call("backend.list")["backends"]}

    until(lambda: "late" in names(), "the new backend")
    broker.call("backend.flush", timeout_ms=20000)
    assert "before" in out.read_text()  # it gets what was there before it
    broker.configure("")
    broker.process.send_signal(signal.SIGHUP)
    until(lambda: names()["late"]["health"] == "detached", "the backend to be detached")
    broker.call("backend.forget", name="late")
    assert names() == {}


# ---- files and their modes ----


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_socket_and_state_are_private_under_any_umask(make_broker, umask):
    broker = make_broker(start=False)
    runtime = broker.root / "run"
    broker.socket = str(runtime / "memferry" / "memferry.sock")
    command = [str(MEMFERRYD), "--plugin-dir", str(broker.plugins)]  # all by default
    broker.state = broker.root / "state-home" / "memferry"
    broker.command = lambda *more: command + list(more)
    (broker.root / "state-home").mkdir(mode=0o700)
    old = os.umask(umask)
    try:
        broker.start()
    finally:
        os.umask(old)
    broker.call("memory.put", id="a", content="x")
    assert mode(runtime / "memferry") == 0o700 and mode(broker.socket) == 0o600
    assert stat.S_ISSOCK(os.lstat(broker.socket).st_mode)
    assert mode(broker.state) == 0o700 and mode(broker.state / "journal") == 0o700
    for path in broker.state.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # SQLite's own come and go
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    broker.stop()
    assert not os.path.exists(broker.socket), "the socket is left behind"


def test_socket_path_that_is_too_long_is_refused(make_broker):
    broker = make_broker(start=False)
    broker.socket = str(broker.root / ("x" * 120))
    told = broker.run()
    assert told.returncode != 0 and "long" in told.stderr and "xxxx" in told.stderr
    assert not list(broker.root.glob("x*")), "it made a socket by a cut name"


def test_socket_path_held_by_a_file_is_refused(make_broker):
    broker = make_broker(start=False)
    with open(broker.socket, "w", encoding="ascii") as file:
        file.write("precious")
    told = broker.run()
    assert told.returncode != 0 and broker.socket in told.stderr
    with open(broker.socket, encoding="ascii") as file:
        assert file.read() == "precious"


def test_state_directory_that_is_open_to_others_is_refused(make_broker):
    broker = make_broker(start=False)
    broker.state.mkdir()
    broker.state.chmod(0o777)
    told = broker.run()
    assert told.returncode != 0 and str(broker.state) in told.stderr
    assert list(broker.state.iterdir()) == []


def test_state_directory_that_is_a_link_is_refused(make_broker):
    broker = make_broker(start=False)
    (broker.root / "elsewhere").mkdir(mode=0o700)
    broker.state.symlink_to(broker.root / "elsewhere")
    told = broker.run()
    assert told.returncode != 0 and str(broker.state) in told.stderr
    assert list((broker.root / "elsewhere").iterdir()) == []


# ---- signals ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_0_and_closes_idle_peers(broker, number):
    with broker.client() as client:
        client.call("hello")
        broker.process.send_signal(number)
        assert client.closed()
    assert broker.wait_end() == 0


def test_second_sigterm_is_harmless(broker):
    for _ in range(3):
        broker.process.send_signal(signal.SIGTERM)
    assert broker.wait_end() == 0


def test_sigpipe_and_sighup_without_config_change_nothing(broker):
    broker.process.send_signal(signal.SIGPIPE)
    broker.process.send_signal(signal.SIGHUP)
    assert broker.call("memory.put", id="a", content="x")["durable"]


# ---- systemd ----


def test_socket_activation_takes_the_given_socket(make_broker):
    broker = make_broker(start=False)
    path = broker.root / "activated"
    listener = bound_socket(path)
    listener.listen(100)
    early = MsgpackClient(str(path))  # connects before the broker is there
    asked = early.send("hello")
    pid = os.fork()
    if pid == 0:
        try:
            harness.die_with_parent()
            log = os.open(broker.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if listener.fileno() == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(listener.fileno(), 3, inheritable=True)
            env = dict(broker.environment, LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
            os.execve(MEMFERRYD, broker.command(), env)
        finally:
            os._exit(99)
    try:
        assert early.wait(asked).get()["pid"] == pid, broker.log_text()
        listener.close()
        with MsgpackClient(str(path)) as client:
            assert client.call("memory.put", id="a", content="x")["durable"]
        assert not os.path.exists(broker.socket), "it made a socket besides the given one"
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, broker.log_text()
    assert path.exists(), "a socket that is systemd's was removed"


def test_listen_fds_for_another_process_are_left_alone(make_broker):
    broker = make_broker(LISTEN_FDS="1", LISTEN_PID="1")
    assert broker.call("hello")["pid"] == broker.pid


def messages(sock):
    told = []
    sock.settimeout(30)
    while not told or "STOPPING=1" not in told:
        told += sock.recv(4096).decode().split("\n")
    return told


def test_notify_socket_hears_ready_and_stopping(make_broker):
    broker = make_broker(start=False)
    notify = bound_socket(broker.root / "notify", socket.SOCK_DGRAM)
    broker.environment["NOTIFY_SOCKET"] = str(broker.root / "notify")
    broker.start(wait=False)
    notify.settimeout(30)
    assert "READY=1" in notify.recv(4096).decode().split("\n")
    assert broker.call("hello")  # ready means that it listens: no waiting
    broker.stop()
    assert "STOPPING=1" in messages(notify)


def test_abstract_notify_socket(make_broker):
    name = f"memferry-test-{uuid.uuid4().hex}"
    broker = make_broker(start=False)
    notify = bound_socket("\0" + name, socket.SOCK_DGRAM)
    broker.environment["NOTIFY_SOCKET"] = "@" + name
    broker.start(wait=False)
    notify.settimeout(30)
    assert "READY=1" in notify.recv(4096).decode()
    broker.wait_ready()


def test_internal_error_is_found_in_the_log_by_its_id(make_broker):
    broker = make_broker()
    broker.call("memory.put", id="a", content="x")
    broker.stop()
    with contextlib.closing(sqlite3.connect(broker.state / "memferry.db")) as store, store:
        store.execute("UPDATE event SET state = x'c1'")
    broker.start()
    with pytest.raises(RpcError) as failure:
        broker.call("memory.get", id="a")
    assert failure.value.name == "internal"
    broker.wait_log(f"internal: {failure.value.data['id']}.*memory a")
