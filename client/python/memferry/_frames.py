"""Bytes to messages and back: MessagePack-RPC as docs/protocol.md has it. No I/O.

What comes may be in pieces of any size. A broker that cannot talk MessagePack to us (too many
connections) says so in a line of JSON: a frame that begins with `{` is read as that.
"""
from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional

import msgpack

from .errors import InvalidArgument, MemferryError, ProtocolError, of_reply

FRAME_MAX = 4 << 20  # the broker's own
REPLY_MAX = 64 << 20  # bytes of one reply; a longer one is none
PIECE = 1 << 20
REQUEST, REPLY, NOTE = 0, 1, 2


class Message(NamedTuple):
    """A reply (msgid, and error or result), or a notification (method, result)."""

    msgid: Optional[int]
    method: Optional[str]
    error: Any
    result: Any


def encode_params(method: str, params: Dict[str, Any]) -> bytes:
    try:
        packed: bytes = msgpack.packb(params, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise InvalidArgument(f"{method} cannot be sent: {wrong}") from None
    if len(packed) + len(method) + 16 > FRAME_MAX:
        raise InvalidArgument(f"the request {method} is over {FRAME_MAX >> 20} MiB",
                              hint="send less in one")
    return packed


def request(msgid: int, method: str, packed_params: bytes) -> bytes:
    head: bytes = msgpack.packb(msgid)
    name: bytes = msgpack.packb(method)
    return b"\x94\x00" + head + name + b"\x91" + packed_params


def notification(method: str, packed_params: bytes) -> bytes:
    name: bytes = msgpack.packb(method)
    return b"\x93\x02" + name + b"\x91" + packed_params


class Decoder:
    """Of one connection; what it raises ends it."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(raw=False, max_buffer_size=REPLY_MAX)
        self._fed = 0
        self._line = b""

    def feed(self, data: bytes) -> List[Message]:
        """Whole messages of what has come. ProtocolError: it is none."""
        if self._line or (data[:1] == b"{" and self._fed == self._unpacker.tell()):
            self._refused(data)
            return []
        found: List[Message] = []
        try:
            for at in range(0, len(data), PIECE):
                self._unpacker.feed(data[at:at + PIECE])
                found.extend(_message(one) for one in self._unpacker)
        except MemferryError:
            raise
        except Exception as wrong:  # pylint: disable=broad-except  # msgpack has many
            raise ProtocolError(f"what came is no reply ({type(wrong).__name__}: {wrong})",
                                hint="is it a memferryd of this protocol?") from None
        self._fed += len(data)
        return found

    def _refused(self, data: bytes) -> None:
        """A line of JSON, from a broker that hangs up."""
        self._line += data
        if b"\n" not in self._line and len(self._line) < FRAME_MAX:
            return
        try:
            answer = json.loads(self._line.split(b"\n")[0])
        except ValueError:
            answer = {}
        raise of_reply(answer.get("error") if isinstance(answer, dict) else None)


def _message(one: Any) -> Message:
    if isinstance(one, list) and len(one) == 4 and one[0] == REPLY:
        if one[1] is None:
            raise of_reply(one[2])
        if isinstance(one[1], int):
            return Message(one[1], None, one[2], one[3])
    if isinstance(one, list) and len(one) == 3 and one[0] == NOTE and one[2]:
        return Message(None, str(one[1]), None, one[2][0])
    raise ProtocolError("what came is no message of MessagePack-RPC",
                        hint="is it a memferryd of this protocol?")
