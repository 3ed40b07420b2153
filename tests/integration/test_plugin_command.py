"""memferry plugin new and check: what an author gets, and what the test bench finds."""
import contextlib
import json
import os
import re
import shutil
import subprocess

import pytest

import harness
import sinks
from command import Command
from harness import BUILD, MEMFERRY
from ollama import Ollama
from receiver import Receiver
from wire import until

EX_USAGE, EX_DATAERR, EX_CANTCREAT = 64, 65, 73
pytestmark = pytest.mark.skipif(not MEMFERRY.exists(), reason=f"not built: {MEMFERRY}")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An author's machine: memferry and its pkg-config files are installed."""
    root = tmp_path_factory.mktemp("installed")
    sinks.installed(root, BUILD)
    found, = root.rglob("memferry-plugin.pc")
    return dict(os.environ, PKG_CONFIG_LIBDIR=str(found.parent), PKG_CONFIG_SYSROOT_DIR=str(root),
                PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
                PATH=f"{MEMFERRY.parent}:{harness.MEMFERRYD.parent}:{os.environ['PATH']}")


def run(*line, cwd=None, env=None):
    return subprocess.run([str(part) for part in line], cwd=cwd, env=env, capture_output=True,
                          text=True, timeout=300, check=False)


def check(plugin, *options, env=None, more=()):
    """{check: (result, detail)} and the exit code."""
    given = [part for option in options for part in ("--option", option)]
    told = run(MEMFERRY, "--json", "plugin", "check", *given, *more, plugin,
               env=dict(os.environ, **(env or {})))
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert lines, told.stderr
    return {one["check"]: (one["result"], one.get("detail", "")) for one in lines}, told.returncode


def assert_passes(plugin, *options, not_done=(), **more):
    found, code = check(plugin, *options, **more)
    assert code == 0, {name: one for name, one in found.items() if one[0] == "failed"}
    undone = {name for name, one in found.items() if one[0] == "not_done"}
    assert undone == set(not_done), found
    return found


NO_SERVER = {"the server is gone", "the server is silent",
             "the broker stops while the server is silent"}


# ---- new ----


@pytest.mark.skipif(harness.sanitized(), reason="its plugin would need the sanitizer's runtime")
@pytest.mark.parametrize("kind", ["sink", "embedder", "alerts"])
def test_a_new_plugin_builds_passes_installs_and_works(installed, tmp_path, make_broker, kind):
    made = run(MEMFERRY, "plugin", "new", f"my-{kind}2", "--kind", kind, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    place = tmp_path / f"my-{kind}2"
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["Makefile", "README.md", f"my-{kind}2.c"])
    assert not re.search(r"example", "".join(path.read_text() for path in place.iterdir()
                                             if path.name != "README.md"))
    flags = {"CFLAGS": "-O2 -Werror -Wconversion -Wshadow -Wstrict-prototypes"}
    built = run("make", cwd=place, env=dict(installed, **flags))
    assert built.returncode == 0 and "warning" not in built.stderr, built.stderr
    checked = run("make", "check", cwd=place, env=installed)
    assert checked.returncode == 0 and " 0 FAILED" in checked.stdout, checked.stdout
    done = run("make", "install", f"DESTDIR={tmp_path}/out", cwd=place, env=installed)
    there, = (tmp_path / "out").rglob("*.so")
    assert done.returncode == 0 and there.parent.name == "plugins"
    option = "" if kind == "embedder" else f"path = {tmp_path}/lines\n"
    broker = make_broker(f'[backend "mine"]\nplugin = my-{kind}2\n{option}',
                         MEMFERRY_PLUGIN_DIR=str(there.parent), start=False)
    shutil.copy(there, broker.plugins)
    broker.start()
    if kind == "embedder":
        broker.call("memory.put", id="tea", content="Tea is at four")
        broker.call("backend.flush", names=["mine"])
        assert broker.call("memory.get", id="tea")["embedding_model"] == "my-embedder2-1"
    elif kind == "sink":
        assert broker.call("memory.put", id="tea", content="Tea \"is\" at\nfour",
                           wait="delivered")["backends"] == {"mine": "delivered"}
        line, = map(json.loads, (tmp_path / "lines").read_text().splitlines())
        assert (line["id"], line["content"], line["deleted"]) == ("tea", "Tea \"is\" at\nfour",
                                                                  False)
    else:
        broker.call("guard.observe", statement="DROP TABLE users")
        until(lambda: "schema-change (1)" in (
            (tmp_path / "lines").read_text() if (tmp_path / "lines").exists() else ""),
            "the alert in the file")


