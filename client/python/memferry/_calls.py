"""Every call of the protocol, written once: its parameters, and how its answer is read.

The verbs of both clients and of the pipeline are made of these; their docstrings are the verbs'.
A parameter that is None is left out of the request, so the broker's own default holds.
"""
from __future__ import annotations

import array
import datetime
import enum
import functools
import inspect
import sys
import uuid
from typing import (Any, Callable, Dict, Generic, Iterable, List, Mapping, Optional,
                    Sequence, TypeVar, Union)

from . import model
from .errors import InvalidArgument

T = TypeVar("T")

DELIVERY_S = 30.0
"""How long the broker waits for a delivery when it was not told."""

Embedding = Union[Sequence[float], "array.array[float]", bytes, memoryview]


class Repeat(enum.Enum):
    """What is done when the connection breaks before the answer."""

    NEVER = 0  # it may have happened, and twice is not once
    AS_IS = 1  # asking again changes nothing, or is known by its event_id
    AS_RETRY = 2  # again with `retry: true`: the first receipt comes back if it had arrived


class Call(Generic[T]):
    """One request: `session_field` names the parameter that takes the session in force, `wait_s`
    comes on top of the client's own deadline."""

    __slots__ = ("method", "params", "read", "repeat", "session_field", "wait_s")

    def __init__(self, method: str, params: Dict[str, Any], read: Callable[[Any], T], *,
                 repeat: Repeat = Repeat.NEVER, session_field: Optional[str] = None,
                 wait_s: float = 0.0) -> None:
        self.method = method
        self.params = {key: value for key, value in params.items() if value is not None}
        self.read = read
        self.repeat = repeat
        self.session_field = session_field
        self.wait_s = wait_s

    def wants_session(self) -> bool:
        return self.session_field is not None and self.session_field not in self.params

    def with_session(self, session_id: Optional[str]) -> None:
        """The session in force, or None; an empty one that the caller gave means none."""
        if self.session_field is None:
            return
        if self.wants_session() and session_id is not None:
            self.params[self.session_field] = session_id
        if self.params.get(self.session_field) == "":
            del self.params[self.session_field]


def as_method(build: Callable[..., Any], method: Callable[..., Any], doc: str = "") -> Any:
    """`method(self, …)`, which makes a Call by `build`, with build's name, signature and words."""
    functools.update_wrapper(method, build)
    signature = inspect.signature(build)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    setattr(method, "__signature__", signature.replace(
        parameters=[own, *signature.parameters.values()]))
    method.__doc__ = (build.__doc__ or "") + doc
    return method


# ---- what callers give, as the wire has it ----

def time_of(value: Optional[model.Time]) -> Union[None, int, str]:
    if not isinstance(value, datetime.datetime):
        return value
    if value.tzinfo is None:
        raise InvalidArgument("a datetime without a zone names no instant",
                              hint="give datetime.now(timezone.utc) or the like")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (value - epoch) // datetime.timedelta(milliseconds=1)


def embedding_of(value: Optional[Embedding]) -> Optional[bytes]:
    """As little-endian float32. A buffer of C floats (array, numpy) is taken as it lies."""
    if value is None or isinstance(value, bytes):
        return value
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        view = None
    if view is not None and view.format not in ("f", "<f"):
        value, view = view.tolist(), None
    try:
        floats = array.array("f", value if view is None else view.tolist())
    except (TypeError, OverflowError) as wrong:
        raise InvalidArgument(f"embedding: {wrong}", field="embedding") from None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def _itself(result: Any) -> Any:
    return result


def _nothing(result: Any) -> None:
    del result


def _list(name: str) -> Callable[[Any], List[Any]]:
    return lambda result: list(result[name])


def _wait(wait: Optional[str], timeout_s: Optional[float]) -> Dict[str, Any]:
    """The parameters of a wait, and `_s`: for how long."""
    if wait not in (None, "durable", "delivered"):
        raise InvalidArgument("wait is neither durable nor delivered", field="wait")
    if wait != "delivered":
        return {"params": {}, "wait_s": 0.0}
    seconds = DELIVERY_S if timeout_s is None else timeout_s
    return {"params": {"wait": wait, "timeout_ms": int(seconds * 1000)}, "wait_s": seconds}


# ---- memories ----

