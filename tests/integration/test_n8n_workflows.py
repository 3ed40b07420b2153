"""The workflows in deploy/n8n are what their sources make, and what docs/n8n.md tells to import. That they work is
shown in tests/live, on a real n8n."""
import re
import subprocess
import sys

import harness

FOLDER = harness.SOURCE / "deploy" / "n8n"


def test_the_workflows_are_what_their_sources_make():
    told = subprocess.run([sys.executable, str(FOLDER / "build.py"), "--check"], text=True,
                          capture_output=True, check=False)
    assert told.returncode == 0, told.stderr


def test_the_document_publishes_the_workflows_that_there_are():
    there = {re.search(r'^  "id": "(\w+)"', path.read_text(), re.M)[1] for path in FOLDER.glob("*.json")}
    told = (harness.SOURCE / "docs" / "n8n.md").read_text()
    assert len(there) == 3 and there == set(re.findall(r"--id=(\w+)", told))


def test_the_config_that_the_document_shows_is_good(tmp_path):
    shown = re.search(r"^```ini\n(.*?)^```", (harness.SOURCE / "docs" / "n8n.md").read_text(), re.M | re.S)[1]
    told = harness.Broker(tmp_path, shown, MEMORY_WEBHOOK_TOKEN="x").run("--check-config")
    assert told.returncode == 0, told.stderr
