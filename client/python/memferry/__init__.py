"""memferry: hand memories to memferryd from a program in Python.

`Client` waits for each answer; `AsyncClient` is the same for asyncio. A call that returned has its
promise kept: a receipt means fsynced on this machine. `memferry.errors` says which failures leave
open whether it happened.
"""
from ._connect import default_socket
from ._session import CurrentSession, SessionFile
from .aio import AsyncClient, AsyncSubscription
from .client import Client
from .diff import Diff
from .errors import (Busy, Conflict, ConnectError, DeadlineError, DeliveryTimeout, Forbidden,
                     InternalError, InvalidArgument, InvalidParams, MemferryError,
                     MethodNotFound, NotFound, ProtocolError, RemoteError, SessionFileError,
                     StorageFailed, StorageFull, TooLarge, Unavailable, UncertainError,
                     UntrustedError)
from .lines import Imported
from .model import (Alert, Backend, DeadLetter, Event, Hit, Memory, Observation, Page, Receipt,
                    Restoration, SearchResult, Session, Version)
from .pipeline import Pending, Pipeline, PipelineError
from .subscription import Subscription

__version__ = "0.1.0"

__all__ = [
    "Alert", "AsyncClient", "AsyncSubscription", "Backend", "Busy", "Client", "Conflict",
    "ConnectError", "CurrentSession", "DeadLetter", "DeadlineError", "DeliveryTimeout", "Diff",
    "Event", "Forbidden", "Hit", "Imported", "InternalError", "InvalidArgument",
    "InvalidParams", "MemferryError", "Memory", "MethodNotFound", "NotFound", "Observation",
    "Page", "Pending", "Pipeline", "PipelineError", "ProtocolError", "Receipt", "RemoteError",
    "Restoration", "SearchResult", "Session", "SessionFile", "SessionFileError",
    "StorageFailed", "StorageFull", "Subscription", "TooLarge", "Unavailable", "UncertainError",
    "UntrustedError", "Version", "default_socket",
]
