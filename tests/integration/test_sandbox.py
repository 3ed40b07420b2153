"""The systemd units: systemd finds them right and tight, and the broker does all it does within the
system calls that they leave it, where any other kills it."""
import os
import re
import shutil
import subprocess

import pytest

import harness
import sandbox
from command import Command
from harness import BUILD, MEMFERRYD, SOURCE
from receiver import SECRET, Receiver, section
from sinks import Backend
from wire import RpcError, until

MANAGERS = ["user", "system"]
EXPOSURE = {"user": 58, "system": 15}  # tenths; the tool takes a user's broker for root's
tool = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
pytestmark = tool


def unit(manager, kind="service"):
    return (BUILD / "deploy" / "systemd" / f"{manager}-memferryd.{kind}").read_text()


def analyze(root, manager, *arguments):
    """systemd-analyze on both units of the manager, as installed, but with the program that is there."""
    (root / "run").mkdir(exist_ok=True)
    for kind in ("service", "socket"):
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={MEMFERRYD}", unit(manager, kind), flags=re.M)
        (root / f"memferryd.{kind}").write_text(text)
    return subprocess.run(["systemd-analyze", *(["--user"] if manager == "user" else []), *arguments],
                          env=dict(os.environ, XDG_RUNTIME_DIR=str(root / "run")), text=True,
                          capture_output=True, check=False, cwd=root)


# ---- what systemd says of them ----


@pytest.fixture
def short_path():
    """The path of a socket has 108 bytes."""
    with harness.scratch() as path:
        yield path


@pytest.mark.parametrize("manager", MANAGERS)
def test_systemd_finds_no_fault_in_the_units(short_path, manager):
    told = analyze(short_path, manager, "verify", "--man=no", "./memferryd.service", "./memferryd.socket")
    assert told.returncode == 0 and "memferryd" not in told.stdout + told.stderr, told


@pytest.mark.parametrize("manager", MANAGERS)
def test_exposure_is_as_low_as_the_document_says(short_path, manager):
    told = analyze(short_path, manager, "security", "--offline=true", "--no-pager",
                   f"--threshold={EXPOSURE[manager]}", "./memferryd.service")
    level = re.search(r"exposure level for memferryd.service: ([\d.]+)", told.stdout)
    assert told.returncode == 0, told.stdout[-300:]
    assert level and float(level.group(1)) * 10 <= EXPOSURE[manager]
    assert f"{EXPOSURE[manager] / 10}" in (SOURCE / "docs" / "security.md").read_text()


def test_units_are_installed_with_the_program_they_start(tmp_path):
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir",
                    str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    for manager in MANAGERS:
        (service,) = tmp_path.rglob(f"systemd/{manager}/memferryd.service")
        (socket,) = tmp_path.rglob(f"systemd/{manager}/memferryd.socket")
        program = re.search(r"^ExecStart=(\S+)", service.read_text(), re.M).group(1)
        assert os.access(f"{tmp_path}{program}", os.X_OK)
        assert "@" not in re.sub(r"[@~]*@[a-z-]+\b(?!@)", "", service.read_text() + socket.read_text())
    assert list(tmp_path.rglob("sysusers.d/memferry.conf"))


# ---- the broker within their filter ----


def confine(broker, manager):
    # SQLite gives its files to the database's owner when it is root, which a service is not.
    code = sandbox.program_of(unit(manager), refused=["fchown"] if os.geteuid() == 0 else [])

    def prepare():
        harness.die_with_parent()
        sandbox.enter(code)

    broker.prepare = prepare


def status_of(broker, *words):
    with open(f"/proc/{broker.pid}/status", encoding="ascii") as status:
        text = status.read()
    return [re.search(rf"^{word}:\s+(\S+)", text, re.M).group(1) for word in words]


@pytest.fixture
def receiver():
    it = Receiver(SECRET)
    yield it
    it.close()


@pytest.mark.parametrize("call", ["os.unshare(os.CLONE_NEWUTS)", "os.chown('/nowhere', 1, 1)",
                                  "os.setuid(1)", "ctypes.CDLL(None).mlock(0, 0)",
                                  "mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"])