def test_new_overwrites_nothing_and_refuses_odd_names(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    assert run(MEMFERRY, "plugin", "new", "there", cwd=tmp_path).returncode == EX_CANTCREAT
    assert run(MEMFERRY, "plugin", "new", "a/b", cwd=tmp_path).returncode == EX_USAGE
    assert run(MEMFERRY, "plugin", "new", "x", "--kind", "y", cwd=tmp_path).returncode == EX_USAGE
    (tmp_path / "empty").mkdir()
    made = run(MEMFERRY, "plugin", "new", "7-up.x", "empty", cwd=tmp_path)
    assert made.returncode == 0 and "p_7_up_x_open" in (tmp_path / "empty/7-up.x.c").read_text()
    told = run(MEMFERRY, "--json", "plugin", "new", "y", cwd=tmp_path)
    assert json.loads(told.stdout) == {"directory": "y", "source": "y.c"}
    assert run(MEMFERRY, "plugin", "old").returncode == EX_USAGE


# ---- check: what is right passes ----


def shipped(name):
    return BUILD / "plugins" / name / f"{name}.so"


def test_mirror_file_passes(tmp_path):
    assert_passes(shipped("mirror-file"), f"path={tmp_path}/m.ndjson",
                  not_done={*NO_SERVER, "two instances in two threads"})  # they want two files


def test_n8n_webhook_passes():
    with contextlib.closing(Receiver("not to be told")) as receiver:
        assert_passes(shipped("n8n-webhook"), f"url={receiver.url}", "secret_env=A_SECRET",
                      env={"A_SECRET": "not to be told"}, not_done={"fetch"})


def test_alert_notify_passes(tmp_path):
    assert_passes(shipped("alert-notify"), f"log_file={tmp_path}/alerts", "rate=off",
                  not_done={"fetch", *NO_SERVER})


def test_ollama_embed_passes():
    ollama = Ollama()
    try:
        assert_passes(shipped("ollama-embed"), f"url={ollama.url}", "model=nomic-embed-text",
                      not_done={"fetch"})
    finally:
        ollama.stop()


def test_a_backend_that_is_not_there_leaves_calls_undone():
    found, code = check(shipped("neo4j-http"), "url=http://127.0.0.1:9", "user=neo4j",
                        "password_env=A_SECRET", env={"A_SECRET": "not to be told"})
    assert code == 0 and found["probe"][0] == "not_done" and found["one"][0] == "not_done"
    assert "127.0.0.1:9" in found["probe"][1] and found["nothing is left behind"][0] == "ok"


# ---- check: each fault is found ----


FAULTS = {
    "LEAK": ("nothing is left behind", "bytes are left"),
    "LEAK_DESCRIPTOR": ("nothing is left behind", "descriptors are left open"),
    "LEAK_THREAD": ("nothing is left behind", "threads are left"),
    "WRITES_INPUT": ("one", "SIGSEGV"),
    "KEEPS_POINTER": ("the same again, and an older one", "SIGSEGV"),
    "CRASHES_ON_EMPTY": ("odd ones", 'from "a memory without content" on'),
    "RETRY_FOR_ODD": ("odd ones", "a memory with props of every type is RETRY"),
    "NO_ANSWER": ("one", "left without an answer"),
    "NO_REASON": ("one", "gives no reason"),
    "BAD_VERDICT": ("one", "the verdict of a plain one is 9"),
    "REJECTS_BACKEND": ("one", "REJECT with the backend to blame"),
    "BAD_TEXT": ("one", "not UTF-8"),
    "TELLS_SECRET": ("probe", "tells a secret"),
    "LOGS_SECRET": ("probe", "logs a secret"),
    "PROBE_POSITIVE": ("probe", "probe answers 1"),
    "PROBE_SILENT": ("options that are wrong", "probe gives no reason"),
    "OPEN_SILENT": ("options that are wrong", "without saying why"),
    "DEAF": ("the broker stops in a call", "after it was cancelled"),
    "BLAMES_RECORD": ("the disk is full", "a record is blamed"),
    "FORGETS_SECOND": ("many in a call", "left without an answer"),
    "FETCH_DISORDER": ("fetch", "order of bytes"),
    "FETCH_MISSES": ("fetch", "of 20 that were delivered"),
    "FETCH_GOES_ON": ("fetch", "says stop"),
    "GLOBAL_STATE": ("two instances in two threads", "SIGABRT"),
    "ENDS_PROCESS": ("one", "ended the process with 3"),
    "NO_HELP": ("says what it is", "option size has no help"),
}


@pytest.fixture(scope="module")
def build_fault(tmp_path_factory):
    place = tmp_path_factory.mktemp("faulty")

    def build(fault):
        target = place / fault.lower() / "faulty.so"
        target.parent.mkdir(mode=0o755)
        return sinks.compile_plugin(sinks.PLUGINS / "faulty.c", target,
                                    f"-I{harness.SOURCE / 'include'}", f"-DFAULT={fault}",
                                    "-Wno-unused-but-set-variable")

    return build


def test_the_plugin_without_a_fault_passes(build_fault, tmp_path):
    assert_passes(build_fault("NONE"), f"path={tmp_path}/lines", not_done=NO_SERVER)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(build_fault, tmp_path, fault):
    if harness.sanitized() and fault not in ("NO_ANSWER", "FETCH_DISORDER", "DEAF",
                                             "BLAMES_RECORD", "LOGS_SECRET"):
        pytest.skip("found without a sanitizer, or by it in its own words")
    name, words = FAULTS[fault]
    found, code = check(build_fault(fault), f"path={tmp_path}/lines", "token_env=A_SECRET",
                        env={"A_SECRET": "not to be told"})
    assert code == EX_DATAERR
    assert found[name][0] == "failed" and words in found[name][1], found


@pytest.mark.parametrize("wrong", ["abi", "no_probe", "useless", "row_default", "no_symbol"])
def test_what_the_broker_would_not_load_is_told_in_its_words(wrong):
    plugin = BUILD / "tests/unit/plugins" / f"{wrong}.so"
    found, code = check(plugin)
    assert code == EX_DATAERR and list(found) == ["loads as the broker loads it"]
    assert str(plugin) in found["loads as the broker loads it"][1]


def test_what_it_needs_is_told(tmp_path):
    told = run(MEMFERRY, "plugin", "check", shipped("n8n-webhook"))
    assert told.returncode == EX_DATAERR and "needs url" in told.stdout
    assert run(MEMFERRY, "plugin", "check").returncode == EX_USAGE
    assert run(MEMFERRY, "plugin", "check", "--option", "x", "y").returncode == EX_USAGE
    assert run(MEMFERRY, "plugin", "check", tmp_path / "none").returncode == EX_DATAERR


def test_the_command_of_a_broker_is_not_needed(broker, tmp_path):
    """The bench speaks to no broker; a running one is left alone."""
    before = broker.call("stats")["requests"]["all"]
    command = Command(broker)
    command.ok("plugin", "check", "--option", f"path={tmp_path}/m", shipped("mirror-file"))
    assert broker.call("stats")["requests"]["all"] == before + 1
