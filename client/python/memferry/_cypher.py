"""Statements that write one kind of node, as calls of memferry. Nothing is guessed: what is not
understood whole is refused.

    [UNWIND $rows AS row]  MERGE|CREATE (m:Memory {id: …, …}) [SET m.name = …, m += …]
    [UNWIND $rows AS row]  MATCH (m:Memory {id: …}) [DETACH] DELETE m

A value is a parameter ($name, $name.key), row or row.key, a literal, a list of them, datetime() or
timestamp().
"""
from __future__ import annotations

import ast
import datetime
import re
import time
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Tuple

from . import _calls
from ._calls import Call
from .errors import InvalidArgument
from .model import Receipt

_TOKEN = re.compile(r"""\s*(?:
    (?P<name>[A-Za-z_][A-Za-z0-9_]*) | `(?P<quoted>[^`]+)` | \$(?P<parameter>[A-Za-z0-9_]+) |
    (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?) |
    (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") | (?P<sign>\+=|[(){}\[\]:,.=;]) )""", re.X)
_COMMENT = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/""", re.S)
_ARGUMENTS = ("id", "content", "kind", "tags", "embedding", "session_id")
_WORDS = {"true": True, "false": False, "null": None}

Token = Tuple[str, str]


class UnsupportedStatement(InvalidArgument):
    """A statement that this does not understand whole; nothing was done."""

    hint = "write it as put() or delete(); docs/python.md shows how"


def _tokens(query: str) -> List[Token]:
    text = _COMMENT.sub(lambda found: found.group(1) or " ", query).strip()
    found: List[Token] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnsupportedStatement(f"cannot read the statement at: {text[at:at + 40]!r}")
        kind = str(token.lastgroup)
        found.append((kind, token.group(kind)))
        at = token.end()
    return found


class _Statement:
    """One statement with its parameters; `rows` is what UNWIND goes through."""

    def __init__(self, query: str, parameters: Mapping[str, Any], label: str) -> None:
        self._tokens = _tokens(query)
        self._at = 0
        self._parameters = parameters
        self._label = label
        self._row_name: Optional[str] = None
        self._row: Any = None
        self._variable = ""

    # ---- tokens ----

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedStatement(f"{what} at: {self._peek()[1] or 'the end of the statement'!r}")

    def _word(self, *words: str) -> bool:
        """Takes these words, if they come next."""
        ahead = self._tokens[self._at:self._at + len(words)]
        if [(kind, text.upper()) for kind, text in ahead] != [("name", word) for word in words]:
            return False
        self._at += len(words)
        return True

    def _sign(self, sign: str) -> bool:
        if self._peek() != ("sign", sign):
            return False
        self._at += 1
        return True

    def _must(self, sign: str) -> None:
        if not self._sign(sign):
            self._refuse(f"{sign} is expected")

    def _name(self) -> str:
        kind, text = self._next()
        if kind not in ("name", "quoted"):
            self._at -= 1
            self._refuse("a name is expected")
        return text

    # ---- values ----

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "parameter":
            if text not in self._parameters:
                raise UnsupportedStatement(f"the parameter ${text} was not given")
            return self._member(self._parameters[text])
        if kind in ("text", "number"):
            return ast.literal_eval(text)
        if (kind, text) == ("sign", "["):
            return self._list()
        if kind == "name" and text == self._row_name:
            return self._member(self._row)
        if kind == "name" and text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if kind == "name" and text.lower() in ("datetime", "timestamp") and self._sign("("):
            self._must(")")
            return (int(time.time() * 1000) if text.lower() == "timestamp"
                    else datetime.datetime.now(datetime.timezone.utc))
        self._at -= 1
        self._refuse("a parameter or a literal is expected")

    def _member(self, value: Any) -> Any:
        while self._sign("."):
            name = self._name()
            value = value.get(name) if isinstance(value, Mapping) else self._refuse(
                "what is before the dot is no map")
        return value

    def _list(self) -> List[Any]:
        values: List[Any] = []
        while not self._sign("]"):
            values.append(self._value())
            if self._peek() != ("sign", "]"):
                self._must(",")
        return values

    # ---- clauses ----

    def _node(self) -> Dict[str, Any]:
        """(m:Memory {…})"""
        self._must("(")
        self._variable = self._name()
        self._must(":")
        if self._name() != self._label:
            self._at -= 1
            self._refuse(f"only nodes with the label {self._label} are memories")
        fields: Dict[str, Any] = {}
        if self._sign("{"):
            while not self._sign("}"):
                name = self._name()
                self._must(":")
                fields[name] = self._value()
                if self._peek() != ("sign", "}"):
                    self._must(",")
        self._must(")")
        return fields

    def _set(self, fields: Dict[str, Any]) -> None:
        while True:
            if self._name() != self._variable:
                self._at -= 1
                self._refuse(f"only {self._variable} can be set")
            if self._sign("+="):
                more = self._value()
                if not isinstance(more, Mapping):
                    self._refuse("+= wants a map")
                fields.update(more)
            else:
                self._must(".")
                name = self._name()
                self._must("=")
                fields[name] = self._value()
            if not self._sign(","):
                return

    def _end(self) -> None:
        self._sign(";")
        if self._peek()[0] != "end":
            self._refuse("this is not understood")

    def _write(self, content: str) -> Call[Receipt]:
        if self._word("MATCH"):
            fields = self._node()
            self._word("DETACH")
            if not self._word("DELETE") or self._name() != self._variable or "id" not in fields:
                self._refuse("only MATCH (m {id: …}) DELETE m is understood")
            self._end()
            return _calls.delete(fields["id"])
        create = self._word("CREATE")
        if not create and not self._word("MERGE"):
            self._refuse("MERGE, CREATE, or MATCH … DELETE is expected")
        fields = self._node()
        while self._word("SET"):
            self._set(fields)
        self._end()
        return _put(fields, content, create)

    def calls(self, content: str) -> List[Call[Receipt]]:
        if not self._word("UNWIND"):
            return [self._write(content)]
        rows = self._value()
        if not self._word("AS") or not isinstance(rows, (list, tuple)):
            self._refuse("UNWIND wants a list AS a name")
        self._row_name = self._name()
        start, found = self._at, []
        for self._row in rows:
            self._at = start
            found.append(self._write(content))
        return found


def _plain(value: Any) -> Any:
    """Times as RFC 3339 text: memories have no type for them."""
    return value.isoformat() if isinstance(value, (datetime.datetime, datetime.date)) else value


def _put(fields: Dict[str, Any], content: str, create: bool) -> Call[Receipt]:
    if content in fields:
        fields["content"] = fields.pop(content)
    given = {name: fields.pop(name) for name in _ARGUMENTS if name in fields}
    props = {name: _plain(value) for name, value in fields.items()}
    return _calls.put(props=props or None, expected_version=0 if create and "id" in given else None,
                      **given)


def translate(query: str, parameters: Mapping[str, Any], *, label: str,
              content: str) -> List[Call[Receipt]]:
    """UnsupportedStatement: it is none of those above."""
    return _Statement(query, parameters, label).calls(content)
