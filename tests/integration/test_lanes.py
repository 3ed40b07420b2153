"""Lanes: each backend is brought to the current state, through restarts, outages and poison."""
import pytest

from harness import BUILD, dump
from sinks import (PLUGINS, Scripted, assert_level, compile_plugin, current, installed,
                   mirror_lines, put)
from wire import RpcError, until

TIMEOUT, NOT_FOUND = -32006, -32002


# ---- mirror-file ----


def test_mirror_file_holds_everything(make_broker):
    broker = make_broker(start=False)
    path = broker.root / "mirror.ndjson"
    broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {path}\n')
    broker.start()
    with broker.client() as client:
        for n in range(200):
            client.call("memory.put", id=f"m{n}", content=f"c{n} é\n\"", kind="fact",
                        tags=["a", "b"], props={"n": n, "f": 0.5, "l": [1, 2]})
        client.call("memory.put", id="v", content="vector", embedding=[0.25] * 768)
        for n in range(0, 200, 10):
            client.call("memory.delete", id=f"m{n}")
        for n in range(5, 200, 10):
            client.call("memory.put", id=f"m{n}", props={"n": None, "more": True})
        told = client.call("backend.flush", timeout_ms=20000)["backends"]
        assert [(b["name"], b["level"], b["pending"]) for b in told] == [("mirror", True, 0)]
        memories, _ = dump(client)
    held = {}
    for line in mirror_lines(path):
        if line["version"] >= held.get(line["id"], {"version": 0})["version"]:
            held[line["id"]] = line
    assert held.keys() == memories.keys()
    for ident, memory in memories.items():
        for name in ("version", "content", "kind", "tags", "props", "created_ms", "updated_ms",
                     "stamp", "origin"):
            assert held[ident][name] == memory[name], (ident, name)
        assert bool(held[ident].get("deleted_ms")) == bool(memory.get("deleted_ms"))


def test_mirror_file_goes_on_after_kill_9(make_broker):
    broker = make_broker(start=False)
    path = broker.root / "mirror.ndjson"
    broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {path}\n')
    for n in range(4):
        broker.start()
        put(broker, f"r{n}-", 150)
        broker.kill()
    broker.start()
    assert broker.call("backend.flush", timeout_ms=20000)["backends"][0]["level"] is True
    assert {line["id"] for line in mirror_lines(path)} == {
        f"r{n}-{k}" for n in range(4) for k in range(150)}


# ---- delivery ----


def test_everything_is_delivered_once(sink):
    receipts = put(sink.broker, "m", 1000)
    assert {r["backends"]["graph"] for r in receipts} == {"pending"}
    assert_level(sink)
    done = sink.done()
    assert sorted(d[0] for d in done) == sorted(f"m{n}" for n in range(1000))
    status = sink.status()
    assert (status["pending"], status["deferred"], status["dead"]) == (0, 0, 0)
    assert status["delivered"] == 1000 and status["health"] == "ok"
    assert status["circuit"] == "closed" and status["plugin"]


def test_delivery_needs_no_flush(sink):
    put(sink.broker, "m", 1)
    until(sink.done, "the delivery")


def test_batch_option_bounds_a_call(make_broker, library):
    broker = make_broker(start=False)
    it = Scripted(broker, "graph", library, batch=7)
    broker.configure(it.section)
    broker.start()
    it.call("pause")
    put(broker, "m", 100)
    it.call("resume")
    assert_level(it)
    assert max(it.batches()) <= 7


def test_tombstones_are_delivered(sink):
    put(sink.broker, "m", 3)
    sink.broker.call("memory.delete", id="m1")
    assert_level(sink)
    assert sink.state()["m1"][1] is True


def test_only_the_current_state_is_delivered(sink):
    """Fifty changes behind a pause cost one delivery."""
    sink.call("pause")
    with sink.broker.client() as client:
        for n in range(50):
            client.call("memory.put", id="same", content=f"v{n}")
    sink.call("resume")
    assert_level(sink)
    assert [d[3] for d in sink.done()] == ["v49"]


