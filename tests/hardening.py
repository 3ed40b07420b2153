#!/usr/bin/env python3
"""Reads what was built and says which binary lacks a protection that the build asks for.

Of each: position independent, full RELRO with all symbols bound at start, no executable stack, no
text relocations, no run path into a place of others; and, where its code has any use for them,
stack protectors, fortified calls, and marked branch targets (CET, on x86).

usage: hardening.py BUILD_DIR
"""
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

FORTIFIABLE = {"memcpy", "memset", "snprintf", "vsnprintf", "strncpy", "read", "pread", "fprintf",
               "printf"}
FORTIFIED_AT_LEAST = 3  # of the programs: some of their calls have sizes that can be checked


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, str(path)], capture_output=True, text=True,
                          check=True).stdout


def binaries(build):
    programs = [build / "broker" / "memferryd", build / "client" / "cli" / "memferry",
                *sorted(p for p in (build / "client" / "heavy").glob("memferry-*") if p.is_file())]
    libraries = [build / "client" / "libmemferry.so", *sorted((build / "plugins").glob("*/*.so"))]
    missing = [p for p in [*programs, *libraries] if not p.exists()]
    assert not missing and len(libraries) >= 6, f"not built: {missing or libraries}"
    return programs, libraries


def imports(path):
    """Names of functions that others provide."""
    return {m.group(1) for m in re.finditer(r"\bUND\s+(\w+)(?:@|$)", readelf("--dyn-syms", path), re.M)}


def faults(path):
    head, segments, dynamic = (readelf(o, path) for o in ("-h", "-l", "-d"))
    if not re.search(r"Type:\s+DYN", head):
        yield "not position independent"
    if "GNU_RELRO" not in segments:
        yield "no RELRO"
    if not re.search(r"\(FLAGS\).*BIND_NOW", dynamic) and not re.search(r"FLAGS_1\).*\bNOW\b", dynamic):
        yield "symbols are bound late"
    stack = re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+(\w+)", segments)
    if stack is None or "E" in stack.group(1):
        yield "its stack may be executable"
    if re.search(r"^\s+LOAD\s.*\sRWE\s", segments, re.M):
        yield "a segment is writable and executable"
    if "TEXTREL" in dynamic:
        yield "it has text relocations"
    for runpath in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic):
        if not all(part.startswith(("$ORIGIN", "/")) for part in runpath.split(":")):
            yield f"its run path is {runpath}"


def code_faults(path, is_program):
    names = imports(path)
    if "__stack_chk_fail" not in names:
        yield "no stack protector"
    fortified = {n for n in names if n.endswith("_chk") and n != "__stack_chk_fail"}
    if len(fortified) < (FORTIFIED_AT_LEAST if is_program else 1) and names & FORTIFIABLE:
        yield f"calls are not fortified ({', '.join(sorted(names & FORTIFIABLE))})"
    if platform.machine() == "x86_64":
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", str(path)],
                              capture_output=True, text=True, check=True).stdout
        functions = re.findall(r"^[0-9a-f]+ <[^>]+>:\n\s+[0-9a-f]+:\s+(\S+)", code, re.M)
        marked = functions.count("endbr64")
        if marked < len(functions) / 3:  # static functions that nobody points to need no mark
            yield f"branch targets are not marked ({marked} of {len(functions)})"


def self_test():
    """Finds what is wrong with a program that was built to have every fault."""
    source = """
        #include <stdio.h>
        #include <string.h>
        int main(int argc, char **argv)
        {
            char text[64];
            memcpy(text, argv[0], (size_t)argc);
            snprintf(text + argc, sizeof text / 2, "%d", argc);
            return puts(text);
        }
        """
    flags = ["-O1", "-no-pie", "-fno-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE",
             "-fno-builtin", "-fcf-protection=none", "-Wl,-z,norelro,-z,lazy,-z,execstack,-rpath,tmp"]
    if platform.machine() != "x86_64":
        flags.remove("-fcf-protection=none")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "bad"
        subprocess.run(["gcc", "-xc", "-", "-o", str(path), *flags], input=source, text=True,
                       check=True, capture_output=True)
        found = [*faults(path), *code_faults(path, True)]
    expected = 8 if platform.machine() == "x86_64" else 7
    if len(found) != expected:
        print("of a program with every fault it found only:", *found, sep="\n")
    return len(found) != expected


def main():
    programs, libraries = binaries(pathlib.Path(sys.argv[1]))
    wrong = [f"{path}: {fault}" for path in [*programs, *libraries] for fault in faults(path)]
    wrong += [f"{path}: {fault}" for path in [*programs, *libraries]
              for fault in code_faults(path, path in programs)]
    print(*wrong, f"{len(programs) + len(libraries)} binaries, {len(wrong)} faults", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
