"""Many requests in flight on one connection.

    with client.pipeline() as pipe:
        for text in texts:
            pipe.put(text)

Writes commit in the order they were sent. Leaving the block waits for every answer; the first
failure that nobody has looked at is raised then, as a `PipelineError` that names all of them.

A request waits for room in the client's window, so there are never more than that in flight. The
connection breaks: puts, deletes and reads that were not answered are sent again, once, in their
order; the rest has failed with `UncertainError`.

Threads: one at a time. Other calls of the same client may come in between.
"""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Generic, List, TypeVar

from . import _calls, _steps
from ._calls import Call, as_method
from ._connect import Settings
from ._exchange import Exchange, Request
from ._link import Link
from .errors import MemferryError

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


class PipelineError(MemferryError):
    """Requests of a pipeline failed: `failures` has their errors, in the order they came."""

    def __init__(self, failures: List[MemferryError]) -> None:
        more = f", and {len(failures) - 1} more" if len(failures) > 1 else ""
        super().__init__(f"{failures[0]}{more}", field=failures[0].field, hint="")
        self.failures = failures


class Pending(Generic[T]):
    """An answer to come."""

    def __init__(self, pipeline: "Pipeline", request: Request[T]) -> None:
        self._pipeline = pipeline
        self._request = request

    @property
    def done(self) -> bool:
        return self._request.done

    def result(self) -> T:
        """Waits for it; raises what went wrong."""
        self._pipeline.wait(self._request)
        return self._request.answer()


def _submitting(build: "Callable[P, Call[T]]") -> "Callable[Concatenate[Pipeline, P], Pending[T]]":
    def method(self: "Pipeline", *args: Any, **kwargs: Any) -> Pending[T]:
        return self.submit(build(*args, **kwargs))

    made: "Callable[Concatenate[Pipeline, P], Pending[T]]" = as_method(
        build, method, "\n\n    Returns a `Pending` at once.")
    return made


class Pipeline:
    """See the module. Made by `Client.pipeline()`."""

    def __init__(self, exchange: Exchange, link: Link, settings: Settings,
                 lock: "threading.RLock", name_session: Callable[[Call[Any]], None]) -> None:
        self._exchange = exchange
        self._link = link
        self._settings = settings
        self._lock = lock
        self._name_session = name_session
        self._open: Dict[int, Request[Any]] = {}  # not answered, by its own id()
        self._failed: List[Request[Any]] = []  # answered so, and nobody has looked

    def submit(self, call: Call[T]) -> Pending[T]:
        with self._lock:
            self._name_session(call)
            end = _steps.deadline(self._settings.timeout_s)
            while self._exchange.in_flight >= self._exchange.window:
                self._link.step(end)
            request = self._exchange.submit(call, self._note)
            self._open[id(request)] = request
            return Pending(self, request)

    def _note(self, request: Request[Any]) -> None:
        del self._open[id(request)]
        if request.error is not None:
            self._failed.append(request)

    def wait(self, request: Request[Any]) -> None:
        with self._lock:
            self._wait(request)
            if request in self._failed:
                self._failed.remove(request)

    def _wait(self, request: Request[Any]) -> None:
        timeout = self._settings.timeout_s
        try:
            self._link.wait(request, _steps.deadline(
                None if timeout is None else timeout + request.call.wait_s))
        except BaseException:
            self._open.pop(id(request), None)
            raise

    def drain(self) -> None:
        """Waits for every answer there is to come. The time-out is of each."""
        with self._lock:
            while self._open:
                self._wait(next(iter(self._open.values())))

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """When the block ends by an exception, that is what comes out of it; what was submitted is
        waited for all the same."""
        try:
            self.drain()
        finally:
            for request in self._open.values():
                self._exchange.forget(request)
            self._open.clear()
        if kind is None and self._failed:
            raise PipelineError([it.error for it in self._failed if it.error is not None])

    put = _submitting(_calls.put)
    delete = _submitting(_calls.delete)
    get = _submitting(_calls.get)
    history = _submitting(_calls.history)
    search = _submitting(_calls.search)
    observe = _submitting(_calls.observe)
    call = _submitting(_calls.call)
