"""One-shot commands, from the start of the process to its end: `memferry put` beside /bin/true and beside
Python sending one record."""
import os
import statistics
import time

import harness
from command import Command
from rows import Row, middle, ratios

TURNS = 50
PYTHON = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(json.dumps({"id": 1, "method": "memory.put", "params": {"content": "Tea at four"}}).encode()
              + b"\\n")
    assert json.loads(s.makefile().readline())["result"]["durable"]
"""


def run_ms(argv, environment):
    """posix_spawn: what starts it costs as little as can be, whoever is started."""
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)]
    begun = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=null)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - begun) * 1000
    if status != 0:
        raise SystemExit(f"{argv[:2]} failed: {status}")
    return took


def one_round(commands, environment, turns):
    times = {name: [] for name in commands}
    for turn in range(turns + 3):
        for name, argv in commands.items():
            took = run_ms(argv, environment)
            if turn >= 3:  # the first warm the caches
                times[name].append(took)
    return {name: statistics.median(took) for name, took in times.items()}


def measure(context):
    with harness.running() as broker:
        environment = Command(broker).environment
        commands = {"true": ["/bin/true"],
                    "put": [str(harness.MEMFERRY), "put", "Tea at four"],
                    "python": ["/usr/bin/python3", "-c", PYTHON, broker.socket]}
        rounds = [one_round(commands, environment, 10 if context.quick else TURNS)
                  for _ in range(context.rounds)]
    true, put, python = ([r[name] for r in rounds] for name in commands)
    told = f"{middle(put, '.2f')} ms"
    return [
        Row("put true", "one-shot memferry put", "/bin/true", [a - b for a, b in zip(put, true)],
            ("<=", 1.5), "ms", f"{told}, {middle(true, '.2f')} ms"),
        Row("put python", "one-shot memferry put", "Python, one record", ratios(python, put),
            (">=", 12), figure=f"{told}, {middle(python, '.2f')} ms")], rounds
