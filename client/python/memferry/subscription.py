"""What happens, as it happens: an iterator of events.

    with client.subscribe(kinds=["put", "alert"]) as events:
        for event in events:
            print(event.op, event.id)

It has a connection of its own. When that breaks it is made again, and goes on behind the last event:
none is missed, none comes twice. A broker that stays away for longer than the client's time-out ends
it with `ConnectError`.
"""
from __future__ import annotations

import collections
import time
from typing import Deque, Dict, List, Optional

from . import _steps
from ._calls import Call, Repeat
from ._connect import Settings
from ._exchange import Exchange
from ._frames import Message
from ._link import Link
from .errors import ConnectError, DeadlineError, UncertainError
from .model import Event


def subscribe_call(kinds: Optional[List[str]], from_seq: Optional[int]) -> "Call[Dict[str, int]]":
    params = {"kinds": None if kinds is None else list(kinds), "from_seq": from_seq}
    return Call("event.subscribe", params, dict, repeat=Repeat.AS_IS)


class Subscription:
    """See the module. One thread's at a time; `close()` it, or use `with`."""

    def __init__(self, settings: Settings, kinds: Optional[List[str]],
                 from_seq: Optional[int]) -> None:
        self._settings = settings
        self._kinds = kinds
        self._next_seq = from_seq
        self._events: Deque[Event] = collections.deque()
        self._exchange = Exchange(settings.client, 1)
        self._exchange.on_note = self._take
        self._link = Link(settings, self._exchange)
        self._subscribe()

    @property
    def next_seq(self) -> Optional[int]:
        """What a later `subscribe(from_seq=…)` goes on with."""
        return self._next_seq

    def _take(self, note: Message) -> None:
        if note.method in ("event", "alert"):
            event = Event.of(str(note.method), note.result)
            if self._next_seq is None or event.seq >= self._next_seq:
                self._next_seq = event.seq + 1
                self._events.append(event)

    def _subscribe(self) -> None:
        it = self._exchange.submit(subscribe_call(self._kinds, self._next_seq))
        self._link.wait(it, _steps.deadline(self._settings.timeout_s))
        told = it.answer()
        if self._next_seq is None:
            self._next_seq = told["from_seq"]

    def _subscribe_again(self, end: Optional[float]) -> None:
        """Until a broker is there."""
        nap = _steps.NAP_S
        patience = _steps.deadline(self._settings.timeout_s)
        while True:
            try:
                self._subscribe()
                return
            except (ConnectError, UncertainError):
                if _steps.over(patience) or _steps.over(end):
                    raise
            time.sleep(nap)
            nap = min(nap * 2, 1.0)

    def next(self, timeout_s: Optional[float] = None) -> Optional[Event]:
        """The next event; None when there is none in time (None: wait for ever)."""
        end = _steps.deadline(timeout_s)
        while not self._events:
            if self._link.fileno() < 0:
                self._subscribe_again(end)
                continue
            try:
                self._link.step(end)
            except DeadlineError:
                return None
        return self._events.popleft()

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Event:
        event = self.next()
        assert event is not None
        return event

    def close(self) -> None:
        self._link.close()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
