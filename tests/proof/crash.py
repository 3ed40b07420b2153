#!/usr/bin/env python3
"""kill -9 at random instants, hundreds of times, under mixed load; then every receipt is checked.

Writers put, delete, restore versions, undo sessions, begin and end sessions, and wait for deliveries, while
the broker delivers to a mirror file and to an HTTP server. It is killed
  load        at any moment of that
  checkpoint  while the store's WAL is written back under load
  backup      while a backup is made
  prune       while old versions go, after a reload
  stop        while it stops by SIGTERM: the last answers, the last checkpoint
  start       while it starts: recovery of the journal, replay into the store
  recover     while `memferry recover` brings a lost journal back from the mirror file
  restore     while `memferryd --from-backup` makes a state directory
After each restart all receipts since the last are checked against the broker (ids, versions, contents, order),
every tenth time all there ever were; what was in flight may have happened or not, once, in the order sent. Now
and then the lanes are flushed and the sinks compared: nothing missing, nothing older, nothing twice.

A run is told by its seed. The instants of the kills are not: what was found is kept in the directory named.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time

import places  # pylint: disable=unused-import
import crash_rig
from harness import BUILD

SEASON = 100  # kills of one state directory


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="in all (default: 200)")
    parser.add_argument("--seed", type=int, help="repeats a run (default: a new one)")
    parser.add_argument("--jobs", type=int, default=2, help="brokers at once (default: 2)")
    parser.add_argument("--season", help=argparse.SUPPRESS)  # seed/number/kills: one state directory
    return parser.parse_args()


def run_seasons(seasons, jobs):
    """Each in a process of its own, so many at once. False when one has found something."""
    waiting, running, figures, good = list(seasons), [], [], True
    while waiting or running:
        while waiting and len(running) < jobs and good:
            running.append(subprocess.Popen(
                [sys.executable, __file__, "--season", waiting.pop(0)], stdout=subprocess.PIPE,
                text=True))
        if not running:
            break
        one = running.pop(0)
        out, _ = one.communicate()
        if one.returncode != 0:
            good = False
        else:
            figures.append(json.loads(out.splitlines()[-1]))
    return figures, good


def total(figures):
    kills, sums = {}, {}
    for one in figures:
        for stage, count in one.pop("kills").items():
            kills[stage] = kills.get(stage, 0) + count
        for name, value in one.items():
            sums[name] = sums.get(name, 0) + value
    return kills, sums


def season(told):
    seed, number, kills = map(int, told.split("/"))
    with crash_rig.Rig(f"{seed}/{number}") as rig:
        figures = rig.run(kills)
    print(json.dumps(figures))


def main():
    arguments = parse()
    if arguments.season:
        season(arguments.season)
        return 0
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    count = max(arguments.jobs, -(-arguments.kills // SEASON))
    kills = -(-arguments.kills // count)
    began = time.monotonic()
    figures, good = run_seasons([f"{seed}/{n}/{kills}" for n in range(count)], arguments.jobs)
    stages, sums = total(figures)
    print(f"{sum(stages.values())} kills in {time.monotonic() - began:.0f} s, seed {seed}: " +
          ", ".join(f"{stage} {n}" for stage, n in sorted(stages.items())))
    print(", ".join(f"{value} {name}" for name, value in sums.items()))
    if not good:
        print(f"FAILED. Again: MEMFERRY_BUILD={BUILD} {sys.executable} {os.path.relpath(__file__)} "
              f"--seed {seed} --kills {arguments.kills} --jobs {arguments.jobs}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
