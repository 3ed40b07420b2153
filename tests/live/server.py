"""Real servers of the tests' own: ports, homes in scratch directories, and Cypher over HTTP."""
import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess

from wire import until

PLACE = pathlib.Path(__file__).parent
PASSWORD = "a-good-password"
SKIPPED = 77
TRIES = 5


class CannotInstall(Exception):
    """There can be no server here; says why."""


class CypherError(Exception):
    """What errors[] of a reply held."""


def free_ports(count):
    """Free a moment ago; a script says so if one was taken since."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """One server, by a script that knows start, stop, kill9, wipe and wipe-after."""

    script = None
    start_s = 400  # the first one installs

    def __init__(self, **environment):
        self.environment = dict(os.environ, **environment)
        self.guard = None

    @property
    def path(self):
        return PLACE / self.script

    def run(self, *verb, **options):
        told = subprocess.run([str(self.path), *verb], env=self.environment, text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=self.start_s,
                              **options)
        if told.returncode == SKIPPED:
            raise CannotInstall(told.stderr.rpartition("skipped: ")[2].strip())
        assert told.returncode == 0, f"{self.script} {verb}: {told.stdout}{told.stderr}"
        return told.stdout

    def start(self):
        if self.guard is None:  # should this process be killed, the server ends all the same
            self.guard = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(self.path), "wipe-after", str(os.getpid())], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
        self.run("start")

    def stop(self):
        self.run("stop")

    def kill(self):
        self.run("kill9")

    def run_program(self, program):
        """A test program that finds the server by its environment."""
        told = subprocess.run([str(program)], env=self.environment, text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=self.start_s)
        assert told.returncode == 0, told.stdout + told.stderr

    def wipe(self):
        self.run("wipe")
        if self.guard is not None:
            self.guard.kill()
            self.guard.wait()


class Ollama(Server):
    """With a tiny model by nomic-embed-text's name."""

    script = "ollama.sh"
    start_s = 2600

    def __init__(self, home):
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.home = pathlib.Path(home)
        super().__init__(OLLAMA_HOME_DIR=str(home), OLLAMA_PORT=str(port), OLLAMA_URL=self.url,
                         OLLAMA_SCRIPT=str(PLACE / self.script))

    def hang(self):
        """It takes connections and answers nothing, until it is killed."""
        os.killpg(int((self.home / "ollama.pid").read_text()), signal.SIGSTOP)


class N8n(Server):
    """With the workflows of deploy/n8n, published."""

    script = "n8n.sh"
    start_s = 3600

    def __init__(self, home, neo4j, ollama, **environment):
        self.port, broker_port = free_ports(2)
        self.home = pathlib.Path(home)
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            N8N_HOME_DIR=str(home), N8N_PORT=str(self.port),
            N8N_RUNNERS_BROKER_PORT=str(broker_port), NEO4J_HTTP_URL=neo4j.url,
            NEO4J_PASSWORD=PASSWORD, OLLAMA_URL=ollama.url, **environment)
        self.base, self.running = dict(self.environment), dict(self.environment)

    def be(self, **changes):
        """Up, with these changes to the environment that it was made with and no others; None takes a
        variable away."""
        wanted = {**self.base, **changes}
        self.environment = {name: value for name, value in wanted.items() if value is not None}
        if self.environment != self.running:
            self.stop()
        self.running = self.environment
        self.start()


class Neo4j(Server):
    """With Cypher over its HTTP API."""

    script = "neo4j.sh"

    def __init__(self, home):
        self.http_port, bolt_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.bolt_url = f"bolt://127.0.0.1:{bolt_port}"
        super().__init__(
            NEO4J_HOME_DIR=str(home), NEO4J_HTTP_PORT=str(self.http_port),
            NEO4J_BOLT_PORT=str(bolt_port), NEO4J_PASSWORD=PASSWORD, NEO4J_URL=self.url,
            NEO4J_SCRIPT=str(PLACE / self.script))
        login = base64.b64encode(f"neo4j:{PASSWORD}".encode()).decode()
        self.headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}

    # ---- Cypher ----

    def query(self, cypher, **parameters):
        """The rows; a row of one column is its value. Deadlocks with a broker's own schema work are
        for the client to try again."""
        for left in reversed(range(TRIES)):
            told = self.post({"statements": [{"statement": cypher, "parameters": parameters}]})
            if not told["errors"]:
                break
            if left == 0 or not told["errors"][0]["code"].startswith("Neo.TransientError."):
                raise CypherError(told["errors"])
        rows = [d["row"] for d in told["results"][0]["data"]]
        return [row[0] if len(row) == 1 else row for row in rows]

    def post(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=120)
        try:
            connection.request("POST", "/db/neo4j/tx/commit", json.dumps(body), self.headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def value(self, cypher, **parameters):
        (value,) = self.query(cypher, **parameters)
        return value

    def wait_nearest(self, ident, vector):
        """Until the vector index, which follows commits after a while, finds this memory nearest to
        the vector, at no distance."""
        self.query("CALL db.awaitIndexes(60)")

        def nearest():
            return self.query("CALL db.index.vector.queryNodes('memory_embedding', 1, $vector) "
                              "YIELD node, score RETURN node.id, score", vector=vector)

        def found():
            return [i for i, score in nearest() if score > 0.999] == [ident]

        until(found, lambda: f"the index to find {ident}; it finds {nearest()}")

    def clear(self):
        """An empty graph without anybody's schema; memferry makes its own again."""
        for name in self.query("SHOW CONSTRAINTS YIELD name RETURN name"):
            self.query(f"DROP CONSTRAINT `{name}`")
        for name in self.query("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name"):
            self.query(f"DROP INDEX `{name}`")
        self.query("MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS")

    def nodes(self, label, page=500):
        """Every node's properties, page by page in the order of ids."""
        after = ""
        while True:
            rows = self.query(f"MATCH (n:{label}) WHERE n.id > $after RETURN properties(n) "
                              "ORDER BY n.id LIMIT $page", after=after, page=page)
            yield from rows
            if len(rows) < page:
                return
            after = rows[-1]["id"]

    def links(self):
        """[(session, memory)], sorted."""
        return sorted(map(tuple, self.query(
            "MATCH (s:Session)-[:REMEMBERED]->(m:Memory) RETURN s.id, m.id")))


class Farm:
    """The servers of a test session, which start side by side as soon as it is known which are
    wanted; who asks for one waits for it."""

    def __init__(self, home, wanted, **of_n8n):
        self.neo4j = Neo4j(home / "neo4j")
        self.ollama = Ollama(home / "ollama")
        self.n8n = N8n(home / "n8n", self.neo4j, self.ollama, **of_n8n)
        self.pool = concurrent.futures.ThreadPoolExecutor(3)
        self.starts = {name: self.pool.submit(getattr(self, name).start) for name in wanted}

    def get(self, name):
        """Raises CannotInstall."""
        self.starts[name].result()
        return getattr(self, name)

    def end(self):
        self.pool.shutdown()
        for name in self.starts:
            getattr(self, name).wipe()
