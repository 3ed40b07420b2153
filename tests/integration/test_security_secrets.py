"""Secrets: not in the broker's memory when it has done with them, in no core dump, in no argument, log,
error or answer; and a broker that even its own user can't look into."""
import os
import re
import signal
import subprocess

import pytest

import harness
from command import Command, assert_none_in, everything_told
from receiver import Receiver, section
from sinks import Backend
from users import NOBODY, become, need_programs_for
from wire import until

FIRST, SECOND = "first-secret-4711-abcdef", "second-secret-0815-uvwxyz"


def memory_of(pid):
    """All that the process may write, as bytes: heap, stacks, data."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not rights.startswith("rw") or "[v" in line:
                continue
            memory.seek(int(start, 16))
            try:
                found.append(memory.read(int(end, 16) - int(start, 16)))
            except OSError:  # a sanitizer's shadow
                continue
    return found


def is_in_memory(broker, secret):
    return any(secret.encode() in part for part in memory_of(broker.pid))


def secret_file(broker, text, name="secret"):
    path = broker.root / name
    fresh = path.with_suffix(".new")
    fresh.write_text(text + "\n")
    fresh.chmod(0o600)
    fresh.rename(path)
    return path


def reload(broker):
    before = len(broker.log_text())
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log("config-taken", before)


@pytest.fixture
def receiver():
    it = Receiver(FIRST)
    yield it
    it.close()


def needs_memory():
    if harness.sanitized():
        pytest.skip("a sanitizer keeps what was freed, to find its use")


# ---- memory ----


def test_secret_that_signs_is_wiped_when_another_takes_its_place(make_broker, receiver):
    needs_memory()
    broker = make_broker(start=False)
    path = secret_file(broker, FIRST)
    broker.configure(section(receiver, secret_file=path))
    broker.start()
    flow = Backend(broker, "flow")
    broker.call("memory.put", id="a", content="x", wait="delivered")
    assert is_in_memory(broker, FIRST), "what is looked for would not be found"
    secret_file(broker, SECOND)
    receiver.secret = SECOND
    reload(broker)
    broker.call("memory.put", id="b", content="x", wait="delivered")
    assert flow.status()["circuit"] == "closed" and is_in_memory(broker, SECOND)
    assert not is_in_memory(broker, FIRST)


def test_secret_is_wiped_when_its_backend_goes(make_broker, receiver):
    needs_memory()
    broker = make_broker(start=False)
    broker.configure(section(receiver, secret_file=secret_file(broker, FIRST)))
    broker.start()
    broker.call("memory.put", id="a", content="x", wait="delivered")
    assert is_in_memory(broker, FIRST)
    broker.configure("")
    reload(broker)
    until(lambda: broker.call("backend.list")["backends"][0]["health"] == "detached", "the backend's end")
    assert not is_in_memory(broker, FIRST)


def test_secret_that_somebody_wrote_into_the_config_is_wiped(make_broker):
    needs_memory()
    broker = make_broker()
    broker.configure(f'[backend "g"]\nplugin = neo4j-http\npassword = {FIRST}\n')
    before = len(broker.log_text())
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log("config-refused", before)
    assert not is_in_memory(broker, FIRST)


# ---- nobody looks in ----


def hardened(broker):
    broker.arguments = [a for a in broker.arguments if a != "--core-dumps"]
    return broker


def core_limit(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        return re.search(r"Max core file size\s+(\S+)\s+(\S+)", limits.read()).groups()


def test_broker_leaves_no_core_dump(make_broker):
    broker = hardened(make_broker(start=False))
    broker.start()
    assert core_limit(broker.pid) == ("0", "0")
    broker.process.send_signal(signal.SIGABRT)
    assert broker.wait_end() == -signal.SIGABRT
    assert not [p for p in broker.root.rglob("core*") if p.is_file()]


def test_a_developer_may_have_core_dumps(make_broker):
    broker = make_broker(start=False)
    assert "--core-dumps" in broker.arguments
    broker.start()
    with open("/proc/self/limits", encoding="ascii") as limits:
        mine = re.search(r"Max core file size\s+(\S+)\s+(\S+)", limits.read()).groups()
    assert core_limit(broker.pid) == mine


def test_its_own_user_cannot_look_into_it(make_broker):
    """Not its memory, not its environment, where secrets may stand; and no debugger attaches."""
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    need_programs_for(uid)
    broker = hardened(make_broker(start=False, HOOK_SECRET=FIRST))
    if os.geteuid() == 0:
        broker.root.chmod(0o755)
        broker.config.chmod(0o644)
        broker.state.mkdir(mode=0o700)
        run = broker.root / "run" / "memferry"
        run.mkdir(mode=0o700)
        for path in (broker.state, run, run.parent):
            os.chown(path, uid, uid)
        broker.socket = str(run / "memferry.sock")

    def prepare():
        harness.die_with_parent()
        become(uid)

    def start():
        with open(broker.log, "ab") as log:
            broker.process = subprocess.Popen(broker.command(), stdin=subprocess.DEVNULL, stdout=log,
                                              stderr=log, env=broker.environment, preexec_fn=prepare)
        until(lambda: os.path.exists(broker.socket), broker.log_text)

    def looks(what):
        program = f"open('/proc/{broker.pid}/{what}', 'rb').read(1)"
        return subprocess.run(["python3", "-c", program], preexec_fn=lambda: become(uid),
                              capture_output=True, check=False).returncode == 0

    start()
    for what in ("environ", "maps", "mem", "auxv"):
        assert not looks(what), what
    assert looks("stat") and looks("cmdline"), "what tools and the guard go by"
    broker.stop()
    broker.arguments.append("--core-dumps")
    start()
    assert looks("environ"), "what was asked could never be answered"


# ---- told to nobody ----


def test_commands_that_alerts_run_do_not_get_the_brokers_secrets(make_broker):
    broker = make_broker(start=False, HOOK_SECRET=FIRST, NOTIFY_SOCKET="/nowhere")
    out = broker.root / "environment"
    script = broker.root / "tell"
    script.write_text(f"#!/bin/sh\nenv > {out}.new\nulimit -c >> {out}.new\nmv {out}.new {out}\n")
    script.chmod(0o700)
    broker.configure("[guard]\nrapid_delete = 1 in 60s\n"
                     f'[backend "bell"]\nplugin = alert-notify\ncommand = {script}\n')
    broker.start()
    for ident in "abc":
        broker.call("memory.put", id=ident, content="x")
        broker.call("memory.delete", id=ident)
    until(out.exists, lambda: f"the command\n{broker.log_text()[-2000:]}")
    text = out.read_text()
    assert "PATH=" in text and FIRST not in text and "NOTIFY_SOCKET" not in text


@pytest.mark.parametrize("way", ["file", "env"])
def test_no_secret_is_told_by_anything_that_speaks(make_broker, receiver, way):
    """Command line, log, --check-config, status, errors of a backend that sends it back."""
    broker = make_broker(start=False, HOOK_SECRET=FIRST)
    if way == "file":
        broker.configure(section(receiver, secret_file=secret_file(broker, FIRST)))
    else:
        broker.configure(section(receiver, secret_env="HOOK_SECRET"))
    checked = broker.run("--check-config")
    assert checked.returncode == 0, checked
    broker.start()
    broker.call("memory.put", id="a", content="x", wait="delivered")
    receiver.secret = SECOND  # now it is refused
    broker.call("memory.put", id="b", content="x")
    until(lambda: Backend(broker, "flow").status()["last_error"], "the refusal")
    told = Command(broker).run("call", "backend.probe", '{"name":"flow"}')
    command_lines = [open(f"/proc/{broker.pid}/cmdline", "rb").read()]
    assert_none_in(everything_told(broker, checked.stdout.encode(), checked.stderr.encode(),
                                   told.stdout.encode(), told.stderr.encode(), *command_lines), [FIRST])
