"""verify: what a backend holds against what is here, and what sending again can mend."""
import json

import pytest

from command import Command
from sinks import Backend, put
from wire import RpcError, until

KINDS = ("same", "pending", "missing", "older", "newer", "changed", "deleted", "unknown")


@pytest.fixture
def mirror(broker):
    broker.stop()
    path = broker.root / "mirror.ndjson"
    broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {path}\n')
    broker.start()
    backend = Backend(broker, "mirror")
    backend.path = path
    return backend


def found(mirror, **params):
    told = mirror.broker.call("backend.verify", name="mirror", **params)
    return {kind: told[kind] for kind in KINDS if told[kind]}, told


def tamper(mirror, change):
    """Rewrites the file behind the broker's back: `change` gets all lines and returns others."""
    mirror.broker.stop()
    lines = [json.loads(line) for line in mirror.path.read_text().splitlines()]
    mirror.path.write_text("".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in change(lines)))
    mirror.broker.start()


def fill(mirror, count=40):
    put(mirror.broker, "m", count)
    mirror.broker.call("memory.put", id="rich", content="Ünï 漢", tags=["a", "b"],
                       props={"n": 1, "f": 1.0, "t": "x", "l": [1, 2], "b": True},
                       embedding=[0.25] * 768)
    mirror.broker.call("memory.put", id="gone", content="g")
    mirror.broker.call("memory.delete", id="gone")
    mirror.flush()


def test_what_was_delivered_is_the_same_there(mirror):
    fill(mirror)
    assert found(mirror)[0] == {"same": 42}


def test_what_is_not_there_yet_is_pending_and_blames_nobody(mirror):
    fill(mirror)
    mirror.call("pause")
    put(mirror.broker, "late", 3)
    mirror.broker.call("memory.put", id="m1", content="newer here")
    assert found(mirror)[0] == {"same": 41, "pending": 4}


def test_every_kind_of_difference_is_told_and_repair_mends_what_sending_can(mirror):
    fill(mirror)

    def change(lines):
        by_id = {line["id"]: line for line in lines}
        del by_id["m0"], by_id["m1"]                           # missing
        by_id["m2"]["content"] = "somebody else's"             # changed
        by_id["m3"]["props"] = {"extra": 1}                    # changed
        by_id["m4"]["stamp"] -= 1000                           # older
        by_id["m5"]["stamp"] += 1000                           # newer
        by_id["m6"]["deleted_ms"] = by_id["m6"]["updated_ms"]  # deleted
        by_id["new"] = {**by_id["m7"], "id": "new"}            # unknown
        return by_id.values()

    tamper(mirror, change)
    kinds, told = found(mirror)
    assert kinds == {"same": 35, "missing": 2, "changed": 2, "older": 1, "newer": 1, "deleted": 1,
                     "unknown": 1}
    assert told["samples"]["missing"] == ["m0", "m1"] and told["samples"]["unknown"] == ["new"]
    assert told["here"] == 42 and told["there"] == 41 and told["repaired"] == 0
    assert found(mirror, repair=True)[1]["repaired"] == 6
    mirror.flush()
    assert found(mirror)[0] == {"same": 41, "newer": 1, "unknown": 1}


def test_a_backend_that_lost_more_than_half_raises_an_alert_and_is_mended(mirror):
    fill(mirror, 1500)
    tamper(mirror, lambda lines: lines[:5])
    kinds, _ = found(mirror)
    assert kinds["missing"] == 1502 - kinds["same"]
    alert, = until(lambda: mirror.broker.call("alert.list")["alerts"], "the alert")
    assert alert["rule"] == "backend-lost" and alert["undo"] == "memferry verify mirror --repair"
    found(mirror, repair=True)
    mirror.flush()
    assert found(mirror)[0] == {"same": 1502}


def test_a_backend_that_cannot_be_read_back_says_so(sink):
    with pytest.raises(RpcError, match="can't be read back"):
        sink.broker.call("backend.verify", name=sink.name)


def test_a_backend_that_is_away_says_so_and_blames_nobody(mirror):
    fill(mirror)
    mirror.broker.stop()
    mirror.path.chmod(0o644)
    directory = mirror.path.parent / "elsewhere"
    directory.mkdir()
    mirror.broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {directory}\n')
    mirror.broker.start()
    with pytest.raises(RpcError) as failure:
        mirror.broker.call("backend.verify", name="mirror")
    assert failure.value.code == -32008


def test_the_command_tells_and_exits_with_2_when_something_differs(mirror):
    fill(mirror)
    good = Command(mirror.broker).run("verify", "mirror")
    assert good.returncode == 0 and "42 the same" in good.stdout
    tamper(mirror, lambda lines: [line for line in lines if line["id"] != "m3"])
    bad = Command(mirror.broker).run("verify", "mirror")
    assert bad.returncode == 2 and "1 missing there" in bad.stdout and "m3" in bad.stdout
    mended = Command(mirror.broker).run("verify", "mirror", "--repair")
    assert mended.returncode == 0 and "memferry flush" in mended.stdout
