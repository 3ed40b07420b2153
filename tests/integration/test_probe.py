"""`memferry backends probe`: is each backend reachable, does it let us in, is it set up?"""
import pytest

import receiver
from command import Command
from ollama import Ollama


@pytest.fixture
def hook():
    it = receiver.Receiver(receiver.SECRET)
    yield it
    it.close()


@pytest.fixture
def ollama():
    it = Ollama()
    yield it
    it.stop()


@pytest.fixture
def command(make_broker, hook, ollama):
    broker = make_broker(start=False, MEMORY_WEBHOOK_TOKEN=receiver.SECRET)
    broker.configure(receiver.section(hook) + f"""
[backend "vectors"]
plugin = ollama-embed
url = {ollama.url}
[backend "mirror"]
plugin = mirror-file
path = {broker.root}/mirror.ndjson
[backend "bell"]
plugin = alert-notify
log_file = {broker.root}/alerts
""")
    broker.start()
    return Command(broker)


def test_each_backend_that_is_well_says_what_it_found(command):
    told = command.ok("backends", "probe").splitlines()
    assert [line.split(":")[0] for line in told] == ["flow", "vectors", "mirror", "bell"]
    assert all(": ok: " in line for line in told), told
    assert "answers pings" in told[0] and "768 numbers" in told[1]
    assert "can be written" in told[2] and "told by log_file" in told[3]


def test_one_that_is_away_is_told_beside_those_that_are_well(command, ollama):
    ollama.stop()
    told = command.run("backends", "probe", "vectors", "mirror")
    assert told.returncode != 0
    first, second = told.stdout.splitlines()
    assert first.startswith("vectors: failed: ") and ollama.url in first
    assert second.startswith("mirror: ok: ")


def test_a_wrong_secret_and_a_missing_model_are_told_with_what_to_do(command, hook, ollama):
    hook.secret = "another"
    ollama.models.clear()
    told = command.run("backends", "probe", "flow", "vectors")
    first, second = told.stdout.splitlines()
    assert "401" in first and "ollama pull nomic-embed-text" in second
    assert receiver.SECRET not in told.stdout + told.stderr


def test_as_json_each_is_an_object_and_an_unknown_name_is_an_error(command):
    one, = command.lines("backends", "probe", "mirror")
    assert one["name"] == "mirror" and one["reachable"] is True and "written" in one["detail"]
    command.fails(1, "backends", "probe", "nobody")
