"""memory.import, memferry export and import: lossless both ways, and the newest state wins."""
import json
import os
import random
import signal
import struct
import time

import pytest

from command import Command
from harness import MEMFERRY
from wire import RpcError

pytestmark = pytest.mark.skipif(not MEMFERRY.exists(), reason=f"not built: {MEMFERRY}")

EX_USAGE, EX_DATAERR = 64, 65
ORIGIN = "aaaaaaaa-0000-4000-8000-000000000000"
DAY_US = 24 * 3600 * 1_000_000


@pytest.fixture
def command(broker):
    return Command(broker)


def memory(ident, stamp, **more):
    return {"id": ident, "content": f"content at {stamp}", "created_ms": 1, "stamp": stamp,
            "origin": ORIGIN, **more}


def do_import(client, *memories):
    reply = client.call("memory.import", {"memories": list(memories)})
    return {k: v for k, v in reply.items() if v}


def fill(client):
    """Memories with everything that has ever been hard to carry."""
    rng = random.Random(4)
    floats = [rng.uniform(-1, 1) for _ in range(766)]
    vector = struct.pack("<768f", *floats, -0.0, 1.17549435e-38)
    puts = [
        {"id": "plain", "content": "plain"},
        {"id": "vector", "content": "has one", "embedding": vector},
        {"id": "tags", "content": "t", "tags": ["b", "a", "ü"], "kind": "fact"},
        {"id": "types", "content": "p", "props": {
            "null_by_name": "null", "true": True, "int": 1, "float": 1.0, "minus_zero": -0.0,
            "tiny": 5e-324, "huge": 1.7976931348623157e308, "third": 1 / 3, "big": 2**63 - 1,
            "small": -2**63, "empty": "", "list": [1, 2], "floats": [1.0, -2.5], "none": [],
            "texts": ["a", "\u2028", "\U0001f600"], "bools": [True, False]}},
        {"id": "controls", "content": "".join(map(chr, range(1, 32))) + "\x7f\u0085\ufeff\"\\"},
        {"id": "large", "content": "\x01" * (1 << 20)},
        {"id": "tëa/☕ 1", "content": "named oddly"},
        {"id": "session", "content": "of a session", "session_id": "s-1"},
        {"id": "empty", "content": ""},
    ]
    for put in puts:
        client.call("memory.put", put)
    for n in range(2500):
        client.call("memory.put", {"id": f"many-{n}", "content": f"one of many {n}"})
    client.call("memory.delete", id="plain", reason="gone")
    client.call("memory.put", {"id": "empty", "props": {"changed": True}})


# ---- export and import ----


def test_export_and_import_are_lossless_both_ways(make_broker, tmp_path):
    here, there = make_broker(), make_broker()
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    with here.client() as client:
        fill(client)
    Command(here).ok("export", first)
    told = Command(there).json("import", first)
    assert told == {"imported": 2509, "unchanged": 0, "older": 0, "refused": 0}
    Command(there).ok("export", second)
    assert first.read_bytes() == second.read_bytes()
    with here.client() as mine, there.client() as theirs:
        for ident in ("vector", "types", "controls", "large", "plain"):
            a, b = mine.call("memory.get", id=ident), theirs.call("memory.get", id=ident)
            a.pop("version"), b.pop("version")
            assert a == b
            assert repr(a["props"]) == repr(b["props"])  # 1 and 1.0 are not the same
    assert Command(there).json("import", first)["unchanged"] == 2509
    lines = [json.loads(line) for line in first.read_text("utf-8").split("\n") if line]
    assert [line["id"] for line in lines] == sorted(
        (line["id"] for line in lines), key=lambda ident: ident.encode())
    assert os.stat(first).st_mode & 0o777 == 0o600


