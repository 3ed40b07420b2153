#!/usr/bin/env python3
"""Memories a second into a real Neo4j: memferryd beside what one would write with Neo4j's driver.

    one       a transaction for each memory: MERGE by id, SET its properties
    ten       the same from ten threads
    unwind    a thousand to a transaction
    memferry  puts over the socket, until the last one is in the graph; `answered` is when the last
              put had its durable receipt, which is all that an agent waits for

Each memory has 768 floats and 300 bytes of text. All write the same properties to an empty graph
with the same constraint, with the vector index or without. They take turns, and whole rounds are
repeated; the first is for warming up. Compare the ratios: the rates are this machine's.
"""
import argparse
import concurrent.futures
import pathlib
import statistics
import struct
import sys
import time
import uuid

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "live")]

import neo4j as driver  # noqa: E402

import graph  # noqa: E402
import harness  # noqa: E402
import server  # noqa: E402

SESSION = str(uuid.uuid4())
THREADS, UNWOUND = 10, 1000
COUNTS = {"one": 400, "ten": 1000, "unwind": 3000, "memferry": 5000}
SCHEMA = ["CREATE CONSTRAINT memory_id FOR (m:Memory) REQUIRE m.id IS UNIQUE"]
INDEX = ("CREATE VECTOR INDEX memory_embedding FOR (m:Memory) ON (m.embedding) "
         "OPTIONS {indexConfig: {`vector.dimensions`: 768, "
         "`vector.similarity_function`: 'cosine'}}")
ONE = "MERGE (m:Memory {id: $row.id}) SET m += $row"
MANY = "UNWIND $rows AS row MERGE (m:Memory {id: row.id}) SET m += row"


def memories(count):
    return [{"id": str(uuid.uuid4()), "content": "x" * 300, "tags": ["tea", "four"],
             "session_id": SESSION, "embedding": graph.vector(n)} for n in range(count)]


def as_row(memory):
    """What the plugin writes too."""
    vector = list(struct.unpack(f"<{graph.DIMS}f", memory["embedding"]))
    return {**memory, "kind": "note", "created_ms": 1, "updated_ms": 1, "version": 1, "stamp": 1,
            "origin": SESSION, "embedding": vector, "embedding_model": "caller",
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


def by_driver(neo4j, work, count, indexed):
    neo4j.clear()
    for statement in SCHEMA + [INDEX] * indexed:
        neo4j.query(statement)
    rows = [as_row(m) for m in memories(count)]
    login = ("neo4j", server.PASSWORD)
    with driver.GraphDatabase.driver(neo4j.bolt_url, auth=login) as client:
        client.verify_connectivity()
        start = time.monotonic()
        work(client, rows)
        return {"rate": count / (time.monotonic() - start)}


def by_memferry(neo4j, count, indexed):
    neo4j.clear()
    puts = memories(count)
    with graph.lane_to(neo4j, vector_index="true" if indexed else "false") as lane:
        lane.wait_status("it to be ready", lambda s: s["circuit"] == "closed")
        start = time.monotonic()
        graph.put_all(lane.broker, puts)
        answered = time.monotonic() - start
        lane.level()
        return {"rate": count / (time.monotonic() - start), "answered": count / answered}


def measure(neo4j, name, options, indexed):
    count = int(COUNTS[name] * options.scale)
    if name == "memferry":
        told = by_memferry(neo4j, count, indexed)
    else:
        told = by_driver(neo4j, {"one": one, "ten": ten, "unwind": unwind}[name], count, indexed)
    assert neo4j.value("MATCH (m:Memory) RETURN count(*)") == count
    return told


def print_table(rounds, indexed):
    print(f"\nmemories/s, vector index {'on' if indexed else 'off'} (median, range)")
    for name in COUNTS:
        rates = [r[name]["rate"] for r in rounds]
        ratios = [r["memferry"]["rate"] / r[name]["rate"] for r in rounds]
        line = f"  {name:9} {statistics.median(rates):>7,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
        if name == "memferry":
            line += f"   answered {statistics.median(r[name]['answered'] for r in rounds):,.0f}"
        else:
            line += (f"   memferry/it {statistics.median(ratios):.1f} "
                     f"({min(ratios):.1f}-{max(ratios):.1f})")
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of memories")
    options = parser.parse_args()
    with harness.scratch() as home:
        neo4j = server.Neo4j(home / "neo4j")
        try:
            neo4j.start()
            print(f"driver {driver.__version__}, {graph.DIMS} floats", flush=True)
            for indexed in (False, True):
                rounds = []
                for number in range(options.rounds + 1):
                    print(f"round {number}", file=sys.stderr, flush=True)
                    rounds.append({name: measure(neo4j, name, options, indexed) for name in COUNTS})
                print_table(rounds[1:], indexed)
        except server.CannotInstall as why:
            print(f"skipped: {why}")
        finally:
            neo4j.wipe()
    return 0


if __name__ == "__main__":
    sys.exit(main())
