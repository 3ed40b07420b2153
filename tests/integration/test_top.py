"""memferry top: on a terminal it is drawn again and again until q; elsewhere it is one frame."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest

import harness
from command import Command
from sinks import put
from wire import until


class Screen:
    """A terminal of its own that top runs on, and what was drawn on it so far."""

    def __init__(self, command, *options, columns=120, rows=40):
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            harness.die_with_parent()

        self.process = subprocess.Popen(
            [harness.MEMFERRY, "top", *options], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, env=dict(command.environment, TERM="xterm"), preexec_fn=own_terminal)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode()
        return self.text

    def frame(self):
        """The last whole frame, as lines without what colours them."""
        frames = [f for f in self.read().split("\x1b[H")[1:] if "\x1b[J" in f]
        if not frames:
            return []
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frames[-1].split("\x1b[J")[0]).split("\r\n")

    def wait(self, pattern):
        return until(lambda: [line for line in self.frame() if re.search(pattern, line)],
                     lambda: f"/{pattern}/ in {self.frame()}")

    def type(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        until(lambda: self.read() is not None and self.process.poll() is not None, "top to end")
        self.read()
        assert self.text.endswith("\x1b[?25h\x1b[?1049l"), self.text[-200:]
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode


@pytest.fixture
def screen(sink):
    command = Command(sink.broker)
    opened = []

    def start(*options, **size):
        it = Screen(command, *options, **size)
        opened.append(it)
        return it

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        os.close(one.master)
        os.close(one.slave)


def test_it_shows_backends_sessions_and_alerts_as_they_change(sink, screen):
    sink.broker.call("session.begin", session_id="11111111-1111-4111-8111-111111111111",
                     agent="tester", cwd="/tmp/project")
    it = screen("--interval", "100ms")
    it.wait(r"^memferryd .* pid \d+ .*memory .* MiB")
    it.wait(r"^graph +ok +closed +0 ")
    it.wait(r"^11111111-1111-4111-8111-111111111111 +tester +seen .* ago +/tmp/project")
    it.wait(r"alerts that are not acked: 0")
    put(sink.broker, "bad", 1, "poison")
    it.wait(r"^graph +ok +closed .* 1$")
    sink.broker.call("guard.observe", statement="DROP TABLE users")
    it.wait(r"^critical .* 1  ")
    sink.script("down")
    put(sink.broker, "m", 3)
    it.wait(r"^graph +down +(open|probing) +3 ")
    it.wait(r"^    \S")
    it.type("q")
    assert it.end() == 0


def test_what_is_taken_shows_as_a_rate(sink, screen):
    it = screen("--interval", "100ms")
    it.wait(r"^graph .* 0\.0 ")

    def rate():
        put(sink.broker, "m", 20)
        lines = [line for line in it.frame() if line.startswith("graph ")]
        return lines and float(lines[0].split()[5 if lines[0].split()[4] == "-" else 6]) > 1

    until(rate, lambda: f"a rate in {it.frame()}")
    it.type("q")
    assert it.end() == 0


def test_lines_are_cut_at_the_width_and_a_new_size_is_taken(sink, screen):
    it = screen("--interval", "1m", columns=60, rows=30)
    it.wait("^graph ")
    assert max(map(len, it.frame())) <= 60
    it.resize(100, 8)
    until(lambda: len(it.frame()) == 8 and max(map(len, it.frame())) > 60,
          lambda: f"a frame of the new size: {it.frame()}")
    it.type("q")
    assert it.end() == 0


def test_a_broker_that_goes_is_said_and_found_again(sink, screen):
    it = screen("--interval", "100ms")
    it.wait("^graph ")
    sink.broker.stop()
    it.wait("no broker listens")
    sink.broker.start()
    it.wait("^graph ")
    it.type("q")
    assert it.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_terminal_back(screen, number):
    it = screen()
    it.wait("^graph ")
    it.process.send_signal(number)
    assert it.end() == 0


def test_a_stop_puts_the_terminal_back_and_going_on_draws_again(screen):
    it = screen("--interval", "1m")
    it.wait("^graph ")
    it.type("\x1a")
    until(lambda: "\x1b[?1049l" in it.read(), "the shell's screen")
    until(lambda: open(f"/proc/{it.process.pid}/stat").read().split()[2] == "T", "the stop")
    drawn = it.read().count("\x1b[H")
    it.process.send_signal(signal.SIGCONT)
    until(lambda: it.read().count("\x1b[H") > drawn, "another frame")
    it.type("q")
    assert it.end() == 0


def test_elsewhere_it_is_one_frame_without_escapes(sink):
    command = Command(sink.broker)

    def frame():
        told = command.ok("top")
        return told if re.search(r"^graph +ok ", told, re.M) else None

    told = until(frame, "a frame of a backend that is well")
    assert "\x1b" not in told and told.count("memferryd ") == 1
    assert re.search(r"^written +-/s", told, re.M)
    command.fails(64, "top", "--json")
    command.fails(64, "top", "--interval", "1ms")
    sink.broker.stop()
    assert "no broker" in command.fails(69, "top", "--once").stderr
    sink.broker.start()
