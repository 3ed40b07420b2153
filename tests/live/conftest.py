"""Fixtures: one of each server for all tests; for each test an empty graph, and what it needs besides.

A server that can't be installed makes its tests skip and say why. In CI (the variable CI is set) a
skip is a failure: there nobody would read the reason.
"""
import os
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "integration"),
                str(pathlib.Path(__file__).parent)]

import harness  # noqa: E402
from graph import lane_to  # noqa: E402
from server import CannotInstall, Farm  # noqa: E402
from signed import NEXT_SECRET, SECRET, Flow  # noqa: E402

SERVERS = ("neo4j", "ollama", "n8n")


def pytest_collection_modifyitems():
    if not harness.MEMFERRYD.exists():
        pytest.exit(f"not built: {harness.MEMFERRYD} (set MEMFERRY_BUILD)", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which in CI is a failure: {report.longrepr[2]}"


@pytest.fixture(scope="session")
def farm(request):
    wanted = {name for item in request.session.items for name in item.fixturenames}
    with harness.scratch() as home:
        it = Farm(home, [name for name in SERVERS if name in wanted],
                  MEMORY_WEBHOOK_TOKEN=SECRET, MEMORY_WEBHOOK_TOKEN_NEXT=NEXT_SECRET)
        try:
            yield it
        finally:
            it.end()


def of_the_farm(farm, name):
    try:
        return farm.get(name)
    except CannotInstall as why:
        return pytest.skip(str(why))


@pytest.fixture(scope="session")
def neo4j(farm):
    return of_the_farm(farm, "neo4j")


@pytest.fixture(scope="session")
def ollama(farm):
    return of_the_farm(farm, "ollama")


@pytest.fixture(scope="session")
def n8n(farm):
    return of_the_farm(farm, "n8n")


@pytest.fixture
def graph(neo4j):
    """The server, up, and empty."""
    neo4j.start()
    neo4j.clear()
    return neo4j


@pytest.fixture
def lane(graph):
    """The backend `graph` of a running broker."""
    with lane_to(graph) as it:
        yield it


@pytest.fixture
def flow_with(graph, ollama, n8n):
    """Makes the workflow memory-sync, with changes to n8n's environment, on servers that are all up."""
    def make(**changes):
        ollama.start()
        n8n.be(**changes)
        return Flow(n8n, "memory-sync", graph)

    return make


@pytest.fixture
def flow(flow_with):
    """The workflow memory-sync."""
    return flow_with()


@pytest.fixture
def bell(graph, n8n):
    """The workflow memory-alert."""
    n8n.be()
    return Flow(n8n, "memory-alert", graph)
