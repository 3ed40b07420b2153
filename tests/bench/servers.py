"""The servers that the load generator speaks to, each with a directory of its own on the same disk."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

import harness
from wire import until

START_S = 30
IDLE_S = 120
NATS_VERSION = "v2.15.0"
TOOLS = harness.BUILD / "tests" / "bench"


def cache():
    """Where peers are installed: outside the tree, and kept."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("MEMFERRY_LIVE") or pathlib.Path(home) / "memferry-live")


class Server:
    """`name` is its column; `speaks` is what the load generator must speak."""
    name = speaks = None
    pid = None

    def missing(self):
        """Why it can't run here, or None."""

    def command(self, data, path):
        raise NotImplementedError

    def address(self, path):
        return ["--socket", path]

    @contextlib.contextmanager
    def running(self, data, path):
        with open(data / "log", "wb") as log:
            process = subprocess.Popen(self.command(data, path), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log,
                                       preexec_fn=harness.die_with_parent)
        self.pid = process.pid
        try:
            until(lambda: self.answers(process, data, path), f"{self.name} to start", START_S)
            yield self
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def answers(self, process, data, path):
        if process.poll() is not None:
            raise SystemExit(f"{self.name} ended:\n{(data / 'log').read_text()[-2000:]}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
                return True
            except OSError:
                return False

    def cpu_s(self):
        return cpu_s(self.pid)

    def rss_mb(self):
        return rss_mb(self.pid)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(status.read().split("VmRSS:")[1].split()[0]) / 1024


class Memferry(Server):
    name = speaks = "memferry"

    def config(self, data):
        return ""

    @contextlib.contextmanager
    def running(self, data, path):
        with broker_at(data, path, self.config(data)) as broker:
            self.pid = broker.pid
            yield self


class Busy(Memferry):
    """The same, with two lanes that take everything as it comes."""
    name = "busy"

    def config(self, data):
        return "".join(f'[backend "m{n}"]\nplugin = mirror-file\npath = {data}/mirror{n}\n'
                       for n in range(2))


class Bare(Server):
    name = speaks = "bare"

    def command(self, data, path):
        return [str(TOOLS / "bare_model"), path, str(data / "file")]


class Echo(Server):
    """Answers from the loop, and writes nothing: what the load generator can do at most."""
    name, speaks = "echo", "bare"

    def command(self, data, path):
        return [str(TOOLS / "bare_model"), path]


class Redis(Server):
    name = speaks = "redis"

    def command(self, data, path):
        return ["redis-server", "--port", "0", "--unixsocket", path, "--dir", str(data),
                "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                "--no-appendfsync-on-rewrite", "no", "--auto-aof-rewrite-percentage", "0"]

    def missing(self):
        if shutil.which("redis-server"):
            return None
        return "redis-server is not installed (apt-get install redis-server)"


class Nats(Server):
    """JetStream on loopback, synced at each message."""
    name = speaks = "nats"
    port = None

    @property
    def program(self):
        return cache() / f"nats-{NATS_VERSION}" / "nats-server"

    def missing(self):
        if self.program.exists():
            return None
        if not shutil.which("go"):
            return "go is not installed (apt-get install golang-go)"
        print(f"installing nats-server {NATS_VERSION} into {self.program.parent}", flush=True)
        told = subprocess.run(
            ["go", "install", f"github.com/nats-io/nats-server/v2@{NATS_VERSION}"],
            env=dict(os.environ, GOBIN=str(self.program.parent), GOTOOLCHAIN="auto"),
            text=True, check=False, capture_output=True)
        return f"go install: {told.stderr[-300:]}" if told.returncode else None

    def command(self, data, path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (data / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\nping_interval: "10m"\n'
            f'jetstream {{ store_dir: "{data}/nats", sync_interval: always }}\n')
        return [str(self.program), "-c", str(data / "nats.conf")]

    def address(self, path):
        return ["--port", str(self.port)]

    def answers(self, process, data, path):
        if process.poll() is not None:
            raise SystemExit(f"nats ended:\n{(data / 'log').read_text()[-2000:]}")
        try:
            return self.make_stream()
        except (OSError, EOFError):
            return False

    def make_stream(self):
        wanted = json.dumps({"name": "B", "subjects": ["bench.m"], "storage": "file"}).encode()
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock, sock.makefile("rb") as f:
            sock.sendall(b'CONNECT {"verbose":false}\r\nSUB _made 1\r\n'
                         b"PUB $JS.API.STREAM.CREATE.B _made %d\r\n%s\r\n" % (len(wanted), wanted))
            while True:
                line = f.readline()
                if not line:
                    raise EOFError
                if line.startswith(b"MSG _made"):
                    told = json.loads(f.readline())
                    assert "error" not in told, told
                    return True


@contextlib.contextmanager
def broker_at(data, path, config="", start=True):
    """A broker of the harness whose state lies at `data` and whose socket is `path`; it logs as it does
    for its users."""
    broker = harness.Broker(data, config, SECRET="c2VjcmV0LW9mLXRoZS1iZW5jaA==")
    broker.socket = path
    broker.arguments = ["--log-level", "info"]
    try:
        if start:
            broker.start()
        yield broker
        broker.end()
    finally:
        if broker.process is not None:
            broker.process.kill()
            broker.process.wait()


def load(server, path, seconds=1.0, warm_up=None, **more):
    """Runs the load generator; what it printed. Options: connections, depth, size, rate, count."""
    arguments = ["--speak", server.speaks, *server.address(path), "--seconds", str(seconds),
                 "--warm-up", str(seconds * 0.2 if warm_up is None else warm_up)]
    for name, value in more.items():
        arguments += [f"--{name}", str(value)]
    done = subprocess.run([str(TOOLS / "load"), *arguments], capture_output=True, text=True,
                          check=False, preexec_fn=harness.die_with_parent)
    if done.returncode != 0:
        raise SystemExit(f"{server.name}, {more}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def until_idle(server):
    """What was asked of it before is done with, behind the replies too."""
    def is_idle():
        before = server.cpu_s()
        time.sleep(0.15)
        return server.cpu_s() - before < 0.02

    until(is_idle, f"{server.name} to have nothing to do", IDLE_S)


def one_cell(server, directory, **options):
    """Load on a server that is started for it alone."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="bench-") as data, \
            tempfile.TemporaryDirectory(prefix="mfb-", dir="/tmp") as run:
        path = os.path.join(run, "s")
        with server.running(pathlib.Path(data), path):
            return load(server, path, **options)


def timed_ms(call, times):
    """The median."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)
