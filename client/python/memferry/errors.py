"""What goes wrong, as types. Every one is a `MemferryError`.

Nothing was sent: `InvalidArgument`, `ConnectError`, `UntrustedError`, `SessionFileError`.
It may have happened: `DeadlineError`, `UncertainError`, `ProtocolError`.
The broker answered so, and it has not happened: `RemoteError` and what is below it; except
`DeliveryTimeout`, where it is durable here and a backend has it later.
"""
from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Type


class MemferryError(Exception):
    """`message` says what happened and to what, `hint` what to do, `field` which parameter it was."""

    hint = ""

    def __init__(self, message: str, *, field: Optional[str] = None,
                 hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidArgument(MemferryError, ValueError):
    """An argument that cannot be sent at all; nothing was."""


class ConnectError(MemferryError, ConnectionError):
    """No broker is there; nothing was sent."""

    hint = "start memferryd"


class UntrustedError(MemferryError, PermissionError):
    """The socket, its directory or its server belong to someone else; nothing was sent."""

    hint = "name another socket with MEMFERRY_SOCKET"


class SessionFileError(MemferryError):
    """The session file cannot be used. A put or delete goes without a session then."""


class DeadlineError(MemferryError, TimeoutError):
    """No reply in time; the request may have been carried out."""

    hint = "a put or delete may be sent again with its event_id and retry=True"


class UncertainError(MemferryError, ConnectionError):
    """The connection broke before the answer; the request may have been carried out."""

    hint = "look before you send it anew; a put with its event_id and retry=True is safe"


class ProtocolError(MemferryError):
    """What came is no reply of this protocol."""


class RemoteError(MemferryError):
    """The broker's answer. `code` and `name` as docs/protocol.md has them, `data` what came along."""

    code = 0
    name = "unknown"

    def __init__(self, message: str, *, data: Optional[Mapping[str, Any]] = None,
                 code: Optional[int] = None, name: Optional[str] = None) -> None:
        self.data: Dict[str, Any] = dict(data or {})
        field = self.data.get("field")
        super().__init__(message, field=field if isinstance(field, str) else None)
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name


class InvalidParams(RemoteError, ValueError):
    """A parameter is refused; `field` names it."""

    code, name = -32602, "invalid_params"


class MethodNotFound(RemoteError):
    code, name = -32601, "method_not_found"
    hint = "the broker is older than this client"


class Busy(RemoteError):
    """Over a limit; try again after `retry_after_ms`."""

    code, name = -32001, "busy"

    @property
    def retry_after_ms(self) -> int:
        after = self.data.get("retry_after_ms")
        return after if isinstance(after, int) else 1000


class NotFound(RemoteError, LookupError):
    code, name = -32002, "not_found"


class Conflict(RemoteError):
    """`expected_version` differs; `version` is the one that is there."""

    code, name = -32003, "conflict"

    @property
    def version(self) -> int:
        there = self.data.get("version")
        return there if isinstance(there, int) else 0


class StorageFull(RemoteError):
    """The broker's disk is full; nothing was written."""

    code, name = -32004, "storage_full"
    hint = "make room; the broker goes on by itself"


class StorageFailed(RemoteError):
    """The broker's disk failed, and it is stopping."""

    code, name = -32005, "storage_failed"
    hint = "see its log"


class DeliveryTimeout(RemoteError, TimeoutError):
    """Durable here, but not delivered in time. `receipt` is the durable receipt."""

    code, name = -32006, "timeout"
    hint = "it is durable, and goes on being delivered"

    @property
    def receipt(self) -> Dict[str, Any]:
        receipt = self.data.get("receipt")
        return receipt if isinstance(receipt, dict) else {}


class Forbidden(RemoteError, PermissionError):
    code, name = -32007, "forbidden"


class Unavailable(RemoteError):
    """No backend can answer."""

    code, name = -32008, "unavailable"


class TooLarge(RemoteError, ValueError):
    """The memory would grow over the broker's limit, and stays as it was."""

    code, name = -32009, "too_large"


class InternalError(RemoteError):
    """A bug of the broker; its log has it under `data["id"]`."""

    code, name = -32603, "internal"


_BY_CODE: Dict[int, Type[RemoteError]] = {
    kind.code: kind
    for kind in (InvalidParams, MethodNotFound, Busy, NotFound, Conflict, StorageFull,
                 StorageFailed, DeliveryTimeout, Forbidden, Unavailable, TooLarge,
                 InternalError)
}


def of_reply(error: Any) -> MemferryError:
    """The exception for an error map of the protocol."""
    if not isinstance(error, dict):
        return ProtocolError("the broker's error is none of this protocol")
    code, data = error.get("code"), error.get("data")
    code = code if isinstance(code, int) else 0
    message = str(error.get("message") or error.get("name") or "the broker gave no reason")
    data = data if isinstance(data, dict) else {}
    kind = _BY_CODE.get(code)
    if kind is not None:
        return kind(message, data=data)
    if code in (-32700, -32600):
        return ProtocolError(message)
    return RemoteError(message, data=data, code=code, name=str(error.get("name")))
