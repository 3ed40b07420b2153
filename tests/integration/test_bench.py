"""The harness of `./dev bench`: every topic measures, the load generator counts what a stall costs, and
curves are drawn. What the figures are is no test's business."""
import json
import os
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree

import harness
from wire import DEADLINE_S

BENCH = harness.SOURCE / "tests" / "bench"
sys.path.append(str(BENCH))

import plot  # noqa: E402

LOAD = harness.BUILD / "tests" / "bench" / "load"
RECORD = 600
STALL_S = 0.3
ANSWER = bytes(12)  # the bare model's: a number and a status


def run_bench(tmp_path, *options):
    told = tmp_path / "told.json"
    done = subprocess.run(
        [sys.executable, str(BENCH / "bench.py"), "--quick", "--rounds", "1", "--seconds", "0.05",
         "--shrink", "20", "--dir", str(tmp_path), "--json", str(told), *options],
        env=dict(os.environ, MEMFERRY_BUILD=str(harness.BUILD)), capture_output=True, text=True,
        timeout=4 * DEADLINE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(told.read_text()), done.stdout


# Each topic and how its rows' keys begin. A sanitizer is for those with a program of their own.
PROGRAMS = {"replies": {"p50", "bare", "tail", "echo"}, "apply": {"apply"}, "vectors": {"vectors"}}
OTHERS = {"command": {"put"}, "events": {"events"}, "broker": {"rss", "start"}, "text": {"text"}}


def test_every_topic_measures_and_tells_what_was_reached(tmp_path):
    topics = PROGRAMS if harness.sanitized() else {**PROGRAMS, **OTHERS}
    told, printed = run_bench(tmp_path, "--servers", "memferry,busy,bare,echo", "--only",
                              ",".join(topics))
    assert {row["key"].split()[0] for row in told["rows"]} == set().union(*topics.values())
    for row in told["rows"]:
        assert row["what"] in printed
        assert row["aim"] is None or row["reached"] in (True, False), row
    again, printed = run_bench(tmp_path, "--only", "apply", "--compare",
                               str(tmp_path / "told.json"))
    assert len(again["rows"]) == 2 and "of before" in printed


def serve_with_a_stall(listener):
    """The bare model's language. Answers nothing for STALL_S from when the first request came: the fault
    itself."""
    sock, _ = listener.accept()
    held, answered = 0, 0
    with sock:
        while piece := sock.recv(1 << 16):
            if held == 0:
                threading.Event().wait(STALL_S)
            held += len(piece)
            whole = held // (RECORD + 4)
            sock.sendall(ANSWER * (whole - answered))
            answered = whole


def test_the_open_loop_counts_from_when_a_request_was_due(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        threading.Thread(target=serve_with_a_stall, args=(listener,), daemon=True).start()
        done = subprocess.run([str(LOAD), "--speak", "bare", "--socket", path, "--rate", "1000",
                               "--seconds", "0.5", "--warm-up", "0"], capture_output=True,
                              text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # One request was in flight, and those of 300 ms fell due behind it: each waited for the end of the
    # stall, the 50 of the first 50 ms the longest.
    assert told["replies"] == 500 and told["sent"] == 500
    assert told["p90_us"] > 240_000 and told["max_us"] >= STALL_S * 1e6, told


def test_curves_are_drawn_within_their_frame():
    curve = plot.Curve("k", "Cost & work", "events", "µs", [1, 10, 1000],
                       {"put": [100.0, 150.0, 2000.0], "get": [3.0, 0.0, 5.0]})
    image = xml.etree.ElementTree.fromstring(curve.svg())
    circles = [e for e in image.iter() if e.tag.endswith("circle")]
    assert len(circles) == 5  # what took nothing has no place on such an axis
    for circle in circles:
        assert plot.LEFT <= float(circle.get("cx")) <= plot.WIDTH - plot.RIGHT
        assert plot.TOP <= float(circle.get("cy")) <= plot.HEIGHT - plot.BOTTOM
    assert "prefers-color-scheme: dark" in curve.svg()
