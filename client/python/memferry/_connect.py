"""From nothing to a connected socket: where it is, whether it can be trusted, who serves it.

Happy path: the address is checked, a non-blocking socket connects, and the server's uid is ours or
root's. The default places must lie in a directory that is no link, our own and 0700; a socket that
was named may lie anywhere, and there its owner and its server are what counts.

Failure modes. Nobody listens: the `memferry` command is asked to start the broker, unless it must
not; it knows how, and several that do so at once end with one broker. A backlog that is full is
waited for until the deadline. After a broken connection nobody listening is waited for too,
RECONNECT_S at most: a broker that restarts is back by then.
"""
from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import socket
import stat
import struct
import subprocess
import time
from typing import Optional

from . import _steps
from .errors import ConnectError, DeadlineError, InvalidArgument, MemferryError, UntrustedError

PATH_MAX = 107  # of sun_path, without its NUL
RECONNECT_S = 5.0
START_S = 15.0  # for the command; the broker has 10 of them to listen


@dataclasses.dataclass
class Settings:
    """Of one client; what it was given, with the defaults filled in."""

    socket: str
    named: bool  # by the caller or the environment: not the default place
    timeout_s: Optional[float]
    client: str
    start: bool


def default_socket() -> str:
    """Where the socket is or would be: $MEMFERRY_SOCKET, else $XDG_RUNTIME_DIR/memferry/memferry.sock,
    else /tmp/memferry-UID/memferry.sock."""
    named = os.environ.get("MEMFERRY_SOCKET", "")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if named:
        return named
    if runtime.startswith("/"):
        return f"{runtime}/memferry/memferry.sock"
    return f"/tmp/memferry-{os.geteuid()}/memferry.sock"


def may_start(wanted: Optional[bool]) -> bool:
    if wanted is not None:
        return wanted
    return os.environ.get("MEMFERRY_NO_START", "") in ("", "0")


def _trusted(uid: int) -> bool:
    return uid in (os.geteuid(), 0)


def _look(path: str, follow: bool, address: str) -> os.stat_result:
    try:
        return os.stat(path, follow_symlinks=follow)
    except OSError as wrong:
        if wrong.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ConnectError(f"no broker listens at {address}: there is no such socket") from None
        raise ConnectError(f"cannot look at {path}: {wrong.strerror}",
                           hint="check its permissions") from None


def _check_directory(path: str) -> None:
    directory = os.path.dirname(path)
    status = _look(directory, False, path)
    if not stat.S_ISDIR(status.st_mode):
        raise UntrustedError(f"{directory} is not a directory but something else, maybe a link: the "
                             "socket in it is not trusted",
                             hint="remove it, or name a socket with MEMFERRY_SOCKET")
    if status.st_uid != os.geteuid():
        raise UntrustedError(f"{directory} belongs to user {status.st_uid}, not to you: the socket "
                             "in it is not trusted")
    if stat.S_IMODE(status.st_mode) != 0o700:
        raise UntrustedError(f"{directory} has mode {stat.S_IMODE(status.st_mode):04o}, not 0700: "
                             "others may have put the socket there",
                             hint=f"check it, then chmod 700 {directory}")


def _check_address(settings: Settings) -> None:
    path = settings.socket
    if not path or len(os.fsencode(path)) > PATH_MAX or "\0" in path:
        raise InvalidArgument(f"the socket's path is empty, or over {PATH_MAX} bytes: {path[:120]!r}",
                              hint="name a shorter one with MEMFERRY_SOCKET")
    if not settings.named:
        _check_directory(path)
    status = _look(path, True, path)
    if not stat.S_ISSOCK(status.st_mode):
        raise UntrustedError(f"{path} is not a socket", hint="remove it, or name another")
    if not _trusted(status.st_uid):
        raise UntrustedError(f"the socket {path} belongs to user {status.st_uid}, not to you or "
                             "root: it is not trusted")


def _check_server(sock: socket.socket, path: str) -> None:
    credentials = struct.Struct("3i")  # pid, uid, gid
    peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    uid = credentials.unpack(peer)[1]
    if not _trusted(uid):
        raise UntrustedError(f"the server at {path} runs as user {uid}, not as you or root: it is "
                             "not trusted")


def _connect_until(sock: socket.socket, path: str, end: Optional[float]) -> "_steps.Steps[None]":
    nap = _steps.NAP_S
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:  # the backlog is full
            if _steps.over(end):
                raise DeadlineError(f"the broker at {path} took no new connection in time",
                                    hint="it is overloaded or hangs; see its log") from None
        except (ConnectionRefusedError, FileNotFoundError):
            raise ConnectError(f"no broker listens at {path} (it ended without removing its "
                               "socket)") from None
        except OSError as wrong:
            raise ConnectError(f"cannot connect to {path}: {wrong.strerror}",
                               hint="check its permissions") from None
        yield nap
        nap = min(nap * 2, _steps.NAP_MAX_S)


def connect_once(settings: Settings, end: Optional[float]) -> "_steps.Steps[socket.socket]":
    """A connected socket that does not block."""
    _check_address(settings)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        yield from _connect_until(sock, settings.socket, end)
        _check_server(sock, settings.socket)
    except BaseException:
        sock.close()
        raise
    return sock


def _start_broker(settings: Settings, end: Optional[float]) -> "_steps.Steps[None]":
    """By the command, which waits until the broker answers. It is killed when this is given up."""
    command = shutil.which("memferry")
    if command is None:
        raise ConnectError(
            f"no broker listens at {settings.socket}, and the memferry command, which would start "
            "it, is not in PATH", hint="install memferry, or start memferryd yourself")
    line = [command, *(["--socket", settings.socket] if settings.named else []), "call", "hello"]
    patience = time.monotonic() + START_S
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        try:
            nap = _steps.NAP_S
            while process.poll() is None:
                if _steps.over(end) or time.monotonic() >= patience:
                    raise ConnectError(f"{command} did not start a broker in time")
                yield nap
                nap = min(nap * 2, _steps.NAP_MAX_S)
            told = process.stderr.read(4000) if process.stderr else b""
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0:
        raise ConnectError(told.decode(errors="replace").strip() or
                           f"{command} ended with {process.returncode}", hint="")


def connect(settings: Settings, end: Optional[float],
            again: bool = False) -> "_steps.Steps[socket.socket]":
    """`again`: there was a connection, and it broke."""
    patience = time.monotonic() + RECONNECT_S if again else 0.0
    started, nap = False, _steps.NAP_S
    while True:
        try:
            return (yield from connect_once(settings, end))
        except ConnectError as wrong:
            failure: MemferryError = wrong
        if settings.start and not started:
            started = True
            yield from _start_broker(settings, end)
            continue
        if time.monotonic() >= patience or _steps.over(end):
            raise failure
        yield nap
        nap = min(nap * 2, _steps.NAP_MAX_S)
