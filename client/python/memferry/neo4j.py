"""For scripts that write memories with Neo4j's driver: the same lines, without waiting for Neo4j.

    from memferry.neo4j import AsyncGraphDatabase  # was: from neo4j import AsyncGraphDatabase

`session.run` returns when the memory is on this machine's disk; the broker takes it to Neo4j, now or
when that is there again. Address and login are the broker's (`[backend]` in its config), and what is
given here is passed over. Statements that write a memory are understood (MERGE, CREATE, MATCH …
DELETE; see `memferry._cypher`), anything else is `UnsupportedStatement`: reads stay with the driver.

There are no transactions: each run is durable by itself.
"""
from __future__ import annotations

import asyncio
from typing import Any, Dict, List, Mapping, Optional

from ._cypher import UnsupportedStatement, translate
from .aio import AsyncClient
from .client import Client
from .model import Receipt


class Summary:
    """What `consume()` returns."""

    def __init__(self, receipts: List[Receipt]) -> None:
        self.receipts = receipts


class Result:
    """Of a statement that wrote: the receipts, and no records."""

    def __init__(self, receipts: List[Receipt]) -> None:
        self.receipts = receipts

    def consume(self) -> Summary:
        return Summary(self.receipts)


class AsyncResult:
    """The same, awaited."""

    def __init__(self, receipts: List[Receipt]) -> None:
        self.receipts = receipts

    async def consume(self) -> Summary:
        return Summary(self.receipts)


def _merged(parameters: Optional[Mapping[str, Any]], more: Dict[str, Any]) -> Dict[str, Any]:
    return {**(parameters or {}), **more}


class AsyncSession:
    """Made by `AsyncDriver.session()`. All of a driver's sessions share its connection."""

    def __init__(self, client: AsyncClient, label: str, content: str) -> None:
        self._client, self._label, self._content = client, label, content

    async def run(self, query: str, parameters: Optional[Mapping[str, Any]] = None,
                  **more: Any) -> AsyncResult:
        """Returns when all of it is durable; a list that is unwound is pipelined."""
        calls = translate(query, _merged(parameters, more), label=self._label,
                          content=self._content)
        told = await asyncio.gather(*(self._client.do(call) for call in calls),
                                    return_exceptions=True)
        for one in told:
            if isinstance(one, BaseException):
                raise one
        return AsyncResult([one for one in told if isinstance(one, Receipt)])

    async def close(self) -> None:
        """Nothing: what was run is durable."""

    async def __aenter__(self) -> "AsyncSession":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncDriver:
    """Made by `AsyncGraphDatabase.driver()`."""

    def __init__(self, client: AsyncClient, label: str, content: str) -> None:
        self.client, self._label, self._content = client, label, content

    def session(self, **_: Any) -> AsyncSession:
        return AsyncSession(self.client, self._label, self._content)

    async def verify_connectivity(self, **_: Any) -> None:
        """To the broker."""
        await self.client.hello()

    async def close(self) -> None:
        await self.client.close()

    async def __aenter__(self) -> "AsyncDriver":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncGraphDatabase:
    @staticmethod
    def driver(uri: Optional[str] = None, *, label: str = "Memory", content: str = "content",
               client: Optional[AsyncClient] = None, **_: Any) -> AsyncDriver:
        """`label`: of the nodes that are memories. `content`: the property that is their content."""
        return AsyncDriver(client or AsyncClient(), label, content)


class PlainSession:
    """Made by `PlainDriver.session()`; one thread's at a time."""

    def __init__(self, client: Client, label: str, content: str) -> None:
        self._client, self._label, self._content = client, label, content

    def run(self, query: str, parameters: Optional[Mapping[str, Any]] = None,
            **more: Any) -> Result:
        """Returns when all of it is durable; a list that is unwound is pipelined."""
        calls = translate(query, _merged(parameters, more), label=self._label,
                          content=self._content)
        with self._client.pipeline() as pipe:
            pending = [pipe.submit(call) for call in calls]
            return Result([one.result() for one in pending])

    def close(self) -> None:
        """Nothing: what was run is durable."""

    def __enter__(self) -> "PlainSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PlainDriver:
    """Made by `GraphDatabase.driver()`."""

    def __init__(self, client: Client, label: str, content: str) -> None:
        self.client, self._label, self._content = client, label, content

    def session(self, **_: Any) -> PlainSession:
        return PlainSession(self.client, self._label, self._content)

    def verify_connectivity(self, **_: Any) -> None:
        """To the broker."""
        self.client.hello()

    def close(self) -> None:
        self.client.close()

    def __enter__(self) -> "PlainDriver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GraphDatabase:
    @staticmethod
    def driver(uri: Optional[str] = None, *, label: str = "Memory", content: str = "content",
               client: Optional[Client] = None, **_: Any) -> PlainDriver:
        """As `AsyncGraphDatabase.driver`."""
        return PlainDriver(client or Client(), label, content)


__all__ = ["AsyncDriver", "AsyncGraphDatabase", "AsyncSession", "GraphDatabase", "Result",
           "UnsupportedStatement"]
