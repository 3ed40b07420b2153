"""A real HTTP server on loopback that takes webhooks as docs/webhooks.md tells: it checks signatures with
Python's own hmac, keeps what came, and answers what the test says. It ends with the test."""
import base64
import hashlib
import hmac
import http.server
import json
import socket
import socketserver
import threading
import time

TOLERANCE_S = 300
SECRET = "correct-horse-battery"


def section(receiver, **options):
    lines = ['[backend "flow"]', "plugin = n8n-webhook", f"url = {receiver.url}?key=url-secret-99",
             *(f"{name} = {value}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


class Request:
    """One request: path, headers (names in lower case) and the body's bytes."""

    def __init__(self, path, headers, raw):
        self.path, self.headers, self.raw = path, headers, raw

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def op(self):
        return self.body["event"]["op"]


class Answer:
    def __init__(self, status=200, body="", **headers):
        self.status, self.body = status, body.encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def key_of(secret):
    if secret.startswith("whsec_"):
        return base64.b64decode(secret[len("whsec_"):], validate=True)
    return secret.encode()


def mac(secret, *parts):
    return hmac.new(key_of(secret), b"".join(parts), hashlib.sha256).digest()


def refusal(request, secret):
    """Why a request is not taken; None: it is good."""
    ident, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    signed = mac(secret, f"{ident}.{at}.".encode(), request.raw)
    given = [base64.b64decode(one[3:]) for one in
             request.headers.get("webhook-signature", "").split(" ") if one.startswith("v1,")]
    if not any(hmac.compare_digest(one, signed) for one in given):
        return "wrong signature"
    if abs(time.time() - int(at)) > TOLERANCE_S:
        return "too old"
    return None


class Receiver:
    """`answer(request)` gives what is answered once the signature is good; tests replace it. With a
    context of ssl it speaks TLS. Asked as a proxy, it answers for whoever was meant."""

    def __init__(self, secret, context=None):
        self.secret, self.answer = secret, lambda request: Answer()
        self.requests, self.refused = [], []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver.take(Request(self.path, headers, raw))
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/hook"
        if context:  # the handshake is for the connection's own thread
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, request):
        why = refusal(request, self.secret)
        with self._lock:
            (self.requests if why is None else self.refused).append(request)
        return self.answer(request) if why is None else Answer(401, why)

    def of(self, *ops):
        with self._lock:
            return [r for r in self.requests if r.op in ops]

    def memories(self):
        return [r.body for r in self.of("put", "delete")]

    def state(self):
        """As a good receiver holds it: the newest (stamp, origin) of each id."""
        held = {}
        for body in self.memories():
            order = (body["stamp"], body["origin"])
            if body["id"] not in held or order >= (held[body["id"]]["stamp"], held[body["id"]]["origin"]):
                held[body["id"]] = body
        return held

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Tunnel:
    """A proxy that takes CONNECT, and connects all of them to one port of this machine."""

    def __init__(self, port):
        self.asked = []  # heads of requests
        tunnel = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    more = self.request.recv(4096)
                    if not more:
                        return
                    head += more
                tunnel.asked.append(head.decode())
                with socket.create_connection(("127.0.0.1", port)) as there:
                    self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=relay, args=(there, self.request), daemon=True)
                    back.start()
                    relay(self.request, there)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def relay(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
