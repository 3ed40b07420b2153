"""memory.list: filters, order, and pages that join to the whole."""
import uuid

import pytest


@pytest.fixture
def client(shared):
    with shared.client() as it:
        yield it


@pytest.fixture
def ident():
    return "m-" + uuid.uuid4().hex


@pytest.fixture(scope="module")
def listed(shared):
    """45 memories of a kind of their own: their ids, oldest first."""
    kind = "k" + uuid.uuid4().hex[:12]
    with shared.client() as it:
        ids = []
        for n in range(45):
            params = {"id": f"{kind}-{n:02}", "content": f"c{n}", "kind": kind,
                      "tags": [f"{kind}-t{n % 3}", "all"], "session_id": f"{kind}-s{n % 5}"}
            it.call("memory.put", params)
            ids.append(params["id"])
        for n in range(0, 45, 9):
            it.call("memory.delete", id=ids[n])
        return kind, ids, {ids[n] for n in range(0, 45, 9)}


def listing(client, **params):
    return [m["id"] for m in client.call("memory.list", params)["memories"]]


def test_list_is_newest_first_without_the_deleted(client, listed):
    kind, ids, deleted = listed
    assert listing(client, kind=kind, limit=100) == [i for i in ids[::-1] if i not in deleted]
    assert listing(client, kind=kind, limit=100, deleted="no") == [
        i for i in ids[::-1] if i not in deleted]


def test_list_of_deleted_and_of_any(client, listed):
    kind, ids, deleted = listed
    assert set(listing(client, kind=kind, limit=100, deleted="only")) == deleted
    assert set(listing(client, kind=kind, limit=100, deleted="any")) == set(ids)


def test_list_filters_by_tag_session_and_both(client, listed):
    kind, ids, deleted = listed
    for tag in range(3):
        assert set(listing(client, tag=f"{kind}-t{tag}", limit=100)) == {
            i for n, i in enumerate(ids) if n % 3 == tag} - deleted
    for session in range(5):
        assert set(listing(client, session_id=f"{kind}-s{session}", limit=100)) == {
            i for n, i in enumerate(ids) if n % 5 == session} - deleted
    assert set(listing(client, session_id=f"{kind}-s1", tag=f"{kind}-t1", deleted="any")) == {
        i for n, i in enumerate(ids) if n % 5 == 1 and n % 3 == 1}
    assert listing(client, kind=kind, tag="no such tag") == []
    assert listing(client, kind=kind, tag="al") == []


def test_list_filters_by_time(client, listed):
    kind, _, _ = listed
    memories = client.call("memory.list", kind=kind, limit=100)["memories"]
    times = sorted(m["updated_ms"] for m in memories)
    middle = times[len(times) // 2]
    since = {m["id"] for m in memories if m["updated_ms"] >= middle}
    assert set(listing(client, kind=kind, since=middle, limit=100)) == since
    until = set(listing(client, kind=kind, until=middle, limit=100))
    before = {m["id"] for m in memories if m["updated_ms"] < middle}
    at = {m["id"] for m in memories if m["updated_ms"] == middle}
    assert before <= until <= before | at
    assert listing(client, kind=kind, since=times[-1] + 1, limit=100) == []


@pytest.mark.parametrize("limit", [1, 7, 40, 44, 45, 46])
def test_pages_join_to_the_whole_list(client, listed, limit):
    kind, ids, _ = listed
    whole = listing(client, kind=kind, deleted="any", limit=100)
    assert set(whole) == set(ids)
    joined, after = [], None
    for _ in range(len(ids) + 2):
        params = {"kind": kind, "deleted": "any", "limit": limit}
        if after is not None:
            params["after"] = after
        page = client.call("memory.list", params)
        assert len(page["memories"]) <= limit
        joined += [m["id"] for m in page["memories"]]
        after = page.get("next")
        if not after:
            break
    assert joined == whole and not after


def test_pages_hold_while_others_write(shared, client, listed):
    """A memory that nobody touches is on exactly one page, whatever comes in meanwhile."""
    kind, ids, _ = listed
    joined, after = [], None
    while True:
        params = {"kind": kind, "deleted": "any", "limit": 10}
        if after is not None:
            params["after"] = after
        page = client.call("memory.list", params)
        joined += [m["id"] for m in page["memories"]]
        shared.call("memory.put", id=uuid.uuid4().hex, content="new", kind="other")
        after = page.get("next")
        if not after:
            break
    assert sorted(joined) == sorted(ids)


def test_list_carries_embeddings_only_when_asked(client, ident):
    client.call("memory.put", id=ident, content="x", kind=ident, embedding=[1.0] * 768)
    plain = client.call("memory.list", kind=ident)["memories"][0]
    asked = client.call("memory.list", kind=ident, embedding=True)["memories"][0]
    assert not plain.get("embedding") and plain["embedding_state"] == "ready"
    assert len(asked["embedding"]) == 4 * 768


def test_page_ends_at_a_mebibyte(client, ident):
    for n in range(6):
        client.call("memory.put", id=f"{ident}-{n}", content="x" * 400000, kind=ident)
    seen, after, pages = [], None, 0
    while pages < 10:
        params = {"kind": ident, "limit": 100}
        if after is not None:
            params["after"] = after
        page = client.call("memory.list", params)
        pages += 1
        assert sum(len(m["content"]) for m in page["memories"]) <= 1 << 20
        assert page["memories"]
        seen += [m["id"] for m in page["memories"]]
        after = page.get("next")
        if not after:
            break
    assert seen == [f"{ident}-{n}" for n in range(5, -1, -1)] and pages >= 3


def test_memory_of_a_mebibyte_is_listed(client, ident):
    client.call("memory.put", id=ident, content="x" * (1 << 20), kind=ident)
    page = client.call("memory.list", kind=ident)
    assert [len(m["content"]) for m in page["memories"]] == [1 << 20]
