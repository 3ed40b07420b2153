"""The connection of the asyncio client: a transport, and futures that its answers complete.

Happy path: a request is queued, and written with all that came in the same turn of the loop; its
answer sets a future. There is no task for reading. While a connection is made there is one task for
that, which ends with it.

Failure modes: as the exchange has them. A caller who is cancelled is forgotten: what he asked for is
not sent if it was not yet, else its answer is passed over. A transport that is full is not written to
until it has room again.
"""
from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from typing import Any, Callable, Optional, TypeVar, cast

from . import _steps
from ._calls import Call
from ._connect import Settings, connect
from ._exchange import Exchange, Request
from .errors import DeadlineError, InvalidArgument, MemferryError, UncertainError

T = TypeVar("T")


class _Wire(asyncio.Protocol):
    """One connection. What comes after it was given up is passed over."""

    def __init__(self, link: "AsyncLink", sock: socket.socket) -> None:
        self.link: Optional[AsyncLink] = link
        self.sock = sock
        self.transport: Optional[asyncio.Transport] = None
        self.full = False
        self.fresh = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.link is not None:
            self.link.received(data)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        if self.link is not None:
            self.link.drop("the broker ended the connection" if exc is None
                           else f"the connection broke ({exc})")

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self.link is not None:
            self.link.pump()

    def stale(self) -> bool:
        """Has the other side gone while nothing was asked?"""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if self.fresh or not poll.poll(0):
            return False
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def abandon(self) -> None:
        self.link = None
        with contextlib.suppress(RuntimeError):  # its loop is closed
            if self.transport is not None:
                self.transport.abort()
                return
        self.sock.close()


class AsyncLink:
    """Of one loop at a time: the one that is running when it is used."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        self._settings = settings
        self._exchange = exchange
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._wire: Optional[_Wire] = None
        self._connecting: Optional["asyncio.Task[None]"] = None
        self._broke = False
        self._pump_soon = False
        self.on_drop: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        return self._wire is not None

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise InvalidArgument("the client belongs to another event loop",
                                      hint="use one client for each")
            self._connecting = None
            self.drop("the event loop was closed")
            self._broke = False
            self._loop = loop
        return loop

    # ---- one call ----

    async def do(self, call: Call[T]) -> T:
        loop = self._bind()
        future: "asyncio.Future[None]" = loop.create_future()

        def completed(_: Request[T]) -> None:
            if not future.done():
                future.set_result(None)

        it = self._exchange.submit(call, completed)
        timeout = self._settings.timeout_s
        timer = None if timeout is None else loop.call_later(
            timeout + call.wait_s, self._late, future)
        self._send(loop)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
            if not it.done:
                self._exchange.forget(cast(Request[Any], it))
        return it.answer()

    def _late(self, future: "asyncio.Future[None]") -> None:
        if not future.done():
            future.set_exception(DeadlineError(
                f"the broker at {self._settings.socket} did not answer in time; the request may "
                "have been carried out"))

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        """At once when nothing is on its way; else with what else comes in this turn."""
        if not self._exchange.owed:
            if self._wire is not None and self._wire.stale():
                self.drop("the broker ended the connection")
            self.pump()
        elif not self._pump_soon:
            self._pump_soon = True
            loop.call_soon(self.pump)

    def pump(self) -> None:
        """Writes what there is room for."""
        self._pump_soon = False
        if self._wire is None:
            if self._exchange.waiting and self._connecting is None and self._loop is not None:
                self._connecting = self._loop.create_task(self._connect())
            return
        transport = self._wire.transport
        while transport is not None and not self._wire.full:
            data = self._exchange.output()
            if not data:
                return
            self._wire.fresh = False
            transport.write(data)
            if self._wire is None:  # it broke in writing
                return

    # ---- the connection ----

    async def connect(self) -> None:
        """Now, if it is not."""
        self._bind()
        if self._wire is not None and not self._exchange.owed and self._wire.stale():
            self.drop("the broker ended the connection")
        if self._wire is None:
            await self._make_wire()

    async def _connect(self) -> None:
        try:
            if self._wire is None:
                await self._make_wire()
        except MemferryError as failure:
            self._exchange.failed(failure)
        except asyncio.CancelledError:
            self._exchange.failed(UncertainError("the client was closed"))
            raise
        finally:
            self._connecting = None
        self.pump()

    async def _make_wire(self) -> None:
        loop = self._bind()
        end = _steps.deadline(self._settings.timeout_s)
        again, self._broke = self._broke, False
        sock = await _steps.run_async(connect(self._settings, end, again=again))
        wire = _Wire(self, sock)
        try:
            await loop.create_unix_connection(lambda: wire, sock=sock)
        except BaseException:
            wire.abandon()
            raise
        if self._wire is not None:  # somebody else was as quick
            wire.abandon()
            return
        if wire.link is not None:
            self._wire = wire
            self._exchange.connected()
            self.pump()

    def received(self, data: bytes) -> None:
        try:
            self._exchange.receive(data)
        except MemferryError as refusal:
            self._exchange.refused(refusal)
            self.drop("the connection is of no use")
            return
        self.pump()

    def drop(self, why: str) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abandon()
        self._broke = True
        self._exchange.broke(why)
        self.on_drop()
        if self._loop is not None and not self._loop.is_closed():
            self.pump()

    def pause_reading(self, pause: bool) -> None:
        if self._wire is not None and self._wire.transport is not None:
            if pause:
                self._wire.transport.pause_reading()
            else:
                self._wire.transport.resume_reading()

    async def close(self) -> None:
        """What is in flight fails as uncertain."""
        loop, self._loop = self._loop, None  # so that nothing connects anew
        self.drop("the client was closed")
        self._exchange.failed(MemferryError("the client was closed"))
        self._broke = False
        connecting, self._connecting = self._connecting, None
        if connecting is not None and loop is not None and not loop.is_closed():
            connecting.cancel()
            await asyncio.wait([connecting])
