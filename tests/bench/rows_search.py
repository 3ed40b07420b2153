"""Search: by meaning beside one pass over the same bytes, by words beside plain FTS5."""
import contextlib
import pathlib
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

import harness
import servers
from rows import Row, middle, ratios
from rows_store import on_disk, wait_level
from wire import floats

DIMS = 768
VOCABULARY, WORDS = 50_000, 40
MIDDLING = (300, 3000)  # ranks of the words that are asked for
FREQUENT = (3, 60)
LIMIT = 10
CHUNK = 1000


def put_all(broker, memories):
    """Pipelined; `memories` is a generator."""
    with broker.client() as client:
        chunk = []
        for params in memories:
            chunk.append(("memory.put", params))
            if len(chunk) == CHUNK:
                for reply in client.many(chunk):
                    reply.get()
                chunk = []
        for reply in client.many(chunk):
            reply.get()


# ---- by meaning ----


def vector(rng):
    return floats([rng.random() - 0.5 for _ in range(DIMS)])


def sweep(context, rows):
    """The search itself and the pass over its bytes, in ms, by turns in one process."""
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data:
        told = subprocess.run([str(servers.TOOLS / "vectors"), str(rows), str(DIMS), data],
                              capture_output=True, text=True, check=True,
                              preexec_fn=harness.die_with_parent).stdout
    found = re.search(r"search ([\d.]+) ms, sweep ([\d.]+) ms", told)
    return float(found[1]), float(found[2])


