"""Requests to n8n as memferry's plugins make them, signed by Python alone, and those of others."""
import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import struct
import time
import uuid

from graph import vector
from wire import until

SECRET = "a-secret-of-the-tests"
NEXT_SECRET = "whsec_" + base64.b64encode(b"\x00the-next-secret-of-the-tests\xff").decode()
ORIGIN = "00000000-0000-4000-8000-000000000001"
TIMEOUT_S = 120


def secret_bytes(secret):
    """As they are, or base64 behind whsec_."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def mac(secret, *parts):
    return hmac.new(secret_bytes(secret), b"".join(parts), hashlib.sha256).digest()


def sign(raw, *, secrets=(SECRET,), ident=None, timestamp=None):
    """All headers of a request; of several secrets a signature each."""
    ident = ident or f"msg_{uuid.uuid4().hex}"
    timestamp = str(int(time.time()) if timestamp is None else timestamp)
    of = f"{ident}.{timestamp}.".encode()
    return {
        "Content-Type": "application/json",
        "X-Signature-256": "sha256=" + mac(secrets[0], raw).hex(),
        "webhook-id": ident, "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            "v1," + base64.b64encode(mac(s, of, raw)).decode() for s in secrets),
    }


class Reply:
    """What a webhook answered."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def body(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.text}"


class Flow:
    """A webhook of n8n's, and the graph behind it."""

    def __init__(self, n8n, path, graph):
        self.n8n, self.path, self.graph = n8n, f"/webhook/{path}", graph

    def send(self, raw, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.n8n.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", self.path, raw, headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def post(self, body, **signing):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(raw, sign(raw, **signing))

    def stored(self, body, **signing):
        """Posts it; it must be stored."""
        reply = self.post(body, **signing)
        assert reply.status == 200 and reply.body["status"] == "stored", reply
        return reply.body

    def at_once(self, bodies, **signing):
        """All side by side, and again what may be tried again, as memferry does; the replies in the
        order of the bodies."""
        def post(body):
            return until(lambda: (reply := self.post(body, **signing)).status != 503 and reply,
                         "an answer other than 503", TIMEOUT_S)

        with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(post, bodies))

    # ---- the graph ----

    def node(self, ident="m"):
        """The memory's properties, without the workflow's own notes; None: it is not there."""
        rows = self.graph.query("MATCH (m:Memory {id: $id}) RETURN properties(m)", id=ident)
        assert len(rows) < 2, rows
        for row in rows:
            row.pop("memferry_webhooks", None)
        return rows[0] if rows else None

    def everything(self):
        """All nodes and links but for the workflow's notes, for comparing."""
        return self.graph.query(
            "MATCH (n) OPTIONAL MATCH (n)-[r]->(to) "
            "WITH n, elementId(n) AS id, collect([type(r), elementId(to)]) AS links "
            "RETURN id, labels(n), n {.*, memferry_webhooks: null}, links ORDER BY id")


def state(ident="m", *, op="put", stamp=1_000_000, **fields):
    """A memory's state as the body of a request."""
    it = {
        "event": {"op": op}, "id": ident, "content": "Tea at four", "kind": "note", "tags": [],
        "props": {}, "created_ms": 1, "updated_ms": 2, "deleted_ms": 3 if op == "delete" else None,
        "version": 1, "stamp": stamp, "origin": ORIGIN, "embedding_state": "none",
    }
    it.update(fields)
    return it


def ping():
    return {"event": {"op": "ping"}}


def alert(ident="a", **fields):
    """An alert as the body of a request."""
    it = {"id": ident, "rule": "rapid-delete", "severity": "high", "at_ms": 1_700_000_000_000,
          "session_id": "s", "peer_pid": 17, "peer_command": "agent --fast", "count": 11,
          "sample_ids": ["m1", "m2"], "statement": None, "summary": "11 deletes within 60 s",
          "undo": f"memferry undo {ident}"}
    it.update(fields)
    return {"event": {"op": "alert"}, "alert": it}


def numbers(number):
    """A vector of 768, as a list."""
    return list(struct.unpack("<768f", vector(number)))
