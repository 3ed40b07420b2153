"""memory.search and memferry search on the real binaries: words of any language, filters, what comes and goes, and
indexes that were killed, deleted or damaged."""
import random
import struct
import threading

import pytest

from command import Command
from wire import RpcError, until

SMALL = "[broker]\ndims = 4\nallow_purge = yes\n"
FILES = "search.db", "vectors.idx"


@pytest.fixture
def broker(make_broker):
    return make_broker(SMALL)


def put(broker, ident, content, **more):
    return broker.call("memory.put", id=ident, content=content, **more)


def search(broker, query=None, **params):
    if query is not None:
        params["query"] = query
    return broker.call("memory.search", **params)


def found(broker, query=None, **params):
    return [hit["id"] for hit in search(broker, query, **params)["hits"]]


def level(broker):
    """Waits until the index has everything, however long it took to make."""
    until(lambda: "behind" not in search(broker, "nothing", mode="text"), "an index that is level")


def refused(broker, **params):
    with pytest.raises(RpcError) as failure:
        broker.call("memory.search", **params)
    return failure.value


# ---- words ----

def test_a_put_is_found_at_once_after_its_receipt(broker):
    for n in range(50):
        put(broker, f"m{n}", f"the {n}th lighthouse is called beacon{n}")
        assert found(broker, f"beacon{n}")[0] == f"m{n}"


@pytest.mark.parametrize("content, query", [
    ("The release deadline is on Friday", "DEADLINE"),
    ("The release deadline is on Friday", '"release deadline"'),
    ("The release deadline is on Friday", "dead*"),
    ("The release deadline is on Friday", "deadlines"),
    ("Der Überweisungsträger liegt im Büro", "uberweisungstrager"),
    ("Le café crème coûte trois euros", "creme cafe"),
    ("Le cafe\u0301 est ferme\u0301", "café fermé"),
    ("会議は明日の午後三時に開始します", "会議"),
    ("会議は明日の午後三時に開始します", "午後三時"),
    ("数据库连接超时需要重试", "超时"),
    ("数据库连接超时需要重试", "库"),
    ("数据库连接超时需要重试", "试"),
    ("数据库连接超时需要重试", "数据库超时怎么办"),
    ("데이터베이스를 매일 밤 백업합니다", "백업"),
    ("การประชุมเริ่มเวลาบ่ายสามโมง", "ประชุม"),
    ("हिन्दी में लिखी हुई टिप्पणी", "हिन्दी"),
    ("Встреча перенесена на пятницу", "встреча"),
    ("الاجتماع يوم الجمعة", "الاجتماع"),
    ("GPU内存不足", "gpu内存"),
    ("日本語テストABC", "テストabc"),
])
def test_words_of_any_language_are_found(broker, content, query):
    put(broker, "wanted", content)
    put(broker, "other", "etwas ganz anderes, 別のもの, другое")
    assert found(broker, query)[:1] == ["wanted"]


def test_tags_kind_and_id_are_searched_too(broker):
    put(broker, "user-7f3a", "prefers tea", kind="preference", tags=["beverages", "hot drinks"])
    for query in ("beverages", "preference", "user-7f3a", '"hot drinks"'):
        assert found(broker, query) == ["user-7f3a"], query


def test_all_words_stand_before_some_and_some_before_none(broker):
    put(broker, "both", "green tea in the morning")
    put(broker, "one", "green paint for the fence")
    put(broker, "none", "a bicycle without lights")
    assert found(broker, "green tea") == ["both", "one"]
    assert found(broker, '"green tea" fence') == ["both"]


def test_a_snippet_shows_where_the_words_stand(broker):
    put(broker, "long", "x " * 500 + "the été lighthouse burns" + " y" * 500)
    (hit,) = search(broker, "lighthouse")["hits"]
    assert len(hit["snippet"].encode()) <= 600
    assert [hit["snippet"][a:b] for a, b in hit["marks"]] == ["lighthouse"]
    put(broker, "blob", "z" * 100_000 + " beacon")
    (hit,) = search(broker, "beacon")["hits"]
    assert [hit["snippet"][a:b] for a, b in hit["marks"]] == ["beacon"]
    assert len(hit["snippet"].encode()) <= 600


HOSTILE = ['"', '""', '" "', "*", "**", "a*b", '"a', 'a"', '"a"*', '"*"', "-", "--", "-a", "a -b", "^a", "a^", ":", "a:b",
           "content:a", "{a b}:c", "NEAR", "NEAR(a b)", "NEAR(a b, 2)", "a NEAR/2 b", "AND", "OR", "NOT", "a AND", "NOT a",
           "a OR OR b", "(", ")", "((a)", "a)", "a+b", "+", "a + b", "'", "''", "';DROP TABLE doc;--", "\\", "\\\"", "%",
           "_", "?1", "\x01", "\x02\x03", "a\x1fb", "\u200b", "\u3000", "\ufeff", "\U0001f600", "e\u0301", "\u0301",
           "ー", "々", "a" * 4096, "é" * 2048, '"' * 4096, "* " * 2048, "漢" * 1365, "漢 " * 1000, "a " * 2048,
           "( " * 2048, "OR " * 1365, "\n\t\r", "rank", "memory_fts", "a\"b\"c\"", "“quoted”", "«a»"]


