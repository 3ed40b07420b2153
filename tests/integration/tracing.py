"""Holds one thread of a running process where it is, as a disk that hangs would."""
import contextlib
import ctypes
import os
import pathlib

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def threads(pid):
    """{name: thread id}"""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found[(task / "comm").read_text(encoding="utf-8").rstrip("\n")] = int(task.name)
    return found


def ptrace(request, thread):
    if LIBC.ptrace(request, thread, None, None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextlib.contextmanager
def held(pid, name):
    """The thread of this name stands still; from the thread that entered, it goes on at the end."""
    thread = threads(pid)[name]
    ptrace(PTRACE_SEIZE, thread)
    try:
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        yield
    finally:
        ptrace(PTRACE_DETACH, thread)
