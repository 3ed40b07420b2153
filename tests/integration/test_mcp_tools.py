"""What the tools and resources of memferry mcp do to memories, and what they say of it."""
import jsonschema
import pytest

from command import Command
from mcp_server import serving


@pytest.fixture
def command(broker):
    return Command(broker)


class Checked:
    """Calls tools, and holds each answer to the schema that the tool declares."""

    def __init__(self, server):
        self.server = server
        tools = server.call("tools/list")["tools"]
        self.validators = {t["name"]: jsonschema.Draft202012Validator(t["outputSchema"])
                           for t in tools}

    def __getattr__(self, name):
        def call(**arguments):
            fields = self.server.tool(name, **arguments)
            self.validators[name].validate(fields)
            return fields
        return call


@pytest.fixture
def server(command, tmp_path):
    project = tmp_path / "orchard"
    (project / ".git").mkdir(parents=True)
    (project / "src").mkdir()
    with serving(command, cwd=project / "src") as it:
        yield it


@pytest.fixture
def tools(server):
    return Checked(server)


def ids(fields):
    return [memory["id"] for memory in fields["memories"]]


# ---- remember ----

def test_what_is_remembered_is_there_as_it_was_given(broker, tools):
    told = tools.remember(id="tea", content="Tea\nat \"four\" ☕", kind="fact", tags=["habits"],
                          props={"cups": 2, "sugar": None, "warm": True, "list": [1, 2]})
    memory = broker.call("memory.get", {"id": "tea"})
    assert told["id"] == "tea" and told["version"] == memory["version"]
    assert "undo" not in told["message"] and "tea" in told["message"]
    assert (memory["content"], memory["kind"]) == ("Tea\nat \"four\" ☕", "fact")
    assert memory["props"] == {"cups": 2, "warm": True, "list": [1, 2]}
    assert memory["tags"] == ["habits", "project:orchard"]


def test_a_change_leaves_what_it_does_not_name(broker, tools):
    tools.remember(id="tea", content="at four", tags=["x"], props={"a": 1, "b": 2})
    tools.remember(id="tea", content="at five", props={"a": None})
    memory = broker.call("memory.get", {"id": "tea"})
    assert (memory["content"], memory["tags"]) == ("at five", ["x", "project:orchard"])
    assert memory["props"] == {"b": 2}
    tools.remember(id="tea", tags=[])
    assert broker.call("memory.get", {"id": "tea"})["tags"] == []


def test_new_memories_get_ids_and_the_tag_of_the_project(broker, tools):
    first, second = tools.remember(content="one"), tools.remember(content="two")
    assert first["id"] != second["id"]
    tools.remember(id="named", content="three")
    broker.call("memory.put", {"id": "older", "content": "four"})
    tools.remember(id="older", content="five")
    tools.remember(id="untagged", content="six", tags=[])
    tags = {m["id"]: m["tags"] for m in broker.call("memory.list")["memories"]}
    assert tags == {first["id"]: ["project:orchard"], second["id"]: ["project:orchard"],
                    "named": ["project:orchard"], "older": [], "untagged": []}


def test_the_project_can_be_named_or_left_out(broker, command, tmp_path):
    for arguments, tags in ((("--project", "meadow"), ["project:meadow"]), (("--project", ""), [])):
        with serving(command, *arguments, cwd=tmp_path) as server:
            made = server.tool("remember", content="x")["id"]
            assert broker.call("memory.get", {"id": made})["tags"] == tags
            assert server.tool("status").get("project_tag") == (tags or [None])[0]


def test_a_change_to_another_version_than_expected_is_refused(server, tools):
    version = tools.remember(id="tea", content="one", expected_version=0)["version"]
    assert "recall it" in server.tool_fails("remember", id="tea", content="x", expected_version=0)
    assert tools.remember(id="tea", content="two", expected_version=version)["version"] > version


def test_backends_are_told_of(sink):
    with serving(Command(sink.broker)) as server:
        told = Checked(server).remember(content="x", wait="delivered")
        assert told["backends"] == {"graph": "delivered"} and "graph" in told["message"]
        sink.script("hang")
        assert Checked(server).remember(content="y")["backends"] == {"graph": "pending"}


# ---- recall ----

