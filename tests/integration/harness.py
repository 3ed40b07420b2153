"""Starts the real memferryd in a directory of its own, and stops, kills and restarts it.

A broker of a test never outlives it: fixtures kill what they started, and the kernel kills a broker
whose pytest died (PR_SET_PDEATHSIG). MEMFERRY_BUILD names the build directory (default: ./build).
"""
import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

from wire import CLIENTS, DEADLINE_S, MsgpackClient, until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MEMFERRY_BUILD", SOURCE / "build")).resolve()
MEMFERRYD = BUILD / "broker" / "memferryd"
MEMFERRY = BUILD / "client" / "cli" / "memferry"

SANITIZER = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:")

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def assemble_plugins(directory):
    """A plugin directory as installing makes it, of links into the build tree."""
    if "MEMFERRY_PLUGIN_DIR" in os.environ:
        return pathlib.Path(os.environ["MEMFERRY_PLUGIN_DIR"])
    directory.mkdir(mode=0o755, exist_ok=True)
    for found in sorted((BUILD / "plugins").glob("*/*.so")):
        link = directory / found.name
        if not link.exists():
            link.symlink_to(found)
    return directory


def clean_environment(home):
    """Nothing of the user's own memferry reaches a test, and nothing of a test the user's."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(("MEMFERRY_", "XDG_", "LISTEN_", "NOTIFY_"))}
    keep.update(HOME=str(home), XDG_CONFIG_HOME=str(home / "config"),
                XDG_STATE_HOME=str(home / "state-home"), XDG_RUNTIME_DIR=str(home / "run"))
    return keep


class Broker:
    """One state directory and socket, and the memferryd that runs on them now and then."""

    def __init__(self, root, config=None, **environment):
        self.root = pathlib.Path(root)
        self.root.chmod(0o700)
        self.socket = str(self.root / "s")
        self.state = self.root / "state"
        self.log = self.root / "log"
        self.log.touch(mode=0o600)
        self.config = self.root / "memferry.conf"
        self.plugins = assemble_plugins(self.root / "plugins")
        (self.root / "run").mkdir(mode=0o700, exist_ok=True)
        self.environment = clean_environment(self.root)
        self.environment.update(environment)
        self.arguments = ["--core-dumps"]  # or tests could not look into it
        self.prepare = die_with_parent  # called between fork and exec
        self.process = None
        self.configure(config or "")

    def configure(self, text):
        self.config.write_text(text)

    def command(self, *more):
        return [str(MEMFERRYD), "--config", str(self.config), "--socket", self.socket,
                "--state-dir", str(self.state), "--plugin-dir", str(self.plugins),
                "--log-level", "debug", *self.arguments, *more]

    def run(self, *more, timeout_s=None, **options):
        """Runs memferryd to its end, for --check-config and the like."""
        return subprocess.run(self.command(*more), env=self.environment, text=True,
                              capture_output=True, timeout=timeout_s or DEADLINE_S,
                              check=False, **options)

    def start(self, wait=True):
        assert self.process is None, "it runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, preexec_fn=self.prepare)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def answers():
            assert self.process.poll() is None, (
                f"memferryd ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
            try:
                with MsgpackClient(self.socket) as client:
                    return client.call("hello")
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        return until(answers, lambda: f"memferryd to answer hello\n{self.log_text()[-4000:]}")

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace")

    def wait_log(self, pattern, after=0):
        """Waits for a line that matches, behind the first `after` characters of the log."""
        return until(lambda: re.search(pattern, self.log_text()[after:], re.I | re.M),
                     lambda: f"/{pattern}/ in the log:\n{self.log_text()[-4000:]}")

    def wait_end(self):
        code = self.process.wait(timeout=DEADLINE_S)
        self.process = None
        return code

    def stop(self):
        """SIGTERM; it must end by itself, with 0 and without a word from a sanitizer."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_end()
        assert code == 0, f"exit code {code}:\n{self.log_text()[-6000:]}"
        self.check_log()

    def check_log(self):
        text = self.log_text()
        assert not SANITIZER.search(text), text[-12000:]

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.wait_end()

    def restart(self):
        self.stop()
        return self.start()

    def end(self):
        """For fixtures: whatever the test left is stopped, and must have been in good health."""
        if self.process is None:
            self.check_log()
            return
        died = self.process.poll()
        if died is not None:
            self.process = None
            assert False, f"memferryd died with {died}:\n{self.log_text()[-6000:]}"
        try:
            self.stop()
        finally:
            if self.process is not None:
                self.kill()

    # ---- clients ----

    def client(self, encoding="msgpack", **more):
        return CLIENTS[encoding](self.socket, **more)

    def call(self, method, params=None, **more):
        """One call on a connection of its own."""
        with self.client() as client:
            return client.call(method, params, **more)

    # ---- looking at it from outside ----

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@contextlib.contextmanager
def scratch():
    """A short path (a socket's name holds 108 bytes), 0700, gone afterwards."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mf-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(config=None, start=True, **environment):
    with scratch() as root:
        broker = Broker(root, config, **environment)
        try:
            if start:
                broker.start()
            yield broker
            broker.end()
        finally:
            if broker.process is not None:
                broker.process.kill()
                broker.process.wait()


def raise_descriptor_limit(wanted):
    """True when this process (and so its children) may open that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return True
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


def sanitized():
    """Is the broker built with a sanitizer? Then memory figures mean nothing."""
    with open(MEMFERRYD, "rb") as binary:
        data = binary.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def all_memories(client):
    """Everything the store says now: {id: memory}, with embeddings."""
    memories, after = {}, None
    while True:
        params = {"deleted": "any", "embedding": True, "limit": 200}
        if after is not None:
            params["after"] = after
        page = client.call("memory.list", params)
        memories.update((m["id"], m) for m in page["memories"])
        after = page.get("next")
        if not after:
            return memories


def read_files(directory):
    """The bytes of every file below; some of SQLite's own come and go."""
    found = []
    for path in pathlib.Path(directory).rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found.append(path.read_bytes())
    return found


def dump(client):
    """All memories with embeddings, and each one's history."""
    memories = all_memories(client)
    histories = client.many([("memory.history", {"id": i}) for i in memories])
    return memories, {i: h.get()["versions"] for i, h in zip(memories, histories)}


def bound_socket(path, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    return sock
