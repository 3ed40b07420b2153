"""Webhooks a second into a real n8n and embeddings a second from a real Ollama: memferryd beside the
server's own limit, the best of several widths by a bare client whose requests were made before."""
import concurrent.futures
import http.client
import json
import sys
import time
import uuid

import harness
from graph import put_all, vector
from rows import Row, middle, ratios
from signed import SECRET, numbers, sign, state
from sinks import Backend
from wire import until

LONG_S = 600
WEBHOOKS, TEXTS = 200, 1000
WIDTHS = [1, 2, 4, 8]
BATCHES = [(16, 1), (16, 2), (64, 1), (64, 2)]  # texts to a request, at once
MODEL = "nomic-embed-text"


def post_each(port, path, requests):
    """[(body, headers)] over one connection, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    for body, headers in requests:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
    connection.close()


def rate_of(port, path, requests, width, each=1):
    """Of what the requests carry, `each` in one."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda n: post_each(port, path, requests[n::width]), range(width)))
    return len(requests) * each / (time.monotonic() - begun)


# ---- n8n ----


def signed_states(count):
    requests = []
    for n in range(count):
        body = json.dumps(state(str(uuid.uuid4()), embedding=numbers(n), embedding_model="caller",
                                embedding_state="ready")).encode()
        requests.append((body, sign(body)))
    return requests


def webhooks_by_memferry(n8n, count):
    config = (f'[backend "flow"]\nplugin = n8n-webhook\nurl = {n8n.url}/webhook/memory-sync\n'
              'secret_env = TOKEN\n')
    with harness.running(config, TOKEN=SECRET) as broker:
        begun = time.monotonic()
        put_all(broker, [{"id": str(uuid.uuid4()), "content": "Tea at four", "embedding": vector(n)}
                         for n in range(count)])
        flow = Backend(broker, "flow")
        until(lambda: flow.status()["pending"] == 0, lambda: f"{flow.status()}", LONG_S)
        took = time.monotonic() - begun
        assert flow.status()["delivered"] == count, flow.status()
        return count / took


def measure_n8n(farm, options):
    farm.get("neo4j")
    farm.get("ollama")
    n8n, count, rounds = farm.get("n8n"), max(8, int(WEBHOOKS / options.shrink)), []
    for number in range(options.rounds + 1):
        print(f"n8n, round {number}", file=sys.stderr, flush=True)
        rates = {width: rate_of(n8n.port, "/webhook/memory-sync", signed_states(count), width)
                 for width in WIDTHS}
        best = max(rates, key=rates.get)
        rounds.append({"limit": rates[best], "width": best,
                       "memferry": webhooks_by_memferry(n8n, count)})
    return [row("n8n", "webhooks into n8n", rounds[1:])], rounds


# ---- Ollama ----


def texts(count, seed):
    words = "tea rain zebra engine violin granite harbour comet saffron ledger".split()
    return [f"{seed}: {words[n % 10]} and {words[n // 10 % 10]} on the {n}th day" for n in range(count)]


def bodies(some, batch):
    return [(json.dumps({"model": MODEL, "input": [f"search_document: {t}" for t in
                                                   some[at:at + batch]]}).encode(),
             {"Content-Type": "application/json"}) for at in range(0, len(some), batch)]


def embeddings_by_memferry(ollama, count, seed):
    config = f'[backend "vectors"]\nplugin = ollama-embed\nurl = {ollama.url}\nmodel = {MODEL}\n'
    with harness.running(config) as broker:
        begun = time.monotonic()
        put_all(broker, [{"id": f"m{n}", "content": text}
                         for n, text in enumerate(texts(count, seed))])
        with broker.client() as client:
            until(lambda: client.call("stats")["store"]["embeddings"] >= count,
                  lambda: f"{client.call('backend.list')}", LONG_S)
        return count / (time.monotonic() - begun)


def measure_ollama(farm, options):
    ollama, rounds = farm.get("ollama"), []
    count = max(64, int(TEXTS / options.shrink) // 64 * 64)
    port = int(ollama.url.rpartition(":")[2])
    for number in range(options.rounds + 1):
        print(f"ollama, round {number}", file=sys.stderr, flush=True)
        rates = {(batch, width): rate_of(port, "/api/embed",
                                         bodies(texts(count, f"{number} {batch} {width}"), batch),
                                         width, batch) for batch, width in BATCHES}
        best = max(rates, key=rates.get)
        rounds.append({"limit": rates[best], "shape": best,
                       "memferry": embeddings_by_memferry(ollama, count, number)})
    return [row("ollama", "embeddings from Ollama", rounds[1:])], rounds


def row(key, what, rounds):
    ours, best = [r["memferry"] for r in rounds], [r["limit"] for r in rounds]
    return Row(key, what, "the server's own limit", ratios(ours, best), (">=", 0.95),
               figure=f"{middle(ours, '.1f')}/s, {middle(best, '.1f')}/s")
