"""Memories a second into a real Neo4j: memferry beside what one would write with Neo4j's driver.

    one       a transaction for each memory: MERGE by id, SET its properties
    ten       the same from ten threads
    unwind    a thousand to a transaction
    limit     the best of several batches and widths by bare clients over HTTP and Bolt, whose
              requests were made before: what the server can do
    linked    the same, each memory linked to its session, as memferry does
    memferry  from when the lane is resumed until the last memory is in the graph; they lie in the
              broker's store, as the driver's lie in a list
    through   the same from the first put over the socket: receipts, store and search index on the
              way; `answered` is until the last put had its durable receipt, which is all that an
              agent waits for

Each memory has 768 floats and 300 bytes of text, and is new. All write the same properties to an
empty graph with the same constraint, with the vector index or without. They take turns, and whole
rounds are repeated; before them come as many of each as warm the server up. `cpu` is the client's, a
memory: of memferry the broker's, and of `through` that of who puts, too.
"""
import concurrent.futures
import contextlib
import http.client
import json
import statistics
import struct
import sys
import time
import uuid

import neo4j as driver

import bolt
import graph
import server
import servers
from rows import Row, middle, ratios
from wire import until

BROKER = str(uuid.uuid4())
SESSIONS = [str(uuid.uuid4()) for _ in range(500)]
OF_SESSION = 40  # memories, one after the other
THREADS, UNWOUND = 10, 1000
COUNTS = {"one": 800, "ten": 2000, "unwind": 6000, "limit": 10000, "linked": 10000,
          "memferry": 10000, "through": 10000}
STORED_S = 120
SCHEMA = ["CREATE CONSTRAINT memory_id FOR (m:Memory) REQUIRE m.id IS UNIQUE",
          "CREATE CONSTRAINT memory_session_id FOR (s:Session) REQUIRE s.id IS UNIQUE"]
INDEX = ("CREATE VECTOR INDEX memory_embedding FOR (m:Memory) ON (m.embedding) "
         "OPTIONS {indexConfig: {`vector.dimensions`: 768, "
         "`vector.similarity_function`: 'cosine'}}")
ONE = "MERGE (m:Memory {id: $row.id}) SET m += $row"
MANY = "UNWIND $rows AS row MERGE (m:Memory {id: row.id}) SET m += row"
LINKED = (MANY + " WITH m, row ORDER BY row.session_id MERGE (s:Session {id: row.session_id}) "
          "MERGE (s)-[:REMEMBERED]->(m)")


def memories(count):
    return [{"id": str(uuid.uuid4()), "content": "x" * 300, "tags": ["tea", "four"],
             "session_id": SESSIONS[n // OF_SESSION % len(SESSIONS)],
             "embedding": graph.vector(n)} for n in range(count)]


def as_row(memory):
    """What the plugin writes too."""
    vector = list(struct.unpack(f"<{graph.DIMS}f", memory["embedding"]))
    return {**memory, "kind": "note", "created_ms": 1, "updated_ms": 1, "version": 1, "stamp": 1,
            "origin": BROKER, "embedding": vector, "embedding_model": "caller",
            "embedding_state": "ready", "memferry_keys": []}


def run(session, statement, **parameters):
    session.execute_write(lambda tx: tx.run(statement, **parameters).consume())


def one(client, rows):
    with client.session() as session:
        for row in rows:
            run(session, ONE, row=row)


def ten(client, rows):
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda n: one(client, rows[n::THREADS]), range(THREADS)))


def unwind(client, rows):
    with client.session() as session:
        for at in range(0, len(rows), UNWOUND):
            run(session, MANY, rows=rows[at:at + UNWOUND])


def begin(neo4j, indexed):
    neo4j.clear()
    for statement in SCHEMA + [INDEX] * indexed:
        neo4j.query(statement)


def by_driver(work):
    def measure(neo4j, count, indexed):
        begin(neo4j, indexed)
        rows = [as_row(m) for m in memories(count)]
        login = ("neo4j", server.PASSWORD)
        with driver.GraphDatabase.driver(neo4j.bolt_url, auth=login) as client:
            client.verify_connectivity()
            start, cpu = time.monotonic(), time.process_time()
            work(client, rows)
            return {"rate": count / (time.monotonic() - start),
                    "cpu_us": (time.process_time() - cpu) / count * 1e6}

    return measure


def http_body(cypher, rows):
    return json.dumps({"statements": [{"statement": cypher, "parameters": {"rows": rows}}]}).encode()


