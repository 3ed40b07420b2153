#!/usr/bin/env python3
"""A long run of mixed load with faults, in which nothing may grow.

Writers put, delete, restore, undo, and begin and end sessions; others search, list, subscribe and raise alerts;
rude clients break frames, never read, drip, and come and go by the dozen. The HTTP backend answers 500, hangs,
is slow, or is gone; the config is read again, with one backend more or less; with --restarts the broker is
stopped and started again now and then. In rounds: after each all that was written is checked against the
model, and at the end both backends.

Every second the broker's memory, descriptors, threads, WAL and journal are read. Fails when memory or
descriptors grow behind the warm-up (docs/reliability.md has the limits), when the final state is not the
model's, and, in runs of ten minutes and more, when a put's latency drifts.
"""
import argparse
import random
import sys

import places  # pylint: disable=unused-import
import soak_judge
from soak_run import Soak

SHORT_S = 90


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=SHORT_S / 60, help="default: 1.5; long: 60")
    parser.add_argument("--seed", type=int, help="of the load and the faults (default: a new one)")
    parser.add_argument("--restarts", action="store_true", help="stops and starts it now and then")
    return parser.parse_args()


def main():
    arguments = parse()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}, {arguments.minutes:g} minutes", flush=True)
    with Soak(str(seed), arguments.restarts) as soak:
        soak.run(arguments.minutes * 60)
    found = soak_judge.judge(soak, arguments.minutes * 60)
    for line in found:
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
