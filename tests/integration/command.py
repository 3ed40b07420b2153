"""Runs the `memferry` command against the broker of a test."""
import json
import subprocess

import harness
from harness import MEMFERRY, MEMFERRYD


class Command:
    """Runs memferry against one broker's socket, with nothing of the caller's environment."""

    def __init__(self, broker):
        self.broker = broker
        path = f"{MEMFERRYD.parent}:{broker.environment.get('PATH', '/usr/bin:/bin')}"
        self.environment = dict(
            broker.environment, PATH=path, MEMFERRY_SOCKET=broker.socket,
            MEMFERRY_STATE_DIR=str(broker.state), MEMFERRY_CONFIG=str(broker.config),
            MEMFERRY_PLUGIN_DIR=str(broker.plugins))

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [str(MEMFERRY), *map(str, arguments)], env=self.environment, text=True,
            stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=harness.die_with_parent, **options)

    def run(self, *arguments, stdin=None):
        process = self.start(*arguments, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin or "", timeout=harness.DEADLINE_S)
        assert not harness.SANITIZER.search(err), err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ok(self, *arguments, stdin=None):
        told = self.run(*arguments, stdin=stdin)
        assert told.returncode == 0, told
        return told.stdout

    def json(self, *arguments, stdin=None):
        """The one object that --json prints."""
        (one,) = self.lines(*arguments, stdin=stdin)
        return one

    def lines(self, *arguments, stdin=None):
        """--json prints an object a line."""
        text = self.ok("--json", *arguments, stdin=stdin)
        return [json.loads(line) for line in text.splitlines()]

    def fails(self, code, *arguments, stdin=None):
        told = self.run(*arguments, stdin=stdin)
        assert told.returncode == code, told
        assert told.stderr.strip() and "\n\n" not in told.stderr
        return told


def everything_told(broker, *more):
    """All that the broker says, logs and stores, as bytes."""
    command = Command(broker)
    texts = [broker.log.read_bytes(), *more]
    for line in (["--json", "backends"], ["backends"], ["--json", "dead"], ["dead"], ["status"],
                 ["--json", "status"], ["call", "alert.list"], ["call", "stats"]):
        done = command.run(*line)
        texts += [done.stdout.encode(), done.stderr.encode()]
    texts += harness.read_files(broker.state)
    return texts


def assert_none_in(texts, secrets):
    for secret in secrets:
        for text in texts:
            at = text.find(secret.encode())
            assert at < 0, f"{secret} in {text[max(0, at - 200):at + 100]!r}"
