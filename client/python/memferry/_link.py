"""The connection of the plain client: a socket that does not block, and poll.

Happy path: what the exchange has to send goes out as far as the socket takes it; poll waits for an
answer; what comes is read and handed to the exchange. Whatever breaks is told to the exchange, which
says what is asked again; the next step then connects anew.

Not for several threads at once: the client holds a lock.
"""
from __future__ import annotations

import os
import select
import socket
from typing import Any, Optional

from . import _steps
from ._connect import Settings, connect
from ._exchange import Exchange, Request
from .errors import DeadlineError, MemferryError

READ_SIZE = 256 << 10


class Link:
    """Connects with the first request, and again whenever there is something to send."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        self._settings = settings
        self._exchange = exchange
        self._sock: Optional[socket.socket] = None
        self._poll = select.poll()
        self._out = memoryview(b"")
        self._fresh = False  # nothing was sent since it was made, so it cannot have gone stale
        self._broke = False
        self._pid = os.getpid()

    # ---- connecting ----

    def ensure(self, end: Optional[float]) -> None:
        """A connection that lay idle is looked at first, so a broker restarted meanwhile costs
        nothing; after a fork the child makes one of its own."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.drop("the connection is the parent process's")
        if self._sock is not None and self._stale(self._sock):
            self.drop("the broker ended the connection")
        if self._sock is not None:
            return
        try:
            self._sock = _steps.run(connect(self._settings, end, again=self._broke))
        except MemferryError as failure:
            self._broke = False
            self._exchange.failed(failure)
            raise
        self._poll = select.poll()
        self._fresh, self._broke = True, False
        self._exchange.connected()

    def _stale(self, sock: socket.socket) -> bool:
        """Has the other side gone since the last answer?"""
        if self._fresh or self._exchange.owed or self._out:
            return False
        self._poll.register(sock, select.POLLIN)
        if not self._poll.poll(0):
            return False
        try:
            return not sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def drop(self, why: str) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock, self._out = None, memoryview(b"")
        self._broke = True
        self._exchange.broke(why)

    def close(self) -> None:
        self.drop("the client was closed")
        self._broke = False
        self._exchange.failed(MemferryError("the client was closed"))

    def fileno(self) -> int:
        return -1 if self._sock is None else self._sock.fileno()

    # ---- sending and receiving ----

    def wait(self, it: Request[Any], end: Optional[float]) -> None:
        """Until it is done. DeadlineError: it is not, and nobody waits for it any more; the
        connection stays, and its late answer is passed over."""
        try:
            while not it.done:
                self.step(end)
        except BaseException:
            self._exchange.forget(it)
            raise

    def step(self, end: Optional[float]) -> None:
        """Sends, waits, reads: once. What breaks is told to the exchange alone."""
        if self._sock is None or self._exchange.waiting:
            try:
                self.ensure(end)
            except MemferryError:
                return  # each request has it
        if not self._flush() or self._sock is None:
            return
        self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out else 0))
        left = _steps.left(end)
        events = self._poll.poll(None if left is None else left * 1000)
        if not events:
            raise DeadlineError(f"the broker at {self._settings.socket} did not answer in time; "
                                "the request may have been carried out")
        if events[0][1] & ~select.POLLOUT:
            self._read(self._sock)

    def _flush(self) -> bool:
        """False: the connection broke."""
        while self._sock is not None:
            if not self._out:
                self._out = memoryview(self._exchange.output())
            if not self._out:
                break
            try:
                sent = self._sock.send(self._out, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except (BrokenPipeError, ConnectionResetError):
                self._out = memoryview(b"")  # what the broker said before it left is to be read
                break
            except OSError as wrong:
                self.drop(f"the connection broke ({wrong.strerror})")
                return False
            self._fresh = False
            self._out = self._out[sent:]
        return True

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as wrong:
            self.drop(f"the connection broke ({wrong.strerror})")
            return
        if not data:
            self.drop(f"the broker at {self._settings.socket} ended the connection")
            return
        try:
            self._exchange.receive(data)
        except MemferryError as refusal:
            self._exchange.refused(refusal)
            self.drop("the connection is of no use")
