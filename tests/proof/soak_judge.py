"""What a soak's samples say: figures in a few lines, and what has grown.

The warm-up is the first quarter, 30 s at least and 5 minutes at most: caches fill (32 MiB of SQLite's in the
store thread alone), the guard's window of 60 s too. What follows is cut into three parts. A leak shows as a
level that is higher in each part than in the one before; noise does not. So memory has grown when the
medians of the parts rise, and the last is above the first by more than the limit.
"""
import statistics

import harness

WARM_PART, WARM_MIN_S, WARM_MAX_S = 0.25, 30, 300
RSS_LIMIT_KB = 6 * 1024  # what allocators and caches may still take; a leak of 1 KiB a put is far over it
DESCRIPTORS_LIMIT = 3    # kept connections to a backend come and go by their number
LATENCY_FROM_S = 600     # shorter runs give no verdict on time
LATENCY_RATIO = 3.0


def parts_of(samples, begin, end):
    """The samples' values by part: [(at, value)] in thirds of what follows the warm-up."""
    step = (end - begin) / 3
    return [[v for at, v in samples if begin + n * step <= at < begin + (n + 1) * step]
            for n in range(3)]


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def judge(soak, seconds):
    """Prints the figures; returns what is wrong."""
    warm = min(max(seconds * WARM_PART, WARM_MIN_S), WARM_MAX_S, seconds / 2)
    begin, end = soak.began + warm, soak.ended
    found = []
    rss = [statistics.median(p) for p in parts_of(soak.rss_kb, begin, end)]
    print("memory, medians behind the warm-up: " + ", ".join(f"{v / 1024:.1f} MiB" for v in rss))
    if not harness.sanitized() and rss[0] < rss[1] < rss[2] and rss[2] - rss[0] > RSS_LIMIT_KB:
        found.append(f"memory grew by {(rss[2] - rss[0]) / 1024:.1f} MiB")
    found += judge_counts("descriptors", soak.descriptors, begin, end)
    found += judge_counts("threads", soak.threads, begin, end)
    for name, samples in (("WAL", soak.wal_bytes), ("journal", soak.journal_bytes)):
        print(f"{name} at most {max(v for _, v in samples) / 1048576:.0f} MiB")
    return found + judge_latency(soak, seconds, begin, end)


def judge_counts(name, samples, begin, end):
    """Of the quiet moments between rounds: the least of each part, for what is in use comes on top."""
    parts = [p for p in parts_of(samples, begin, end) if p]
    least = [min(p) for p in parts]
    print(f"{name} at rest: " + ", ".join(map(str, least)) +
          f" (at most {max(max(p) for p in parts)})")
    grown = len(least) == 3 and least[0] < least[1] < least[2]
    if least[-1] - least[0] > DESCRIPTORS_LIMIT or (grown and len(parts[0]) > 5):
        return [f"{name} grew: {least}"]
    return []


def judge_latency(soak, seconds, begin, end):
    parts = [p for p in parts_of(soak.latency_us, begin, end) if p]
    for n, part in enumerate(parts):
        print(f"put, third {n + 1}: p50 {percentile(part, .5) / 1000:.2f} ms, p90 "
              f"{percentile(part, .9) / 1000:.2f} ms, p99 {percentile(part, .99) / 1000:.2f} ms, "
              f"most {max(part) / 1000:.1f} ms ({len(part)})")
    ratio = percentile(parts[-1], .5) / percentile(parts[0], .5)
    if seconds >= LATENCY_FROM_S and ratio > LATENCY_RATIO:
        return [f"the median of a put's latency went up {ratio:.1f} times"]
    return []
