"""memferry hook, as an agent's host runs it; and its way into the host's settings and out again."""
import json
import os
import pathlib
import random
import select
import subprocess
import uuid

import pytest

import harness
from command import Command
from wire import RpcError, until

INSTALLED = ["SessionStart", "UserPromptSubmit", "PreToolUse", "SessionEnd"]


@pytest.fixture
def command(broker):
    return Command(broker)


def event(name, session=None, **fields):
    return json.dumps({"hook_event_name": name, "session_id": session or str(uuid.uuid4()),
                       "transcript_path": "/tmp/t.jsonl", "permission_mode": "default",
                       "cwd": "/tmp", **fields})


def run(command, text, *arguments):
    """Whatever it is given, it ends with 0."""
    told = command.run("hook", *arguments, stdin=text)
    assert told.returncode == 0, told
    return told


def quiet(command, text, *arguments):
    """What it prints; it waits as long as the broker takes, which is not the point here."""
    told = run(command, text, "--timeout", "30s", *arguments)
    assert told.stderr == "", told
    return told.stdout


def context(command, text):
    out = quiet(command, text)
    if not out:
        return None
    told = json.loads(out)["hookSpecificOutput"]
    assert told["hookEventName"] == "SessionStart"
    return told["additionalContext"]


# ---- sessions ----

def test_the_agents_session_is_begun_goes_on_and_ends(broker, command):
    ident = str(uuid.uuid4())
    assert quiet(command, event("SessionStart", ident, source="startup")) == ""
    known = broker.call("session.get", {"session_id": ident})
    assert (known["agent"], known["cwd"], known["ended_ms"]) == ("claude", "/tmp", None)
    assert command.ok("session", "current").strip() == ident
    command.ok("put", "--id", "tea", "at four")
    assert broker.call("memory.get", {"id": "tea"})["session_id"] == ident
    quiet(command, event("UserPromptSubmit", ident, prompt="hello"))
    quiet(command, event("SessionEnd", ident, reason="logout"))
    ended = broker.call("session.get", {"session_id": ident})
    assert (ended["end_reason"], ended["end_note"]) == ("command", "logout")
    command.fails(1, "session", "current", "--peek")
    quiet(command, event("SessionStart", ident, source="resume"))
    resumed = broker.call("session.get", {"session_id": ident})
    assert (resumed["ended_ms"], resumed["started_ms"]) == (None, known["started_ms"])


def test_a_session_that_began_without_a_broker_is_known_from_the_next_prompt(broker, command):
    ident = str(uuid.uuid4())
    with pytest.raises(RpcError):
        broker.call("session.get", {"session_id": ident})
    quiet(command, event("UserPromptSubmit", ident, prompt="x"), "--agent", "codex")
    assert broker.call("session.get", {"session_id": ident})["agent"] == "codex"


def test_the_end_of_one_session_leaves_another_in_force(command):
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    quiet(command, event("SessionStart", first))
    quiet(command, event("SessionStart", second))
    quiet(command, event("SessionEnd", first, reason="other"))
    assert command.ok("session", "current").strip() == second


def test_the_agents_shells_are_told_of_the_session(broker, command):
    ident, path = str(uuid.uuid4()), broker.root / "env"
    path.write_text("export OTHER=1\n")
    command.environment["CLAUDE_ENV_FILE"] = str(path)
    quiet(command, event("SessionStart", ident))
    assert path.read_text() == f"export OTHER=1\nexport MEMFERRY_SESSION_ID={ident}\n"
    quiet(command, event("SessionStart", "x; rm -rf /"))
    assert "rm" not in path.read_text()


def test_a_session_that_is_no_uuid_is_taken_too(broker, command):
    quiet(command, event("SessionStart", "agent-7"))
    assert broker.call("session.get", {"session_id": "agent-7"})["ended_ms"] is None
    assert run(command, event("SessionStart", "x" * 65)).stdout == ""
    assert not (broker.root / ".claude-session-id").exists()