def put(content: Optional[str] = None, *, id: Optional[str] = None, kind: Optional[str] = None,
        tags: Optional[Iterable[str]] = None, props: Optional[model.Props] = None,
        embedding: Optional[Embedding] = None, session_id: Optional[str] = None,
        event_id: Optional[str] = None, expected_version: Optional[int] = None,
        wait: Optional[str] = None, timeout_s: Optional[float] = None,
        retry: bool = False) -> Call[model.Receipt]:
    """Stores a memory, merged into what is there; the receipt comes when it is on disk.

    Without `id` it is a new memory. What is None stays as it is; a prop that is None is removed.
    `expected_version` makes it conditional (0: must not exist). `wait="delivered"` waits until every
    backend has it, `timeout_s` at most (30 s). `session_id=""` gives it no session; None the one in
    force. A connection that breaks is made again, and the put repeated once under its `event_id`:
    it is never applied twice. `retry=True` says the same of a put you sent before yourself.
    """
    waiting = _wait(wait, timeout_s)
    params = {
        "id": str(uuid.uuid4()) if id is None else id,
        "event_id": str(uuid.uuid4()) if event_id is None else event_id,
        "content": content, "kind": kind, "tags": None if tags is None else list(tags),
        "props": None if props is None else dict(props), "embedding": embedding_of(embedding),
        "session_id": session_id, "expected_version": expected_version,
        "retry": True if retry else None, **waiting["params"]}
    return Call("memory.put", params, model.Receipt.of, repeat=Repeat.AS_RETRY,
                session_field="session_id", wait_s=waiting["wait_s"])


def delete(id: str, *, reason: Optional[str] = None, event_id: Optional[str] = None,
           session_id: Optional[str] = None, wait: Optional[str] = None,
           timeout_s: Optional[float] = None) -> Call[model.Receipt]:
    """Makes a memory a tombstone, here and at every backend; its history stays, and a restore brings
    it back. What is deleted already answers the first receipt with `duplicate`; `NotFound` says
    that it never was. As safe to break as a put."""
    waiting = _wait(wait, timeout_s)
    params = {"id": id, "reason": reason, "session_id": session_id,
              "event_id": str(uuid.uuid4()) if event_id is None else event_id,
              **waiting["params"]}
    return Call("memory.delete", params, model.Receipt.of, repeat=Repeat.AS_IS,
                session_field="session_id", wait_s=waiting["wait_s"])


def get(id: str, version: Optional[int] = None) -> Call[model.Memory]:
    """A memory with its embedding, as it is now or was at a version."""
    return Call("memory.get", {"id": id, "version": version}, model.Memory.of,
                repeat=Repeat.AS_IS)


def history(id: str, limit: Optional[int] = None) -> Call[List[model.Version]]:
    """The versions of a memory, newest first."""
    return Call("memory.history", {"id": id, "limit": limit},
                lambda result: [model.Version.of(one) for one in result["versions"]],
                repeat=Repeat.AS_IS)


def list_memories(*, session_id: Optional[str] = None, kind: Optional[str] = None,
                  tag: Optional[str] = None, since: Optional[model.Time] = None,
                  until: Optional[model.Time] = None, deleted: Optional[str] = None,
                  order: Optional[str] = None, embedding: bool = False,
                  limit: Optional[int] = None,
                  after: Optional[str] = None) -> Call[model.Page[model.Memory]]:
    """One page of memories, newest first (`order="id"`: by id). `deleted` is `no`, `only` or `any`;
    `embedding=True` carries vectors. `memories()` goes through all pages."""
    params = {"session_id": session_id, "kind": kind, "tag": tag, "since": time_of(since),
              "until": time_of(until), "deleted": deleted, "order": order,
              "embedding": embedding or None, "limit": limit, "after": after}
    return Call("memory.list", params, model.page_of("memories", model.Memory.of),
                repeat=Repeat.AS_IS)


def search(query: Optional[str] = None, *, mode: Optional[str] = None,
           by_embedding: Optional[Embedding] = None, embedding_model: Optional[str] = None,
           session_id: Optional[str] = None, kind: Optional[str] = None,
           tag: Optional[str] = None, since: Optional[model.Time] = None,
           until: Optional[model.Time] = None, deleted: Optional[str] = None,
           embedding: bool = False, limit: Optional[int] = None) -> Call[model.SearchResult]:
    """Searches by words, by meaning, or both (`mode`: `auto`, `text`, `semantic`); `by_embedding`
    searches by a vector of your own. `embedding=True` carries the hits' vectors."""
    params = {"query": query, "mode": mode,
              "embedding": (embedding or None) if by_embedding is None
              else embedding_of(by_embedding),
              "embedding_model": embedding_model, "session_id": session_id, "kind": kind,
              "tag": tag, "since": time_of(since), "until": time_of(until), "deleted": deleted,
              "limit": limit}
    return Call("memory.search", params, model.SearchResult.of, repeat=Repeat.AS_IS)


