"""The workflow memory-embed on a real n8n, Neo4j and Ollama."""
from signed import numbers, state
from wire import until

WAIT_S = 120  # it runs every 20 s


def test_memories_that_wait_get_their_vectors_when_ollama_is_back(flow, ollama):
    ollama.stop()
    content = "'}) DETACH DELETE m // \U0001f375 " + "x" * 1000
    for ident, text in (("a", "Tea at four"), ("b", content), ("blank", " ")):
        flow.stored(state(ident, content=text, embedding_state="pending"))
    flow.stored(state("given", embedding=numbers(1)))
    flow.stored(state("dead", stamp=1_000_000))
    flow.stored(state("dead", stamp=2_000_000, op="delete", embedding_state="pending"))
    before = {ident: flow.node(ident) for ident in ("a", "b", "blank", "given", "dead")}
    assert "embedding" not in before["a"] and before["a"]["embedding_state"] == "pending"

    ollama.start()
    until(lambda: all("embedding" in flow.node(ident) for ident in ("a", "b")),
          "both to have vectors", WAIT_S)
    for ident in ("a", "b"):
        after = flow.node(ident)
        vector = after.pop("embedding")
        assert len(vector) == 768 and after.pop("embedding_model") == "nomic-embed-text"
        assert after == {**before[ident], "embedding_state": "ready"}
        flow.graph.wait_nearest(ident, vector)
    for ident in ("blank", "given", "dead"):
        assert flow.node(ident) == before[ident]