def test_whatever_is_typed_is_a_query_and_never_an_error(broker):
    put(broker, "a", "a b c and or not near content")
    calls = [("memory.search", {"query": query, "mode": mode}) for query in HOSTILE for mode in ("auto", "text")]
    chance = random.Random(7)
    alphabet = '"*-^:(){}+ \'\\aAbN漢字éOR\u3000,./'
    calls += [("memory.search", {"query": "".join(chance.choices(alphabet, k=chance.randrange(1, 60)))})
              for _ in range(500)]
    with broker.client() as client:
        for (_, params), reply in zip(calls, client.many(calls)):
            assert "hits" in reply.get(), params
    assert found(broker, "a") == ["a"]


@pytest.mark.parametrize("params, field", [
    ({}, "query"), ({"query": ""}, "query"), ({"query": "a" * 4097}, "query"), ({"query": 7}, "query"),
    ({"query": "a", "mode": "fuzzy"}, "mode"), ({"query": "a", "limit": 0}, "limit"),
    ({"query": "a", "limit": 101}, "limit"), ({"query": "a", "kinds": "x"}, "kinds"),
    ({"query": "a", "embedding": [1, 2]}, "embedding"), ({"query": "a", "embedding": None}, "embedding"),
    ({"query": "a", "embedding_model": "x"}, "embedding_model"),
    ({"embedding": [1, 0, 0, 0], "mode": "text"}, "query"),
])
def test_bad_parameters_are_named(broker, params, field):
    error = refused(broker, **params)
    assert (error.code, error.data["field"]) == (-32602, field)


# ---- what comes and goes ----

def test_filters_are_those_of_list(broker):
    for n in range(40):
        put(broker, f"m{n:02}", "the same words in each", kind=f"k{n % 2}", tags=[f"t{n % 3}", "tag with space"],
            session_id=f"s{n % 5}")
    broker.call("memory.delete", id="m07")
    broker.call("memory.delete", id="m08")
    middle = broker.call("memory.get", id="m20")["updated_ms"]
    for params in ({"kind": "k1"}, {"tag": "t2"}, {"tag": "t"}, {"tag": "tag with space"}, {"session_id": "s3"},
                   {"kind": "k0", "tag": "t1", "session_id": "s2"}, {"since": middle}, {"until": middle},
                   {"deleted": "only"}, {"deleted": "any"}, {"deleted": "any", "tag": "t1"}, {}):
        listed = broker.call("memory.list", limit=100, **params)["memories"]
        assert set(found(broker, "same words", limit=100, **params)) == {m["id"] for m in listed}, params
    assert len(found(broker, "same words", limit=7)) == 7


def test_changed_words_are_found_and_old_ones_are_not(broker):
    put(broker, "m", "the old lighthouse", tags=["red"])
    assert found(broker, "lighthouse") == ["m"]
    put(broker, "m", "a new windmill")
    assert found(broker, "lighthouse") == []
    assert found(broker, "windmill") == ["m"]
    put(broker, "m", "a new windmill", tags=["blue"])
    assert (found(broker, "red"), found(broker, "blue")) == ([], ["m"])
    broker.call("memory.delete", id="m")
    assert found(broker, "windmill") == []
    assert found(broker, "windmill", deleted="only") == ["m"]
    broker.call("memory.restore", ids=["m"])
    assert found(broker, "windmill") == ["m"]


def test_what_is_purged_leaves_the_index(broker):
    put(broker, "secret", "the password is xyzzyplugh", embedding=[0, 0, 1, 0])
    put(broker, "kept", "something to keep", embedding=[0, 1, 0, 0])
    assert found(broker, "xyzzyplugh") == ["secret"]
    broker.call("memory.purge", ids=["secret"])
    assert found(broker, "xyzzyplugh", deleted="any") == []
    assert found(broker, embedding=[0, 0, 1, 0], deleted="any", limit=1) == ["kept"]