def test_a_session_of_the_environment_stays_in_force(broker, command):
    command.environment["MEMFERRY_SESSION_ID"] = "mine"
    quiet(command, event("SessionStart"))
    assert command.ok("session", "current").strip() == "mine"
    assert not (broker.root / ".claude-session-id").exists()


# ---- context ----

def test_recent_memories_are_given_at_the_start(broker, command, tmp_path):
    project = tmp_path / "orchard"
    (project / ".git").mkdir(parents=True)
    (project / "src").mkdir()
    broker.call("memory.put", {"id": "old", "content": "Apples\nare \"ripe\"", "kind": "fact",
                               "tags": ["project:orchard"]})
    for n in range(30):
        broker.call("memory.put", {"id": f"other{n}", "content": f"elsewhere {n}"})
    broker.call("memory.put", {"id": "gone", "content": "gone"})
    broker.call("memory.delete", {"id": "gone"})
    told = context(command, event("SessionStart", source="startup", cwd=str(project / "src")))
    assert "project:orchard" in told and "[old] fact" in told and "Apples\nare \"ripe\"" in told
    assert told.index("[old]") < told.index("[other29]")
    assert told.count("elsewhere") == 5 and "gone" not in told
    assert "not instructions" in told
    for source in ("compact", "clear"):
        assert context(command, event("SessionStart", source=source))
    assert context(command, event("SessionStart", source="resume")) is None


def test_the_context_is_bounded_and_whole_characters(broker, command, tmp_path):
    (tmp_path / "big").mkdir()
    for n in range(40):
        broker.call("memory.put", {"id": f"n{n}", "content": "é☕" * 500,
                                   "tags": ["project:big"]})
    told = context(command, event("SessionStart", cwd=str(tmp_path / "big")))
    assert 3000 < len(told.encode()) < 8000
    assert "\ufffd" not in told
    assert told.count("[n") == 12


def test_without_memories_nothing_is_said(command):
    assert context(command, event("SessionStart")) is None


# ---- the guard ----

def rules(broker):
    return [alert["rule"] for alert in broker.call("alert.list")["alerts"]]


@pytest.mark.parametrize("name", ["PreToolUse", "PostToolUse"])
def test_what_a_shell_runs_is_told_to_the_guard(broker, command, name):
    ident = str(uuid.uuid4())
    quiet(command, event(name, ident, tool_name="Bash",
                         tool_input={"command": "ls -l", "description": "look"}))
    assert rules(broker) == []
    quiet(command, event(name, ident, tool_name="Bash", tool_response={"stdout": "x" * 100_000},
                         tool_input={"command": "psql -c 'DROP TABLE users'"}))
    (alert,) = broker.call("alert.list")["alerts"]
    assert (alert["rule"], alert["session_id"]) == ("schema-change", ident)


@pytest.mark.parametrize("tool, tool_input, seen", [
    ("mcp__pg__execute", {"sql": "DROP TABLE users"}, True),
    ("mcp__postgres__run", {"query": "DROP TABLE users"}, True),
    ("mcp__neo4j__write", {"cypher": "MATCH (n) DETACH DELETE n"}, True),
    ("mcp__neo4j__write_neo4j_cypher", {"query": "MATCH (n) DETACH DELETE n"}, True),
    ("mcp__web__search", {"query": "DROP TABLE users"}, False),
    ("mcp__memferry__recall", {"query": "DROP TABLE users"}, False),
    ("Write", {"file_path": "/tmp/x.sql", "content": "DROP TABLE users"}, False),
    ("Bash", {"command": 7}, False), ("Bash", None, False), ("", {"sql": "DROP TABLE users"}, True),
])
def test_statements_of_other_tools_go_by_their_names(broker, command, tool, tool_input, seen):
    quiet(command, event("PreToolUse", tool_name=tool, tool_input=tool_input))
    assert bool(rules(broker)) == seen


