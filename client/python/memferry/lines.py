"""Memories as lines of JSON, as `memferry export` writes and `memferry import` reads them. No I/O."""
from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple

BATCH_LINES = 200
BATCH_BYTES = 1 << 20
LINE_MAX = 16 << 20  # a memory of 4 MiB may be more as JSON

_LEFT_OUT = ("version", "embedding_state")  # they belong to the broker that has it


@dataclasses.dataclass
class Imported:
    """What became of an import. `refused` has (line, why)."""

    imported: int = 0
    unchanged: int = 0
    older: int = 0
    refused: List[Tuple[int, str]] = dataclasses.field(default_factory=list)

    def count(self, reply: Mapping[str, Any], numbers: List[int]) -> None:
        self.imported += reply["imported"]
        self.unchanged += reply["unchanged"]
        self.older += reply["older"]
        self.refused += [(numbers[one["index"]], str(one["message"]))
                         for one in reply.get("refused") or []]


def line_of(record: Mapping[str, Any]) -> str:
    """All that makes the memory the same elsewhere, with its newline."""
    fields = {key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
              for key, value in record.items() if key not in _LEFT_OUT}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _record_of(line: str) -> Dict[str, Any]:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("it is no JSON object")
    if isinstance(record.get("embedding"), str):
        record["embedding"] = base64.b64decode(record["embedding"], validate=True)
    return record


def batches(lines: Iterable[str],
            told: Imported) -> Iterator[Tuple[List[int], List[Dict[str, Any]]]]:
    """What goes into one call each, with the numbers of its lines; a line that is none is told."""
    numbers: List[int] = []
    records: List[Dict[str, Any]] = []
    size = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if len(line) > LINE_MAX:
                raise ValueError("it is longer than 16 MiB")
            record = _record_of(line)
        except (ValueError, RecursionError) as wrong:
            told.refused.append((number, str(wrong)))
            continue
        if len(records) == BATCH_LINES or (records and size + len(line) > BATCH_BYTES):
            yield numbers, records
            numbers, records, size = [], [], 0
        numbers.append(number)
        records.append(record)
        size += len(line)
    if records:
        yield numbers, records