def restore(ids: Optional[Iterable[str]] = None, *, versions: Optional[Mapping[str, int]] = None,
            before: Optional[model.Time] = None, alert: Optional[str] = None,
            session_id: Optional[str] = None, kind: Optional[str] = None,
            tag: Optional[str] = None, since: Optional[model.Time] = None,
            until: Optional[model.Time] = None, deleted: Optional[str] = None,
            force: bool = False, dry_run: bool = False, reason: Optional[str] = None,
            limit: Optional[int] = None, after: Optional[str] = None,
            by_session_id: Optional[str] = None) -> Call[model.Restoration]:
    """Makes former states current again, as new versions: of `ids` the last undeleted one, of
    `versions` ({id: version}) that one, `before` a time, or before what an `alert` or a session
    (`session_id`) did. What another session has changed since is a conflict and left alone unless
    `force`. One page; `undo()` goes through all. A break is `UncertainError`: it is not repeated,
    except as a dry run."""
    if isinstance(ids, str):
        raise InvalidArgument("ids is one text; give a list", field="ids")
    params = {"ids": None if ids is None else list(ids),
              "versions": None if versions is None else dict(versions), "before": time_of(before),
              "alert": alert, "session_id": session_id, "kind": kind, "tag": tag,
              "since": time_of(since), "until": time_of(until), "deleted": deleted,
              "force": force or None, "dry_run": dry_run or None, "reason": reason,
              "limit": limit, "after": after, "by_session_id": by_session_id}
    return Call("memory.restore", params, model.Restoration.of,
                repeat=Repeat.AS_IS if dry_run else Repeat.NEVER, session_field="by_session_id")


def purge(ids: Iterable[str], *, reason: Optional[str] = None,
          session_id: Optional[str] = None) -> Call[Dict[str, Any]]:
    """Removes the history of memories for good; `Forbidden` unless the broker's config allows it.
    Answers `count` and `missing`."""
    params = {"ids": list(ids), "reason": reason, "session_id": session_id}
    return Call("memory.purge", params, _itself, session_field="session_id")


def import_batch(memories: Sequence[Mapping[str, Any]]) -> Call[Dict[str, Any]]:
    """One `memory.import` (1 to 1,000): memories as another broker had them, with their order.
    Answers imported, unchanged, older and refused. `import_from()` takes a whole file."""
    return Call("memory.import", {"memories": list(memories)}, _itself, repeat=Repeat.AS_IS)


# ---- the guard and its alerts ----

def observe(statement: str, *, language: Optional[str] = None, source: Optional[str] = None,
            session_id: Optional[str] = None, dry_run: bool = False) -> Call[model.Observation]:
    """Tells the guard of a statement elsewhere (`language`: sql, cypher, shell or auto). It is kept
    with secrets masked, and may raise alerts; with `dry_run` only the rules are answered."""
    params = {"statement": statement, "language": language, "source": source,
              "session_id": session_id, "dry_run": dry_run or None}
    return Call("guard.observe", params, model.Observation.of,
                repeat=Repeat.AS_IS if dry_run else Repeat.NEVER, session_field="session_id")


def alerts(*, rule: Optional[str] = None, session_id: Optional[str] = None,
           since: Optional[model.Time] = None, until: Optional[model.Time] = None,
           acked: Optional[str] = None, limit: Optional[int] = None,
           after: Optional[str] = None) -> Call[model.Page[model.Alert]]:
    """A page of alerts, those raised or updated last first. `acked` is `no`, `only` or `any`."""
    params = {"rule": rule, "session_id": session_id, "since": time_of(since),
              "until": time_of(until), "acked": acked, "limit": limit, "after": after}
    return Call("alert.list", params, model.page_of("alerts", _itself), repeat=Repeat.AS_IS)


def ack(id: Optional[str] = None, *, ids: Optional[Iterable[str]] = None, all: bool = False,
        session_id: Optional[str] = None) -> Call[Dict[str, Any]]:
    """Acks one alert, several, or all."""
    params = {"id": id, "ids": None if ids is None else list(ids), "all": all or None,
              "session_id": session_id}
    return Call("alert.ack", params, _itself, repeat=Repeat.AS_IS, session_field="session_id")


# ---- sessions, as the broker knows them ----

def tell_session(session_id: str, *, agent: Optional[str] = None, cwd: Optional[str] = None,
                 pid: Optional[int] = None) -> Call[model.Session]:
    """Tells the broker of a session that goes on or begins again (`session.begin`)."""
    params = {"session_id": session_id, "agent": agent, "cwd": cwd, "pid": pid}
    return Call("session.begin", params, _itself, repeat=Repeat.AS_IS)


