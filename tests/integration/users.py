"""Other users: processes that run as `nobody`, for tests that run as root."""
import contextlib
import os
import signal
import subprocess

import pytest

import harness
from harness import MEMFERRY, MEMFERRYD

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def become(uid):
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def need_programs_for(uid):
    """Skips where this user can't reach what was built, as below a home of root's."""
    for program in (MEMFERRY, MEMFERRYD):
        told = subprocess.run(["test", "-x", str(program)], preexec_fn=lambda: become(uid), check=False)
        if told.returncode != 0:
            pytest.skip(f"user {uid} may not run {program}")


def run_as(uid, arguments, environment, umask=None, timeout_s=None):
    def prepare():
        harness.die_with_parent()
        if umask is not None:
            os.umask(umask)
        become(uid)

    told = subprocess.run([str(a) for a in arguments], env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=timeout_s or harness.DEADLINE_S, preexec_fn=prepare)
    assert not harness.SANITIZER.search(told.stderr), told.stderr
    return told


@contextlib.contextmanager
def beside(work, uid=None):
    """`work()` again and again in another process, as this user, for as long as the block lasts."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            harness.die_with_parent()
            become(os.geteuid() if uid is None else uid)
            work()
            os.write(tell, b"x")
            while True:
                work()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"x", "the other process failed at once"
        yield child
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the other process ended"
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
