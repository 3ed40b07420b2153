"""What a memory must be after each change: too simple to be wrong. A list of versions for each memory, and
the states that puts and deletes make of the state before."""
import struct

BODY = ("content", "kind", "tags", "props", "embedding", "created_ms", "deleted_ms")
CONFLICT, NOT_FOUND = -32003, -32002


def body(memory):
    """What a restore brings back, and what every backend must hold."""
    found = {k: memory[k] for k in BODY if memory.get(k) is not None}
    found["embedding"] = bytes(found["embedding"]) if "embedding" in found else None
    return found


def vector(n):
    return struct.pack("<768f", *([float(n)] + [0.5] * 767))


def after_put(last, given):
    """The state that a put makes of `last` (None: there is no memory), but for its times."""
    state = dict(last) if last else {"kind": "note", "tags": [], "props": {}, "embedding": None}
    state.pop("deleted_ms", None)
    changed = "content" in given and given["content"] != state.get("content")
    state["embedding"] = given.get("embedding", None if changed else state["embedding"])
    state.update({k: given[k] for k in ("content", "kind", "tags") if k in given})
    state["props"] = {k: v for k, v in {**state["props"], **given.get("props", {})}.items()
                      if v is not None}
    return state


def assert_body(found, expected, where):
    """`found` is as expected but for the times that the broker decides: those are None there, or not
    there when the memory is new."""
    for name in ("content", "kind", "tags", "props", "embedding"):
        assert found.get(name) == expected.get(name), (where, name, found, expected)
    assert ("deleted_ms" in found) == ("deleted_ms" in expected), (where, found, expected)
    for name in ("created_ms", "deleted_ms"):
        if expected.get(name) is not None:
            assert found[name] == expected[name], (where, name, found, expected)


class Version:
    def __init__(self, memory, by, at_ms):
        self.version, self.body, self.by, self.at_ms = memory["version"], body(memory), by, at_ms
        self.order = (memory["stamp"], memory["origin"])
