"""The `memferry` command under memcheck, against a real broker: nothing is read that was not written,
and nothing is lost at its end, also where it ends in an error."""
import json
import shutil
import subprocess

import pytest

import harness
from command import Command
from harness import MEMFERRY

MEMCHECK = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible"]

pytestmark = pytest.mark.skipif(harness.sanitized() or shutil.which("valgrind") is None,
                                reason="valgrind is not installed, or the command is sanitized")


def checked(command, code, *arguments, stdin=""):
    """Runs one command under memcheck; it must exit as it does without. What it printed."""
    done = subprocess.run(
        [*MEMCHECK, str(MEMFERRY), *map(str, arguments)], env=command.environment, text=True,
        input=stdin, capture_output=True, timeout=harness.DEADLINE_S, check=False)
    assert done.returncode == code and "==" not in done.stderr, (arguments, done.stderr[-4000:])
    return done.stdout


def test_writing_commands_are_clean(broker):
    command = Command(broker)
    checked(command, 0, "put", "Tea at four", "--id", "tea", "--tag", "drinks", "--prop", "sugar=2",
            "--prop", "with:=[\"milk\",\"lemon\"]", "--kind", "fact")
    checked(command, 0, "--json", "put", "Tea at five", "--id", "tea")
    lines = "".join(json.dumps({"id": f"m{i}", "content": f"number {i}"}) + "\n" for i in range(600))
    checked(command, 0, "put", "--from-json", "-", stdin=lines)
    checked(command, 65, "put", "--from-json", "-", stdin='{"id":"x"}\nno json\n{"content":7}\n')
    checked(command, 0, "delete", "m1", "--reason", "not needed")
    checked(command, 0, "restore", "m1")
    checked(command, 0, "session", "begin")


def test_reading_commands_are_clean(broker):
    command = Command(broker)
    command.ok("put", "Tea at four", "--id", "tea", "--prop", "sugar=2")
    command.ok("put", "Coffee at five, with a good deal of milk", "--id", "tea")
    for arguments in (["get", "tea"], ["list"], ["--json", "history", "tea"], ["diff", "tea"],
                      ["search", "coffee"], ["--json", "status"], ["alert"], ["session"], ["help"]):
        checked(command, 0, *arguments)
    exported = checked(command, 0, "export")
    assert '"tea"' in exported
    checked(command, 0, "import", "-", stdin=exported)


def test_refused_commands_are_clean(broker, tmp_path):
    command = Command(broker)
    checked(command, 1, "get", "nothing")
    checked(command, 64, "put", "--no-such-option")
    checked(command, 65, "put", "x", "--prop", "deep:={\"a\":1}")
    checked(command, 65, "import", tmp_path / "nothing")
    broker.stop()
    command.environment["MEMFERRY_SOCKET"] = str(tmp_path / "nobody.sock")
    checked(command, 69, "--no-start", "status")
