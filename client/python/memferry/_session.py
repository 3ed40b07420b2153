"""The session in force: from the environment, else from the file, as docs/sessions.md has it.

The same file, lock and steps as the C library's, so that both name one session. It needs no broker
and no network.

Happy path: the file holds the id of a session that is not idle, and its mtime is moved on, at most
once a second; no lock is taken. Where there is none to use, one is begun under the lock (FILE.lock):
whoever comes second looks again there, and finds it. The id is written to FILE.new, synced, and gets
its name by link, which fails where there is a file by now, or by rename over an old one.

Failure modes: SessionFileError. What is no file of ours is left as it is.
"""
from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import pwd
import re
import stat
import time
import uuid
from typing import Optional

from . import _steps
from .errors import InvalidArgument, MemferryError, NotFound, SessionFileError

FILE_NAME = ".claude-session-id"
ID_MAX = 64
READ_MAX = 128  # an id, and more white space than anybody writes
IDLE_S = 30 * 60.0
TOUCH_S = 1.0  # a use is noted at most so often
TICK_S = 0.05  # a file that is so young may change again without a new time
LOCK_WAIT_S, LOCK_NAP_S = 2.0, 0.005
PARTIAL_WAIT_S, PARTIAL_NAP_S = 0.2, 0.01  # for a writer without a lock to end
PARTIAL_OLD_S = 2.0  # one that began longer ago is not coming back
BEGIN_ROUNDS = 10

_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_UUID_SHAPE = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclasses.dataclass(frozen=True)
class CurrentSession:
    """The session in force; `begun` by this call, or from $MEMFERRY_SESSION_ID."""

    id: str
    begun: bool = False
    from_environment: bool = False


@dataclasses.dataclass(frozen=True)
class _Look:
    """What the file is: `none`, `live`, `idle`, or `partial` (empty, or the beginning of an id)."""

    found: str
    id: str = ""
    status: Optional[os.stat_result] = None

    def age_s(self) -> float:
        return time.time() - self.status.st_mtime if self.status is not None else 0.0


def _environment(name: str) -> Optional[str]:
    return os.environ.get(name) or None


def _below_home() -> Optional[str]:
    home = _environment("HOME")
    if home is None or not home.startswith("/"):
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            return None
    return f"{home}/{FILE_NAME}" if home.startswith("/") else None


def _idle_of(text: str) -> Optional[float]:
    """`90`, `90s`, `30m`, `2h`; None when it is no time."""
    found = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    return int(found.group(1)) * float(_UNITS[found.group(2)]) or None if found else None


def _is_beginning(text: bytes) -> bool:
    """Is it the beginning of a UUID?"""
    return len(text) < len(_UUID_SHAPE) and all(
        chr(byte) in ("-" if shape == ord("-") else "0123456789abcdefABCDEF")
        for byte, shape in zip(text, _UUID_SHAPE))