def test_export_goes_on_where_it_was_cut_short(command, tmp_path):
    with command.broker.client() as client:
        for n in range(2200):
            client.call("memory.put", {"id": f"m{n:04}", "content": str(n)})
    whole, again = tmp_path / "whole", tmp_path / "again"
    command.ok("export", whole)
    text = whole.read_bytes()
    cut = text.index(b"\n", len(text) // 2) + 20  # within a line
    (tmp_path / "again.part").write_bytes(text[:cut])
    command.ok("export", again, "--resume")
    assert again.read_bytes() == text and not (tmp_path / "again.part").exists()
    assert command.ok("export", "-").encode() == text


def test_import_tells_of_bad_lines_and_takes_the_rest(command, tmp_path):
    good = json.dumps(memory("good", 5))
    file = tmp_path / "f"
    file.write_text("\n".join([
        good, "not json", "[1]", json.dumps(memory("no-origin", 5) | {"origin": "me"}), "",
        json.dumps({"id": "half", "content": "x"}), json.dumps(memory("other", 6)), good]))
    told = command.run("--json", "import", file)
    assert told.returncode == EX_DATAERR
    assert json.loads(told.stdout) == {"imported": 2, "unchanged": 1, "older": 0, "refused": 4}
    for line in (2, 3, 4, 6):
        assert f"line {line}: " in told.stderr
    command.fails(EX_DATAERR, "import", tmp_path / "none")
    command.fails(EX_USAGE, "import")


def test_a_line_that_no_request_holds_costs_the_others_nothing(command, tmp_path):
    file = tmp_path / "f"
    file.write_text("\n".join([
        json.dumps(memory("before", 5)), json.dumps(memory("large", 5, content="x" * (5 << 20))),
        json.dumps(memory("behind", 5))]))
    told = command.run("--json", "import", file)
    assert told.returncode == EX_DATAERR and "line 2: " in told.stderr
    assert json.loads(told.stdout) == {"imported": 2, "unchanged": 0, "older": 0, "refused": 1}


def test_an_import_that_was_cut_short_is_run_again(command, tmp_path):
    file = tmp_path / "f"
    file.write_text("".join(json.dumps(memory(f"m{n}", n + 1)) + "\n" for n in range(3000)))
    process = command.start("import", file)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = command.json("import", file)
    assert told["imported"] + told["unchanged"] == 3000 and told["refused"] == 0


# ---- memory.import ----


def test_the_newest_state_wins_and_the_clock_goes_ahead(broker):
    ahead = int(time.time() * 1e6) + DAY_US // 2
    with broker.client() as client:
        assert do_import(client, memory("m", ahead)) == {"imported": 1}
        assert do_import(client, memory("m", ahead - 1)) == {"older": 1}
        assert do_import(client, memory("m", ahead)) == {"unchanged": 1}
        client.call("memory.put", id="n", content="made here, later")
        assert client.call("memory.get", id="n")["stamp"] > ahead
        client.call("memory.put", id="m", content="made here, later")
        assert do_import(client, memory("m", ahead)) == {"older": 1}
        assert client.call("memory.get", id="m")["content"] == "made here, later"


def test_the_clock_is_ahead_after_a_restart_too(broker):
    ahead = int(time.time() * 1e6) + DAY_US // 2
    with broker.client() as client:
        do_import(client, memory("m", ahead))
    broker.kill()
    broker.start()
    with broker.client() as client:
        client.call("memory.put", id="n", content="later")
        assert client.call("memory.get", id="n")["stamp"] > ahead


def test_a_stamp_too_far_ahead_is_refused(broker):
    far = int(time.time() * 1e6) + DAY_US + 600_000_000
    with broker.client() as client:
        told = do_import(client, memory("far", far), memory("near", 5))
        assert told["imported"] == 1
        refused, = told["refused"]
        assert (refused["index"], refused["id"], refused["field"]) == (0, "far", "stamp")
        client.call("memory.put", id="n", content="x")
        assert client.call("memory.get", id="n")["stamp"] < far - DAY_US // 2


def test_an_import_is_a_version_like_any_other(broker):
    with broker.client() as client:
        first = client.call("memory.put", id="m", content="before")["seq"]
        stamp = int(time.time() * 1e6) + 1_000_000
        do_import(client, memory("m", stamp, deleted_ms=77, session_id="theirs"))
        assert client.call("memory.get", id="m")["deleted_ms"] == 77
        assert [v["op"] for v in client.call("memory.history", id="m")["versions"]] == [
            "import", "put"]
        client.call("memory.restore", versions={"m": first})
        assert client.call("memory.get", id="m")["content"] == "before"
        assert client.call("memory.get", id="m")["stamp"] > stamp


@pytest.mark.parametrize("change, field", [
    ({"id": ""}, "id"), ({"content": 7}, "content"), ({"content": "x" * ((1 << 20) + 1)}, "content"),
    ({"stamp": -1}, "stamp"), ({"stamp": 1.5}, "stamp"), ({"origin": "x"}, "origin"),
    ({"created_ms": "yesterday"}, "created_ms"), ({"embedding": [1.0]}, "embedding"),
    ({"props": {"id": 1}}, "props"), ({"expected_version": 1}, "expected_version"),
    ({"event_id": "e"}, "event_id"), ({"colour": "red"}, "colour"), ({"embedding_model": ""},
                                                                    "embedding_model"),
])
def test_a_memory_is_checked_as_in_a_put(shared, change, field):
    with shared.client() as client:
        told = do_import(client, {**memory("checked", 5), **change})
        refused, = told.pop("refused")
        assert refused["field"] == field and refused["message"] and not told


@pytest.mark.parametrize("missing", ["id", "content", "created_ms", "stamp", "origin"])
def test_a_whole_state_is_wanted(shared, missing):
    whole = memory("whole", 5)
    del whole[missing]
    with shared.client() as client:
        refused, = do_import(client, whole)["refused"]
        assert refused["field"] == missing


def test_a_call_is_bounded(shared):
    with shared.client() as client:
        for memories in ([], [memory("m", 5)] * 1001, "all", 7):
            with pytest.raises(RpcError) as failed:
                client.call("memory.import", {"memories": memories})
            assert failed.value.field == "memories"
        refused, = do_import(client, 7)["refused"]
        assert refused["index"] == 0


# ---- the order that export reads in ----


def test_lists_in_the_order_of_ids(broker):
    with broker.client() as client:
        ids = ["b", "a", "ü", "Z", "a0", "zz"]
        for ident in ids:
            client.call("memory.put", id=ident, content="x")
        seen, after = [], None
        while not seen or after:
            page = client.call("memory.list", {"order": "id", "limit": 2,
                                               **({"after": after} if after else {})})
            seen += [m["id"] for m in page["memories"]]
            after = page["next"]
            client.call("memory.put", id="a", content="changed")  # never comes twice
        assert seen == sorted(ids, key=str.encode)
        for params in ({"order": "id", "after": "v7"}, {"order": "newest", "after": "ia"}):
            with pytest.raises(RpcError):
                client.call("memory.list", params)
        with pytest.raises(RpcError) as failed:
            client.call("memory.list", order="id", tag="t")
        assert failed.value.field == "order"
