"""docs/n8n.md does what it says, on an n8n that never saw a workflow."""
import os
import re
import subprocess

import harness
from server import N8n
from signed import SECRET

DOCUMENT = harness.SOURCE / "docs" / "n8n.md"


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