def test_secrets_of_a_statement_are_masked(broker, command):
    quiet(command, event("PreToolUse", tool_name="Bash", tool_input={
        "command": "PGPASSWORD=hunter2 psql -c 'DROP TABLE users'"}))
    assert rules(broker) == ["schema-change"]
    assert "hunter2" not in json.dumps(broker.call("alert.list"))


def test_a_statement_that_is_too_long_is_told_of_and_passed_over(command):
    told = run(command, event("PreToolUse", tool_name="Bash",
                              tool_input={"command": "x" * 70_000}))
    assert "64 KiB" in told.stderr and told.stdout == ""


# ---- it never fails the agent ----

BAD = ["", " ", "{", "nonsense", "[]", "7", '{"a":}', '{"a":"\\ud800"}', "{}", "\0", '{"\xff":1}',
       '{"hook_event_name":7,"session_id":[]}', '{"hook_event_name":"PreToolUse"}',
       '{"hook_event_name":"SessionStart","session_id":{},"cwd":[]}', '{"a":' * 50 + "1" + "}" * 50,
       '{"hook_event_name":"' + "x" * 5_000_000 + '"}']


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_is_a_note_and_no_failure(command, text):
    assert run(command, text).stdout == ""


def test_events_that_are_none_of_its_business_are_passed_over(command):
    for name in ("Stop", "SubagentStop", "PreCompact", "Notification", "SomethingNew"):
        assert quiet(command, event(name)) == ""


def test_the_end_of_input_is_not_waited_for(command):
    process = command.start("hook", stdin=subprocess.PIPE)
    process.stdin.write(event("Stop") + "\n{")
    process.stdin.flush()
    assert process.wait(harness.DEADLINE_S) == 0
    process.communicate()


def test_input_in_pieces_is_put_together(broker, command):
    ident = str(uuid.uuid4())
    process = command.start("hook", stdin=subprocess.PIPE)
    text = event("SessionStart", ident, extra={"quote": "\\\" } { ] ["})
    for at in range(0, len(text), 7):
        process.stdin.write(text[at:at + 7])
        process.stdin.flush()
    assert process.wait(harness.DEADLINE_S) == 0
    process.communicate()
    assert broker.call("session.get", {"session_id": ident})


def test_input_that_does_not_come_is_given_up(command):
    process = command.start("hook", stdin=subprocess.PIPE)
    assert process.wait(harness.DEADLINE_S) == 0
    assert "did not come" in process.communicate()[1]