def test_filter_of_the_tests_kills_what_the_units_forbid(call):
    code = sandbox.program_of(unit("system"))
    line = ["/usr/bin/python3", "-c",
            "import ctypes, mmap, os\nctypes.CDLL(None)\n"
            "os.unshare = getattr(os, 'unshare', lambda _: ctypes.CDLL(None).unshare(0x04000000))\n"
            f"os.CLONE_NEWUTS = 0\nprint('before', flush=True)\n{call}\nprint('after')"]
    told = subprocess.run(line, preexec_fn=lambda: sandbox.enter(code), capture_output=True, text=True,
                          check=False)
    assert told.stdout == "before\n" and told.returncode == -31, told  # SIGSYS


def test_filter_of_the_tests_knows_the_families():
    code = sandbox.program_of(unit("user"))
    program = ("import socket\n"
               "for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):\n"
               "    socket.socket(family).close()\n"
               "try:\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\n"
               "except OSError as error:\n    print(error.errno)\n")
    told = subprocess.run(["/usr/bin/python3", "-c", program], preexec_fn=lambda: sandbox.enter(code),
                          capture_output=True, text=True, check=False)
    assert told.stdout == "97\n", told


@pytest.mark.parametrize("manager", MANAGERS)
def test_broker_does_all_it_does_within_the_filter(make_broker, receiver, manager):
    if harness.sanitized():
        pytest.skip("a sanitizer makes calls of its own")
    broker = make_broker(start=False, MEMORY_WEBHOOK_TOKEN=SECRET)
    told = broker.root / "told"
    script = broker.root / "tell"
    script.write_text(f"#!/bin/sh\ncat > {told}.new && mv {told}.new {told}\n")
    script.chmod(0o700)
    broker.configure("[broker]\ndims = 2\nallow_purge = yes\n[guard]\nrapid_delete = 1 in 60s\n"
                     f'[backend "bell"]\nplugin = alert-notify\ncommand = {script}\n'
                     f'[backend "mirror"]\nplugin = mirror-file\npath = {broker.root / "mirror"}\n'
                     '[backend "away"]\nplugin = neo4j-http\nurl = http://nowhere.invalid:7474\nuser =\n'
                     + section(receiver))
    confine(broker, manager)
    broker.start()
    assert status_of(broker, "Seccomp", "NoNewPrivs") == ["2", "1"]
    use_everything(broker)
    until(told.exists, lambda: f"the alert's command\n{broker.log_text()[-2000:]}")
    before = len(broker.log_text())
    broker.process.send_signal(1)
    broker.wait_log("config-taken", before)
    broker.restart()  # with 0
    assert broker.call("memory.get", id="m7")["content"] == "about tea 7"
    broker.kill()
    broker.start()
    assert broker.call("health")["ok"]


def use_everything(broker):
    command = Command(broker)
    with broker.client() as client:
        client.many([("memory.put", {"id": f"m{i}", "content": f"about tea {i}", "embedding": [1, i]})
                     for i in range(200)])
        client.call("memory.delete", ids=["m1", "m2", "m3"], reason="a test")
        client.call("memory.restore", ids=["m1"])
        client.call("memory.purge", ids=["m3"])
        client.call("guard.observe", statement="DROP TABLE memory", language="sql")
        assert client.call("memory.search", query="tea")["hits"]
        client.call("memory.search", embedding=[1, 2])
        client.call("session.begin", agent="test", pid=os.getpid())
        assert client.call("alert.list")["alerts"]
        with pytest.raises(RpcError):
            client.call("backend.probe", name="away")
        client.call("backend.flush", names=["mirror", "flow"], timeout_ms=30000)
        client.call("backend.verify", name="mirror")
        client.call("stats")
    command.ok("backup", broker.root / "backup")
    command.ok("export", broker.root / "export")
    command.ok("import", broker.root / "export")
    assert Backend(broker, "flow").status()["circuit"] == "closed"
