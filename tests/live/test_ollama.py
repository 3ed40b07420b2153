"""memferryd and a real Ollama: every memory gets the vector that the model makes of it, come what may."""
import base64
import json
import math
import struct
import urllib.request

import pytest

import harness
from sinks import Backend, mirror_lines, put
from wire import until

WAIT_S = 240  # as long as it takes a busy machine


@pytest.fixture
def broker(ollama, tmp_path):
    ollama.start()
    with harness.running(start=False) as it:
        it.mirror = tmp_path / "mirror.ndjson"
        it.configure(f'[backend "vectors"]\nplugin = ollama-embed\nurl = {ollama.url}\ntimeout = 60s\n'
                     f'[backend "file"]\nplugin = mirror-file\npath = {it.mirror}\n')
        it.start()
        yield it


def vector_of(ollama, text):
    """As Ollama itself tells it."""
    body = {"model": "nomic-embed-text", "input": ["search_document: " + text]}
    request = urllib.request.Request(f"{ollama.url}/api/embed", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return json.load(answer)["embeddings"][0]


def unpacked(embedding):
    return struct.unpack(f"<{len(embedding) // 4}f", embedding)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def wait_ready(broker, count):
    def ready():
        with broker.client() as client:
            states = [m["embedding_state"] for m in harness.all_memories(client).values()]
        return states == ["ready"] * count

    until(ready, lambda: f"{count} vectors; {Backend(broker, 'vectors').status()}", WAIT_S)


def test_every_memory_has_the_vector_that_ollama_makes(broker, ollama):
    put(broker, "m", 100, content="the kettle is on shelf ")
    wait_ready(broker, 100)
    assert Backend(broker, "file").flush()["level"] is True
    held = {line["id"]: line for line in mirror_lines(broker.mirror)}
    for n in range(0, 100, 7):
        told = broker.call("memory.get", id=f"m{n}")
        mine = unpacked(told["embedding"])
        assert len(mine) == 768 and math.isclose(dot(mine, mine), 1, abs_tol=1e-6)
        assert dot(mine, vector_of(ollama, f"the kettle is on shelf {n}")) > 0.99999
        assert base64.b64decode(held[f"m{n}"]["embedding"]) == told["embedding"]


def test_server_that_hangs_and_is_killed_costs_time_and_nothing_else(broker, ollama):
    put(broker, "a", 20)
    wait_ready(broker, 20)
    ollama.hang()
    put(broker, "b", 20, content="d")
    receipt = broker.call("memory.put", id="now", content="now", wait="delivered")
    assert receipt["backends"] == {"file": "delivered"}
    assert broker.call("memory.get", id="now")["embedding_state"] == "pending"
    ollama.kill()
    vectors = Backend(broker, "vectors")
    vectors.wait_status("the circuit to open",
                        lambda s: s["circuit"] != "closed" and s["last_error"])
    ollama.start()
    vectors.call("probe")
    wait_ready(broker, 41)
    assert vectors.dead() == [] and vectors.status()["deferred"] == 0


def test_the_plugin_alone(ollama):
    """Its own tests, in C, which also look at what no broker would do."""
    ollama.start()
    ollama.run_program(harness.BUILD / "tests" / "unit" / "test_ollama_plugin")