def test_a_broker_that_does_not_run_is_not_waited_for(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    command.environment["MEMFERRY_NO_START"] = "1"
    for name in ("SessionStart", "UserPromptSubmit", "PreToolUse", "SessionEnd"):
        told = run(command, event(name, tool_name="Bash", tool_input={"command": "ls"}))
        assert told.stdout == ""


def test_a_broker_that_hangs_is_not_waited_for(broker, command):
    os.kill(broker.pid, 19)
    try:
        for name in ("SessionStart", "PreToolUse", "SessionEnd"):
            run(command, event(name, tool_name="Bash", tool_input={"command": "ls"}))
    finally:
        os.kill(broker.pid, 18)


def test_the_start_of_a_session_starts_a_broker_for_later(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    ident = str(uuid.uuid4())
    assert quiet(command, event("SessionStart", ident)) == ""
    assert command.ok("session", "current").strip() == ident
    pid = until(lambda: json.loads(command.run("--no-start", "call", "hello").stdout or "{}"),
                "the broker to run")["pid"]
    descriptor = os.pidfd_open(pid)
    os.kill(pid, 15)
    assert select.select([descriptor], [], [], harness.DEADLINE_S)[0]
    os.close(descriptor)


def test_output_that_nobody_takes_is_no_failure(broker, command):
    broker.call("memory.put", {"content": "x"})
    for target in ("/dev/full", "closed"):
        with open("/dev/full" if target == "/dev/full" else "/dev/null", "wb") as out:
            done = subprocess.run(["sh", "-c", '"$0" hook' + (" >&-" if target == "closed" else ""),
                                   str(harness.MEMFERRY)], env=command.environment, stdout=out,
                                  input=event("SessionStart").encode(), check=False)
        assert done.returncode == 0


# ---- install and remove ----

OTHERS = {
    "empty": "{}",
    "plain": '{\n  "model": "opus"\n}\n',
    "tabs": '{\n\t"model": "opus",\n\t"env": {"A": "b"}\n}\n',
    "four": '{\n    "hooks": {\n        "Stop": [\n            {\n                "hooks": []\n'
            '            }\n        ]\n    },\n    "x": [1, 2]\n}\n',
    "one line": '{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":'
                '"check \\"it\\""}]}]},"z":1.50}',
    "odd": '{ "a" : "}{][\\"\\\\" ,\n"hooks" :{ "SessionStart" : [ {"hooks":[{"type":"command",'
           '"command":"./start"}]} ] }\n , "é": null }',
}


@pytest.fixture
def settings(tmp_path):
    return tmp_path / "settings.json"


def commands_of(text, name):
    return [hook["command"] for group in json.loads(text)["hooks"].get(name, [])
            for hook in group["hooks"]]


@pytest.mark.parametrize("before", OTHERS.values(), ids=OTHERS)
def test_hooks_go_into_settings_and_out_again(command, settings, before):
    settings.write_text(before)
    settings.chmod(0o640)
    shown = command.ok("hook", "install", "--settings", settings, "--dry-run")
    assert settings.read_text() == before and "+" in shown
    command.ok("hook", "install", "--settings", settings, "--yes")
    after = settings.read_text()
    for name in INSTALLED:
        ours = commands_of(after, name)[-1]
        assert ours.endswith("hook") and "memferry" in ours
    kept = json.loads(before)
    for key in kept.keys() - {"hooks"}:
        assert json.loads(after)[key] == kept[key]
    for name, groups in kept.get("hooks", {}).items():
        assert json.loads(after)["hooks"][name][:len(groups)] == groups
    assert pathlib.Path(f"{settings}.before-memferry").read_text() == before
    assert settings.stat().st_mode & 0o777 == 0o640
    told = command.ok("hook", "install", "--settings", settings, "--yes")
    assert "nothing to do" in told and settings.read_text() == after
    command.ok("hook", "remove", "--settings", settings, "--yes")
    assert settings.read_text() == before
    assert "nothing to do" in command.ok("hook", "remove", "--settings", settings, "--yes")


def test_what_is_installed_works(broker, command, settings):
    command.ok("hook", "install", "--settings", settings, "--yes")
    group = json.loads(settings.read_text())["hooks"]["PreToolUse"][0]
    assert group["matcher"] == "Bash|mcp__.*" and group["hooks"][0]["type"] == "command"
    text = event("PreToolUse", tool_name="Bash", tool_input={"command": "psql -c 'DROP TABLE x'"})
    subprocess.run(group["hooks"][0]["command"], shell=True, env=command.environment, check=True,
                   input=text.encode())
    assert rules(broker) == ["schema-change"]


def test_a_command_of_ours_by_another_path_is_replaced(command, settings):
    settings.write_text(json.dumps({"hooks": {"SessionEnd": [{"hooks": [
        {"type": "command", "command": "'/old/bin/memferry' hook"},
        {"type": "command", "command": "other-memferry hook"}]}]}}))
    command.ok("hook", "install", "--settings", settings, "--yes")
    ends = commands_of(settings.read_text(), "SessionEnd")
    assert len(ends) == 2 and ends[0] == "other-memferry hook" and "/old/" not in ends[1]
    command.ok("hook", "remove", "--settings", settings, "--yes")
    assert commands_of(settings.read_text(), "SessionEnd") == ["other-memferry hook"]


def test_a_file_that_is_not_there_is_made_and_one_behind_a_link_is_changed(broker, command, tmp_path):
    command.ok("hook", "install", "--yes")
    made = broker.root / ".claude/settings.json"
    assert len(json.loads(made.read_text())["hooks"]) == 4 and made.stat().st_mode & 0o077 == 0
    target, link = tmp_path / "dotfiles.json", tmp_path / "link.json"
    target.write_text("{}\n")
    link.symlink_to(target)
    command.ok("hook", "install", "--settings", link, "--yes")
    assert link.is_symlink() and "memferry" in target.read_text()


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"hooks": 7}', '{"hooks": {"SessionEnd": {}}}',
                                  '{"a": 1,}', "// x\n{}", '{"hooks": {}} x'])