def test_recall_finds_by_words_and_by_filters(tools):
    tools.remember(id="a", content="The harvest is in autumn", kind="fact", tags=["farm"])
    tools.remember(id="b", content="Harvest tools lie in the barn", kind="decision")
    tools.remember(id="c", content="Nothing of the kind")
    found = tools.recall(query="harvest")
    assert {*ids(found)} == {"a", "b"} and "next_cursor" not in found
    assert ids(tools.recall(query="harvest", kind="decision")) == ["b"]
    assert ids(tools.recall(query="harvest", tag="farm")) == ["a"]
    assert ids(tools.recall(query="harvest", until="2020-01-01T00:00:00Z")) == []
    assert ids(tools.recall(tag="project:orchard", since="1h")) == ["c", "b", "a"]


def test_lists_and_matches_have_pages(tools):
    for n in range(25):
        tools.remember(id=f"n{n:02}", content="pebble")
    seen, cursor = [], None
    while True:
        page = tools.recall(limit=10, cursor=cursor)
        seen += ids(page)
        cursor = page.get("next_cursor")
        if cursor is None:
            break
        assert cursor in page["message"]
    assert seen == [f"n{n:02}" for n in reversed(range(25))]
    first = tools.recall(query="pebble", limit=20)
    second = tools.recall(query="pebble", limit=20, cursor=first["next_cursor"])
    assert (len(ids(first)), len(ids(second))) == (20, 5)
    assert {*ids(first), *ids(second)} == {*seen} and "next_cursor" not in second


def test_long_contents_are_cut_and_read_on(server, tools):
    content = "".join(f"line {n} é☕\n" for n in range(3000))
    tools.remember(id="long", content=content)
    tools.remember(id="short", content="short")
    short, long = tools.recall()["memories"]
    assert not short["content_is_cut"]
    assert long["content_is_cut"] and len(long["content"].encode()) <= 700
    assert long["content_bytes"] == len(content.encode())
    read, offset = "", 0
    while offset < long["content_bytes"]:
        part = tools.recall(id="long", offset=offset)
        assert part["memories"][0].get("content_from", 0) == offset
        read += part["memories"][0]["content"]
        offset = len(read.encode())
        assert (f"offset {offset}" in part["message"]) == (offset < long["content_bytes"])
    assert read == content
    assert tools.recall(id="long", offset=1 << 20)["memories"][0]["content"] == ""
    text = server.call("tools/call", {"name": "recall", "arguments": {"id": "long"}})
    assert "with id \"long\" and offset 16" in text["content"][0]["text"]


def test_one_answer_is_bounded_however_much_there_is(server, tools):
    for n in range(50):
        tools.remember(id=f"n{n}", content="x" * 100_000)
    result = server.call("tools/call", {"name": "recall", "arguments": {"limit": 50}})
    assert len(result["content"][0]["text"]) < 60_000


# ---- forget, history, undo ----

def test_what_is_forgotten_can_be_brought_back(broker, tools):
    tools.remember(id="tea", content="at four")
    told = tools.forget(ids=["tea", "none"], reason="coffee now")
    assert (told["forgotten"], told["failed"]) == (1, 1)
    assert "undo" in told["message"]
    assert tools.recall()["memories"] == []
    assert tools.recall(deleted=True)["memories"][0]["deleted"]
    assert tools.forget(ids=["tea"])["memories"][0]["state"] == "before"
    versions = tools.history(id="tea")["versions"]
    assert [version["op"] for version in versions] == ["delete", "put"]
    assert versions[0]["reason"] == "coffee now"
    shown = tools.undo(ids=["tea"])
    assert shown["dry_run"] and shown["restored"] == 1 and "NOTHING WAS CHANGED" in shown["message"]
    assert tools.recall()["memories"] == []
    done = tools.undo(ids=["tea"], confirm=True)
    assert not done["dry_run"] and done["restored"] == 1
    assert broker.call("memory.get", {"id": "tea"})["content"] == "at four"


def test_a_version_can_be_seen_and_made_the_current_one(server, tools):
    first = tools.remember(id="tea", content="at four")["version"]
    tools.remember(id="tea", content="at five")
    assert tools.recall(id="tea", version=first)["memories"][0]["content"] == "at four"
    assert "history lists" in server.tool_fails("recall", id="tea", version=first + 100)
    tools.undo(id="tea", version=first, confirm=True)
    assert tools.recall(id="tea")["memories"][0]["content"] == "at four"


