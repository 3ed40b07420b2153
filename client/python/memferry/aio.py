"""The same for asyncio.

    async with memferry.AsyncClient() as client:
        receipt = await client.put("Tea is at four", id="tea")

Tasks may share a client, and should: what many of them ask at once goes over one connection, in the
order in which they asked, `window` requests in flight at most. Order holds over a broken connection:
what is sent again goes before what is new.

Loops and threads: a client belongs to the loop it is used in, and to its thread. It makes no thread.
It looks at the session file, which may take a disk's time, and reads and writes the files of export
and import, in the loop.

Cancelling: a call that is cancelled was not sent, or was and may happen; nothing is left behind, and
the connection goes on. A put that must be known is sent again with its `event_id` and `retry=True`.
"""
from __future__ import annotations

import asyncio
import collections
import contextlib
import os
from typing import (IO, TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine, Deque, List,
                    Optional, TypeVar, Union)

from . import _calls, _steps
from ._aio_link import AsyncLink
from ._calls import Call, as_method
from ._connect import Settings
from ._exchange import Exchange
from ._frames import Message
from ._session import CurrentSession, SessionFile
from .client import TIMEOUT_S, WINDOW, _private, export_page, make_settings
from .diff import Diff, compare, previous
from .errors import (ConnectError, InvalidArgument, NotFound, SessionFileError,
                     UncertainError)
from .lines import Imported, batches, line_of
from .model import Event, Memory, Restoration
from .subscription import subscribe_call

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

UNREAD_MAX = 1000  # events that a subscription keeps; then it reads no more
RETRY_MAX_S = 1.0


def _awaited(build: "Callable[P, Call[T]]"
             ) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    async def method(self: "AsyncClient", *args: Any, **kwargs: Any) -> T:
        return await self.do(build(*args, **kwargs))

    made: "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]" = as_method(
        build, method)
    return made


class AsyncClient:
    """See the module. Every verb may raise a `MemferryError`; see `memferry.errors`."""

    def __init__(self, socket: Optional[str] = None, *, timeout_s: Optional[float] = TIMEOUT_S,
                 window: int = WINDOW, client: Optional[str] = None,
                 session_file: Optional[str] = None, session_idle_s: Optional[float] = None,
                 start: Optional[bool] = None) -> None:
        """As `Client`. Connects with the first call."""
        self._settings = make_settings(socket, timeout_s, window, client, start)
        self._link = AsyncLink(self._settings, Exchange(self._settings.client, window))
        self._file = SessionFile(session_file, session_idle_s)

    async def connect(self) -> None:
        """Connects now, if it is not."""
        await self._link.connect()

    async def close(self) -> None:
        """What is in flight fails as uncertain. The client may be used again: it connects anew."""
        await self._link.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def socket(self) -> str:
        """Where its broker listens."""
        return self._settings.socket

    async def do(self, call: Call[T]) -> T:
        """Sends one call and waits for its answer."""
        if call.session_field is not None:
            named = call.wants_session()
            call.with_session(await _steps.run_async(self._file.of_request()) if named else None)
        return await self._link.do(call)

    # ---- one call each ----

    put = _awaited(_calls.put)
    delete = _awaited(_calls.delete)
    get = _awaited(_calls.get)
    history = _awaited(_calls.history)
    list = _awaited(_calls.list_memories)
    search = _awaited(_calls.search)
    restore = _awaited(_calls.restore)
    purge = _awaited(_calls.purge)
    import_batch = _awaited(_calls.import_batch)
    observe = _awaited(_calls.observe)
    alerts = _awaited(_calls.alerts)
    ack = _awaited(_calls.ack)
    sessions = _awaited(_calls.sessions)
    get_session = _awaited(_calls.get_session)
    touch_session = _awaited(_calls.touch_session)
    tell_session = _awaited(_calls.tell_session)
    tell_session_end = _awaited(_calls.tell_session_end)
    backends = _awaited(_calls.backends)
    flush = _awaited(_calls.flush)
    pause = _awaited(_calls.pause)
    resume = _awaited(_calls.resume)
    probe = _awaited(_calls.probe)
    verify = _awaited(_calls.verify)
    forget = _awaited(_calls.forget)
    dead = _awaited(_calls.dead)
    retry_dead = _awaited(_calls.retry_dead)
    drop_dead = _awaited(_calls.drop_dead)
    hello = _awaited(_calls.hello)
    stats = _awaited(_calls.stats)
    backup = _awaited(_calls.backup)
    call = _awaited(_calls.call)

    # ---- many, history ----

    async def memories(self, **filters: Any) -> AsyncIterator[Memory]:
        """All memories that pass the filters of `list`, a page at a time."""
        after: Optional[str] = None
        while True:
            page = await self.list(after=after, **filters)
            for memory in page:
                yield memory
            after = page.next
            if after is None:
                return

    def subscribe(self, kinds: Optional[List[str]] = None,
                  from_seq: Optional[int] = None) -> "AsyncSubscription":
        """What happens, as it happens, on a connection of its own; use it with `async with`."""
        return AsyncSubscription(self._settings, kinds, from_seq)

    async def undo(self, **what: Any) -> Restoration:
        """`restore` of all there is, page by page: give `alert`, `session_id` or `before`, and what
        else restore takes (`dry_run=True` shows what would be done)."""
        if sum(name in what for name in ("alert", "session_id", "before")) == 0:
            raise InvalidArgument("undo what? Give alert, session_id or before")
        done = await self.restore(**what)
        while done.next is not None:
            done = done.plus(await self.restore(after=done.next, **what))
        return done

    async def diff(self, id: str, from_version: Optional[int] = None,
                   to_version: Optional[int] = None) -> Diff:
        """What differs between two versions: by default the newest and the one before it."""
        after = await self.get(id, to_version)
        if from_version is None:
            from_version = previous(id, await self.history(id, limit=2))
        return compare(await self.get(id, from_version), after)

    # ---- sessions ----

    async def current_session(self) -> CurrentSession:
        """The session in force; one is begun if there is none. Needs no broker."""
        return await _steps.run_async(self._file.current())

    def peek_session(self) -> CurrentSession:
        """The same without a use, and nothing is begun: `NotFound` without one."""
        return self._file.peek()

    async def begin_session(self, *, agent: Optional[str] = None, cwd: Optional[str] = None,
                            pid: Optional[int] = None) -> CurrentSession:
        """As `Client.begin_session`."""
        begun = await _steps.run_async(self._file.begin())
        with contextlib.suppress(ConnectError):
            await self.tell_session(begun.id, agent=agent, cwd=cwd or os.getcwd(), pid=pid)
        return begun

    async def end_session(self, session_id: Optional[str] = None, *,
                          reason: Optional[str] = None) -> None:
        """Ends the session in force, or another. A broker that does not run has nothing to end."""
        ended = session_id if session_id is not None else self.peek_session().id
        in_file = True
        try:
            await _steps.run_async(self._file.end(ended))
        except (NotFound, SessionFileError):
            in_file = False
        try:
            await self.tell_session_end(ended, reason)
        except (NotFound, ConnectError):
            if not in_file:
                raise

    @contextlib.asynccontextmanager
    async def session(self, *, agent: Optional[str] = None,
                      reason: Optional[str] = None) -> AsyncIterator[CurrentSession]:
        """A session for an `async with` block, owned by this process."""
        begun = await self.begin_session(agent=agent, pid=os.getpid())
        try:
            yield begun
        finally:
            await self.end_session(begun.id, reason=reason)

    # ---- files ----

    async def export_to(self, target: Union[str, "os.PathLike[str]", IO[str]]) -> int:
        """As `Client.export_to`."""
        if not isinstance(target, (str, os.PathLike)):
            count = 0
            async for line in self.export_lines():
                target.write(line)
                count += 1
            return count
        path = os.fspath(target)
        with open(f"{path}.part", "w", encoding="utf-8", newline="\n",
                  opener=_private) as part:
            count = await self.export_to(part)
            part.flush()
            os.fsync(part.fileno())
        os.rename(f"{path}.part", path)
        return count

    async def export_lines(self) -> AsyncIterator[str]:
        """The lines of an export, as they come."""
        after: Optional[str] = None
        while True:
            page = await self.do(export_page(after))
            for record in page["memories"]:
                yield line_of(record)
            after = page.get("next")
            if after is None:
                return

    async def import_from(self, source: Union[str, "os.PathLike[str]", IO[str]]) -> Imported:
        """As `Client.import_from`."""
        if isinstance(source, (str, os.PathLike)):
            with open(source, encoding="utf-8", newline="\n") as lines:
                return await self.import_from(lines)
        told = Imported()
        for numbers, records in batches(source, told):
            try:
                told.count(await self.import_batch(records), numbers)
            except InvalidArgument as wrong:
                if len(records) > 1:
                    raise
                told.refused.append((numbers[0], wrong.message))
        return told