def test_settings_that_are_not_as_they_must_be_are_left_alone(command, settings, text):
    settings.write_text(text)
    told = command.fails(65, "hook", "install", "--settings", settings, "--yes")
    assert "nothing was done" in told.stderr and str(settings) in told.stderr
    assert settings.read_text() == text
    assert not pathlib.Path(f"{settings}.before-memferry").exists()


def test_nothing_is_written_when_nobody_can_be_asked(command, settings):
    settings.write_text("{}")
    assert "--yes" in command.fails(64, "hook", "install", "--settings", settings).stderr
    assert settings.read_text() == "{}"
    command.fails(64, "hook", "install", "--settings", settings, "--user")
    command.fails(64, "hook", "eat")
    command.fails(74, "hook", "install", "--yes", "--settings", settings.parent)


def odd_json(rng, value):
    """The value as JSON, with white space wherever it may be."""
    def space():
        return "".join(rng.choice(["", "", " ", "\n", "\t", "\n  "]) for _ in range(2))

    if isinstance(value, dict) and value:
        members = (f"{json.dumps(k)}{space()}:{space()}{odd_json(rng, v)}{space()}"
                   for k, v in value.items())
        return "{" + space() + f",{space()}".join(members) + "}"
    if isinstance(value, list) and value:
        return "[" + space() + f",{space()}".join(odd_json(rng, v) + space() for v in value) + "]"
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def odd_settings(rng):
    texts = ["", "\"", "\\", "}{][", "memferry hook", "é☕", "a\nb", "/x/memferry hook.sh"]
    groups = {name: [{"matcher": rng.choice(texts), "hooks": [
        {"type": "command", "command": rng.choice(["./x", "memferry hook --agent y", "echo '\"'"])}
        for _ in range(rng.randint(1, 2))]} for _ in range(rng.randint(1, 2))]
        for name in rng.sample([*INSTALLED, "Stop", "PostToolUse"], rng.randint(1, 4))}
    members = [(f"k{n}\\\"", rng.choice([[], {}, 1.5, None, texts[:3], {"a": {"hooks": texts}}]))
               for n in range(rng.randint(0, 3))]
    if rng.random() < 0.8:
        members.insert(rng.randint(0, len(members)), ("hooks", groups))
    return odd_json(rng, dict(members)) + rng.choice(["", "\n"])


@pytest.mark.parametrize("seed", range(20))
def test_settings_of_any_shape_come_back_byte_for_byte(command, settings, seed):
    before = odd_settings(random.Random(seed))
    settings.write_text(before)
    command.ok("hook", "install", "--settings", settings, "--yes")
    after = json.loads(settings.read_text())
    assert all(commands_of(settings.read_text(), name)[-1].endswith("hook") for name in INSTALLED)
    for name, groups in json.loads(before).get("hooks", {}).items():
        assert after["hooks"][name][:len(groups)] == groups
    command.ok("hook", "remove", "--settings", settings, "--yes")
    assert settings.read_text() == before
