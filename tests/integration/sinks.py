"""Backends that tests look into: the scripted plugin, and what mirror-file wrote."""
import json
import os
import pathlib
import shutil
import subprocess

from harness import SOURCE, dump
from wire import RpcError, until

TIMEOUT = -32006

PLUGINS = pathlib.Path(__file__).parent / "plugins"


def compile_plugin(source, target, *flags):
    """Builds a plugin the way its author would: a C compiler and the header, nothing else."""
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fPIC",
                    "-shared", *(flags or [f"-I{SOURCE / 'include'}"]), str(source), "-o",
                    str(target)], check=True)
    return target


def installed(root, build):
    """`meson install` into a directory of its own; returns pkg-config's answer to --cflags."""
    subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir",
                    str(root)], check=True, stdout=subprocess.DEVNULL)
    found = [p for p in root.rglob("memferry.pc")]
    assert found, "no memferry.pc was installed"
    environment = dict(os.environ, PKG_CONFIG_LIBDIR=str(found[0].parent),
                       PKG_CONFIG_SYSROOT_DIR=str(root), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")
    assert shutil.which("pkg-config"), "pkg-config is not installed"
    flags = subprocess.run(["pkg-config", "--cflags", "memferry"], env=environment, text=True,
                           capture_output=True, check=True).stdout.split()
    assert any(str(root) in flag for flag in flags), flags
    return flags


class Backend:
    """A backend as the broker tells of it."""

    def __init__(self, broker, name):
        self.broker, self.name = broker, name

    def status(self):
        for told in self.broker.call("backend.list")["backends"]:
            if told["name"] == self.name:
                return told
        raise AssertionError(f"{self.name} is not listed")

    def wait_status(self, what, condition):
        return until(lambda: condition(self.status()) and self.status(),
                     lambda: f"{what}; it is {self.status()}")

    def flush(self, timeout_ms=20000):
        told = self.broker.call("backend.flush", names=[self.name], timeout_ms=timeout_ms)
        assert [b["name"] for b in told["backends"]] == [self.name]
        return told["backends"][0]

    def assert_not_level(self, timeout_ms):
        """A paused backend is told of at once; any other after the time-out."""
        try:
            assert self.flush(timeout_ms)["level"] is False
        except RpcError as failure:
            assert failure.code == TIMEOUT, failure

    def call(self, verb):
        return self.broker.call(f"backend.{verb}", name=self.name)

    def dead(self):
        return self.broker.call("dead.list", backend=self.name)["dead"]


class Scripted(Backend):
    """A backend by plugins/scripted.c: its section of the config, and its two files."""

    def __init__(self, broker, name, library, **options):
        super().__init__(broker, name)
        self.out, self.control = broker.root / f"{name}.out", broker.root / f"{name}.control"
        lines = [f'[backend "{name}"]', f"plugin = {library}", f"out = {self.out}",
                 f"control = {self.control}", *(f"{k} = {v}" for k, v in options.items())]
        self.section = "\n".join(lines) + "\n"
        self.script("")

    def script(self, words):
        """Replaced as a whole, so that the plugin never reads half of it."""
        fresh = self.control.with_suffix(".new")
        fresh.write_text(words)
        fresh.rename(self.control)

    def lines(self):
        if not self.out.exists():
            return []
        text = self.out.read_text()
        return [line.split("\t") for line in text[:text.rfind("\n") + 1].splitlines()]

    def done(self):
        """[(id, version, deleted, content)], in the order taken."""
        return [(line[1], int(line[2]), line[3] == "1", line[4]) for line in self.lines()
                if line[0] == "done"]

    def batches(self):
        return [int(line[1]) for line in self.lines() if line[0] == "batch"]

    def state(self):
        """What the backend holds: {id: (version, deleted, content)}, the newest winning."""
        held = {}
        for ident, version, deleted, content in self.done():
            if version >= held.get(ident, (0,))[0]:
                held[ident] = (version, deleted, content)
        return held


def mirror_lines(path):
    """Every whole line of a mirror file, rotated ones first."""
    path = pathlib.Path(path)
    found = sorted(path.parent.glob(path.name + "*"), key=lambda p: p.stat().st_mtime_ns)
    lines = []
    for one in found:
        lines += [json.loads(line) for line in one.read_text("utf-8").split("\n") if line]
    return lines


def put(broker, prefix, count, content="c"):
    with broker.client() as client:
        return [r.get() for r in client.many(
            [("memory.put", {"id": f"{prefix}{n}", "content": f"{content}{n}"})
             for n in range(count)])]


def current(broker):
    """What the store says, as Scripted.state tells it."""
    with broker.client() as client:
        memories, _ = dump(client)
    return {m["id"]: (m["version"], bool(m.get("deleted_ms")), m["content"])
            for m in memories.values()}


def assert_level(it):
    told = it.flush()
    assert told["level"] is True, told
    assert it.state() == current(it.broker)
