"""docs/n8n.md does what it says, on an n8n that never saw a workflow; the workflows are their sources'."""
import os
import re
import subprocess
import sys

import harness
from server import N8n
from signed import SECRET

DOCUMENT = harness.SOURCE / "docs" / "n8n.md"
IDS = {"memferrymemorysync", "memferrymemoryalert", "memferrymemoryembed"}


def blocks():
    return re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)


def run(script, path, environment):
    told = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=harness.SOURCE, text=True,
                          env={**environment, "PATH": f"{path}:{os.environ['PATH']}"},
                          capture_output=True, timeout=600, check=False)
    assert told.returncode == 0, f"{script}\n{told.stdout}{told.stderr}"
    return told.stdout


def test_its_commands_set_up_a_new_n8n(neo4j, ollama, n8n, tmp_path):  # n8n: so that it is installed
    with harness.scratch() as home:
        fresh = N8n(home / "n8n", neo4j, ollama, MEMORY_WEBHOOK_TOKEN=SECRET, N8N_PUBLISH="no")
        command = tmp_path / "n8n"
        command.write_text(f'#!/bin/sh\nexec "{fresh.path}" cli "$@"\n')
        command.chmod(0o755)
        (tmp_path / "memferry").symlink_to(harness.MEMFERRY)
        try:
            set_up, try_out = blocks()
            run(set_up, tmp_path, fresh.environment)
            fresh.start()
            told = run(f"cd {tmp_path}\n" + try_out.replace("127.0.0.1:5678", f"127.0.0.1:{fresh.port}"),
                       tmp_path, fresh.environment)
            assert '{"status":"pong"}' in told
        finally:
            fresh.wipe()


def test_it_names_the_workflows_that_there_are():
    there = re.findall(r'^  "id": "(\w+)"', "".join(
        p.read_text() for p in (harness.SOURCE / "deploy" / "n8n").glob("*.json")), re.M)
    assert set(there) == IDS == set(re.findall(r"--id=(\w+)", DOCUMENT.read_text()))


def test_the_workflows_are_what_their_sources_make():
    told = subprocess.run([sys.executable, str(harness.SOURCE / "deploy" / "n8n" / "build.py"), "--check"],
                          text=True, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
