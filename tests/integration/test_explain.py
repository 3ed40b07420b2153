"""memferry explain: every id that the source has is explained, and nothing else is."""
import json
import re
import subprocess

import pytest

from harness import MEMFERRY, SOURCE


def explain(*words):
    return subprocess.run([MEMFERRY, *words], capture_output=True, text=True, check=False)


def explained(kind):
    told = explain("--json", "explain")
    assert told.returncode == 0, told
    found = [json.loads(line) for line in told.stdout.splitlines()]
    ids = [one["id"] for one in found if one["kind"] == kind]
    assert len(ids) == len(set(ids))
    return set(ids)


def arguments(text, start):
    """The arguments of a call, which begins behind its "(" at `start`."""
    depth, quoted, at, found = 0, False, start, [""]
    while True:
        c = text[at]
        if quoted:
            if c == "\\":
                found[-1] += c + text[at + 1]
                at += 2
                continue
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return found
            depth -= 1
        elif c == "," and depth == 0:
            found.append("")
            at += 1
            continue
        found[-1] += c
        at += 1


def sources():
    return [(path, path.read_text()) for path in sorted((SOURCE / "broker").rglob("*.c"))]


def literals(name, position):
    """String literals in that argument of each call of `name`, with the file they are in."""
    found = []
    for path, text in sources():
        for call in re.finditer(rf"\b{name}\(", text):
            given = arguments(text, call.end())
            if text[:call.start()].endswith("\nvoid "):
                continue
            ids = re.findall(r'"([^"]+)"', given[position])
            assert ids, f"{path}: {name} with an id that is no literal: {given[position]}"
            found += ids
    return found


def test_every_id_of_the_log_is_explained_and_every_explanation_is_of_an_id():
    ids = literals("log_write", 2)
    assert len(ids) > 50
    assert set(ids) == explained("log")


def test_every_error_of_the_protocol_is_explained():
    text = (SOURCE / "client/wire/code.c").read_text()
    names = set(re.findall(r'case RPC_[A-Z_]+:\s+return "([a-z_]+)"', text)) - {"ok"}
    assert names and names == explained("error")
    codes = dict(re.findall(r"^\| (-32\d+) \| `([a-z_]+)`",
                            (SOURCE / "docs/protocol.md").read_text(), re.M))
    assert set(codes.values()) == names
    for code, name in codes.items():
        told = explain("--json", "explain", "--", code)
        assert json.loads(told.stdout)["id"] == name
        assert json.loads(explain("--json", "explain", code[1:]).stdout)["code"] == code


def test_every_rule_of_alerts_is_explained_and_documented():
    guard = (SOURCE / "broker/guard_tell.c").read_text()
    rules = set(re.findall(r'\[GUARD_[A-Z_]+\] = \{"([a-z-]+)"', guard))
    rules |= set(literals("alerts_tell", 1))
    assert rules == explained("alert")
    documented = (SOURCE / "docs/alerts.md").read_text()
    assert not [rule for rule in rules if f"`{rule}`" not in documented]


@pytest.mark.parametrize("given", ["rapid-delete-812-0f", "rapid-delete", "backend-gone/flow",
                                   "journal-full:"])
def test_an_id_is_explained_as_it_was_copied(given):
    told = explain("explain", given)
    assert told.returncode == 0, told
    assert re.match(r"[a-z]+-[a-z]+ \((alert|log), ", told.stdout)


def test_what_is_in_log_and_alerts_is_told_of_both():
    told = explain("explain", "journal-damage")
    assert "(log, error)" in told.stdout and "(alert, critical)" in told.stdout


def test_an_unknown_id_is_not_found_and_the_nearest_is_named():
    told = explain("explain", "jornal-full")
    assert told.returncode == 1
    assert "did you mean journal-full" in told.stderr