def test_what_a_session_did_can_be_undone(tools):
    tools.remember(id="tea", content="at four", session_id="good")
    tools.remember(id="tea", content="ruined", session_id="bad")
    tools.remember(id="cake", content="kept", session_id="good")
    assert [m["state"] for m in tools.undo(session_id="bad")["memories"]] == ["replace"]
    tools.undo(session_id="bad", confirm=True, reason="it was wrong")
    assert tools.recall(id="tea")["memories"][0]["content"] == "at four"
    assert tools.history(id="tea")["versions"][0]["reason"] == "it was wrong"


def test_an_alert_is_told_of_and_undone(tools):
    made = [tools.remember(content=f"n{n}")["id"] for n in range(15)]
    tools.forget(ids=made)
    alerts = tools.status()["alerts"]
    assert alerts and tools.status()["alerts_open"] == len(alerts)
    alert = next(a["id"] for a in alerts if a["id"].startswith("rapid-delete"))
    assert tools.undo(alert=alert)["restored"] == 15
    tools.undo(alert=alert, confirm=True)
    assert len(tools.recall(limit=50)["memories"]) == 15


# ---- sessions ----

def test_memories_belong_to_the_session_in_force(broker, command, server, tools):
    current = command.ok("session", "current").strip()
    tools.remember(id="tea", content="x")
    assert broker.call("memory.get", {"id": "tea"})["session_id"] == current
    told = tools.session()
    assert told["session_id"] == current and told["sessions"][0]["id"] == current
    assert told["sessions"][0]["agent"] == "tests"
    assert told["sessions"][0]["cwd"].endswith("orchard/src")
    begun = tools.session(action="begin")["session_id"]
    assert begun != current and command.ok("session", "current").strip() == begun
    tools.remember(id="tea", content="y")
    assert broker.call("memory.get", {"id": "tea"})["session_id"] == begun
    assert [s["id"] for s in tools.session(action="list", active=True)["sessions"]] == [begun, current]
    ended = tools.session(action="end", reason="all done")
    assert "session_id" not in ended and ended["sessions"][0]["end_reason"] == "command"
    assert broker.call("session.get", {"session_id": begun})["end_note"] == "all done"
    assert "none to end" in server.tool_fails("session", action="end")


def test_the_session_can_be_given_by_option_and_by_environment(broker, command, tmp_path):
    for arguments, environment in ((("--session", "mine"), {}),
                                   ((), {"MEMFERRY_SESSION_ID": "mine"})):
        with serving(command, *arguments, cwd=tmp_path, **environment) as server:
            server.tool("remember", id="tea", content="x")
            assert broker.call("memory.get", {"id": "tea"})["session_id"] == "mine"
            assert server.tool("session")["session_id"] == "mine"
    assert not (broker.root / ".claude-session-id").exists()


# ---- status and resources ----

def test_status_tells_of_the_store_and_its_backends(sink):
    with serving(Command(sink.broker)) as server:
        tools = Checked(server)
        tools.remember(content="x", wait="delivered")
        told = tools.status()
        assert (told["memories"], told["backends"][0]["name"]) == (1, "graph")
        assert told["backends"][0]["pending"] == 0


def test_memories_are_resources_page_by_page(server, tools):
    odd = "a/b c?d#é%"
    for n in range(120):
        tools.remember(id=f"n{n}", content=f"first line {n}\nsecond line")
    tools.remember(id=odd, content="odd")
    seen, cursor = [], None
    while True:
        page = server.call("resources/list", {"cursor": cursor} if cursor else {})
        seen += page["resources"]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert [r["name"] for r in seen] == [odd, *(f"n{n}" for n in reversed(range(120)))]
    assert seen[1]["title"] == "first line 119" and seen[1]["size"] == 26
    read = server.call("resources/read", {"uri": seen[0]["uri"]})["contents"][0]
    assert (read["text"], read["uri"]) == ("odd", seen[0]["uri"])
    server.fails(-32602, "resources/list", {"cursor": "nonsense"})
    assert len(server.call("resources/templates/list")["resourceTemplates"]) == 2


def test_a_resource_can_be_read_as_it_was(server, tools):
    first = tools.remember(id="tea", content="at four")["version"]
    tools.remember(id="tea", content="at five")
    uri = f"memferry://memory/tea?version={first}"
    assert server.call("resources/read", {"uri": uri})["contents"][0]["text"] == "at four"
    tools.forget(ids=["tea"])
    assert server.call("resources/read", {"uri": uri})["contents"][0]["text"] == "at four"
