"""Speaks to `memferry mcp` as the specification has it: lines of JSON over two pipes, no SDK."""
import contextlib
import json
import os
import select
import subprocess
import time

import harness
from wire import DEADLINE_S

MODERN = "2026-07-28"
LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
META = "io.modelcontextprotocol/"


class Server:
    """One server process. Every line that it writes must be a message of the protocol."""

    def __init__(self, command, *arguments, cwd=None, **environment):
        self.process = subprocess.Popen(
            [str(harness.MEMFERRY), "mcp", *arguments], env=dict(command.environment, **environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=harness.die_with_parent, cwd=cwd)
        self.buffer, self.answers, self.notes, self.last_id = b"", {}, [], 0
        self.revision = None

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        self.raw(json.dumps(message).encode() + b"\n")

    def line(self):
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], "no answer"
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            assert piece, f"it ended: {self.process.stderr.read().decode()}"
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def read(self):
        """One message; a notification is kept, and None returned."""
        message = self.line()
        if isinstance(message, list):
            return message
        assert message["jsonrpc"] == "2.0", message
        if "method" in message:
            assert "id" not in message, message
            self.notes.append(message)
            return None
        assert ("result" in message) != ("error" in message), message
        return message

    def start(self, method, params=None):
        """Sends a request; returns its id."""
        self.last_id += 1
        params = dict(params or {})
        if self.revision == MODERN:
            params.setdefault("_meta", {META + "protocolVersion": MODERN,
                                        META + "clientInfo": {"name": "tests", "version": "1"},
                                        META + "clientCapabilities": {}})
        self.send({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params})
        return self.last_id

    def wait(self, ident):
        while ident not in self.answers:
            message = self.read()
            if message is not None:
                self.answers[message["id"]] = message
        return self.answers.pop(ident)

    def ask(self, method, params=None):
        return self.wait(self.start(method, params))

    def call(self, method, params=None):
        answer = self.ask(method, params)
        assert "result" in answer, answer
        return answer["result"]

    def fails(self, code, method, params=None):
        answer = self.ask(method, params)
        assert answer["error"]["code"] == code, answer
        return answer["error"]

    def tool(self, name, **arguments):
        """A call that goes well; its fields."""
        result = self.call("tools/call", {"name": name, "arguments": arguments})
        assert result["isError"] is False, result
        return result["structuredContent"]

    def tool_fails(self, name, **arguments):
        """A call that does not; its text."""
        result = self.call("tools/call", {"name": name, "arguments": arguments})
        assert result["isError"] is True, result
        return result["content"][0]["text"]

    def initialize(self, revision):
        result = self.call("initialize", {
            "protocolVersion": revision, "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.revision = result["protocolVersion"]
        return result

    def speak(self, revision):
        """Agrees on a revision, in the way of that revision."""
        if revision == MODERN:
            self.revision = MODERN
        else:
            self.initialize(revision)
        return self

    def end(self):
        """Closes its stdin; it must end by itself, with 0. What it still said."""
        self.process.stdin.close()
        rest = self.buffer + self.process.stdout.read()
        said = self.process.stderr.read().decode()
        assert self.process.wait(DEADLINE_S) == 0, said
        assert not harness.SANITIZER.search(said), said
        return [json.loads(line) for line in rest.splitlines()]


@contextlib.contextmanager
def serving(command, *arguments, revision=MODERN, **options):
    server = Server(command, *arguments, **options)
    try:
        if revision is not None:
            server.speak(revision)
        yield server
        if not server.process.stdin.closed:
            server.end()
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()