def test_nothing_of_what_is_purged_stays_in_the_files(broker):
    marked = [0.5, 0.25, 0.125, 0.8125]
    for n in range(30):
        put(broker, f"m{n}", f"common words and word{n}", embedding=[1, n, 0, 0])
    put(broker, "secret", "the password is xyzzyplugh", tags=["qwertzuiop"], embedding=marked)
    assert found(broker, "xyzzyplugh") == ["secret"]
    norm = sum(x * x for x in marked) ** 0.5
    row = struct.pack("<4f", *(x / norm for x in marked))
    assert row in (broker.state / "vectors.idx").read_bytes()
    broker.call("memory.purge", ids=["secret"])
    put(broker, "after", "something else")
    assert found(broker, "something") == ["after"]
    broker.stop()
    for path in sorted(broker.state.glob("search.db*")) + [broker.state / "vectors.idx"]:
        data = path.read_bytes()
        assert not any(word in data for word in (b"zyplugh", b"ertzuiop", row)), path
    broker.start()
    assert_found_all(broker)


def assert_found_all(broker):
    level(broker)
    for n in range(30):
        assert found(broker, f'"word{n}"') == [f"m{n}"]


def test_search_carries_embeddings_when_asked(broker):
    put(broker, "m", "a lighthouse", embedding=[1, 2, 3, 4])
    (hit,) = search(broker, "lighthouse")["hits"]
    assert "embedding" not in hit and hit["embedding_state"] == "ready"
    (hit,) = search(broker, "lighthouse", embedding=True)["hits"]
    assert len(hit["embedding"]) == 16


# ---- vectors ----

def test_own_vectors_find_the_nearest(broker):
    put(broker, "x", "first", embedding=[1, 0, 0, 0])
    put(broker, "xy", "second", embedding=[3, 3, 0, 0])
    put(broker, "y", "third", embedding=[0, 5, 0, 0])
    put(broker, "zero", "fourth", embedding=[0, 0, 0, 0])
    answer = search(broker, embedding=[2, 0.1, 0, 0])
    assert [h["id"] for h in answer["hits"]] == ["x", "xy", "y"]
    assert answer["mode"] == "semantic" and {h["mode"] for h in answer["hits"]} == {"semantic"}
    assert answer["hits"][0]["score"] == pytest.approx(0.99875, abs=1e-4)
    assert found(broker, embedding=[2, 0.1, 0, 0], embedding_model="another") == []


def test_vectors_follow_their_memories(broker):
    put(broker, "a", "one", embedding=[1, 0, 0, 0], kind="k")
    put(broker, "b", "two", embedding=[0, 1, 0, 0])
    near_b = {"embedding": [0, 1, 0, 0], "limit": 1}
    assert found(broker, **near_b) == ["b"]
    put(broker, "b", "two", embedding=[0, 0, 1, 0])
    put(broker, "a", "one", embedding=[0, 2, 0, 0])
    assert found(broker, **near_b) == ["a"]
    put(broker, "b", "other content now")
    assert found(broker, embedding=[0, 0, 1, 0]) == ["a"]
    broker.call("memory.delete", id="a")
    assert found(broker, **near_b) == []
    assert found(broker, deleted="only", **near_b) == ["a"]
    assert found(broker, deleted="any", kind="k", **near_b) == ["a"]
    assert found(broker, deleted="any", kind="other", **near_b) == []


def test_both_lists_are_fused(broker):
    put(broker, "both", "a lighthouse on the cliff", embedding=[1, 0, 0, 0])
    put(broker, "words", "a lighthouse keeper", embedding=[0, 0, 0, 1])
    put(broker, "near", "a tower of fire", embedding=[0.9, 0.1, 0, 0])
    answer = search(broker, "lighthouse", embedding=[1, 0, 0, 0])
    assert answer["mode"] == "both"
    modes = {h["id"]: h["mode"] for h in answer["hits"]}
    assert answer["hits"][0]["id"] == "both" and modes["both"] == "both" and modes["near"] == "semantic"
    scores = [h["score"] for h in answer["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_without_an_embedder_search_is_by_words_and_says_so(broker):
    put(broker, "m", "a lighthouse")
    answer = search(broker, "lighthouse")
    assert (answer["mode"], answer["semantic"]) == ("text", "unavailable: no embedder is configured")
    assert "semantic" not in search(broker, "lighthouse", mode="text")
    assert refused(broker, query="lighthouse", mode="semantic").code == -32008


# ---- files that are lost ----

def fill(broker, count=400):
    with broker.client() as client:
        for reply in client.many([("memory.put", {
                "id": f"m{n}", "content": f"word{n} and word{n % 7}x in memory {n}",
                "embedding": [n % 11, n % 13, n % 17, 1]}) for n in range(count)]):
            reply.get()


def assert_whole(broker, count=400):
    level(broker)
    for n in range(0, count, 37):
        assert found(broker, f'"word{n}"')[:1] == [f"m{n}"]
    assert len(found(broker, "memory", limit=100)) == 100
    vector = [20 % 11, 20 % 13, 20 % 17, 1]
    assert "m20" in found(broker, embedding=vector, limit=3)


def test_an_index_that_is_level_is_not_made_again(broker):
    fill(broker)
    assert_whole(broker)
    broker.restart()
    assert_whole(broker)
    assert "search-anew" not in broker.log_text()


@pytest.mark.parametrize("gone", [["search.db"], ["vectors.idx"], ["search.db", "vectors.idx"]])
def test_deleted_files_are_made_anew(broker, gone):
    fill(broker)
    level(broker)
    broker.stop()
    for name in gone:
        (broker.state / name).unlink()
    broker.start()
    assert_whole(broker)


def damage_head(path):
    data = bytearray(path.read_bytes())
    data[0:64] = b"\xa5" * 64
    path.write_bytes(data)


def damage_middle(path):
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at + 8:at + 72] = b"\xa5" * 64
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [damage_head, damage_middle, cut, empty])
def test_damaged_files_are_made_anew(broker, name, harm):
    fill(broker)
    level(broker)
    broker.stop()
    harm(broker.state / name)
    broker.start()
    until(lambda: answers_whole(broker), "an index that was made anew")
    assert_whole(broker)
    broker.wait_log("search-anew")


