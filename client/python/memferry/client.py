"""The plain client: each call sends a request and waits for its answer.

    with memferry.Client() as client:
        receipt = client.put("Tea is at four", id="tea", tags=["habits"])
        print(client.get("tea").content)

Threads: a client may be shared; its calls take turns, so use one per thread where they must not wait
for each other. It makes no thread and installs no signal handler. After a fork the child goes on
with a connection of its own. In a program with an event loop use `AsyncClient`.
"""
from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import (IO, TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, TypeVar,
                    Union)

from . import _calls, _steps
from ._calls import Call, Repeat, as_method
from ._connect import Settings, default_socket, may_start
from ._exchange import WINDOW_MAX, Exchange
from ._link import Link
from ._session import CurrentSession, SessionFile
from .diff import Diff, compare, previous
from .errors import ConnectError, InvalidArgument, NotFound, SessionFileError
from .lines import Imported, batches, line_of
from .model import Memory, Restoration
from .pipeline import Pipeline
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

TIMEOUT_S = 30.0
WINDOW = 256
EXPORT_PAGE = 1000


def make_settings(socket: Optional[str], timeout_s: Optional[float], window: int,
                  client: Optional[str], start: Optional[bool]) -> Settings:
    """Of either client."""
    if not 1 <= window <= WINDOW_MAX:
        raise InvalidArgument(f"window is not between 1 and {WINDOW_MAX}", field="window")
    return Settings(socket=socket if socket is not None else default_socket(),
                    named=socket is not None or bool(os.environ.get("MEMFERRY_SOCKET")),
                    timeout_s=timeout_s,
                    client=client or os.path.basename(sys.argv[0]) or "python",
                    start=may_start(start))


def _blocking(build: "Callable[P, Call[T]]") -> "Callable[Concatenate[Client, P], T]":
    def method(self: "Client", *args: Any, **kwargs: Any) -> T:
        return self.do(build(*args, **kwargs))

    made: "Callable[Concatenate[Client, P], T]" = as_method(build, method)
    return made


class _Core:
    """What there is below the verbs: the connection, the lock, the session file."""

    def __init__(self, socket: Optional[str] = None, *, timeout_s: Optional[float] = TIMEOUT_S,
                 window: int = WINDOW, client: Optional[str] = None,
                 session_file: Optional[str] = None, session_idle_s: Optional[float] = None,
                 start: Optional[bool] = None) -> None:
        """Connects with the first call. `socket` None: $MEMFERRY_SOCKET, else the default place.
        `timeout_s` is of each call (None: none); a call that waits for a delivery has that time on
        top. `window`: how many requests a pipeline may have in flight. `client`: a name for the
        broker's log. `session_file=""`: no session. `start`: may a broker be started when none
        runs? None: yes, unless $MEMFERRY_NO_START is set."""
        self._settings = make_settings(socket, timeout_s, window, client, start)
        self._exchange = Exchange(self._settings.client, window)
        self._link = Link(self._settings, self._exchange)
        self._lock = threading.RLock()
        self._file = SessionFile(session_file, session_idle_s)

    def connect(self) -> None:
        """Connects now, if it is not."""
        with self._lock:
            self._link.ensure(_steps.deadline(self._settings.timeout_s))

    def close(self) -> None:
        """What is in flight fails as uncertain. The client may be used again: it connects anew."""
        with self._lock:
            self._link.close()

    @property
    def socket(self) -> str:
        """Where its broker listens."""
        return self._settings.socket

    def do(self, call: Call[T]) -> T:
        """Sends one call and waits for its answer."""
        with self._lock:
            self._name_session(call)
            it = self._exchange.submit(call)
            timeout = self._settings.timeout_s
            self._link.wait(it, _steps.deadline(
                None if timeout is None else timeout + call.wait_s))
            return it.answer()

    def _name_session(self, call: Call[Any]) -> None:
        if call.session_field is not None:
            call.with_session(_steps.run(self._file.of_request()) if call.wants_session()
                              else None)


