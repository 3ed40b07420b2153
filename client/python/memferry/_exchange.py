"""Requests in, answers out: what both clients do alike. No I/O, no waiting, no thread.

Happy path: `submit` queues a request; with a connection, `output` takes the bytes of as many as the
window has room for; `receive` completes each with its answer.

Failure modes. The connection breaks (`broke`): what was sent and may be asked again is queued at the
front, in its order, once; the rest has failed as uncertain. No connection can be made (`failed`):
all that is queued fails, as uncertain where it was sent before. A request that nobody waits for any
more (`forget`) is never sent, or keeps its place in the window until its answer has come.
"""
from __future__ import annotations

import collections
from typing import Any, Callable, Deque, Dict, Generic, List, Optional, TypeVar

from ._calls import Call, Repeat
from ._frames import Decoder, Message, encode_params, notification, request
from .errors import (Busy, InternalError, MemferryError, RemoteError, StorageFailed, StorageFull,
                     UncertainError, of_reply)

T = TypeVar("T")
PROTOCOL = 1
WINDOW_MAX = 1024  # the broker's own
OUTPUT_MAX = 1 << 20  # bytes handed to a socket at a time

# Of a request that was sent twice: answers to the second that say nothing of the first.
_NOT_FINAL = (Busy, StorageFull, StorageFailed, InternalError)


class Request(Generic[T]):
    """One call on its way. `done`: `answer()` returns or raises, at once."""

    __slots__ = ("call", "packed", "repeated", "done", "forgotten", "on_done", "_value", "_error")

    def __init__(self, call: Call[T], on_done: Optional[Callable[["Request[T]"], None]]) -> None:
        self.call = call
        self.packed = encode_params(call.method, call.params)
        self.repeated = False
        self.done = False
        self.forgotten = False
        self.on_done = on_done
        self._value: Any = None
        self._error: Optional[MemferryError] = None

    def answer(self) -> T:
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    @property
    def error(self) -> Optional[MemferryError]:
        return self._error

    def complete(self, value: Any, error: Optional[MemferryError]) -> None:
        assert not self.done
        self.done, self._value, self._error = True, value, error
        if self.on_done is not None and not self.forgotten:
            self.on_done(self)

    def prepare_repeat(self) -> None:
        self.repeated = True
        if self.call.repeat is Repeat.AS_RETRY:
            self.packed = encode_params(self.call.method, dict(self.call.params, retry=True))


class Exchange:
    """The requests of one client, over all its connections."""

    def __init__(self, client: str, window: int) -> None:
        self._client = client
        self.window = window
        self._queue: Deque[Request[Any]] = collections.deque()
        self._sent: Dict[int, Request[Any]] = {}
        self._decoder = Decoder()
        self._last_msgid = 0
        self._greeting = b""
        self.on_note: Callable[[Message], None] = lambda note: None

    # ---- from the caller ----

    def submit(self, call: Call[T],
               on_done: Optional[Callable[[Request[T]], None]] = None) -> Request[T]:
        """InvalidArgument: it cannot be sent."""
        it: Request[T] = Request(call, on_done)
        self._queue.append(it)
        return it

    def forget(self, it: Request[Any]) -> None:
        it.forgotten = True
        if not it.done and it in self._queue:
            self._queue.remove(it)

    @property
    def in_flight(self) -> int:
        return len(self._queue) + len(self._sent)

    @property
    def owed(self) -> bool:
        """Is there an answer to come?"""
        return bool(self._sent)

    @property
    def waiting(self) -> bool:
        """Is something to be sent?"""
        return bool(self._greeting) or (bool(self._queue) and len(self._sent) < self.window)

    # ---- from the connection ----

    def connected(self) -> None:
        """Who we are goes out with the first request: greeting costs no round trip."""
        self._decoder = Decoder()
        self._greeting = notification("hello", encode_params(
            "hello", {"client": self._client[:256], "protocol": PROTOCOL}))

    def output(self) -> bytes:
        """What may be sent now; it counts as sent."""
        pieces: List[bytes] = []
        size = 0
        while self._queue and len(self._sent) < self.window and size < OUTPUT_MAX:
            it = self._queue.popleft()
            self._last_msgid = (self._last_msgid + 1) & 0xFFFFFFFF
            self._sent[self._last_msgid] = it
            pieces.append(request(self._last_msgid, it.call.method, it.packed))
            size += len(pieces[-1])
        if pieces and self._greeting:
            pieces.insert(0, self._greeting)
            self._greeting = b""
        return b"".join(pieces)

    def receive(self, data: bytes) -> None:
        """Completes what is answered. A MemferryError: the connection is of no use any more."""
        for message in self._decoder.feed(data):
            if message.msgid is None:
                self.on_note(message)
                continue
            it = self._sent.pop(message.msgid, None)
            if it is not None:
                self._answered(it, message)

    @staticmethod
    def _answered(it: Request[Any], message: Message) -> None:
        if message.error is not None:
            it.complete(None, _final(it, of_reply(message.error)))
            return
        try:
            value = it.call.read(message.result)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            it.complete(None, UncertainError(
                f"the answer to {it.call.method} is none of this protocol ({wrong!r})"))
            return
        it.complete(value, None)

    def broke(self, why: str) -> None:
        """The connection is gone."""
        sent, self._sent = list(self._sent.values()), {}
        again = [it for it in sent if not it.forgotten and not it.repeated
                 and it.call.repeat is not Repeat.NEVER]
        for it in again:
            it.prepare_repeat()
        self._queue.extendleft(reversed(again))
        kept = {id(it) for it in again}
        for it in sent:
            if id(it) not in kept:
                it.complete(None, UncertainError(
                    f"{why} before it answered {it.call.method}; the request may have been "
                    "carried out"))

    def refused(self, error: MemferryError) -> None:
        """The broker hung up on us with a reason: so nothing sent on this connection was read."""
        sent, self._sent = list(self._sent.values()), {}
        for it in sent:
            it.complete(None, _final(it, error))

    def failed(self, error: MemferryError) -> None:
        """No connection can be made."""
        queued, self._queue = list(self._queue), collections.deque()
        for it in queued:
            it.complete(None, _final(it, error))


def _final(it: Request[Any], error: MemferryError) -> MemferryError:
    """Of a repeated request an error may leave the end of the first unknown."""
    if not it.repeated or (isinstance(error, RemoteError) and not isinstance(error, _NOT_FINAL)):
        return error
    if isinstance(error, UncertainError):
        return error
    return UncertainError(
        f"the connection broke before the answer to {it.call.method}, and asking again failed "
        f"({error.message}); the request may have been carried out")
