"""memferry metrics and health: figures for Prometheus, and exit codes for monitoring."""
import json
import math
import os
import re
import shutil
import stat
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from command import Command
from harness import BUILD, SOURCE
from sinks import Scripted, put
from wire import until

BACKEND_METRICS = {"up", "paused", "pending", "oldest_pending_seconds", "deferred", "dead",
                   "delivered_total", "retried_total", "rejected_total", "circuit_opened_total",
                   "call_seconds"}


def families(text):
    """As Prometheus' own parser reads it; and the rules that the parser is lenient about."""
    lines = text.splitlines()
    assert text.endswith("\n")
    names = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(names) == len(set(names)), "a metric has two heads"
    assert names == [line.split()[2] for line in lines if line.startswith("# HELP ")]
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("memferry_") and family.documentation, family
        assert family.type in ("gauge", "counter", "histogram"), family
        assert len({(s.name, *sorted(s.labels.items())) for s in family.samples}) == len(
            family.samples), f"a series twice: {family}"
        for sample in family.samples:
            assert math.isfinite(sample.value) and sample.value >= 0, sample
            found[(sample.name.removeprefix("memferry_"), *sorted(sample.labels.items()))] = (
                sample.value, family.type)
    return found


@pytest.fixture
def command(sink):
    return Command(sink.broker)


def metrics(command):
    return families(command.ok("metrics"))


def test_the_figures_are_those_of_stats_and_the_backends(sink, command):
    put(sink.broker, "m", 5)
    command.ok("flush")
    command.ok("delete", "m0")
    command.fails(1, "get", "nobody")
    found = metrics(command)
    stats = sink.broker.call("stats")
    assert found[("up",)][0] == 1
    assert found[("memories",)][0] == 4 and found[("memories_deleted",)][0] == 1
    assert found[("journal_records_total",)] == (stats["journal"]["records"], "counter")
    assert found[("request_errors_total",)] == (1, "counter")
    assert found[("start_time_seconds",)][0] == stats["server"]["started_ms"] / 1000
    assert found[("healthy",)][0] == 1 and found[("storage_full",)][0] == 0
    assert found[("process_resident_memory_bytes",)][0] > 1 << 20
    assert 0 < found[("disk_free_bytes",)][0] <= found[("disk_bytes",)][0]
    graph = ("backend", "graph")
    assert found[("backend_up", graph)][0] == 1
    until(lambda: metrics(command)[("backend_delivered_total", graph)] == (6, "counter"),
          "the deletion's delivery")
    assert ("backend_info", graph, ("kind", "sink"), ("plugin", "scripted")) in found
    assert {name[len("backend_"):] for name, *labels in found
            if name.startswith("backend_") and labels == [graph]} >= BACKEND_METRICS


def test_the_latency_is_a_histogram_that_adds_up(sink, command):
    put(sink.broker, "m", 50)
    found = metrics(command)
    buckets = [(float(labels[0][1]), value) for (name, *labels), (value, kind) in found.items()
               if name == "put_durable_seconds_bucket" and kind == "histogram"]
    assert len(buckets) > 10 and buckets == sorted(buckets)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1] == (math.inf, found[("put_durable_seconds_count",)][0]) == (math.inf, 50)
    assert found[("put_durable_seconds_sum",)][0] > 0


def test_what_a_backend_does_not_take_is_counted(sink, command):
    put(sink.broker, "m", 2)
    put(sink.broker, "bad", 1, "poison")
    put(sink.broker, "late", 1, "later")
    graph = ("backend", "graph")

    def counted():
        found = metrics(command)
        return (found[("backend_dead", graph)][0] == 1 and found[("backend_rejected_total", graph)]
                == (1, "counter") and found[("backend_retried_total", graph)][0] >= 1
                and found[("backend_pending", graph)][0] == 1)

    until(counted, "a dead letter and one that is tried again")


def test_without_a_broker_up_is_zero_and_a_warning_says_why(sink, command):
    sink.broker.stop()
    told = command.run("metrics")
    assert told.returncode == 0
    assert families(told.stdout) == {("up",): (0, "gauge")}
    assert "no broker listens" in told.stderr
    sink.broker.start()


def test_the_text_file_is_replaced_as_a_whole_and_readable_by_others(sink, command):
    path = sink.broker.root / "memferry.prom"
    before = os.umask(0o077)
    try:
        assert command.ok("metrics", "--textfile", path) == ""
    finally:
        os.umask(before)
    assert families(path.read_text())[("up",)][0] == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    first = path.stat().st_ino
    command.ok("metrics", "--textfile", path)
    assert path.stat().st_ino != first
    assert [p.name for p in path.parent.glob("memferry.prom*")] == ["memferry.prom"]


