"""What differs between two versions of a memory."""
from __future__ import annotations

import dataclasses
import difflib
from typing import Any, Dict, List, Optional, Tuple

from .errors import NotFound
from .model import Memory, Version

CONTEXT = 3

_FIELDS = ("kind", "tags", "embedding", "created_ms", "deleted_ms", "session_id")


@dataclasses.dataclass(frozen=True)
class Diff:
    """`fields` has what was before and after, by name; a prop as `props.NAME`, None where there was
    none. `content` has lines as `diff -u` writes them, none when it is the same."""

    id: str
    from_version: int
    to_version: int
    fields: Dict[str, Tuple[Any, Any]]
    content: List[str]

    def __bool__(self) -> bool:
        return bool(self.fields or self.content)


def previous(id: str, versions: List[Version]) -> int:
    """The version before the newest."""
    if len(versions) < 2:
        raise NotFound(f"{id} has one version only: nothing to compare")
    return versions[1].version


def _same(before: Any, after: Any) -> bool:
    """1 and 1.0 are not the same."""
    return type(before) is type(after) and repr(before) == repr(after)


def compare(before: Memory, after: Memory) -> Diff:
    fields: Dict[str, Tuple[Optional[Any], Optional[Any]]] = {}
    for name in _FIELDS:
        one, other = getattr(before, name), getattr(after, name)
        if not _same(one, other):
            fields[name] = (one, other)
    for name in [*before.props, *(key for key in after.props if key not in before.props)]:
        one, other = before.props.get(name), after.props.get(name)
        if not _same(one, other):
            fields[f"props.{name}"] = (one, other)
    content = list(difflib.unified_diff(
        before.content.splitlines(), after.content.splitlines(),
        f"{before.id} {before.version}", f"{after.id} {after.version}", n=CONTEXT, lineterm=""))
    return Diff(before.id, before.version, after.version, fields, content)
