"""ollama-embed in the real broker: every memory gets its vector, once, and nothing waits for it."""
import base64
import collections
import contextlib

import pytest

from harness import all_memories
from ollama import DIMS, MODEL, Ollama, stored_vector
from sinks import Backend, mirror_lines, put
from wire import until


@contextlib.contextmanager
def serving(**how):
    server = Ollama(**how)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def ollama():
    with serving() as it:
        yield it


def section(ollama, **options):
    lines = ['[backend "vectors"]', "plugin = ollama-embed", f"url = {ollama.url}",
             *(f"{name} = {value}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


def mirror(path, **options):
    return "\n".join(['[backend "file"]', "plugin = mirror-file", f"path = {path}",
                      *(f"{name} = {value}" for name, value in options.items())]) + "\n"


@pytest.fixture
def broker(make_broker, ollama, tmp_path):
    """With an embedder and a mirror file."""
    it = make_broker(start=False)
    it.mirror = tmp_path / "mirror.ndjson"
    it.configure(section(ollama) + mirror(it.mirror))
    it.start()
    return it


def vectors(broker):
    return Backend(broker, "vectors")


def state(broker, ident):
    return broker.call("memory.get", id=ident)["embedding_state"]


def wait_ready(broker, count):
    """Until so many live memories, and no other, have vectors."""
    def ready():
        with broker.client() as client:
            states = [m["embedding_state"] for m in all_memories(client).values()
                      if not m.get("deleted_ms")]
        return len(states) == count and set(states) == {"ready"}

    until(ready, lambda: f"{count} vectors; the embedder is {vectors(broker).status()}")


def mirrored(broker):
    """What the mirror file says now: {id: its newest line}."""
    assert Backend(broker, "file").flush()["level"] is True
    held = {}
    for line in mirror_lines(broker.mirror):
        if (line["stamp"], line["origin"]) >= held.get(line["id"], ((0, ""),))[0]:
            held[line["id"]] = ((line["stamp"], line["origin"]), line)
    return {ident: line for ident, (_, line) in held.items()}


def assert_embedded(broker, contents, model=MODEL):
    """{id: content}: store and mirror have the vector that the model makes of each."""
    held = mirrored(broker)
    for ident, content in contents.items():
        told, line = broker.call("memory.get", id=ident), held[ident]
        assert (told["embedding_state"], told["embedding_model"]) == ("ready", model)
        assert told["embedding"] == stored_vector(content, model)
        assert base64.b64decode(line["embedding"]) == told["embedding"]
        assert (line["embedding_state"], line["embedding_model"]) == ("ready", model)
        assert line["version"] == told["version"]


def contents(prefix, count):
    return {f"{prefix}{n}": f"c{n}" for n in range(count)}


# ---- the whole job ----


def test_every_memory_gets_the_vector_of_its_content_and_sinks_are_brought_up_to_date(broker):
    put(broker, "m", 50)
    wait_ready(broker, 50)
    assert_embedded(broker, contents("m", 50))


def test_server_without_the_new_api_does_as_well(make_broker, tmp_path):
    with serving(old=True) as ollama:
        broker = make_broker(start=False)
        broker.mirror = tmp_path / "mirror.ndjson"
        broker.configure(section(ollama) + mirror(broker.mirror))
        broker.start()
        put(broker, "m", 5)
        wait_ready(broker, 5)
        assert_embedded(broker, contents("m", 5))


def test_memories_of_an_outage_go_on_pending_and_get_their_vectors_when_it_is_over(broker, ollama):
    ollama.stop()
    put(broker, "m", 40)
    told = vectors(broker).wait_status("the circuit to open",
                                       lambda s: s["circuit"] != "closed" and s["last_error"])
    assert told["dead"] == 0 and told["deferred"] == 0 and ollama.url in told["last_error"]
    held = mirrored(broker)
    assert len(held) == 40
    assert {line["embedding_state"] for line in held.values()} == {"pending"}
    assert {line.get("embedding") for line in held.values()} == {None}
    assert state(broker, "m0") == "pending"
    ollama.start()
    vectors(broker).call("probe")
    wait_ready(broker, 40)
    assert_embedded(broker, contents("m", 40))


def test_outage_ends_by_itself(broker, ollama):
    ollama.stop()
    put(broker, "m", 3)
    vectors(broker).wait_status("the circuit to open",
                                lambda s: s["circuit"] != "closed" and s["last_error"])
    ollama.start()
    wait_ready(broker, 3)


# ---- once ----


def test_unchanged_content_is_not_embedded_twice(broker, ollama):
    put(broker, "m", 20)
    wait_ready(broker, 20)
    put(broker, "m", 20)
    for n in range(20):
        broker.call("memory.put", id=f"m{n}", tags=["tea"], props={"n": n})
    first = broker.call("memory.get", id="m0")["version"]
    broker.call("memory.put", id="m0", content="other")
    wait_ready(broker, 20)
    broker.call("memory.restore", versions={"m0": first})
    assert broker.call("memory.get", id="m0")["embedding"] == stored_vector("c0")
    broker.restart()
    broker.call("memory.put", id="last", content="last")
    wait_ready(broker, 21)
    counts = collections.Counter(ollama.texts())
    assert counts == {**{f"c{n}": 1 for n in range(20)}, "other": 1, "last": 1}


def test_broker_killed_in_the_middle_embeds_what_is_left(broker, ollama):
    put(broker, "a", 16)
    wait_ready(broker, 16)
    ollama.hang()
    put(broker, "b", 64, content="d")
    until(lambda: len(ollama.texts()) > 16, "a batch to be under way")
    broker.kill()
    ollama.release()
    broker.start()
    wait_ready(broker, 80)
    counts = collections.Counter(ollama.texts())
    assert all(counts[f"c{n}"] == 1 for n in range(16))
    again = [text for text, count in counts.items() if count > 1]
    assert len(again) <= 16 and max(counts.values()) == 2  # the batch that was lost
    assert_embedded(broker, contents("a", 16))


def test_callers_vector_is_kept_and_costs_nothing(broker, ollama):
    given = [0.25] * DIMS
    broker.call("memory.put", id="own", content="mine", embedding=given)
    put(broker, "m", 3)
    wait_ready(broker, 4)
    told = broker.call("memory.get", id="own")
    assert told["embedding_model"] == "caller" and told["embedding"][:4] == b"\0\0\x80\x3e"
    assert "mine" not in ollama.texts()
    broker.call("memory.put", id="own", content="now yours")
    wait_ready(broker, 4)
    assert_embedded(broker, {"own": "now yours"})


def test_deleted_memories_are_not_embedded(broker, ollama):
    ollama.stop()
    put(broker, "m", 10)
    for n in range(5):
        broker.call("memory.delete", id=f"m{n}")
    ollama.start()
    vectors(broker).call("probe")
    wait_ready(broker, 5)
    assert sorted(ollama.texts()) == [f"c{n}" for n in range(5, 10)]
    held = mirrored(broker)
    for n in range(5):
        assert held[f"m{n}"]["deleted_ms"] > 0 and held[f"m{n}"].get("embedding") is None
        assert broker.call("memory.get", id=f"m{n}")["embedding_state"] == "none"
    broker.call("memory.put", id="m0", tags=["back"])
    wait_ready(broker, 6)
    assert_embedded(broker, {"m0": "c0"})


# ---- a changed content, a changed model ----


def test_content_that_changes_under_way_gets_the_vector_of_what_it_is_now(broker, ollama):
    ollama.hang()
    broker.call("memory.put", id="a", content="old")
    until(ollama.texts, "it to be under way")
    broker.call("memory.put", id="a", content="new")
    ollama.release()
    until(lambda: "new" in ollama.texts(), "the new content to be embedded")
    wait_ready(broker, 1)
    assert_embedded(broker, {"a": "new"})


def test_another_model_embeds_all_anew_in_the_background(broker, ollama):
    given = [0.25] * DIMS
    put(broker, "m", 30)
    broker.call("memory.put", id="own", content="mine", embedding=given)
    wait_ready(broker, 31)
    ollama.models["all-minilm"] = DIMS
    ollama.hang()
    broker.configure(section(ollama, model="all-minilm") + mirror(broker.mirror))
    broker.restart()
    until(lambda: ollama.texts("all-minilm"), "the new model to be asked")
    told = broker.call("memory.get", id="m0")  # the old one stays until the new one is there
    assert (told["embedding_model"], told["embedding"]) == (MODEL, stored_vector("c0"))
    ollama.release()

    def all_new():
        with broker.client() as client:
            models = collections.Counter(m["embedding_model"] for m in all_memories(client).values())
        return models == {"all-minilm": 30, "caller": 1}

    until(all_new, "every vector to be the new model's")
    held = mirrored(broker)
    for n in range(30):
        vector = stored_vector(f"c{n}", "all-minilm", prefix="")
        assert broker.call("memory.get", id=f"m{n}")["embedding"] == vector
        assert base64.b64decode(held[f"m{n}"]["embedding"]) == vector
    assert sorted(ollama.texts("all-minilm")) == sorted(f"c{n}" for n in range(30))


# ---- nothing waits ----


def test_hanging_server_holds_up_neither_puts_nor_sinks(broker, ollama):
    ollama.hang()
    broker.call("memory.put", id="first", content="first", wait="delivered")
    until(ollama.texts, "the embedder to hang")
    for n in range(30):
        receipt = broker.call("memory.put", id=f"m{n}", content=f"c{n}", wait="delivered")
        assert receipt["backends"] == {"file": "delivered"}
    assert len(mirrored(broker)) == 31 and state(broker, "m29") == "pending"
    assert ollama.texts() == ["first"]  # it hangs all the while
    ollama.release()
    wait_ready(broker, 31)
    assert_embedded(broker, contents("m", 30))


def test_broker_stops_while_the_server_hangs(broker, ollama):
    ollama.hang()
    put(broker, "m", 3)
    until(ollama.texts, "the embedder to hang")
    broker.restart()
    ollama.release()
    wait_ready(broker, 3)


# ---- what goes wrong, and what is told ----


def wait_error(broker, words):
    told = vectors(broker).wait_status(f"'{words}' to be told", lambda s: words in (s["last_error"] or ""))
    assert told["dead"] == 0 and told["deferred"] == 0 and told["circuit"] != "closed"


def test_other_dimensions_leave_memories_pending_and_name_both(broker, ollama):
    ollama.models[MODEL] = 384
    put(broker, "m", 3)
    wait_error(broker, "384 dimensions, the broker's have 768")
    assert state(broker, "m0") == "pending" and len(mirrored(broker)) == 3
    ollama.models[MODEL] = DIMS
    vectors(broker).call("probe")
    wait_ready(broker, 3)


def test_missing_model_leaves_memories_pending_and_says_how_to_get_it(broker, ollama):
    del ollama.models[MODEL]
    put(broker, "m", 3)
    wait_error(broker, f"ollama pull {MODEL}")
    assert state(broker, "m0") == "pending"
    ollama.models[MODEL] = DIMS
    vectors(broker).call("probe")
    wait_ready(broker, 3)


def test_text_that_no_cutting_helps_is_a_dead_letter_and_its_neighbours_get_vectors(broker, ollama):
    ollama.refuse = "poison"
    put(broker, "a", 10)
    broker.call("memory.put", id="bad", content="poison " * 1000)
    put(broker, "b", 10)
    until(lambda: vectors(broker).dead(), "the dead letter")
    until(lambda: state(broker, "a9") == state(broker, "b9") == "ready", "its neighbours")
    (dead,) = vectors(broker).dead()
    assert dead["id"] == "bad" and "context length" in dead["reason"]
    assert mirrored(broker)["bad"]["embedding_state"] == "pending"
    ollama.refuse = None
    broker.call("dead.retry", backend="vectors", id="bad")
    wait_ready(broker, 21)
    assert vectors(broker).dead() == []


def test_long_text_is_cut_and_marked(broker, ollama):
    broker.call("memory.put", id="long", content="apple " * 5000)
    broker.call("memory.put", id="short", content="apple")
    wait_ready(broker, 2)
    assert broker.call("memory.get", id="long")["embedding_truncated"] is True
    assert "embedding_truncated" not in broker.call("memory.get", id="short")
    (sent,) = [text for text in ollama.texts() if len(text) > 5]
    assert len(sent) < 8192 and sent.endswith("apple")


def test_token_reaches_no_log_and_no_status(make_broker, ollama, tmp_path):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("hunter2hunter2\n")
    broker = make_broker(section(ollama, token_file=file))
    put(broker, "m", 2)
    wait_ready(broker, 2)
    ollama.stop()
    put(broker, "n", 2, content="d")
    told = vectors(broker).wait_status("the circuit to open",
                                       lambda s: s["circuit"] != "closed" and s["last_error"])
    assert "hunter2" not in str(told) and "hunter2" not in broker.log_text()


def test_sink_that_waits_for_vectors_gets_each_memory_once(make_broker, ollama, tmp_path):
    broker = make_broker(start=False)
    broker.mirror = tmp_path / "mirror.ndjson"
    broker.configure(section(ollama) + mirror(broker.mirror, wait_embedding="30s"))
    broker.start()
    vectors(broker).wait_status("the first probe", lambda s: s["circuit"] == "closed")
    put(broker, "m", 20)
    wait_ready(broker, 20)
    assert len(mirrored(broker)) == 20
    assert [line["embedding_state"] for line in mirror_lines(broker.mirror)] == ["ready"] * 20
