#!/usr/bin/env python3
"""A disk that fails, at each call by countdown, and a clock that jumps: no false receipt, no hang.

The real memferryd runs under break_disk.so through a fixed list of calls. At the k-th call of a kind
the disk fails: no room, an I/O error, half a write, an interrupted call, read-only from now on. A
sync that fails takes with it what was not synced. Each answer is a receipt or a promised error, and
comes in time; the broker ends by itself or goes on, never by a signal. Then it is started on a good
disk, and must hold every receipt, with its exact content.

disk_damage.py has what lies there damaged, gone or replaced. --long sweeps k = 1, 2, 3 … until a run
has no fault.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
os.environ.setdefault("MEMFERRY_TEST_DEADLINE_S", "20")

import disk_damage  # noqa: E402
from disk_run import Run, count_calls, make_template  # noqa: E402

# name: kinds, error, lasting, half
FAULTS = {
    "no room, from now on": ("write size name", "ENOSPC", True, False),
    "no room, once": ("write size name", "ENOSPC", False, False),
    "no room, half written": ("write", "ENOSPC", True, True),
    "write fails": ("write size", "EIO", False, False),
    "write fails, from now on": ("write size", "EIO", True, False),
    "half written, then fails": ("write", "EIO", False, True),
    "sync fails, once": ("sync", "EIO", False, False),
    "sync fails, from now on": ("sync", "EIO", True, False),
    "sync has no room": ("sync", "ENOSPC", False, False),
    "short write": ("write", None, False, True),
    "short writes": ("write", None, True, True),
    "interrupted write": ("write", "EINTR", False, False),
    "interrupted read": ("read", "EINTR", False, False),
    "read-only, from now on": ("write size name sync open", "EROFS", True, False),
    "read fails, once": ("read", "EIO", False, False),
    "read fails, from now on": ("read", "EIO", True, False),
    "a name fails": ("name", "EIO", False, False),
}
MATCHES = ("", "/journal/", "memferry.db")


def sweep(options, place, template):
    """[(fault, match, k)]: all, or so many of each by chance."""
    rng, counts = random.Random(options.seed), {}

    def counted(kinds, match):
        if (kinds, match) not in counts:
            counts[kinds, match] = count_calls(place, template, kinds, match)
        return counts[kinds, match]

    chosen = []
    for name in FAULTS:
        for match in MATCHES:
            calls = counted(FAULTS[name][0], match)
            every = list(range(1, calls + 1))
            chosen += [(name, match, k) for k in (
                every if options.long else rng.sample(every, min(len(every), options.each)))]
    return chosen


def run_one(place, template, serial, fault, match, k):
    root = place / f"f{serial}"
    root.mkdir(mode=0o700)
    kinds, error, lasting, half = FAULTS[fault]
    run = Run(root, template).breakable()
    try:
        run.arm(kinds, error, k, lasting, half, match)
        outcome = run.go()
        run.check_afterwards()
        shutil.rmtree(root)
        return outcome, None
    except Exception as failure:  # pylint: disable=broad-except
        return None, f"{fault}, in '{match}', at call {k}, left in {root}: {failure!r}"[:3000]
    finally:
        run.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="every call, in turn")
    parser.add_argument("--seed", default=None)
    parser.add_argument("--each", type=int, default=1, help="calls of each fault, when not --long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() * 2, help="runs at once")
    parser.add_argument("--only", help="one fault, by its name")
    options = parser.parse_args()
    options.seed = options.seed or str(time.time_ns())
    for name in list(FAULTS):
        if options.only and name != options.only:
            del FAULTS[name]
    began, failures, outcomes = time.monotonic(), [], collections.Counter()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = pathlib.Path(tempfile.mkdtemp(prefix="mf-disk-", dir=base))
    template = make_template(place)
    chosen = sweep(options, place, template)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        todo = [pool.submit(run_one, place, template, n, *c) for n, c in enumerate(chosen)]
        for one in concurrent.futures.as_completed(todo):
            outcome, failure = one.result()
            if failure:
                failures.append(failure)
                print(failure, flush=True)
            else:
                outcomes[outcome] += 1
    if not options.only:
        checks, bad = disk_damage.run(place, options)
        failures += bad
        outcomes["damage and clock"] = checks
    told = ", ".join(f"{c} {n}" for n, c in outcomes.most_common())
    print(f"seed {options.seed}: {len(chosen)} faults, {told}; {len(failures)} bad, in "
          f"{time.monotonic() - began:.0f} s")
    if failures:
        sys.exit(1)
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
