"""A real Neo4j of the tests' own: ports, a home in a scratch directory, and Cypher over HTTP."""
import base64
import http.client
import json
import os
import pathlib
import socket
import subprocess

SCRIPT = pathlib.Path(__file__).with_name("neo4j.sh")
PASSWORD = "a-good-password"
SKIPPED = 77
START_S = 400  # the first one fetches the jars
TRIES = 5


class CannotInstall(Exception):
    """There can be no server here; says why."""


class CypherError(Exception):
    """What errors[] of a reply held."""


def free_ports(count):
    """Free a moment ago; neo4j.sh says so if one was taken since."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for one in sockets:
        one.close()
    return ports


class Neo4j:
    """One server, by neo4j.sh."""

    def __init__(self, home):
        self.http_port, bolt_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.bolt_url = f"bolt://127.0.0.1:{bolt_port}"
        self.environment = dict(
            os.environ, NEO4J_HOME_DIR=str(home), NEO4J_HTTP_PORT=str(self.http_port),
            NEO4J_BOLT_PORT=str(bolt_port), NEO4J_PASSWORD=PASSWORD, NEO4J_URL=self.url,
            NEO4J_SCRIPT=str(SCRIPT))
        login = base64.b64encode(f"neo4j:{PASSWORD}".encode()).decode()
        self.headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        self.guard = None

    def run(self, verb):
        told = subprocess.run([str(SCRIPT), verb], env=self.environment, text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S)
        if told.returncode == SKIPPED:
            raise CannotInstall(told.stderr.rpartition("skipped: ")[2].strip())
        assert told.returncode == 0, f"neo4j.sh {verb}: {told.stdout}{told.stderr}"

    def start(self):
        if self.guard is None:  # should this process be killed, the server ends all the same
            self.guard = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(SCRIPT), "wipe-after", str(os.getpid())], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
        self.run("start")

    def run_program(self, program):
        """A test program that finds the server by its environment."""
        told = subprocess.run([str(program)], env=self.environment, text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S)
        assert told.returncode == 0, told.stdout + told.stderr

    def kill(self):
        self.run("kill9")

    def wipe(self):
        self.run("wipe")
        if self.guard is not None:
            self.guard.kill()
            self.guard.wait()

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