class Client(_Core):
    """See the module. Every verb may raise a `MemferryError`; see `memferry.errors`."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- one call each ----

    put = _blocking(_calls.put)
    delete = _blocking(_calls.delete)
    get = _blocking(_calls.get)
    history = _blocking(_calls.history)
    list = _blocking(_calls.list_memories)
    search = _blocking(_calls.search)
    restore = _blocking(_calls.restore)
    purge = _blocking(_calls.purge)
    import_batch = _blocking(_calls.import_batch)
    observe = _blocking(_calls.observe)
    alerts = _blocking(_calls.alerts)
    ack = _blocking(_calls.ack)
    sessions = _blocking(_calls.sessions)
    get_session = _blocking(_calls.get_session)
    touch_session = _blocking(_calls.touch_session)
    tell_session = _blocking(_calls.tell_session)
    tell_session_end = _blocking(_calls.tell_session_end)
    backends = _blocking(_calls.backends)
    flush = _blocking(_calls.flush)
    pause = _blocking(_calls.pause)
    resume = _blocking(_calls.resume)
    probe = _blocking(_calls.probe)
    verify = _blocking(_calls.verify)
    forget = _blocking(_calls.forget)
    dead = _blocking(_calls.dead)
    retry_dead = _blocking(_calls.retry_dead)
    drop_dead = _blocking(_calls.drop_dead)
    hello = _blocking(_calls.hello)
    stats = _blocking(_calls.stats)
    backup = _blocking(_calls.backup)
    call = _blocking(_calls.call)

    # ---- many ----

    def pipeline(self) -> Pipeline:
        """Sends without waiting for each answer; see `Pipeline`."""
        return Pipeline(self._exchange, self._link, self._settings, self._lock,
                        self._name_session)

    def memories(self, **filters: Any) -> Iterator[Memory]:
        """All memories that pass the filters of `list`, a page at a time."""
        after: Optional[str] = None
        while True:
            page = self.list(after=after, **filters)
            yield from page
            after = page.next
            if after is None:
                return

    def subscribe(self, kinds: Optional[List[str]] = None,
                  from_seq: Optional[int] = None) -> Subscription:
        """What happens, as it happens, on a connection of its own; see `Subscription`."""
        return Subscription(self._settings, kinds, from_seq)

    # ---- history ----

    def undo(self, **what: Any) -> Restoration:
        """`restore` of all there is, page by page: give `alert`, `session_id` or `before`, and what
        else restore takes (`dry_run=True` shows what would be done)."""
        if sum(name in what for name in ("alert", "session_id", "before")) == 0:
            raise InvalidArgument("undo what? Give alert, session_id or before")
        done = self.restore(**what)
        while done.next is not None:
            done = done.plus(self.restore(after=done.next, **what))
        return done

    def diff(self, id: str, from_version: Optional[int] = None,
             to_version: Optional[int] = None) -> Diff:
        """What differs between two versions: by default the newest and the one before it."""
        after = self.get(id, to_version)
        if from_version is None:
            from_version = previous(id, self.history(id, limit=2))
        return compare(self.get(id, from_version), after)

    # ---- sessions ----

    def current_session(self) -> CurrentSession:
        """The session in force; one is begun if there is none. Needs no broker."""
        with self._lock:
            return _steps.run(self._file.current())

    def peek_session(self) -> CurrentSession:
        """The same without a use, and nothing is begun: `NotFound` without one."""
        with self._lock:
            return self._file.peek()

    def begin_session(self, *, agent: Optional[str] = None, cwd: Optional[str] = None,
                      pid: Optional[int] = None) -> CurrentSession:
        """A new session, whatever was in force; then the broker is told, with the working directory
        and, if given, the agent and the owner's pid, with whose exit it ends. Without a broker it
        is known to one with its first memory, and nobody watches its owner."""
        with self._lock:
            begun = _steps.run(self._file.begin())
        with contextlib.suppress(ConnectError):
            self.tell_session(begun.id, agent=agent, cwd=cwd or os.getcwd(), pid=pid)
        return begun

    def end_session(self, session_id: Optional[str] = None, *,
                    reason: Optional[str] = None) -> None:
        """Ends the session in force, or another. A broker that does not run has nothing to end."""
        ended = session_id if session_id is not None else self.peek_session().id
        in_file = True
        with self._lock:
            try:
                _steps.run(self._file.end(ended))
            except (NotFound, SessionFileError):
                in_file = False
        try:
            self.tell_session_end(ended, reason)
        except (NotFound, ConnectError):
            if not in_file:
                raise

    @contextlib.contextmanager
    def session(self, *, agent: Optional[str] = None,
                reason: Optional[str] = None) -> Iterator[CurrentSession]:
        """A session for a `with` block, owned by this process: begun, and ended behind it."""
        begun = self.begin_session(agent=agent, pid=os.getpid())
        try:
            yield begun
        finally:
            self.end_session(begun.id, reason=reason)

    # ---- files ----

    def export_to(self, target: Union[str, "os.PathLike[str]", IO[str]]) -> int:
        """Every memory as a line of JSON, deleted ones and vectors too, in the order of ids; returns
        how many. A path is written as PATH.part and gets its name when it is whole and synced."""
        if not isinstance(target, (str, os.PathLike)):
            return sum(1 for line in self.export_lines() if target.write(line) >= 0)
        path = os.fspath(target)
        with open(f"{path}.part", "w", encoding="utf-8", newline="\n",
                  opener=_private) as part:
            count = self.export_to(part)
            part.flush()
            os.fsync(part.fileno())
        os.rename(f"{path}.part", path)
        return count

    def export_lines(self) -> Iterator[str]:
        """The lines of an export, as they come."""
        after: Optional[str] = None
        while True:
            page = self.do(export_page(after))
            for record in page["memories"]:
                yield line_of(record)
            after = page.get("next")
            if after is None:
                return

    def import_from(self, source: Union[str, "os.PathLike[str]", IO[str]]) -> Imported:
        """Memories from lines of JSON, with the order they had. A line that is wrong is told, and
        the rest goes on; the same import may be run again."""
        if isinstance(source, (str, os.PathLike)):
            with open(source, encoding="utf-8", newline="\n") as lines:
                return self.import_from(lines)
        told = Imported()
        for numbers, records in batches(source, told):
            try:
                told.count(self.import_batch(records), numbers)
            except InvalidArgument as wrong:
                if len(records) > 1:
                    raise
                told.refused.append((numbers[0], wrong.message))
        return told


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def export_page(after: Optional[str]) -> Call[Dict[str, Any]]:
    params = {"order": "id", "deleted": "any", "embedding": True, "limit": EXPORT_PAGE,
              "after": after}
    return Call("memory.list", params, dict, repeat=Repeat.AS_IS)