def answers_whole(broker):
    """Damage may be found by a search: that one is told to come again."""
    try:
        return found(broker, '"word37"') == ["m37"] and "behind" not in search(broker, "memory", mode="text")
    except RpcError as failure:
        assert failure.code == -32008, failure
        return False


def test_kill_in_the_middle_of_indexing_loses_nothing(broker):
    chance = random.Random(3)
    count = 0
    for _ in range(6):
        with broker.client() as client:
            more = chance.randrange(50, 400)
            replies = client.many([("memory.put", {"id": f"m{n}", "content": f"word{n} here",
                                                   "embedding": [1, n % 19, n % 23, 1]})
                                   for n in range(count, count + more)])
            for reply in replies:
                reply.get()
            count += more
            client.many([("memory.put", {"id": f"m{n}", "content": f"word{n} here", "tags": ["again"],
                                         "embedding": [2, n % 19, n % 23, 1]}) for n in range(0, count, 5)])
        broker.kill()
        broker.start()
    level(broker)
    with broker.client() as client:
        replies = client.many([("memory.search", {"query": f'"word{n}"', "mode": "text"}) for n in range(count)])
    assert [[h["id"] for h in r.get()["hits"]] for r in replies] == [[f"m{n}"] for n in range(count)]
    everyone = broker.call("memory.search", embedding=[1, 0, 0, 0], limit=100)["hits"]
    assert len({h["id"] for h in everyone}) == 100


def test_searches_and_puts_at_the_same_time(broker):
    stop, failures = threading.Event(), []

    def ask(seed):
        chance = random.Random(seed)
        try:
            with broker.client() as client:
                while not stop.is_set():
                    n = chance.randrange(300)
                    hits = client.call("memory.search", query=f'"word{n}"', embedding=[1, n % 5, 1, 0])["hits"]
                    assert all(h["deleted_ms"] is None for h in hits if "deleted_ms" in h)
        except Exception as failure:  # noqa: BLE001 - told by the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        with broker.client() as client:
            for turn in range(4):
                calls = [("memory.put", {"id": f"m{n}", "content": f"word{n} turn{turn}",
                                         "embedding": [turn, n % 5, 1, 1]}) for n in range(300)]
                calls += [("memory.delete", {"id": f"m{n}"}) for n in range(0, 300, 10)]
                for reply in client.many(calls):
                    reply.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]
    level(broker)
    assert len(found(broker, "turn3", limit=100)) == 100
    assert found(broker, "turn2 -- exact \"turn2\"") == []


def test_stats_tell_how_the_index_is(broker):
    fill(broker, 30)
    put(broker, "m0", "without a vector now")
    level(broker)
    put(broker, "more", "words")
    assert found(broker, '"words"') == ["more"]
    told = broker.call("stats")["search"]
    assert (told["documents"], told["vectors"], told["behind"]) == (31, 29, 0)
    assert told["indexed_seq"] == broker.call("stats")["store"]["applied_seq"]


# ---- the command ----

def test_the_command_shows_hits_and_prints_json(broker):
    command = Command(broker)
    put(broker, "tea", "Tea is at four", kind="fact", tags=["habits"])
    put(broker, "coffee", "Coffee is at nine", kind="fact")
    table = command.ok("search", "tea", "four")
    assert "tea" in table and "Tea is at four" in table and "coffee" not in table
    assert [h["id"] for h in command.lines("search", "at", "--limit", "1", "--kind", "fact")] != []
    assert command.lines("search", "tea", "--tag", "habits")[0]["id"] == "tea"
    assert command.lines("search", "tea", "--tag", "other") == []
    assert command.lines("search", "nowhere") == []
    command.fails(64, "search")
    command.fails(64, "search", "tea", "--limit", "1000")
    command.fails(69, "search", "tea", "--mode", "semantic")
