"""Another user: kept out by the broker, and never taken for a broker by the client."""
import contextlib
import os
import socket
import subprocess

import pytest

import harness
from command import Command
from harness import MEMFERRY, MEMFERRYD, bound_socket
from users import NOBODY, as_root, become, beside, need_programs_for, run_as
from wire import MsgpackClient, until

EX_UNAVAILABLE, EX_NOPERM = 69, 77


def ask(broker, uid):
    return run_as(uid, [MEMFERRY, "--socket", broker.socket, "--no-start", "call", "hello"],
                  broker.environment)


# ---- the broker's side ----


@as_root
def test_another_user_cannot_reach_the_socket_by_the_modes(broker):
    need_programs_for(NOBODY)
    before = len(broker.log_text())
    told = ask(broker, NOBODY)  # the directory is closed
    assert told.returncode != 0 and told.stdout == ""
    broker.root.chmod(0o755)  # and so is the socket
    told = ask(broker, NOBODY)
    assert told.returncode != 0 and "Permission denied" in told.stderr, told
    assert "peer-refused" not in broker.log_text()[before:]
    assert ask(broker, 0).returncode == 0


@as_root
def test_another_user_who_reaches_the_socket_is_refused_by_his_uid(broker):
    need_programs_for(NOBODY)
    broker.root.chmod(0o755)
    os.chmod(broker.socket, 0o666)
    told = ask(broker, NOBODY)
    assert told.returncode != 0 and told.stdout == ""
    broker.wait_log(f"peer-refused: refused a connection of uid {NOBODY}")


@as_root
def test_user_who_is_listed_may_connect_until_he_is_not(make_broker):
    need_programs_for(NOBODY)
    broker = make_broker(f"[broker]\nusers = {NOBODY}\n")
    broker.root.chmod(0o755)
    os.chmod(broker.socket, 0o666)
    assert ask(broker, NOBODY).returncode == 0
    broker.configure("")
    before = len(broker.log_text())
    broker.process.send_signal(1)
    broker.wait_log("config-taken", before)
    assert ask(broker, NOBODY).returncode != 0


# ---- the client's side ----


@contextlib.contextmanager
def impostor(path, owner):
    """A server that runs as nobody, at a socket that belongs to `owner`; what it was sent."""
    listener = bound_socket(path)
    os.chown(path, owner, owner)
    os.chmod(path, 0o666)
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            harness.die_with_parent()
            become(NOBODY)
            listener.listen(10)  # whose server it is, is said here
            os.write(tell, b"ready\n")
            while True:
                peer, _ = listener.accept()
                os.write(tell, b"sent:" + peer.recv(4096) + b"\n")
        finally:
            os._exit(1)
    os.close(tell)
    listener.close()
    assert os.read(ready, 6) == b"ready\n"
    try:
        yield lambda: os.read(ready, 65536)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ready)


@as_root
@pytest.mark.parametrize("owner", [NOBODY, 0])
def test_client_tells_nothing_to_a_server_of_another_user(make_broker, tmp_path, owner):
    command = Command(make_broker(start=False))
    path = tmp_path / "s"
    command.environment["MEMFERRY_SOCKET"] = str(path)
    with impostor(path, owner) as sent:
        told = command.fails(EX_NOPERM, "put", "a secret thought")
        assert str(NOBODY) in told.stderr and "not trusted" in told.stderr
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
            last.sendall(b"mine")
            got = sent()
            while b"mine" not in got:
                got += sent()
    assert b"thought" not in got and got.replace(b"sent:\n", b"") == b"sent:mine\n"


def default_place(command):
    del command.environment["MEMFERRY_SOCKET"]
    return command.broker.root / "run" / "memferry"


def test_client_does_not_follow_a_link_to_a_directory(make_broker, tmp_path):
    """A server listens there, and is ours: a link may lead elsewhere the next moment."""
    broker = make_broker(start=False)
    real = broker.root / "real"
    real.mkdir(mode=0o700)
    broker.socket = str(real / "memferry.sock")
    broker.start()
    command = Command(broker)
    default_place(command).symlink_to(real)
    told = command.fails(EX_NOPERM, "put", "x")
    assert "link" in told.stderr


