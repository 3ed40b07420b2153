"""The part of the units' sandbox that needs no service manager: the filter of system calls, as systemd
would build it from the unit's lines, in a process of the test's own.

What the unit would answer with EPERM kills here, so that a call outside the filter does not go unseen.
"""
import ctypes
import functools
import platform
import re
import struct
import subprocess

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
LOAD, JEQ, JSET, JGE, AND, RET = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCH, ARGUMENT = 0, 4, 16
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
NAMESPACES = 0x7E020000  # CLONE_NEW* without CLONE_NEWTIME, which clone takes for a signal
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2


def settings(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit, re.M)


@functools.lru_cache
def group(name):
    """The calls of a group such as @file-system, with those of the groups in it."""
    told = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True,
                          check=True).stdout
    found = set()
    for line in told.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= group(word) if word.startswith("@") else {word}
    return found


def allowed(unit):
    """As systemd reads it: the first line makes it a list of what is allowed."""
    calls = set()
    for line in settings(unit, "SystemCallFilter"):
        named = set()
        for word in line.lstrip("~").split():
            named |= group(word) if word.startswith("@") else {word}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


@functools.lru_cache
def numbers():
    told = subprocess.run(["cc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                          capture_output=True, text=True, check=True).stdout
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"#define __NR_(\w+) (\d+)", told)}


class Program:
    """BPF, an instruction after the other; jumps lead over the next few."""

    def __init__(self):
        self.code = b""

    def add(self, code, k, true=0, false=0):
        self.code += struct.pack("HBBI", code, true, false, k)

    def answer(self, number, what):
        self.add(JEQ, number, 0, 1)
        self.add(RET, what)

    def on(self, number, rule):
        """`rule` is for this call alone; what it lets through goes on."""
        inner = Program()
        rule(inner)
        inner.add(LOAD, NUMBER)
        self.add(JEQ, number, 0, len(inner.code) // 8)
        self.code += inner.code


def refuse_any(argument, bits, what):
    def rule(program):
        program.add(LOAD, ARGUMENT + 8 * argument)
        program.add(JSET, bits, 0, 1)
        program.add(RET, what)
    return rule


def refuse_all(argument, bits, what):
    def rule(program):
        program.add(LOAD, ARGUMENT + 8 * argument)
        program.add(AND, bits)
        program.add(JEQ, bits, 0, 1)
        program.add(RET, what)
    return rule


def only_families(unit):
    families = [FAMILIES[word] for line in settings(unit, "RestrictAddressFamilies") for word in line.split()]

    def rule(program):
        program.add(LOAD, ARGUMENT)
        for family in families:
            program.answer(family, ALLOW)
        program.add(RET, ERRNO | EAFNOSUPPORT)
    return rule


def program_of(unit, refused=()):
    """`refused` are answered as the unit does: for calls that may fail."""
    known, program = numbers(), Program()
    program.add(LOAD, ARCH)
    program.add(JEQ, AUDIT_ARCH[platform.machine()], 1, 0)
    program.add(RET, KILL)
    program.add(LOAD, NUMBER)
    program.on(known["socket"], only_families(unit))
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        program.on(known["mmap"], refuse_all(2, PROT_WRITE | PROT_EXEC, KILL))
        program.on(known["mprotect"], refuse_any(2, PROT_EXEC, KILL))
        program.on(known["pkey_mprotect"], refuse_any(2, PROT_EXEC, KILL))
        program.on(known["shmat"], refuse_any(2, SHM_EXEC, KILL))
    if settings(unit, "RestrictNamespaces") == ["yes"]:
        program.on(known["clone"], refuse_any(0, NAMESPACES, KILL))
        program.answer(known["clone3"], ERRNO | ENOSYS)  # its flags can't be seen; clone is tried then
    for name in refused:
        assert name not in allowed(unit)
        program.answer(known[name], ERRNO | EPERM)
    for name in sorted(allowed(unit) & known.keys()):
        program.answer(known[name], ALLOW)
    program.add(RET, KILL)
    return program.code


def enter(code):
    """Between fork and exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(code, len(code))

    class Filter(ctypes.Structure):
        _fields_ = [("size", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    whole = Filter(len(code) // 8, ctypes.addressof(instructions))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(whole), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter was not taken")
