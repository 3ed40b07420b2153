"""Work that now and then waits a moment, for callers that block and for callers that must not.

Such work is a generator: it yields how many seconds it would like to wait, and returns its result.
`run` sleeps for it, `run_async` leaves the loop to others meanwhile.
"""
from __future__ import annotations

import asyncio
import time
from typing import Generator, Optional, TypeVar

T = TypeVar("T")
Steps = Generator[float, None, T]

NAP_S, NAP_MAX_S = 0.001, 0.05


def run(steps: "Steps[T]") -> T:
    while True:
        try:
            nap = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        time.sleep(nap)


async def run_async(steps: "Steps[T]") -> T:
    try:
        while True:
            try:
                nap = next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            await asyncio.sleep(nap)
    finally:
        steps.close()


def deadline(timeout_s: Optional[float]) -> Optional[float]:
    """When what begins now must end; None: never."""
    return None if timeout_s is None else time.monotonic() + timeout_s


def left(end: Optional[float]) -> Optional[float]:
    """Seconds until then; 0 when it is over."""
    return None if end is None else max(0.0, end - time.monotonic())


def over(end: Optional[float]) -> bool:
    return end is not None and time.monotonic() >= end
