"""What comes back: memories, receipts, hits, versions, events.

Dataclasses hold what every program works with. Records that grow with the broker (alerts, sessions,
backends) are TypedDicts: a newer broker's additional fields are in them too.
"""
from __future__ import annotations

import array
import dataclasses
import datetime
import sys
from typing import (Any, Callable, Dict, Generic, Iterator, List, Mapping, Optional, Sequence,
                    Type, TypedDict, TypeVar, Union)

T = TypeVar("T")

Scalar = Union[None, bool, int, float, str]
PropValue = Union[Scalar, Sequence[Scalar]]
Props = Mapping[str, PropValue]
Time = Union[int, str, datetime.datetime]
"""Milliseconds since 1970, RFC 3339 text, or a datetime that knows its zone."""


def _floats(value: Any) -> Optional["array.array[float]"]:
    """Of little-endian float32, or a list of numbers."""
    if value is None:
        return None
    if not isinstance(value, bytes):
        return array.array("f", value)
    vector = array.array("f")
    vector.frombytes(value)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _instant(ms: Optional[int]) -> Optional[datetime.datetime]:
    if ms is None:
        return None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(milliseconds=ms)


def _known(kind: Type[Any], record: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields that this version of the client knows."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in record.items() if key in names}


@dataclasses.dataclass(frozen=True)
class Memory:
    """A memory as it was at `version`. Times are milliseconds since 1970, UTC."""

    id: str
    content: str = ""
    kind: str = "note"
    tags: List[str] = dataclasses.field(default_factory=list)
    props: Dict[str, Any] = dataclasses.field(default_factory=dict)
    embedding: Optional["array.array[float]"] = dataclasses.field(default=None, repr=False)
    created_ms: int = 0
    updated_ms: int = 0
    deleted_ms: Optional[int] = None
    version: int = 0
    stamp: int = 0
    origin: str = ""
    session_id: Optional[str] = None
    embedding_state: str = "none"
    embedding_model: Optional[str] = None

    @property
    def deleted(self) -> bool:
        return self.deleted_ms is not None

    @property
    def created(self) -> Optional[datetime.datetime]:
        return _instant(self.created_ms)

    @property
    def updated(self) -> Optional[datetime.datetime]:
        return _instant(self.updated_ms)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Memory":
        known = _known(cls, record)
        known["embedding"] = _floats(record.get("embedding"))
        for name in ("tags", "props"):
            if known.get(name) is None:
                known.pop(name, None)
        return cls(**known)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a change was answered with. `durable` means fsynced on this machine; `backends` says of
    each backend `pending`, `paused`, `delivered`, `superseded` or `dead`."""

    id: str
    event_id: str
    seq: int
    duplicate: bool = False
    durable: bool = False
    backends: Dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def version(self) -> int:
        """The memory's version from this change on."""
        return self.seq

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Receipt":
        return cls(**_known(cls, record))


@dataclasses.dataclass(frozen=True)
class Hit:
    """A memory that was found. `mode` says how: `text`, `semantic` or `both`."""

    memory: Memory
    score: float
    mode: str
    text_score: Optional[float] = None
    semantic_score: Optional[float] = None
    snippet: Optional[str] = None
    marks: Optional[List[Any]] = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Hit":
        known = _known(cls, record)
        known["memory"] = Memory.of(record)
        return cls(**known)


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The hits, best first. `mode` is the one that was used; `behind` how many events the index had
    not taken in yet; `semantic` why meaning was left out."""

    hits: List[Hit]
    mode: str
    semantic: Optional[Any] = None
    behind: Optional[int] = None
    late: Optional[Any] = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "SearchResult":
        known = _known(cls, record)
        known["hits"] = [Hit.of(hit) for hit in record["hits"]]
        return cls(**known)


@dataclasses.dataclass(frozen=True)
class Version:
    """One line of a memory's history."""

    version: int
    op: str
    at_ms: int
    session_id: Optional[str] = None
    reason: Optional[str] = None

    @property
    def at(self) -> Optional[datetime.datetime]:
        return _instant(self.at_ms)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Version":
        return cls(**_known(cls, record))


@dataclasses.dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a list. `next` is given as `after` for the following page; None at the end."""

    items: List[T]
    next: Optional[str] = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclasses.dataclass(frozen=True)
class Restoration:
    """What became of a restore or undo, or would become of it (`dry_run`). Each of `memories` has
    id, from, to, change, and version, unchanged, conflict or error."""

    memories: List[Dict[str, Any]]
    restored: int = 0
    conflicts: int = 0
    unchanged: int = 0
    created: int = 0
    failed: int = 0
    next: Optional[str] = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Restoration":
        return cls(**_known(cls, record))

    def plus(self, more: "Restoration") -> "Restoration":
        """Both pages of one restore."""
        return Restoration(
            self.memories + more.memories, self.restored + more.restored,
            self.conflicts + more.conflicts, self.unchanged + more.unchanged,
            self.created + more.created, self.failed + more.failed, more.next)


@dataclasses.dataclass(frozen=True)
class Event:
    """What a subscription tells: one change (`op`), or an alert (`op` is `alert`, and it is whole
    in `alert`)."""

    seq: int
    op: str
    id: Optional[str] = None
    event_id: Optional[str] = None
    session_id: Optional[str] = None
    at_ms: Optional[int] = None
    peer_pid: Optional[int] = None
    reason: Optional[str] = None
    alert: Optional["Alert"] = None

    @classmethod
    def of(cls, method: str, record: Dict[str, Any]) -> "Event":
        known = _known(cls, record)
        if method == "alert":
            known.update(op="alert", alert=record)
        return cls(**known)


@dataclasses.dataclass(frozen=True)
class Observation:
    """What the guard made of a statement: `rules` it matches, `alerts` it counts in."""

    rules: List[Dict[str, Any]]
    alerts: List[Dict[str, Any]] = dataclasses.field(default_factory=list)
    seq: Optional[int] = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Observation":
        return cls(**_known(cls, record))


class Alert(TypedDict, total=False):
    id: str
    seq: int
    rule: str
    severity: str
    first_ms: int
    at_ms: int
    session_id: Optional[str]
    peer_pid: Optional[int]
    peer_command: Optional[str]
    count: int
    sample_ids: List[str]
    statement: Optional[str]
    summary: str
    undo: Optional[str]
    acked_ms: Optional[int]
    acked_by: Optional[str]


class Session(TypedDict, total=False):
    id: str
    agent: Optional[str]
    cwd: Optional[str]
    pid: Optional[int]
    started_ms: int
    seen_ms: int
    ended_ms: Optional[int]
    end_reason: Optional[str]
    end_note: Optional[str]


class Backend(TypedDict, total=False):
    name: str
    plugin: str
    kind: str
    health: str
    circuit: str
    paused: bool
    pending: int
    oldest_pending_ms: int
    deferred: int
    dead: int
    delivered: int
    last_error: Optional[str]
    level: bool


class DeadLetter(TypedDict, total=False):
    backend: str
    id: str
    version: int
    attempts: int
    reason: str
    at_ms: int


def page_of(name: str, each: Callable[[Any], T]) -> Callable[[Any], Page[T]]:
    """A reader of a list that comes under `name`."""

    def read(result: Any) -> Page[T]:
        return Page([each(item) for item in result[name]], result.get("next"))

    return read
