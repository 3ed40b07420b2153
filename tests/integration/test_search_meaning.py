"""memory.search with an embedder: the query's text goes through it, and search never waits long for it."""
import math
import signal

import pytest

from command import Command
from ollama import DIMS, DOCUMENT, Ollama
from sinks import PLUGINS, compile_plugin
from test_search import found, put, refused, search
from wire import until

# Words that mean the same have a direction in common. No model is in the tree: this stands in for what one does.
MEANINGS = [{"car", "automobile", "vehicle", "auto"}, {"doctor", "physician", "medic", "arzt"},
            {"quick", "fast", "rapid", "schnell"}, {"ship", "boat", "vessel", "schiff"},
            {"happy", "glad", "cheerful", "froh"}]


def vector_of_words(_, text, dims=DIMS):
    vector = [1e-3] * dims
    for word in text.lower().split():
        for n, words in enumerate(MEANINGS):
            vector[n] += word in words
    return vector


class Meaning(Ollama):
    """An Ollama whose model knows a few words."""

    def embed(self, model, texts, shape):
        super().embed(model, texts, lambda v: v)
        return 200, shape([vector_of_words(model, text) for text in texts])


def config(ollama, **options):
    lines = ['[backend "vectors"]', "plugin = ollama-embed", f"url = {ollama.url}", "timeout = 60s",
             *(f"{name} = {value}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def ollama():
    server = Meaning()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def broker(make_broker, ollama):
    it = make_broker(config(ollama))
    put(it, "car", "the automobile is in the garage")
    put(it, "doctor", "the physician comes on monday")
    put(it, "ship", "a vessel with three masts")
    wait_ready(it, "car", "doctor", "ship")
    return it


def wait_ready(broker, *idents):
    for ident in idents:
        until(lambda: broker.call("memory.get", id=ident)["embedding_state"] == "ready", f"a vector of {ident}")


def test_meaning_is_found_without_a_word_in_common(broker):
    answer = search(broker, "car", mode="semantic", limit=1)
    assert [h["id"] for h in answer["hits"]] == ["car"] and answer["mode"] == "semantic"
    assert "semantic" not in answer
    assert found(broker, "arzt", mode="text") == []
    assert found(broker, "arzt", limit=1) == ["doctor"]


def test_auto_fuses_and_says_by_what_each_was_found(broker):
    put(broker, "garage", "a garage for rent")
    wait_ready(broker, "garage")
    answer = search(broker, "automobile garage")
    assert answer["mode"] == "both" and answer["hits"][0]["id"] == "car"
    assert answer["hits"][0]["mode"] == "both"
    modes = {h["id"]: h["mode"] for h in answer["hits"]}
    assert modes["ship"] == "semantic"


def test_a_query_is_embedded_as_a_query(broker, ollama):
    search(broker, "a fast boat")
    with ollama.lock:
        asked = [text for _, text in ollama.asked if "a fast boat" in text]
    assert asked and not asked[0].startswith(DOCUMENT)


def test_a_callers_vector_is_not_compared_with_a_query_of_the_embedder(broker):
    put(broker, "own", "something else", embedding=[math.sqrt(1 / DIMS)] * DIMS)
    put(broker, "car2", "another automobile", embedding=vector_of_words("", "car"))
    assert "car2" not in found(broker, "car", mode="semantic", limit=100)
    assert found(broker, embedding=vector_of_words("", "car"), limit=1) == ["car2"]


def test_an_embedder_that_hangs_costs_a_search_seconds_and_no_hit(broker, ollama):
    ollama.hang()
    try:
        answer = search(broker, "automobile")
        assert [h["id"] for h in answer["hits"]] == ["car"] and answer["mode"] == "text"
        assert answer["semantic"].startswith("unavailable: ")
        assert refused(broker, query="automobile", mode="semantic").code == -32008
        assert broker.call("memory.get", id="car")["id"] == "car"
    finally:
        ollama.release()
    until(lambda: search(broker, "arzt")["mode"] == "both", "an embedder that answers again")


def test_an_embedder_that_is_away_leaves_words_and_says_so(broker, ollama):
    ollama.stop()
    until(lambda: "away" in search(broker, "automobile").get("semantic", ""), "an embedder that is known to be away")
    answer = search(broker, "automobile")
    assert [h["id"] for h in answer["hits"]] == ["car"] and answer["mode"] == "text"
    told = Command(broker).run("search", "automobile")
    assert told.returncode == 0 and "car" in told.stdout and "by words only" in told.stderr
    ollama.start()
    broker.call("backend.probe", name="vectors")
    until(lambda: search(broker, "arzt")["mode"] == "both", "an embedder that is back")


def test_many_searches_at_once_are_all_answered(broker):
    with broker.client() as client:
        replies = client.many([("memory.search", {"query": f"car {n}"}) for n in range(100)])
        modes = [r.get()["mode"] for r in replies]
    assert set(modes) <= {"text", "both"} and "both" in modes


def test_the_broker_stops_with_searches_that_wait(broker, ollama):
    ollama.hang()
    with broker.client() as client:
        idents = [client.send("memory.search", {"query": "car"}) for _ in range(5)]
        client.call("hello")  # so all five have been read
        broker.stop()
        for ident in idents:
            assert "hits" in client.wait(ident).get()
    ollama.release()


def test_a_new_model_is_compared_with_its_own_vectors(broker, ollama):
    ollama.models["other"] = DIMS
    broker.stop()
    broker.configure(config(ollama, model="other"))
    broker.start()
    until(lambda: broker.call("memory.get", id="car")["embedding_model"] == "other", "vectors of the new model")
    until(lambda: found(broker, "car", mode="semantic", limit=1) == ["car"], "a search by the new model")


@pytest.fixture
def stuck(make_broker, tmp_path):
    """A broker whose embedder doesn't end its call for a query, and the file that keeps it there."""
    library, control = compile_plugin(PLUGINS / "stuck_embedder.c", tmp_path / "stuck_embedder.so"), tmp_path / "held"
    it = make_broker(f'[backend "vectors"]\nplugin = {library}\ncontrol = {control}\n')
    put(it, "car", "the automobile is in the garage")
    wait_ready(it, "car")
    control.touch()
    it.control = control
    yield it
    it.end()  # first: what is left behind in its call belongs to nobody when that returns
    control.unlink(missing_ok=True)


def test_a_stuck_embedder_is_told_of_at_once(stuck):
    until(lambda: "stuck" in search(stuck, "automobile").get("semantic", ""), "a search that doesn't wait for it")
    assert found(stuck, "automobile") == ["car"]
    stuck.control.unlink()
    until(lambda: search(stuck, "automobile")["mode"] == "both", "an embedder that answers again")


def test_a_stuck_embedder_that_is_replaced_is_not_waited_for(stuck):
    assert "semantic" in search(stuck, "automobile")
    text = stuck.config.read_text()
    stuck.configure(text.replace(str(stuck.control), f"{stuck.control}-not") + "batch = 7\n")
    stuck.process.send_signal(signal.SIGHUP)
    until(lambda: search(stuck, "automobile")["mode"] == "both", "the embedder that took its place")
