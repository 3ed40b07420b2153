"""Files: the modes that were promised under any umask, and what others put in their places."""
import contextlib
import json
import os
import pathlib
import signal
import stat

import pytest

import harness
from command import Command
from harness import MEMFERRY, bound_socket
from users import NOBODY, as_root, become, beside, need_programs_for, run_as
from wire import until

PRECIOUS = "precious, and nobody else's\n"
USER = NOBODY if os.geteuid() == 0 else os.geteuid()  # modes mean nothing to root


def give_to_user(path):
    if os.geteuid() == 0:
        os.chown(path, USER, USER)


class Home:
    """A home directory, and commands that run in it with all by default."""

    def __init__(self, root):
        self.root = root
        self.home = root / "home"
        for place in (self.home, self.home / "run", self.home / "config" / "memferry"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.environment = harness.clean_environment(self.home)
        self.environment.update(MEMFERRY_PLUGIN_DIR=str(harness.assemble_plugins(root / "plugins")),
                                PATH=f"{harness.MEMFERRYD.parent}:/usr/bin:/bin")
        (self.home / "config" / "memferry" / "memferry.conf").write_text("[broker]\ndims = 2\n")
        for path in (self.home, *self.home.rglob("*")):
            give_to_user(path)
        self.state = self.home / "state-home" / "memferry"
        self.socket = self.home / "run" / "memferry" / "memferry.sock"

    def run(self, *arguments, umask=None):
        return run_as(USER, [MEMFERRY, *arguments], self.environment, umask)

    def ok(self, *arguments, umask=None):
        told = self.run(*arguments, umask=umask)
        assert told.returncode == 0, told
        return told.stdout

    def end(self):
        told = self.run("--no-start", "--json", "call", "hello")
        if told.returncode == 0:
            os.kill(json.loads(told.stdout)["pid"], signal.SIGTERM)
            until(lambda: not self.socket.exists(), "the broker to end")
        log = self.state / "memferryd.log"
        assert not log.is_file() or not harness.SANITIZER.search(log.read_text())


@pytest.fixture
def home():
    need_programs_for(USER)
    with harness.scratch() as root:
        root.chmod(0o755)
        it = Home(root)
        try:
            yield it
        finally:
            it.end()


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def wrong_modes(*tops):
    wrong = []
    for path in [p for top in tops for p in (top, *top.rglob("*"))]:
        with contextlib.suppress(FileNotFoundError):  # SQLite's own come and go
            expected = 0o700 if path.is_dir() else 0o600
            if mode(path) != expected:
                wrong.append(f"{path} {mode(path):o}")
    return wrong


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_all_that_is_made_is_its_users_alone_under_any_umask(home, umask):
    vector = {"id": "v", "content": "with a vector", "embedding": [1, 0]}
    home.ok("put", "--id", "a", "first", umask=umask)  # starts the broker
    home.ok("call", "memory.put", json.dumps(vector), umask=umask)
    home.ok("session", "current", umask=umask)
    home.ok("backup", str(home.home / "backup.db"), umask=umask)
    home.ok("export", str(home.home / "export"), umask=umask)
    home.ok("call", "memory.search", json.dumps({"query": "vector"}), umask=umask)
    assert "first" in home.ok("get", "a", umask=umask)
    home.ok("session", "end", umask=umask)  # it made the session's files, and finds them again
    home.ok("session", "current", umask=umask)
    made = {p.name for p in home.home.rglob("*")}
    assert {"memferryd.log", "lock", "memferry.db", "memferry.db-wal", "search.db", "vectors.idx",
            "memferry.sock", "backup.db", "export", ".claude-session-id",
            ".claude-session-id.lock"} <= made
    assert wrong_modes(home.state, home.socket.parent) == []
    for name in ("backup.db", "export", ".claude-session-id", ".claude-session-id.lock"):
        assert mode(home.home / name) == 0o600, name


# ---- the log of a broker that the command started ----


def put_link(path, victim):
    path.symlink_to(victim)


def put_hard_link(path, victim):
    os.link(victim, path)


def put_pipe(path, _):
    os.mkfifo(path)


def put_directory(path, _):
    path.mkdir()


def put_socket(path, _):
    bound_socket(path).close()


@pytest.fixture
def victim(home):
    path = home.home / "victim"
    path.write_text(PRECIOUS)
    give_to_user(path)
    path.chmod(0o644)
    yield path
    assert path.read_text() == PRECIOUS and mode(path) == 0o644 and os.lstat(path).st_nlink <= 2


@pytest.mark.parametrize("put", [put_link, put_hard_link, put_pipe, put_directory, put_socket])
def test_log_is_written_to_nothing_but_a_file_of_ours(home, victim, put):
    for place in (home.state.parent, home.state):
        place.mkdir(mode=0o700)
        give_to_user(place)
    put(home.state / "memferryd.log", victim)
    home.ok("put", "x", "--id", "a")  # it runs all the same
    assert "x" in home.ok("get", "a")


@as_root
def test_log_is_not_written_into_a_directory_of_another_user(home):
    """He would read what is in it, or was there first with a link."""
    for place in (home.state.parent, home.state):
        place.mkdir(mode=0o755)
    theirs = home.state / "memferryd.log"
    theirs.touch()
    theirs.chmod(0o666)
    told = home.run("put", "x")
    assert told.returncode != 0 and theirs.read_text() == ""


@pytest.mark.parametrize("put", [put_link, put_hard_link, put_pipe, put_directory, put_socket])
def test_log_file_that_was_named_is_nothing_but_a_file_of_ours(make_broker, put):
    broker = make_broker(start=False)
    victim, path = broker.root / "victim", broker.root / "named"
    victim.write_text(PRECIOUS)
    put(path, victim)
    broker.arguments += ["--log-file", str(path)]
    told = broker.run()
    assert told.returncode == 73 and str(path) in told.stderr
    assert victim.read_text() == PRECIOUS


# ---- the journal's lock ----


@pytest.mark.parametrize("put", [put_link, put_hard_link, put_pipe, put_directory, put_socket])
def test_lock_is_nothing_but_a_file_of_ours(make_broker, tmp_path, put):
    broker = make_broker()
    broker.call("memory.put", id="a", content="x")
    broker.stop()
    victim = tmp_path / "victim" if put is not put_hard_link else broker.root / "victim"
    victim.write_text(PRECIOUS)
    lock = broker.state / "journal" / "lock"
    lock.unlink()
    put(lock, victim)
    told = broker.run()
    assert told.returncode not in (0, -11, -6) and "lock" in told.stderr
    assert victim.read_text() == PRECIOUS
    lock.rmdir() if lock.is_dir() else lock.unlink()
    broker.start()
    assert broker.call("memory.get", id="a")["content"] == "x"


# ---- the socket's place ----


@pytest.mark.parametrize("put", [put_link, put_hard_link, put_pipe, put_directory])
def test_what_lies_where_the_socket_is_to_be_is_left_alone(make_broker, put):
    broker = make_broker(start=False)
    victim = broker.root / "victim"
    victim.write_text(PRECIOUS)
    put(pathlib.Path(broker.socket), victim)
    told = broker.run()
    assert told.returncode not in (0, -11, -6) and broker.socket in told.stderr
    assert victim.read_text() == PRECIOUS


def test_link_to_a_socket_that_answers_nobody_is_left_alone(make_broker):
    broker = make_broker(start=False)
    bound_socket(broker.root / "dead").close()
    os.symlink(broker.root / "dead", broker.socket)
    assert broker.run().returncode != 0
    assert os.path.islink(broker.socket) and (broker.root / "dead").exists()


def test_socket_in_a_directory_that_is_a_link_is_not_made(make_broker):
    broker = make_broker(start=False)
    (broker.root / "real").mkdir(mode=0o700)
    (broker.root / "link").symlink_to(broker.root / "real")
    broker.socket = str(broker.root / "link" / "s")
    told = broker.run()
    assert told.returncode != 0 and "link" in told.stderr
    assert list((broker.root / "real").iterdir()) == []


# ---- the session file ----


@pytest.mark.parametrize("ending", ["", ".lock", ".new"])
@pytest.mark.parametrize("put", [put_link, put_hard_link, put_pipe, put_socket])
def test_session_is_read_from_and_written_to_files_of_ours_alone(home, victim, put, ending):
    path = home.home / f".claude-session-id{ending}"
    put(path, victim)
    told = home.run("session", "current", "--json")
    if ending == ".new":  # it is what a crash left there, and makes way
        assert told.returncode == 0 and not path.exists()
    else:
        assert told.returncode != 0 and str(path) in told.stderr, told
    assert not told.stdout or "precious" not in told.stdout + told.stderr


@as_root
def test_nobody_can_make_the_session_files_lead_elsewhere(tmp_path):
    """In a directory that all may write, as a careless setting names one, he puts links and pipes."""
    need_programs_for(0)
    with harness.scratch() as root:
        root.chmod(0o755)
        shared, victim = root / "shared", root / "victim"
        shared.mkdir()
        shared.chmod(0o1777)
        victim.write_text(PRECIOUS)
        path = shared / "id"
        environment = harness.clean_environment(root)
        environment["MEMFERRY_SESSION_FILE"] = str(path)

        def fight():
            for ending in ("", ".lock", ".new"):
                place = shared / f"id{ending}"
                for make in (lambda: place.symlink_to(victim), lambda: os.mkfifo(place),
                             lambda: place.write_text("theirs")):
                    with contextlib.suppress(OSError):
                        make()
                    with contextlib.suppress(OSError):
                        place.unlink()

        with beside(fight, NOBODY):
            for _ in range(60):
                told = run_as(0, [MEMFERRY, "--no-start", "session", "current"], environment)
                assert told.returncode in (0, 1, 70, 73, 74, 77), told
                assert "precious" not in told.stdout + told.stderr
                for one in (path, shared / "id.lock"):  # what it made, he cannot remove
                    with contextlib.suppress(OSError):
                        if os.lstat(one).st_uid == 0:
                            assert stat.S_ISREG(os.lstat(one).st_mode) and mode(one) == 0o600
                            one.unlink()
        assert victim.read_text() == PRECIOUS and mode(victim) == 0o644


# ---- backups and exports ----


def backup(broker, path, **more):
    return Command(broker).run("backup", path, *[f"--{name}" for name in more])


@pytest.mark.parametrize("put", [put_link, put_pipe, put_directory, put_socket])
@pytest.mark.parametrize("ending", ["", ".part"])
def test_backup_replaces_nothing_but_a_file_when_forced(broker, put, ending):
    victim = broker.root / "victim"
    victim.write_text(PRECIOUS)
    path = broker.root / "backup"
    put(broker.root / f"backup{ending}", victim)
    told = backup(broker, path)
    assert told.returncode != 0
    told = backup(broker, path, force=True)
    if ending == ".part" and put is not put_directory:
        assert told.returncode == 0 and path.is_file() and not path.is_symlink()
    else:
        assert told.returncode != 0
    assert victim.read_text() == PRECIOUS


def test_backup_follows_the_link_of_a_directory(broker):
    (broker.root / "disk").mkdir()
    (broker.root / "link").symlink_to(broker.root / "disk")
    assert backup(broker, broker.root / "link" / "b").returncode == 0
    assert (broker.root / "disk" / "b").is_file()


def test_backup_is_not_made_where_all_may_take_files_away(broker):
    place = broker.root / "open"
    place.mkdir()
    place.chmod(0o777)
    told = backup(broker, place / "b")
    assert told.returncode != 0 and str(place) in told.stderr and list(place.iterdir()) == []
    place.chmod(0o1777)
    assert backup(broker, place / "b").returncode == 0


@as_root
def test_backup_is_not_made_in_another_users_directory(broker):
    place = broker.root / "theirs"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    told = backup(broker, place / "b")
    assert told.returncode != 0 and str(NOBODY) in told.stderr and list(place.iterdir()) == []


@as_root
def test_nobody_can_make_a_backup_or_export_lead_elsewhere(broker):
    broker.call("memory.put", id="a", content="a secret thought")
    broker.root.chmod(0o755)
    shared, victim = broker.root / "shared", broker.root / "victim"
    shared.mkdir()
    shared.chmod(0o1777)
    victim.write_text(PRECIOUS)
    theirs = shared / "theirs"

    def fight():
        theirs.write_text("")
        theirs.chmod(0o666)
        for name in ("backup", "backup.part", "export", "export.part"):
            for target in (victim, theirs):
                with contextlib.suppress(OSError):
                    (shared / name).symlink_to(target)
                with contextlib.suppress(OSError):
                    (shared / name).unlink()
                with contextlib.suppress(OSError):
                    os.link(theirs, shared / name)
                with contextlib.suppress(OSError):
                    (shared / name).unlink()

    command, made = Command(broker), 0
    with beside(fight, NOBODY):
        for _ in range(15):
            for verb in ("backup", "export"):
                path = shared / verb
                told = command.run(verb, path, *(["--force"] if verb == "backup" else []))
                if told.returncode == 0:
                    made += 1
                    found = os.lstat(path)
                    assert stat.S_ISREG(found.st_mode) and found.st_uid == 0 and mode(path) == 0o600
                with contextlib.suppress(OSError):
                    if os.lstat(path).st_uid == 0:
                        path.unlink()
    assert victim.read_text() == PRECIOUS
    assert "secret thought" not in theirs.read_text(errors="replace")
