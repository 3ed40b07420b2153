#!/usr/bin/env python3
"""memferryd and real servers: Neo4j beside its own driver, n8n and Ollama beside what they can do."""
import argparse
import json
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "live")]

import harness  # noqa: E402
import live_flows  # noqa: E402
import neo4j_peers  # noqa: E402
from rows import print_rows  # noqa: E402
from server import CannotInstall, Farm  # noqa: E402
from signed import NEXT_SECRET, SECRET  # noqa: E402

TOPICS = {"neo4j": neo4j_peers.measure, "ollama": live_flows.measure_ollama,
          "n8n": live_flows.measure_n8n}
NEEDS = {"neo4j": ["neo4j"], "ollama": ["ollama"], "n8n": ["neo4j", "ollama", "n8n"]}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help=f"some of {','.join(TOPICS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shrink", type=float, default=1.0, help="divide all sizes by this")
    parser.add_argument("--json", type=pathlib.Path, help="default: live.json in the build")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(TOPICS)
    unknown = [topic for topic in options.only if topic not in TOPICS]
    if unknown:
        parser.error(f"no such topic: {', '.join(unknown)}")
    options.json = options.json or harness.BUILD / "live.json"
    return options


def main():
    options = read_options()
    rows, details = [], {}
    wanted = {name for topic in options.only for name in NEEDS[topic]}
    with harness.scratch() as home:
        farm = Farm(home, sorted(wanted), MEMORY_WEBHOOK_TOKEN=SECRET,
                    MEMORY_WEBHOOK_TOKEN_NEXT=NEXT_SECRET)
        try:
            for topic in options.only:
                try:
                    more, details[topic] = TOPICS[topic](farm, options)
                    rows += more
                except CannotInstall as why:
                    print(f"skipped: {topic}: {why}")
        finally:
            farm.end()
    print_rows(rows)
    options.json.write_text(json.dumps({"rows": [row.as_json() for row in rows],
                                        "details": details}, indent=1) + "\n")
    print(f"\nwritten: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
