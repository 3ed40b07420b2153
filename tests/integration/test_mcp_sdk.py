"""memferry mcp with the official Python SDK's client, unchanged.

`./dev test` installs the SDK beside the build directories; MEMFERRY_MCP_PYTHON names its Python.
"""
import os
import pathlib
import subprocess

import pytest

import harness
from command import Command

PYTHON = os.environ.get("MEMFERRY_MCP_PYTHON", str(harness.BUILD.parent / "mcp-sdk/bin/python"))


@pytest.mark.skipif(not os.path.exists(PYTHON) and "MEMFERRY_MCP_PYTHON" not in os.environ,
                    reason="the SDK is not installed: ./dev test installs it")
@pytest.mark.parametrize("mode, revision", [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"),
                                            ("legacy", "2025-11-25")])
def test_the_official_client_works_unchanged(broker, mode, revision):
    program = pathlib.Path(__file__).with_name("mcp_sdk.py")
    done = subprocess.run([PYTHON, str(program), mode, revision, str(harness.MEMFERRY), "mcp"],
                          env=Command(broker).environment, capture_output=True, text=True,
                          timeout=4 * harness.DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    assert done.stdout == "all is well\n"
    assert not harness.SANITIZER.search(done.stderr), done.stderr