def tell_session_end(session_id: str, reason: Optional[str] = None) -> Call[model.Session]:
    """Tells the broker that a session has ended."""
    return Call("session.end", {"session_id": session_id, "reason": reason}, _itself,
                repeat=Repeat.AS_IS)


def touch_session(session_id: str) -> Call[model.Session]:
    """The session, seen now."""
    return Call("session.touch", {"session_id": session_id}, _itself, repeat=Repeat.AS_IS)


def get_session(session_id: str) -> Call[model.Session]:
    """What the broker knows of a session."""
    return Call("session.get", {"session_id": session_id}, _itself, repeat=Repeat.AS_IS)


def sessions(*, active: bool = False, agent: Optional[str] = None, limit: Optional[int] = None,
             after: Optional[str] = None) -> Call[model.Page[model.Session]]:
    """A page of sessions, newest first."""
    params = {"active": active or None, "agent": agent, "limit": limit, "after": after}
    return Call("session.list", params, model.page_of("sessions", _itself), repeat=Repeat.AS_IS)


# ---- backends ----

def backends() -> Call[List[model.Backend]]:
    """Every backend: its health, what it has got and what it lacks."""
    return Call("backend.list", {}, _list("backends"), repeat=Repeat.AS_IS)


def flush(names: Optional[Iterable[str]] = None,
          timeout_s: Optional[float] = None) -> Call[List[model.Backend]]:
    """Waits until each backend (or each named) is level; `DeliveryTimeout` when it takes longer."""
    seconds = DELIVERY_S if timeout_s is None else timeout_s
    params = {"names": None if names is None else list(names), "timeout_ms": int(seconds * 1000)}
    return Call("backend.flush", params, _list("backends"), repeat=Repeat.AS_IS, wait_s=seconds)


def pause(name: str) -> Call[None]:
    """Nothing is delivered to this backend until `resume`."""
    return Call("backend.pause", {"name": name}, _nothing, repeat=Repeat.AS_IS)


def resume(name: str) -> Call[None]:
    """A paused backend goes on."""
    return Call("backend.resume", {"name": name}, _nothing, repeat=Repeat.AS_IS)


def probe(name: str) -> Call[Dict[str, Any]]:
    """Asks a backend whether it can be reached, and closes its circuit; `Unavailable` says why not."""
    return Call("backend.probe", {"name": name}, _itself, repeat=Repeat.AS_IS,
                wait_s=DELIVERY_S)


def verify(name: str, repair: bool = False) -> Call[Dict[str, Any]]:
    """Reads a backend back and holds it against the store."""
    return Call("backend.verify", {"name": name, "repair": repair or None}, _itself,
                wait_s=DELIVERY_S)


def forget(name: str) -> Call[None]:
    """Drops cursor and dead letters of a backend that has left the config."""
    return Call("backend.forget", {"name": name}, _nothing)


def dead(backend: Optional[str] = None, *, limit: Optional[int] = None,
         after: Optional[str] = None) -> Call[model.Page[model.DeadLetter]]:
    """A page of what backends will not take, and why."""
    params = {"backend": backend, "limit": limit, "after": after}
    return Call("dead.list", params, model.page_of("dead", _itself), repeat=Repeat.AS_IS)


def retry_dead(id: Optional[str] = None, *, backend: Optional[str] = None,
               all: bool = False) -> Call[Dict[str, Any]]:
    """Delivers dead letters once more; answers `count`."""
    return Call("dead.retry", {"id": id, "backend": backend, "all": all or None}, _itself)


def drop_dead(id: Optional[str] = None, *, backend: Optional[str] = None,
              all: bool = False) -> Call[Dict[str, Any]]:
    """Forgets deliveries, never memories; answers `count`."""
    return Call("dead.drop", {"id": id, "backend": backend, "all": all or None}, _itself)


# ---- the broker ----

def hello() -> Call[Dict[str, Any]]:
    """Who answers: server, version, protocol, pid, limits, methods."""
    return Call("hello", {}, _itself, repeat=Repeat.AS_IS)


def stats() -> Call[Dict[str, Any]]:
    """Counters and latencies."""
    return Call("stats", {}, _itself, repeat=Repeat.AS_IS)


def backup(path: str, replace: bool = False) -> Call[Dict[str, Any]]:
    """The broker writes a backup to an absolute path."""
    return Call("store.backup", {"path": path, "replace": replace or None}, _itself,
                wait_s=600.0)


def call(method: str, params: Optional[Mapping[str, Any]] = None, *,
         wait_s: float = 0.0) -> Call[Any]:
    """Any method of the protocol; its answer as it comes. Never repeated. `wait_s` comes on top of
    the client's time-out, for what takes its time."""
    return Call(method, dict(params or {}), _itself, wait_s=wait_s)