class SessionFile:
    """`path` None: $MEMFERRY_SESSION_FILE, else ~/.claude-session-id; empty: no file is wanted.
    `idle_s` None: $MEMFERRY_SESSION_IDLE, else 30 minutes."""

    def __init__(self, path: Optional[str] = None, idle_s: Optional[float] = None) -> None:
        named = path if path is not None else _environment("MEMFERRY_SESSION_FILE")
        idle = _environment("MEMFERRY_SESSION_IDLE")
        self.path = _below_home() if named is None else named or None
        self._unwanted = named == ""
        self._idle_s = idle_s if idle_s is not None else (
            IDLE_S if idle is None else _idle_of(idle))
        self._seen: Optional[_Look] = None

    # ---- the verbs, as steps ----

    def current(self) -> "_steps.Steps[CurrentSession]":
        """The session in force; one is begun if there is none. This is a use."""
        named = self._from_environment()
        if named is not None:
            return named
        path = self._check()
        if self._seen is not None and self._is_as_seen(path, self._seen):
            return CurrentSession(self._seen.id)
        look = self._look(path)
        if look.found != "live":
            return (yield from self._begin(path, anew=False))
        self._use(path, look)
        return CurrentSession(look.id)

    def peek(self) -> CurrentSession:
        """The same without a use, and nothing is begun: NotFound without one."""
        named = self._from_environment()
        if named is not None:
            return named
        path = self._check()
        look = self._look(path)
        if look.found != "live":
            raise NotFound(f"no session is in force in {path}")
        return CurrentSession(look.id)

    def begin(self) -> "_steps.Steps[CurrentSession]":
        """A new session, whatever was in force. With $MEMFERRY_SESSION_ID set it is that one."""
        named = self._from_environment()
        if named is not None:
            return named
        return (yield from self._begin(self._check(), anew=True))

    def end(self, session_id: str) -> "_steps.Steps[None]":
        """Removes the file while it holds this id; NotFound when it does not."""
        path = self._check()
        lock = yield from self._lock(path)
        try:
            if self._look(path).id.lower() != session_id.lower() or not session_id:
                raise NotFound(f"{path} does not name the session {session_id[:ID_MAX]}")
            self._seen = None
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as wrong:
            raise self._failed("remove", path, wrong) from None
        finally:
            os.close(lock)

    def of_request(self) -> "_steps.Steps[Optional[str]]":
        """For a put or delete that was given none. It never fails for the file's sake."""
        try:
            return (yield from self.current()).id
        except InvalidArgument:  # the caller's own: for the broker to refuse
            return os.environ.get("MEMFERRY_SESSION_ID")
        except MemferryError:
            return None

    # ---- where it is ----

    @staticmethod
    def _from_environment() -> Optional[CurrentSession]:
        session_id = _environment("MEMFERRY_SESSION_ID")
        if session_id is None:
            return None
        if len(session_id.encode("utf-8", "surrogateescape")) > ID_MAX:
            raise InvalidArgument(f"MEMFERRY_SESSION_ID is over {ID_MAX} bytes")
        return CurrentSession(session_id, from_environment=True)

    def _check(self) -> str:
        if self._idle_s is None:
            raise SessionFileError("MEMFERRY_SESSION_IDLE is no time such as 90s, 30m or 2h")
        if self._unwanted:
            raise SessionFileError("no session file is wanted, and MEMFERRY_SESSION_ID is not set")
        if self.path is None:
            raise SessionFileError("there is no home directory for a session file",
                                   hint="set HOME, or MEMFERRY_SESSION_FILE")
        return self.path

    # ---- looking at it ----

    @staticmethod
    def _refused(path: str, what: str) -> SessionFileError:
        return SessionFileError(
            f"the session file {path} {what}; it was left as it is",
            hint="move it away, or name another with MEMFERRY_SESSION_FILE")

    @staticmethod
    def _failed(verb: str, path: str, wrong: OSError) -> SessionFileError:
        return SessionFileError(f"cannot {verb} {path}: {wrong.strerror}",
                                hint="name another session file with MEMFERRY_SESSION_FILE")

    def _look(self, path: str) -> _Look:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            return _Look("none")
        except OSError as wrong:
            if wrong.errno == errno.ELOOP:
                raise self._refused(path, "is a symbolic link, which is not followed") from None
            raise self._failed("open", path, wrong) from None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise self._refused(path, "is no regular file")
            if status.st_uid != os.geteuid():
                raise self._refused(path, "belongs to another user")
            return self._read(path, os.pread(fd, READ_MAX + 1, 0), status)
        except OSError as wrong:
            raise self._failed("read", path, wrong) from None
        finally:
            os.close(fd)

    def _read(self, path: str, text: bytes, status: os.stat_result) -> _Look:
        if not text.rstrip(b"\0"):  # a crash of the machine may leave zeros
            return _Look("partial", status=status)
        stripped = text.strip(b" \t\r\n")
        if len(text) <= READ_MAX and _is_beginning(stripped):
            return _Look("partial", status=status)
        if len(text) > READ_MAX or _UUID.fullmatch(stripped) is None:
            raise self._refused(path, "holds something else than a UUID")
        look = _Look("live", stripped.decode("ascii"), status)
        assert self._idle_s is not None
        return dataclasses.replace(look, found="idle") if look.age_s() > self._idle_s else look

    def _look_settled(self, path: str) -> "_steps.Steps[_Look]":
        """A file that is being written is waited for."""
        look = self._look(path)
        end = time.monotonic() + PARTIAL_WAIT_S
        while (look.found == "partial" and look.age_s() <= PARTIAL_OLD_S
               and time.monotonic() < end):
            yield PARTIAL_NAP_S
            look = self._look(path)
        return look

    def _is_as_seen(self, path: str, seen: _Look) -> bool:
        """As it was when it was read, and used so lately that no use needs to be noted."""
        try:
            now = os.lstat(path)
        except OSError:
            return False
        was, age = seen.status, time.time() - now.st_mtime
        assert was is not None and self._idle_s is not None
        return ((now.st_ino, now.st_dev, now.st_size, now.st_mtime_ns, now.st_ctime_ns) ==
                (was.st_ino, was.st_dev, was.st_size, was.st_mtime_ns, was.st_ctime_ns)
                and 0 <= age < TOUCH_S and age < self._idle_s)

    def _use(self, path: str, look: _Look) -> None:
        age = look.age_s()
        self._seen = look if TICK_S < age < TOUCH_S else None
        if age < 0 or age >= TOUCH_S:
            try:
                os.utime(path, follow_symlinks=False)
            except OSError:
                pass  # the session ends the sooner

    # ---- writing it ----

    def _lock(self, path: str) -> "_steps.Steps[int]":
        name = f"{path}.lock"
        flags = (os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY |
                 os.O_CLOEXEC)
        try:
            fd = os.open(name, flags, 0o600)
        except OSError as wrong:
            raise self._failed("open", name, wrong) from None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise self._failed("trust", name, OSError(errno.EPERM, os.strerror(errno.EPERM)))
            end = time.monotonic() + LOCK_WAIT_S
            while not self._lock_try(fd, name):
                if time.monotonic() >= end:
                    raise SessionFileError(f"another process holds {name} for over "
                                           f"{LOCK_WAIT_S:g} s", hint="see which with fuser")
                yield LOCK_NAP_S
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _lock_try(self, fd: int, name: str) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError as wrong:
            raise self._failed("lock", name, wrong) from None

    def _begin(self, path: str, anew: bool) -> "_steps.Steps[CurrentSession]":
        lock = yield from self._lock(path)
        try:
            for _ in range(BEGIN_ROUNDS):
                look = yield from self._look_settled(path)
                if look.found == "live" and not anew:
                    self._use(path, look)
                    return CurrentSession(look.id)
                session_id = str(uuid.uuid4())
                if self._write(path, session_id, over=look.found != "none"):
                    self._seen = None
                    return CurrentSession(session_id, begun=True)
        finally:
            os.close(lock)
        raise SessionFileError(f"another program makes and removes {path} all the time")

    def _write(self, path: str, session_id: str, over: bool) -> bool:
        """Under the lock. False: somebody else has made one."""
        new = f"{path}.new"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)  # a crash left it: the name is ours
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                         0o600)
        except OSError as wrong:
            raise self._failed("make", new, wrong) from None
        try:
            _write_line(fd, f"{session_id}\n".encode("ascii"))
            if over:
                os.rename(new, path)
            else:
                os.link(new, path)
            return True
        except FileExistsError:
            return False
        except OSError as wrong:
            raise self._failed("make", path, wrong) from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(new)


def _write_line(fd: int, line: bytes) -> None:
    """Synced, and closed."""
    try:
        if os.write(fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    finally:
        os.close(fd)
