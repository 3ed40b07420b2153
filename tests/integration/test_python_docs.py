"""docs/python.md, line by line; the drop-in for Neo4j's driver; the package as pip makes it."""
import asyncio
import os
import re
import shutil
import subprocess
import sys

import pytest

from harness import SOURCE, sanitized

sys.path.insert(0, str(SOURCE / "client" / "python"))

import memferry  # noqa: E402
import memferry.neo4j as dropin  # noqa: E402

TEXT = (SOURCE / "docs/python.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
BEFORE = [text for text in PROGRAMS if "from neo4j import" in text]
ALL_AFTER = [text for text in PROGRAMS if "enumerate([" in text and text not in BEFORE]


@pytest.fixture
def environment(broker, monkeypatch):
    for name in list(os.environ):
        if name.startswith("MEMFERRY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(broker.root))
    monkeypatch.setenv("MEMFERRY_SOCKET", broker.socket)
    monkeypatch.setenv("MEMFERRY_NO_START", "1")
    return dict(os.environ, PYTHONPATH=str(SOURCE / "client/python"))


def run(text, environment):
    return subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True,
                          text=True, timeout=60, check=False)


@pytest.mark.parametrize("text", [text for text in PROGRAMS if text not in BEFORE])
def test_programs_of_the_page_run(text, environment):
    done = run(text, environment)
    assert done.returncode == 0, done.stderr


def test_the_migration_changes_one_line_and_both_forms_write_the_same(broker, environment):
    (before,), (after, said) = BEFORE, ALL_AFTER
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines()) if a != b]
    assert changed == [("from neo4j import AsyncGraphDatabase",
                        "from memferry.neo4j import AsyncGraphDatabase")]
    told = []
    for program in (after, said):
        assert run(program, environment).returncode == 0
        with memferry.Client(broker.socket) as client:
            told.append([(m.id, m.content, m.props, len(client.history(m.id)))
                         for m in client.memories(order="id")])
    assert told[0] == [("m0", "Tea is at four", {"source": "diary"}, 1),
                       ("m1", "The garden is open", {"source": "diary"}, 1)]
    assert [one[:3] for one in told[0]] == [one[:3] for one in told[1]]


# ---- the drop-in ----


@pytest.fixture
def session(environment):
    with dropin.GraphDatabase.driver("bolt://nowhere", auth=("a", "b"), content="text") as driver:
        driver.verify_connectivity()
        with driver.session(database="neo4j") as it:
            yield it


def test_statements_that_write_are_understood(broker, session):
    session.run("// a note\nMERGE (m:Memory {id: $id}) SET m.text = $text, m.n = 1, m.at = datetime(), "
                "m.tags = ['a', $tag], m.`odd name` = null SET m += $more;",
                {"id": "a", "text": "A"}, tag="b", more={"kind": "fact", "f": 1.5})
    receipts = session.run("UNWIND $rows AS row CREATE (m:Memory {id: row.id, text: row.t}) ",
                           rows=[{"id": f"r{n}", "t": str(n)} for n in range(500)])
    assert [one.id for one in receipts.consume().receipts] == [f"r{n}" for n in range(500)]
    session.run("MATCH (m:Memory {id: 'r1'}) DETACH DELETE m")
    with memferry.Client(broker.socket) as client:
        memory = client.get("a")
        assert (memory.content, memory.kind, memory.tags) == ("A", "fact", ["a", "b"])
        assert memory.props.pop("at").endswith("+00:00") and memory.props == {"n": 1, "f": 1.5}
        assert client.get("r1").deleted and client.get("r2").content == "2"
    with pytest.raises(memferry.Conflict):
        session.run("CREATE (m:Memory {id: 'r2', text: 'again'})")


@pytest.mark.parametrize("query", [
    "MATCH (m:Memory) RETURN m", "MATCH (m:Memory {id: $id}) RETURN m.text",
    "MATCH (m:Memory) DELETE m", "MERGE (p:Person {id: $id})",
    "MERGE (m:Memory {id: $id}) SET p.x = 1", "MERGE (m:Memory {id: $id}) SET m.x = m.y + 1",
    "MERGE (m:Memory {id: $id}) ON CREATE SET m.text = 'x'", "MERGE (m:Memory {id: $other})",
    "MERGE (m:Memory {id: $id}) SET m.text = 'x' RETURN m", "MERGE (m:Memory {id: $id})-[:IN]->(s)",
    "MERGE (m:Memory {id: $id}) SET m.text = 'x' MERGE (n:Memory {id: 'n'}) SET n.text = 'y'",
    "UNWIND $id AS row MERGE (m:Memory {id: row})", "DROP INDEX x", "", "MERGE (m:Memory {id: $id"])
def test_any_other_statement_is_refused_and_does_nothing(broker, session, query):
    with pytest.raises(dropin.UnsupportedStatement):
        session.run(query, id="a")
    with memferry.Client(broker.socket) as client:
        assert not list(client.memories(deleted="any"))


def test_the_awaited_form_writes_as_the_plain_one(broker, environment):
    async def main():
        async with dropin.AsyncGraphDatabase.driver() as driver:
            async with driver.session() as session:
                result = await session.run("UNWIND $rows AS row MERGE (m:Memory {id: row.id}) "
                                           "SET m.content = 'x'",
                                           rows=[{"id": str(n)} for n in range(300)])
                assert len((await result.consume()).receipts) == 300
                with pytest.raises(memferry.InvalidParams):
                    await session.run("MERGE (m:Memory {id: ''}) SET m.content = 'x'")

    asyncio.run(main())
    with memferry.Client(broker.socket) as client:
        assert len(list(client.memories())) == 300


# ---- the package ----


@pytest.mark.skipif(sanitized(), reason="the same with any broker")
def test_the_package_installs_as_the_page_says(broker, environment, tmp_path):
    """From a copy of the tree, and without the network: what it needs is Debian's."""
    shutil.copytree(SOURCE / "client/python", tmp_path / "client/python",
                    ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    (block,) = re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S)
    quiet = dict(environment, PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0", PYTHONPATH="",
                 PIP_DISABLE_PIP_VERSION_CHECK="1", PATH=f"/usr/bin:{environment['PATH']}")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=quiet,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    script = ("import memferry, memferry.neo4j, os, importlib.metadata as m\n"
              "assert m.version('memferry') == memferry.__version__\n"
              "needed, = m.requires('memferry')\n"
              "assert needed.startswith('msgpack')\n"
              "home = os.path.dirname(memferry.__file__)\n"
              "assert 'site-packages' in home and os.path.exists(home + '/py.typed')\n"
              "memferry.Client().put('x', id='from a wheel')")
    done = subprocess.run([tmp_path / "venv/bin/python", "-c", script], cwd="/", env=quiet,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with memferry.Client(broker.socket) as client:
        assert client.get("from a wheel").content == "x"