@as_root
def test_client_does_not_use_a_directory_of_another_user(make_broker):
    command = Command(make_broker(start=False))
    place = default_place(command)
    place.mkdir(mode=0o700)
    os.chown(place, NOBODY, NOBODY)
    told = command.fails(EX_NOPERM, "put", "x")
    assert str(NOBODY) in told.stderr and list(place.iterdir()) == []


# ---- a socket of the service manager ----


@as_root
def test_activated_broker_of_another_user_is_trusted_by_every_listed_client(make_broker):
    """As the system's units have it: root listens, the broker has a user of its own."""
    need_programs_for(NOBODY)
    broker = make_broker(f"[broker]\nusers = root, {NOBODY - 1}\n", start=False)
    broker.root.chmod(0o755)
    broker.config.chmod(0o644)
    broker.state.mkdir(mode=0o700)
    os.chown(broker.state, NOBODY, NOBODY)
    path = broker.root / "activated"
    listener = bound_socket(path)
    os.chmod(path, 0o666)
    listener.listen(10)
    fd = listener.fileno()

    def prepare():
        harness.die_with_parent()
        os.dup2(fd, 3, inheritable=True)
        if fd != 3:
            os.set_inheritable(3, True)
        become(NOBODY)

    # LISTEN_PID is the broker's own: a shell knows it, and stays it.
    line = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *broker.command()]
    with open(broker.log, "ab") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   env=broker.environment, preexec_fn=prepare, close_fds=False)
    try:
        broker.socket = str(path)
        for uid in (0, NOBODY - 1):
            told = ask(broker, uid)
            assert told.returncode == 0, (told, broker.log_text())
            assert f'"pid":{process.pid}' in told.stdout.replace(" ", "")
        assert os.stat(f"/proc/{process.pid}").st_uid == NOBODY
        told = ask(broker, NOBODY - 2)
        assert told.returncode != 0
        broker.wait_log(f"peer-refused: .*uid {NOBODY - 2}")
    finally:
        process.terminate()
        assert process.wait(harness.DEADLINE_S) == 0, broker.log_text()
        listener.close()


# ---- races for the place of the socket ----


@as_root
def test_nobody_can_slip_a_directory_under_the_socket(make_broker):
    """In a directory like /tmp he makes a directory, a link and a socket where ours is to be."""
    broker = make_broker(start=False)
    broker.root.chmod(0o755)
    shared, victim = broker.root / "tmp", broker.root / "victim"
    for place, mode in ((shared, 0o1777), (victim, 0o700)):
        place.mkdir()
        place.chmod(mode)
    place = shared / "memferry"
    broker.socket = str(place / "memferry.sock")

    def fight():
        for make in (lambda: place.symlink_to(victim), lambda: place.mkdir(0o777)):
            with contextlib.suppress(OSError):
                make()
            with contextlib.suppress(OSError):
                place.unlink()
            with contextlib.suppress(OSError):
                place.rmdir()

    started = refused = 0
    with beside(fight, NOBODY):
        for _ in range(12):
            broker.start(wait=False)
            with broker_ended_or_listening(broker) as listening:
                if listening:
                    started += 1
                    found = os.lstat(place)
                    assert found.st_uid == 0 and found.st_mode & 0o7777 == 0o700
                    broker.stop()
                    place.rmdir()
                else:
                    refused += 1
    assert started + refused == 12
    assert list(victim.iterdir()) == [], "the socket lies where the link led"


@contextlib.contextmanager
def broker_ended_or_listening(broker):
    def listening():
        try:
            with MsgpackClient(broker.socket) as client:
                return client.call("hello")["pid"] == broker.pid
        except OSError:
            return False

    until(lambda: broker.process.poll() is not None or listening(), "the broker to start or refuse")
    if broker.process.poll() is None:
        yield True
    else:
        assert broker.wait_end() not in (0, -11, -6)
        yield False