def test_clean_restart_delivers_nothing_twice(sink):
    put(sink.broker, "a", 300)
    assert_level(sink)
    sink.broker.restart()
    put(sink.broker, "b", 10)
    assert_level(sink)
    idents = [d[0] for d in sink.done()]
    assert len(idents) == len(set(idents)) == 310
    assert sink.status()["pending"] == 0


def test_kill_9_while_delivering_loses_and_reorders_nothing(sink):
    for n in range(5):
        put(sink.broker, f"r{n}-", 400)
        with sink.broker.client() as client:
            client.many([("memory.put", {"id": f"hot{k}", "content": f"{n}"}) for k in range(50)])
        sink.broker.kill()
        sink.broker.start()
    assert_level(sink)
    last = {}
    for ident, version, _, _ in sink.done():
        assert version >= last.get(ident, 0), "an older state after a newer one"
        last[ident] = version


def test_backend_that_joins_later_gets_all_that_is_current(make_broker, library):
    broker = make_broker()
    put(broker, "m", 500)
    broker.call("memory.put", id="m3", content="changed")
    broker.call("memory.delete", id="m4")
    it = Scripted(broker, "late", library)
    broker.configure(it.section)
    broker.restart()
    assert_level(it)
    assert len(it.state()) == 500 and it.state()["m3"][2] == "changed"


def test_backends_do_not_wait_for_each_other(make_broker, library):
    broker = make_broker(start=False)
    good, bad = Scripted(broker, "good", library), Scripted(broker, "bad", library)
    bad.script("hang")
    broker.configure(good.section + bad.section)
    broker.start()
    put(broker, "m", 200)
    assert_level(good)
    assert bad.done() == []
    told = broker.call("memory.get", id="m1")
    assert told["content"] == "c1"
    bad.script("")
    assert_level(bad)


# ---- pause, resume ----


def test_paused_backend_gets_nothing_until_resumed(sink):
    sink.call("pause")
    receipt = sink.broker.call("memory.put", id="a", content="x")
    assert receipt["backends"] == {"graph": "paused"}
    status = sink.status()
    assert status["paused"] is True and status["health"] == "paused" and status["pending"] == 1
    assert status["oldest_pending_ms"] >= 0
    sink.assert_not_level(timeout_ms=100)
    sink.broker.restart()  # a pause outlives the process
    assert sink.status()["paused"] is True  # from the first moment
    assert sink.broker.call("memory.put", id="b", content="y")["backends"] == {"graph": "paused"}
    assert sink.done() == []
    sink.call("resume")
    assert_level(sink)
    assert sink.status()["paused"] is False


def test_pausing_twice_and_resuming_twice_is_fine(sink):
    for verb in ("pause", "pause", "resume", "resume"):
        sink.call(verb)
    put(sink.broker, "m", 2)
    assert_level(sink)


# ---- wait: delivered ----


def test_wait_delivered_answers_when_it_is_there(sink):
    receipt = sink.broker.call("memory.put", id="a", content="x", wait="delivered")
    assert receipt["backends"] == {"graph": "delivered"} and receipt["durable"] is True
    assert [d[:2] for d in sink.done()] == [("a", receipt["seq"])]
    gone = sink.broker.call("memory.delete", id="a", wait="delivered")
    assert gone["backends"] == {"graph": "delivered"} and sink.state()["a"][1] is True


def test_wait_delivered_tells_of_the_dead(sink):
    receipt = sink.broker.call("memory.put", id="a", content="poison", wait="delivered")
    assert receipt["backends"] == {"graph": "dead"}


def test_wait_delivered_does_not_wait_for_the_paused(make_broker, library):
    broker = make_broker(start=False)
    one, two = Scripted(broker, "one", library), Scripted(broker, "two", library)
    broker.configure(one.section + two.section)
    broker.start()
    two.call("pause")
    receipt = broker.call("memory.put", id="a", content="x", wait="delivered")
    assert receipt["backends"] == {"one": "delivered", "two": "paused"}


def test_wait_delivered_ends_with_the_durable_receipt(sink):
    sink.script("down")
    with pytest.raises(RpcError) as failure:
        sink.broker.call("memory.put", id="a", content="x", wait="delivered", timeout_ms=300)
    assert failure.value.code == TIMEOUT
    receipt = failure.value.data["receipt"]
    assert receipt["id"] == "a" and receipt["durable"] is True
    assert receipt["backends"] == {"graph": "pending"}
    assert sink.broker.call("memory.get", id="a")["version"] == receipt["seq"]


