"""How good search is on a small labelled set (tests/quality/search.json): recall@5 and MRR, with floors.

Words are measured as they are. Vectors are not: no model is in the tree, so `about` names what a text is about, and
vectors are made of those names, with noise. That measures how vectors are compared and fused with words, and says
nothing of a model. docs/search.md states the figures."""
import json
import random

import pytest

from harness import SOURCE

DIMS = 64
NOISE = 0.12
SET = json.loads((SOURCE / "tests" / "quality" / "search.json").read_text(encoding="utf-8"))


def direction(name):
    chance = random.Random(f"direction of {name}")
    return [chance.gauss(0, 1) for _ in range(DIMS)]


def vector(text, about):
    noise = random.Random(f"noise of {text}")
    return [sum(parts) + NOISE * DIMS ** 0.5 * noise.gauss(0, 1) for parts in zip(*map(direction, about))]


@pytest.fixture(scope="module")
def broker():
    from harness import running
    with running(f"[broker]\ndims = {DIMS}\n") as it:
        with it.client() as client:
            calls = [("memory.put", {"id": m["id"], "content": m["content"], "tags": m["tags"],
                                     "embedding": vector(m["content"], m["about"])}) for m in SET["memories"]]
            for reply in client.many(calls):
                reply.get()
        yield it


def measure(broker, mode):
    recalls, ranks = [], []
    for query in SET["queries"]:
        params = {"query": query["query"], "mode": mode, "limit": 10}
        if mode != "text":
            params["embedding"] = vector(query["query"], query["about"])
        ids = [hit["id"] for hit in broker.call("memory.search", params)["hits"]]
        wanted = set(query["relevant"])
        recalls.append(len(wanted & set(ids[:5])) / min(5, len(wanted)))
        first = next((n for n, ident in enumerate(ids, 1) if ident in wanted), None)
        ranks.append(1 / first if first else 0)
        print(f"{mode:9} {recalls[-1]:.2f} {ranks[-1]:.2f} {query['query']!r}: {ids[:5]}")
    recall, mrr = sum(recalls) / len(recalls), sum(ranks) / len(ranks)
    print(f"{mode:9} recall@5 {recall:.3f}, MRR {mrr:.3f}")
    return recall, mrr


def test_words_find_what_they_should(broker):
    recall, mrr = measure(broker, "text")
    assert recall >= 0.92 and mrr >= 0.93


def test_both_together_are_better_than_either(broker):
    text, semantic, both = (measure(broker, mode) for mode in ("text", "semantic", "auto"))
    assert both[0] >= max(text[0], semantic[0]) and both[1] >= max(0.95, text[1], semantic[1])
