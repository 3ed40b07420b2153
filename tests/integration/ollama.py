"""A real HTTP server on loopback that speaks as Ollama does, with vectors made of the texts themselves. It can be
stopped and started on its port, hang, and have other models. It ends with the test."""
import hashlib
import http.server
import json
import math
import random
import socket
import threading

from wire import DEADLINE_S, floats

DIMS = 768
MODEL = "nomic-embed-text"
DOCUMENT = "search_document: "
PROBES = [DOCUMENT + "memory"], ["memory"]  # what the plugin's probe embeds


def raw_vector(model, text, dims=DIMS):
    """As the model makes it: the same for the same text, and of any length."""
    chance = random.Random(hashlib.sha256(f"{model}\0{text}".encode()).digest())
    return [chance.gauss(0, 1) for _ in range(dims)]


def stored_vector(content, model=MODEL, prefix=DOCUMENT):
    """What memferry must keep for a content: float32s of length 1."""
    raw = raw_vector(model, prefix + content)
    norm = math.sqrt(sum(x * x for x in raw))
    return floats([x / norm for x in raw])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.ollama.answer(self.path, body)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, ollama):
        self.ollama, self.open = ollama, set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass  # a connection that was closed under its handler


class Ollama:
    """`models` maps names to dimensions; `asked` holds [(model, text)] as they came, prefixes and all, without
    probes."""

    def __init__(self, old=False, start=True):
        self.models, self.old = {MODEL: DIMS}, old
        self.asked, self.refuse = [], None
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.gate.set()
        self.listener = self.thread = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if start:
            self.start()

    def start(self):
        self.listener = Listener(self.port, self)
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self):
        """Nothing listens any more, and what was open is closed."""
        if self.listener is None:
            return
        self.gate.set()
        self.listener.shutdown()
        self.listener.server_close()
        for one in list(self.listener.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join()
        self.listener = None

    def hang(self):
        """Texts are taken, and not answered before release(). Probes are."""
        self.gate.clear()

    def release(self):
        self.gate.set()

    def texts(self, model=MODEL):
        """The contents that were embedded with a model, in the order they came."""
        with self.lock:
            return [text.removeprefix(DOCUMENT) for m, text in self.asked if m == model]

    def answer(self, path, body):
        model = body["model"]
        if model not in self.models:
            return 404, {"error": f'model "{model}" not found, try pulling it first'}
        if path == "/api/show":
            return 200, {"model_info": {"nomic-bert.context_length": 2048}}
        if path == "/api/embed" and not self.old:
            return self.embed(model, body["input"], lambda v: {"model": model, "embeddings": v})
        if path == "/api/embeddings":
            return self.embed(model, [body["prompt"]], lambda v: {"embedding": v[0]})
        return 404, b"404 page not found"

    def embed(self, model, texts, shape):
        if texts not in PROBES:
            with self.lock:
                self.asked += [(model, text) for text in texts]
            assert self.gate.wait(2 * DEADLINE_S)
        if self.refuse is not None and any(self.refuse in text for text in texts):
            return 400, {"error": "the input length exceeds the context length"}
        return 200, shape([raw_vector(model, text, self.models[model]) for text in texts])
