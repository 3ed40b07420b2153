"""Every command that the documents show is run, as they show it, and so is the demo."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "docs/protocol.md", "docs/sessions.md", "docs/operations.md",
             "docs/guard.md", "docs/history.md", "docs/agents.md", "docs/search.md"]
# What needs more than a broker: webhooks.md is run by test_webhooks.py, n8n.md by tests/live, and
# plugins.md by tests/unit/check_plugin_guide.sh, python.md by test_python_docs.py.
ELSEWHERE = ["docs/python.md", "docs/webhooks.md", "docs/n8n.md", "docs/plugins.md"]
ALL = ["README.md", *(f"docs/{page.name}" for page in sorted(ROOT.glob("docs/*.md")))]
BUILD = pathlib.Path(os.environ.get("MEMFERRY_BUILD", "build")).resolve()


def blocks(document, language="sh"):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)


@pytest.fixture
def home(tmp_path):
    """A new user's home: nothing there but the programs in the path."""
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o755)
    for plugin in BUILD.glob("plugins/*/*.so"):
        shutil.copy(plugin, plugins)
        (plugins / plugin.name).chmod(0o644)
    (tmp_path / "run").mkdir(mode=0o700)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MEMFERRY_", "XDG_"))}
    env.update(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path / "run"),
               MEMFERRY_PLUGIN_DIR=str(plugins),
               PATH=f"{BUILD}/client/cli:{BUILD}/broker:{env['PATH']}")
    env["MEMFERRY_SOCKET"] = str(tmp_path / "run/memferry/memferry.sock")
    yield tmp_path, env
    subprocess.run(["pkill", "-TERM", "-f", f"memferryd.*{tmp_path}"], check=False)
    stop(env)


def stop(env):
    told = subprocess.run(["memferry", "--no-start", "--json", "call", "hello"], env=env,
                          capture_output=True, text=True, check=False)
    pid = re.search(r'"pid": ?(\d+)', told.stdout)
    if pid:
        os.kill(int(pid.group(1)), 15)


def run(script, env, cwd):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, cwd=cwd,
                          capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_document_work_in_order(document, home):
    place, env = home
    config = place / ".config/memferry"
    config.mkdir(parents=True)
    found = blocks(document)
    assert found, "no block of commands"
    for block in found:
        if "backends" in block and not (config / "memferry.conf").exists():
            (config / "memferry.conf").write_text(
                '[backend "mirror"]\nplugin = mirror-file\npath = ~/memories.ndjson\n')
            if "HUP" not in block:
                stop(env)
                harness.until(lambda: not pathlib.Path(env["MEMFERRY_SOCKET"]).exists(),
                              "the broker to end, so that it starts with the config")
        done = run(block if "socat" not in block else "memferry status >/dev/null || memferry list\n" + block,
                   env, place)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        assert done.stdout + done.stderr
        assert "HUP" not in block or "mirror-file" in done.stdout, done.stdout


def test_every_document_with_commands_is_run_by_a_test():
    assert {document for document in ALL if blocks(document)} == {*DOCUMENTS, *ELSEWHERE}


@pytest.mark.parametrize("document", [document for document in ALL if blocks(document, "ini")])
def test_config_shown_in_the_document_is_good(document, home):
    place, env = home
    for shown in blocks(document, "ini"):
        assert " #" not in shown, "a comment behind a value begins with ;"
        (place / "memferry.conf").write_text(shown)
        done = subprocess.run([f"{BUILD}/broker/memferryd", "--check-config", "--config",
                               str(place / "memferry.conf")],
                              env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        count = shown.count("[backend")
        assert f"{count} backend{'' if count == 1 else 's'}" in done.stdout


def code(document):
    """The lines of its blocks, and what stands in `…`."""
    text = (ROOT / document).read_text()
    lines = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.M | re.S)).splitlines()
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


@pytest.mark.parametrize("document", ALL)
def test_commands_and_options_named_in_the_document_are_there(document):
    named = "\n".join(part for line in code(document) for part in line.split(" | "))
    for verb, rest in re.findall(r"^(?:until )?memferry ([a-z]+)\b(.*)$", named, re.M):
        told = subprocess.run([f"{BUILD}/client/cli/memferry", "help", verb], capture_output=True,
                              text=True, check=False)
        assert told.returncode == 0, f"memferry {verb}{rest}: {told.stderr}"
        for option in re.findall(r"(?<= )--[a-z-]+", re.split(" -- | #", rest)[0]):
            assert re.search(rf"^  {option}\b", told.stdout, re.M), f"memferry {verb}{rest}"


# ---- docs/protocol.md ----

def test_the_protocol_has_every_method(broker):
    methods = broker.client().call("hello")["methods"]
    rows = re.findall(r"^\| ((?:`[a-z.]+`(?:, )?)+) \|.*\|.*\|$",
                      (ROOT / "docs/protocol.md").read_text(), re.M)
    named = {name for row in rows for name in re.findall(r"`([a-z.]+)`", row)}
    assert {*methods} == {name for name in named if "." in name or name in ("hello", "health", "stats")}


def test_the_protocol_names_every_parameter():
    text = (ROOT / "docs/protocol.md").read_text()
    for source in [*ROOT.glob("broker/method*.c"), *ROOT.glob("broker/*_params.c")]:
        for name in re.findall(r'param_is\(param, "([a-z_]+)"\)', source.read_text()):
            assert re.search(rf"\b{name}\b", text), f"{source.name}: {name}"


def test_links_between_documents_lead_somewhere():
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_demo_runs_from_beginning_to_end():
    if harness.sanitized():
        pytest.skip("its C program would need the sanitizer's runtime")
    done = subprocess.run([ROOT / "tests/demo.sh", BUILD], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("read back: From a C program", "Tea is at four", "all is well", "50 memories",
                 "were verified; 0 left out"):
        assert said in done.stdout + done.stderr
    assert done.stdout.count("the same") == 4  # as asked, and as answered, twice
    for rule in ("rapid-delete", "bulk-change", "schema-change", "mass-statement"):
        assert f"{rule}-" in done.stdout