class AsyncSubscription:
    """`async for event in subscription`, inside `async with`. As `Subscription`: over a broken
    connection none is missed and none comes twice. UNREAD_MAX events are kept for a slow reader;
    then no more is read, and the broker keeps them."""

    def __init__(self, settings: Settings, kinds: Optional[List[str]],
                 from_seq: Optional[int]) -> None:
        self._settings = settings
        self._kinds = kinds
        self._next_seq = from_seq
        self._events: Deque[Event] = collections.deque()
        self._changed: Optional["asyncio.Future[None]"] = None
        self._subscribed = False
        self._paused = False
        exchange = Exchange(settings.client, 1)
        exchange.on_note = self._take
        self._link = AsyncLink(settings, exchange)
        self._link.on_drop = self._dropped

    @property
    def next_seq(self) -> Optional[int]:
        """What a later `subscribe(from_seq=…)` goes on with."""
        return self._next_seq

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _take(self, note: Message) -> None:
        if note.method in ("event", "alert"):
            event = Event.of(str(note.method), note.result)
            if self._next_seq is None or event.seq >= self._next_seq:
                self._next_seq = event.seq + 1
                self._events.append(event)
        if len(self._events) >= UNREAD_MAX and not self._paused:
            self._paused = True
            self._link.pause_reading(True)
        self._wake()

    def _dropped(self) -> None:
        self._subscribed = self._paused = False
        self._wake()

    async def _subscribe(self) -> None:
        told = await self._link.do(subscribe_call(self._kinds, self._next_seq))
        if self._next_seq is None:
            self._next_seq = told["from_seq"]
        self._subscribed = self._link.connected

    async def _subscribe_again(self) -> None:
        nap = _steps.NAP_S
        patience = _steps.deadline(self._settings.timeout_s)
        while True:
            try:
                await self._subscribe()
                return
            except (ConnectError, UncertainError):
                if _steps.over(patience):
                    raise
            await asyncio.sleep(nap)
            nap = min(nap * 2, RETRY_MAX_S)

    def __aiter__(self) -> "AsyncSubscription":
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if not self._subscribed:
                await self._subscribe_again()
                continue
            self._changed = asyncio.get_running_loop().create_future()
            try:
                await self._changed
            finally:
                self._changed = None
        event = self._events.popleft()
        if self._paused and len(self._events) < UNREAD_MAX // 2:
            self._paused = False
            self._link.pause_reading(False)
        return event

    async def __aenter__(self) -> "AsyncSubscription":
        await self._subscribe()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()


