"""Fixtures: brokers that end with the test that asked for them."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402
import sinks  # noqa: E402


def pytest_collection_modifyitems(items):
    missing = [p for p in (harness.MEMFERRYD,) if not p.exists()]
    if missing:
        pytest.exit(f"not built: {missing[0]} (set MEMFERRY_BUILD to the build directory)", 2)
    del items


@pytest.fixture
def broker():
    """A fresh broker without config, running."""
    with harness.running() as it:
        yield it


@pytest.fixture
def make_broker():
    """make_broker(config, start=True, NAME=value…) for tests that need their own way."""
    opened = []

    def make(config=None, start=True, **environment):
        manager = harness.running(config, start, **environment)
        it = manager.__enter__()
        opened.append(manager)
        return it

    yield make
    failure = None
    for manager in reversed(opened):
        try:
            manager.__exit__(None, None, None)
        except AssertionError as error:
            failure = failure or error
    if failure:
        raise failure


@pytest.fixture(scope="module")
def shared():
    """One broker for all tests of a file; each uses ids of its own."""
    with harness.running() as it:
        yield it


@pytest.fixture(params=["json", "msgpack"])
def encoding(request):
    return request.param


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    target = tmp_path_factory.mktemp("so") / "scripted.so"
    return sinks.compile_plugin(sinks.PLUGINS / "scripted.c", target)


@pytest.fixture
def sink(make_broker, library):
    """A broker with one scripted backend, running."""
    broker = make_broker(start=False)
    it = sinks.Scripted(broker, "graph", library)
    broker.configure(it.section)
    broker.start()
    return it
