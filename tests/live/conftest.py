"""Fixtures: one Neo4j for all tests, an empty graph and a broker that delivers to it for each.

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
from server import CannotInstall, Neo4j  # noqa: E402


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
def neo4j():
    with harness.scratch() as home:
        server = Neo4j(home / "neo4j")
        try:
            server.start()
            yield server
        except CannotInstall as why:
            pytest.skip(str(why))
        finally:
            server.wipe()


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