def search_ms(client, rng, times):
    took = []
    for _ in range(times):
        query = vector(rng)
        begun = time.perf_counter()
        hits = client.call("memory.search", embedding=query, mode="semantic", limit=LIMIT)["hits"]
        took.append((time.perf_counter() - begun) * 1000)
        assert len(hits) == LIMIT
    return sorted(took)[len(took) // 2]


def measure_vectors(context):
    count = context.size(5_000, 100_000, 100_000)
    rng, rounds = random.Random(1), []
    with on_disk(context) as broker:
        print(f"storing {count:,} vectors", file=sys.stderr, flush=True)
        some = [vector(rng) for _ in range(min(count, 500))]  # making random floats is slow
        put_all(broker, ({"id": f"v{n}", "content": f"memory {n}", "embedding": some[n % 500]}
                         for n in range(count)))
        wait_level(broker)
        with broker.client() as client:
            search_ms(client, rng, 3)
            for _ in range(context.rounds):
                inside, plain = sweep(context, count)
                rounds.append({"search": inside, "sweep": plain,
                               "socket": search_ms(client, rng, 15)})
    plain = [r["sweep"] for r in rounds]
    rows = []
    for key, what in (("search", "search by meaning, the scan"),
                      ("socket", "search by meaning, over the socket")):
        took = [r[key] for r in rounds]
        rows.append(Row(f"vectors {key} {count}", f"{what}, {count:,} x {DIMS}",
                        "one pass over the bytes", ratios(took, plain), ("<=", 1.5),
                        figure=f"{middle(took, '.1f')} ms, {middle(plain, '.1f')} ms"))
    return rows, rounds


# ---- by words ----


class Corpus:
    """Made-up words whose frequencies fall as those of a language do (Zipf)."""

    def __init__(self, seed=1):
        self.rng = random.Random(seed)
        letters = "abcdefghiklmnoprstuvw"
        self.words, seen = [], set()
        while len(self.words) < VOCABULARY:
            word = "".join(self.rng.choice(letters) for _ in range(self.rng.randrange(4, 10)))
            if word not in seen:
                seen.add(word)
                self.words.append(word)
        self.rank = {word: rank for rank, word in enumerate(self.words)}
        total, self.sums = 0.0, []
        for rank in range(VOCABULARY):
            total += 1 / (rank + 1)
            self.sums.append(total)

    def text(self):
        return " ".join(self.rng.choices(self.words, cum_weights=self.sums, k=WORDS))

    def query(self, text, ranks=MIDDLING):
        """Three words of a text that are about so frequent; None: it has too few."""
        some = sorted({w for w in text.split() if ranks[0] <= self.rank[w] < ranks[1]})
        return self.rng.sample(some, 3) if len(some) >= 3 else None


@contextlib.contextmanager
def plain_fts5(context):
    with tempfile.TemporaryDirectory(dir=context.dir, prefix="bench-") as data:
        db = sqlite3.connect(pathlib.Path(data) / "fts.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA cache_size=-32768")
        db.execute("CREATE VIRTUAL TABLE memory USING fts5(content)")
        yield db
        db.close()


def both(db, texts):
    """Into the plain table on their way to the broker."""
    db.execute("BEGIN")
    for number, text in enumerate(texts):
        db.execute("INSERT INTO memory(rowid, content) VALUES(?, ?)", (number + 1, text))
        yield {"id": f"t{number}", "content": text}
    db.execute("COMMIT")


def ask_plain(db, match):
    begun = time.perf_counter()
    found = db.execute("SELECT rowid, content FROM memory WHERE memory MATCH ? ORDER BY rank "
                       "LIMIT ?", (match, LIMIT)).fetchall()
    return (time.perf_counter() - begun) * 1000, len(found)


def ask_memferry(client, words):
    begun = time.perf_counter()
    hits = client.call("memory.search", query=" ".join(words), mode="text", limit=LIMIT)["hits"]
    return (time.perf_counter() - begun) * 1000, len(hits)


def one_round(client, db, queries, frequent):
    """p50 and p99 of each: the same queries by turns. Of middling words few memories have all three, and
    memferry goes on to what has some of them: it is OR that finds as much. Of frequent words more have
    all than are asked for: there AND does the same work."""
    times = {"memferry": [], "or": [], "and": [], "memferry, all": [], "all": []}
    for words in queries:
        took, hits = ask_memferry(client, words)
        times["memferry"].append(took)
        took, found = ask_plain(db, " OR ".join(words))
        times["or"].append(took)
        assert hits >= found, (words, hits, found)  # also what has words that begin like them
        times["and"].append(ask_plain(db, " ".join(words))[0])
    for words in frequent:
        took, hits = ask_memferry(client, words)
        times["memferry, all"].append(took)
        took, found = ask_plain(db, " ".join(words))
        times["all"].append(took)
        assert hits >= found, (words, hits, found)
    return {f"{name} p{share}": sorted(took)[len(took) * share // 100]
            for name, took in times.items() for share in (50, 99)}


TEXT_ROWS = (  # what memferry did, the peer, the share, what is reached for, how it is told
    ("memferry", "or", 99, ("<=", 1.1), "three middling words", "OR, which finds as much"),
    ("memferry", "or", 50, None, "three middling words", "OR, which finds as much"),
    ("memferry", "and", 99, None, "three middling words", "AND, which finds less"),
    ("memferry, all", "all", 99, ("<=", 1.1), "three frequent words", "AND, which finds as much"),
)


def measure_text(context):
    count = context.size(5_000, 50_000, 1_000_000)
    asked = 50 if context.quick else 300
    corpus, texts = Corpus(), []

    def make():
        for _ in range(count):
            text = corpus.text()
            if len(texts) < 20 * asked:
                texts.append(text)
            yield text

    with on_disk(context) as broker, plain_fts5(context) as db:
        print(f"storing {count:,} texts", file=sys.stderr, flush=True)
        put_all(broker, both(db, make()))
        wait_level(broker)
        queries = [q for q in map(corpus.query, texts) if q][:asked]
        frequent = [q for q in (corpus.query(text, FREQUENT) for text in texts) if q][:asked // 5]
        with broker.client() as client:
            one_round(client, db, queries[:20], frequent[:5])
            rounds = [one_round(client, db, queries, frequent) for _ in range(context.rounds)]
    rows = []
    for name, key, share, aim, what, peer in TEXT_ROWS:
        took, plain = ([r[f"{one} p{share}"] for r in rounds] for one in (name, key))
        rows.append(Row(f"text {key} {share} {count}",
                        f"search by {what}, p{share}, {count:,} memories",
                        f"plain FTS5, {peer}", ratios(took, plain), aim,
                        figure=f"{middle(took, '.2f')} ms, {middle(plain, '.2f')} ms"))
    return rows, rounds