def test_wait_delivered_of_many_at_once(sink):
    with sink.broker.client() as client:
        receipts = [r.get() for r in client.many([
            ("memory.put", {"id": f"w{n}", "content": "x", "wait": "delivered"})
            for n in range(300)])]
    assert {r["backends"]["graph"] for r in receipts} == {"delivered"}
    taken = {(d[0], d[1]) for d in sink.done()}
    assert all((r["id"], r["seq"]) in taken for r in receipts)


def test_wait_delivered_of_a_peer_that_went_is_forgotten(sink):
    sink.script("down")
    for _ in range(5):
        with sink.broker.client() as client:
            client.send("memory.put", {"id": "a", "content": "x", "wait": "delivered",
                                       "timeout_ms": 60000})
    until(lambda: sink.broker.call("stats")["peers"]["now"] == 1, "the peers to be gone")
    sink.script("")
    sink.call("probe")
    until(lambda: sink.state() == current(sink.broker), "what they left behind to be delivered")
    assert_level(sink)


# ---- forgetting ----


def test_backend_that_left_the_config_is_detached_until_forgotten(sink):
    put(sink.broker, "m", 5)
    assert_level(sink)
    section = sink.broker.config.read_text()
    sink.broker.configure("")
    sink.broker.restart()
    assert sink.status()["health"] == "detached"
    assert sink.broker.call("memory.put", id="x", content="x")["backends"] == {}
    sink.broker.configure(section)
    sink.broker.restart()
    assert_level(sink)
    assert len(sink.done()) == 6, "it kept its place"
    sink.broker.configure("")
    sink.broker.restart()
    sink.call("forget")
    assert sink.broker.call("backend.list")["backends"] == []
    sink.broker.configure(section)
    sink.broker.restart()
    assert_level(sink)
    assert len(sink.done()) == 12, "it began at zero"


def test_configured_backend_is_not_forgotten(sink):
    with pytest.raises(RpcError):
        sink.call("forget")
    put(sink.broker, "m", 3)
    assert_level(sink)


def test_flush_of_an_unknown_backend_is_not_found(sink):
    with pytest.raises(RpcError) as failure:
        sink.broker.call("backend.flush", names=["graph", "nobody"])
    assert failure.value.code == NOT_FOUND


# ---- plugins from elsewhere ----


def test_plugin_built_against_the_installed_header_alone_loads_and_runs(make_broker, tmp_path):
    flags = installed(tmp_path / "root", BUILD)
    outside = tmp_path / "outside"
    outside.mkdir()
    source = outside / "mine.c"
    source.write_bytes((PLUGINS / "scripted.c").read_bytes())
    library = compile_plugin(source, outside / "mine.so", *flags)
    broker = make_broker(start=False)
    it = Scripted(broker, "mine", library)
    broker.configure(it.section)
    broker.start()
    put(broker, "m", 20)
    assert_level(it)


@pytest.mark.parametrize("old,new,word", [
    (".abi = MEMFERRY_PLUGIN_ABI", ".abi = 99u", "99"),
    ("const struct memferry_plugin memferry_plugin", "const struct memferry_plugin other",
     "memferry_plugin")])
def test_library_that_is_no_plugin_is_refused_at_start(make_broker, tmp_path, old, new, word):
    text = (PLUGINS / "scripted.c").read_text()
    assert old in text
    (tmp_path / "bad.c").write_text(text.replace(old, new))
    library = compile_plugin(tmp_path / "bad.c", tmp_path / "bad.so")
    broker = make_broker(start=False)
    broker.configure(Scripted(broker, "bad", library).section)
    told = broker.run()
    assert told.returncode == 78 and word in told.stderr.lower(), told
    assert "bad.so" in told.stderr


def test_file_that_is_no_library_is_refused_at_start(make_broker, tmp_path):
    (tmp_path / "text.so").write_text("not a library")
    broker = make_broker(start=False)
    broker.configure(f'[backend "x"]\nplugin = {tmp_path / "text.so"}\n')
    told = broker.run()
    assert told.returncode == 78 and "text.so" in told.stderr