def test_a_text_file_that_cannot_be_written_leaves_the_old_one(sink, command):
    path = sink.broker.root / "memferry.prom"
    command.ok("metrics", "--textfile", path)
    (sink.broker.root / "memferry.prom.new-memferry").mkdir()
    before = path.read_bytes()
    command.fails(73, "metrics", "--textfile", path)
    assert path.read_bytes() == before
    command.fails(64, "metrics", "--textfile", sink.broker.root / "memferry.txt")
    command.fails(64, "--json", "metrics")


# ---- health ----

def health(command, code, *options):
    told = command.run("health", "--json", *options)
    assert told.returncode == code, told
    found = json.loads(told.stdout)
    assert found["state"] == ["OK", "WARNING", "CRITICAL"][code]
    return [f'{one["state"]}: {one["what"]}' for one in found["findings"]]


def test_all_well_is_zero(sink, command):
    put(sink.broker, "m", 3)
    command.ok("flush")
    assert health(command, 0) == []
    assert command.ok("health") == "OK: 1 backend, nothing pending\n"


def test_a_reachable_backend_that_takes_nothing_is_stuck(sink, command):
    put(sink.broker, "late", 1, "later")
    put(sink.broker, "m", 1)
    until(lambda: sink.status()["deferred"] == 1 and sink.status()["delivered"] == 1, "a retry")
    assert health(command, 0) == []
    until(lambda: sink.status()["oldest_pending_ms"] > 5, "some age")
    (found,) = health(command, 1, "--behind", "5ms")
    assert found.startswith("WARNING: backend graph is behind")
    (found,) = health(command, 2, "--stuck", "5ms")
    assert found.startswith("CRITICAL: backend graph is stuck: it is reachable")


def test_a_backend_that_is_down_is_a_warning_and_critical_after_its_bound(sink, command):
    sink.script("down\n")
    put(sink.broker, "m", 1)
    sink.wait_status("down", lambda it: it["health"] == "down" and (it["oldest_pending_ms"] or 0) > 5)
    (found,) = health(command, 1, "--stuck", "5ms")
    assert found.startswith("WARNING: backend graph is down")
    health(command, 2, "--down", "5ms")


def test_a_pause_is_no_fault_until_something_has_waited(sink, command):
    command.ok("backends", "pause", "graph")
    put(sink.broker, "m", 1)
    assert health(command, 0) == []
    sink.wait_status("an age", lambda it: (it["oldest_pending_ms"] or 0) > 5)
    (found,) = health(command, 1, "--behind", "5ms")
    assert "paused" in found
    health(command, 2, "--behind", "5ms", "--down", "5ms")


def test_dead_letters_and_open_alerts_are_warnings(sink, command):
    put(sink.broker, "bad", 1, "poison")
    sink.wait_status("a dead letter", lambda it: it["dead"] == 1)
    command.ok("guard", "observe", "DROP TABLE users")
    found = health(command, 1)
    assert any("memferry dead --backend graph" in one for one in found)
    assert any("memferry alert" in one for one in found)


def test_no_broker_is_critical(sink, command):
    sink.broker.stop()
    (found,) = health(command, 2)
    assert "no broker listens" in found
    sink.broker.start()


def test_a_bound_that_is_none_is_a_usage_error(command):
    command.fails(64, "health", "--stuck", "soon")


# ---- the units ----

UNITS = SOURCE / "deploy/systemd/metrics"


@pytest.mark.parametrize("kind", ["system", "user"])
def test_the_unit_writes_the_figures_where_it_makes_a_directory(sink, command, kind):
    unit = (BUILD / f"deploy/systemd/metrics/{kind}.memferry-metrics.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    (name,) = re.findall(r"^RuntimeDirectory=(.*)$", unit, re.M)
    program, *words = line.split()
    assert program.endswith("/bin/memferry")
    (sink.broker.root / "run" / name).mkdir()
    command.ok(*(word.replace("%t", str(sink.broker.root / "run")) for word in words))
    assert families((sink.broker.root / "run" / name / "memferry.prom").read_text())[("up",)][0] == 1


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    service = (BUILD / "deploy/systemd/metrics/system.memferry-metrics.service").read_text()
    (tmp_path / "memferry-metrics.service").write_text(
        re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", service, flags=re.M))
    shutil.copy(UNITS / "memferry-metrics.timer", tmp_path)
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "memferry-metrics.timer",
                           tmp_path / "memferry-metrics.service"],
                          capture_output=True, text=True, check=False)
    assert "memferry-metrics" not in told.stderr, told.stderr