def http_post(neo4j, bodies):
    """One connection, one request after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", neo4j.http_port, timeout=120)
    for body in bodies:
        connection.request("POST", "/db/neo4j/tx/commit", body, neo4j.headers)
        told = json.loads(connection.getresponse().read())
        assert told["errors"] == [], told
    connection.close()


def bolt_body(cypher, rows):
    return bolt.statement(cypher, rows=rows)


def bolt_post(neo4j, bodies):
    client = bolt.Client(int(neo4j.bolt_url.rpartition(":")[2]), "neo4j", server.PASSWORD)
    for body in bodies:
        client.run(body)
    client.close()


WAYS = {"http": (http_body, http_post), "bolt": (bolt_body, bolt_post)}
# way, rows to a request, at once
SHAPES = [("bolt", 100, 4), ("bolt", 250, 2), ("bolt", 250, 3), ("bolt", 1000, 2), ("http", 500, 2)]


def by_shape(neo4j, count, indexed, cypher, shape):
    begin(neo4j, indexed)
    way, batch, width = shape
    write, post = WAYS[way]
    rows = sorted((as_row(m) for m in memories(count)), key=lambda row: row["id"])
    bodies = [write(cypher, rows[at:at + batch]) for at in range(0, count, batch)]
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda n: post(neo4j, bodies[n::width]), range(width)))
    return count / (time.monotonic() - start)


def limit(cypher):
    def measure(neo4j, count, indexed):
        return {"rates": [by_shape(neo4j, count, indexed, cypher, shape) for shape in SHAPES]}

    return measure


def choose_shape(rounds, name):
    """One shape for all rounds, the best by its median: the best of each round would be the one that
    had luck in it."""
    told = [r[name] for r in rounds]
    best = max(range(len(SHAPES)), key=lambda n: statistics.median(t["rates"][n] for t in told))
    for one_told in told:
        one_told.update(rate=one_told["rates"][best], shape=SHAPES[best])


@contextlib.contextmanager
def ready_lane(neo4j, indexed):
    neo4j.clear()
    with graph.lane_to(neo4j, vector_index="true" if indexed else "false") as lane:
        lane.wait_status("it to be ready", lambda s: s["circuit"] == "closed")
        yield lane


def wait_stored(broker):
    def stored():
        told = broker.call("stats")
        return told["store"]["unapplied"] == 0 and told["search"]["behind"] == 0

    until(stored, "the store to have all", STORED_S)


def by_memferry(neo4j, count, indexed):
    with ready_lane(neo4j, indexed) as lane:
        lane.call("pause")
        graph.put_all(lane.broker, memories(count))
        wait_stored(lane.broker)
        start, cpu = time.monotonic(), servers.cpu_s(lane.broker.pid)
        lane.call("resume")
        lane.level()
        return {"rate": count / (time.monotonic() - start),
                "cpu_us": (servers.cpu_s(lane.broker.pid) - cpu) / count * 1e6}


def through_memferry(neo4j, count, indexed):
    puts = memories(count)
    with ready_lane(neo4j, indexed) as lane:
        start, cpu = time.monotonic(), time.process_time() - servers.cpu_s(lane.broker.pid)
        graph.put_all(lane.broker, puts)
        answered = time.monotonic() - start
        put_cpu = time.process_time()
        lane.level()
        took = time.monotonic() - start
        return {"rate": count / took, "answered": count / answered,
                "cpu_us": (put_cpu + servers.cpu_s(lane.broker.pid) - cpu) / count * 1e6}


MEASURES = {"one": by_driver(one), "ten": by_driver(ten), "unwind": by_driver(unwind),
            "limit": limit(MANY), "linked": limit(LINKED), "memferry": by_memferry, "through": through_memferry}


def measure_one(neo4j, name, counts, indexed):
    told = MEASURES[name](neo4j, counts[name], indexed)
    assert neo4j.value("MATCH (m:Memory) RETURN count(*)") == counts[name]
    return told


def print_rounds(rounds, indexed):
    print(f"\nmemories/s, vector index {'on' if indexed else 'off'} (median, range)")
    for name in COUNTS:
        rates = [r[name]["rate"] for r in rounds]
        line = f"  {name:9} {statistics.median(rates):>7,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
        if name in ("limit", "linked"):
            line += "   over {}, {} rows to a request, {} at once".format(*rounds[0][name]["shape"])
        else:
            line += f"   CPU µs a memory {middle([r[name]['cpu_us'] for r in rounds])}"
        if name == "through":
            line += f"   answered {middle([r[name]['answered'] for r in rounds])}/s"
        print(line, flush=True)


AIMS = {False: {"one": 20, "ten": 10, "unwind": 5, "limit": None, "linked": None},
        True: {"limit": 0.95, "linked": None}}
CPU_AIMS = {"one": 1 / 50, "ten": 1 / 50, "unwind": None}


def make_rows(rounds, indexed):
    def take(name, key):
        return [r[name][key] for r in rounds]

    index, rows = "vector index" if indexed else "no index", []
    for name, aim in AIMS[indexed].items():
        rows.append(Row(f"neo4j {name} {index}", f"memories into Neo4j, {index}", name,
                        ratios(take("memferry", "rate"), take(name, "rate")),
                        (">=", aim) if aim else None,
                        figure=f"{middle(take('memferry', 'rate'))}/s, {middle(take(name, 'rate'))}/s"))
    for name, aim in CPU_AIMS.items() if not indexed else ():
        rows.append(Row(f"neo4j cpu {name}", "client CPU a memory into Neo4j", name,
                        ratios(take("memferry", "cpu_us"), take(name, "cpu_us")),
                        ("<=", aim) if aim else None,
                        figure=f"{middle(take('memferry', 'cpu_us'))} µs, "
                               f"{middle(take(name, 'cpu_us'))} µs"))
    return rows


def measure(farm, options):
    neo4j = farm.get("neo4j")
    counts = {name: max(10, int(count / options.shrink)) for name, count in COUNTS.items()}
    print(f"driver {driver.__version__}, {graph.DIMS} floats", flush=True)
    rows, details = [], []
    for indexed in (False, True):
        rounds = []
        for number in range(options.rounds + 1):
            print(f"neo4j, round {number}", file=sys.stderr, flush=True)
            rounds.append({name: measure_one(neo4j, name, counts, indexed) for name in COUNTS})
        for name in ("limit", "linked"):
            choose_shape(rounds[1:], name)
        print_rounds(rounds[1:], indexed)
        rows += make_rows(rounds[1:], indexed)
        details.append({"indexed": indexed, "rounds": rounds})
    return rows, details
