#!/usr/bin/env python3
"""How long an agent waits for `memferry hook`, from the start of the process to its end.

Each event many times, in turn with /bin/true, on a broker of its own with some memories.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness  # noqa: E402
from command import Command  # noqa: E402

ROUNDS = 100
EVENTS = {
    "SessionStart": {"source": "startup"},
    "UserPromptSubmit": {"prompt": "go on"},
    "PreToolUse": {"tool_name": "Bash", "tool_input": {"command": "make test | tail"}},
    "SessionEnd": {"reason": "logout"},
}


def run_ms(argv, environment, text):
    """Its stdin stays open, as an agent's may."""
    begun = time.perf_counter()
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.stdin.write(text)
    process.stdin.flush()
    process.wait()
    took = (time.perf_counter() - begun) * 1000
    process.stdin.close()
    return took


def main():
    times = {name: [] for name in ("/bin/true", *EVENTS)}
    with harness.running() as broker:
        environment = Command(broker).environment
        for n in range(1000):
            broker.call("memory.put", {"content": f"{n} " + "word " * 100, "tags": ["project:tmp"]})
        for _ in range(ROUNDS):
            session = str(uuid.uuid4())
            times["/bin/true"].append(run_ms(["/bin/true"], environment, b""))
            for name, fields in EVENTS.items():
                text = json.dumps({"hook_event_name": name, "session_id": session, "cwd": "/tmp",
                                   **fields})
                times[name].append(run_ms([str(harness.MEMFERRY), "hook"], environment,
                                          text.encode()))
    print("memferry hook, ms from start to end: median | 90 %")
    for name, took in times.items():
        took.sort()
        print(f"  {name:16} {statistics.median(took):6.2f} | {took[len(took) * 9 // 10]:6.2f}")


main()
