"""memferry mcp: the protocol by each of its revisions, bad input, and its life."""
import os
import select
import signal

import jsonschema
import pytest

from command import Command
from mcp_server import LEGACY, META, MODERN, serving
from wire import DEADLINE_S, until

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
ALL = [*LEGACY, MODERN]
TOOLS = ["remember", "recall", "forget", "history", "undo", "session", "status"]


@pytest.fixture
def command(broker):
    return Command(broker)


@pytest.fixture
def server(command):
    with serving(command) as it:
        yield it


# ---- revisions ----

@pytest.mark.parametrize("revision", LEGACY)
def test_a_revision_that_is_known_is_agreed_on(command, revision):
    with serving(command, revision=None) as server:
        told = server.initialize(revision)
        assert told["protocolVersion"] == revision
        assert told["serverInfo"]["name"] == "memferry"
        assert {"tools", "resources"} <= told["capabilities"].keys()
        assert "recall" in told["instructions"]
        assert "resultType" not in told
        assert server.call("ping") == {}


@pytest.mark.parametrize("asked", ["2023-01-01", "2027-01-01", MODERN, "x"])
def test_of_other_revisions_the_newest_with_a_handshake_is_offered(command, asked):
    with serving(command, revision=None) as server:
        assert server.initialize(asked)["protocolVersion"] == "2025-11-25"


def test_the_newest_revision_needs_no_handshake(server):
    told = server.call("server/discover")
    assert told["supportedVersions"] == [MODERN]
    assert told["resultType"] == "complete" and told["ttlMs"] >= 0
    assert told["_meta"][META + "serverInfo"]["name"] == "memferry"
    listed = server.call("tools/list")
    assert listed["resultType"] == "complete" and listed["cacheScope"] == "public"
    server.fails(NO_METHOD, "ping")
    server.fails(NO_METHOD, "logging/setLevel", {"level": "info"})


def test_a_revision_in_a_request_that_is_not_ours_is_refused_with_those_that_are(server):
    meta = {META + "protocolVersion": "1900-01-01", META + "clientCapabilities": {}}
    told = server.fails(-32022, "tools/list", {"_meta": meta})
    assert told["data"] == {"supported": [MODERN], "requested": "1900-01-01"}
    server.fails(INVALID_PARAMS, "tools/list", {"_meta": {META + "protocolVersion": MODERN}})


def test_before_a_revision_is_known_only_ping_is_answered(command):
    with serving(command, revision=None) as server:
        assert server.call("ping") == {}
        assert "initialize" in server.fails(INVALID_PARAMS, "tools/list")["message"]
        server.fails(INVALID_PARAMS, "initialize", {"capabilities": {}})


def test_both_kinds_of_revisions_may_be_mixed(command):
    with serving(command, revision="2025-06-18") as server:
        assert "resultType" not in server.call("tools/list")
        server.revision = MODERN
        assert server.call("tools/list")["resultType"] == "complete"


@pytest.mark.parametrize("revision", ALL)
def test_tools_have_what_the_revision_has_a_place_for(command, revision):
    with serving(command, revision=revision) as server:
        tools = server.call("tools/list")["tools"]
        assert [tool["name"] for tool in tools] == TOOLS
        for tool in tools:
            assert ("annotations" in tool) == (revision >= "2025-03-26")
            assert ("title" in tool) == ("outputSchema" in tool) == (revision >= "2025-06-18")
            jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        result = server.call("tools/call", {"name": "remember", "arguments": {"content": "tea"}})
        assert ("structuredContent" in result) == (revision >= "2025-06-18")
        assert "on disk" in result["content"][0]["text"]
        listed = server.call("resources/list")["resources"][0]
        assert ("annotations" in listed) == (revision >= "2025-06-18")


@pytest.mark.parametrize("revision", ALL)
def test_a_resource_that_is_none_is_told_by_the_code_of_the_revision(command, revision):
    code = INVALID_PARAMS if revision == MODERN else -32002
    with serving(command, revision=revision) as server:
        for uri in ("memferry://memory/none", "file:///etc/passwd", "memferry://memory/",
                    "memferry://memory/a%zz", "memferry://memory/a?version=x"):
            server.fails(code, "resources/read", {"uri": uri})
        server.fails(INVALID_PARAMS, "resources/read")


def test_annotations_say_what_a_tool_does(server):
    hints = {tool["name"]: tool["annotations"] for tool in server.call("tools/list")["tools"]}
    read_only = {name for name, told in hints.items() if told["readOnlyHint"]}
    destructive = {name for name, told in hints.items() if told.get("destructiveHint")}
    idempotent = {name for name, told in hints.items() if told.get("idempotentHint")}
    assert read_only == {"recall", "history", "status"}
    assert destructive == idempotent == {"forget", "undo"}
    assert not any(told["openWorldHint"] for told in hints.values())


# ---- batches ----

def test_a_batch_is_answered_in_one_line(command):
    with serving(command, revision="2025-03-26") as server:
        server.send([{"jsonrpc": "2.0", "id": "a", "method": "ping"},
                     {"jsonrpc": "2.0", "method": "notifications/initialized"},
                     {"jsonrpc": "2.0", "id": "b", "method": "tools/call",
                      "params": {"name": "remember", "arguments": {"content": "x"}}},
                     {"jsonrpc": "2.0", "id": "c", "method": "initialize",
                      "params": {"protocolVersion": MODERN}},
                     {"jsonrpc": "2.0", "id": "d", "method": "none"}, 7])
        answers = server.line()
        by_id = {answer["id"]: answer for answer in answers}
        assert len(answers) == 5 and by_id["a"]["result"] == {}
        assert by_id["b"]["result"]["isError"] is False
        assert by_id["c"]["error"]["code"] == by_id[None]["error"]["code"] == INVALID_REQUEST
        assert by_id["d"]["error"]["code"] == NO_METHOD
        server.send([{"jsonrpc": "2.0", "method": "notifications/initialized"}])
        server.send([])
        assert server.line()["error"]["code"] == INVALID_REQUEST
        server.send([{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(65)])
        assert server.line()["error"]["code"] == INVALID_REQUEST


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-06-18", MODERN])
def test_other_revisions_have_no_batches(command, revision):
    with serving(command, revision=revision) as server:
        server.send([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])
        assert server.line()["error"]["code"] == INVALID_REQUEST


# ---- bad input ----

@pytest.mark.parametrize("line, code, ident", [
    (b"{", PARSE_ERROR, None),
    (b"nonsense", PARSE_ERROR, None),
    (b"\xff\xfe", PARSE_ERROR, None),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping"} x', PARSE_ERROR, 7),
    (b"7", INVALID_REQUEST, None),
    (b"{}", INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST, None),
    (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', INVALID_REQUEST, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":1}', INVALID_REQUEST, 7),
    (b'{"jsonrpc":"2.0","id":"\xc3\xa9","method":"nothing"}', NO_METHOD, "é"),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\\ud800"}}', INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"eat"}}', INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"recall","arguments":[]}}',
     INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
     None, None),
])
def test_bad_input_is_answered_and_ends_nothing(command, line, code, ident):
    with serving(command, revision="2025-11-25") as server:
        server.raw(line + b"\n")
        answer = server.line()
        assert "error" in answer
        if code is not None:
            assert (answer["error"]["code"], answer["id"]) == (code, ident)
        assert server.call("ping") == {}


def test_a_line_that_is_too_long_is_passed_over(command):
    with serving(command, revision="2025-11-25") as server:
        server.raw(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * (9 << 20))
        answer = server.line()
        assert answer["error"]["code"] == INVALID_REQUEST and answer["id"] is None
        server.raw(b'"}}\n')
        assert server.call("ping") == {}


def test_what_wants_no_answer_gets_none(command):
    with serving(command, revision="2025-11-25") as server:
        server.raw(b'\n  \n{"jsonrpc":"2.0","method":"notifications/unknown"}\n'
                   b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}\n'
                   b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}\n'
                   b'{"jsonrpc":"2.0","id":5,"result":{}}\n'
                   b'{"jsonrpc":"2.0","id":6,"error":{"code":1,"message":"x"}}\n')
        assert server.call("ping") == {}
        assert server.end() == []


def test_a_request_in_pieces_and_many_in_one_piece_are_answered(command):
    with serving(command, revision="2025-11-25") as server:
        for byte in b'{"jsonrpc":"2.0","id":"slow","method":"ping"}\r\n':
            server.raw(bytes([byte]))
        assert server.line()["id"] == "slow"
        server.raw(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":'
                            b'"remember","arguments":{"content":"n%d"}}}\n' % (n, n)
                            for n in range(300)))
        answers = [server.line() for _ in range(300)]
        assert sorted(answer["id"] for answer in answers) == [*range(300)]
        assert not any(answer["result"]["isError"] for answer in answers)


def test_arguments_are_checked_and_what_is_wrong_is_told(server):
    for name, arguments, told in (
            ("recall", {"limit": 0}, "from 1 to 50"),
            ("recall", {"limit": 1.5}, "whole number"),
            ("recall", {"querry": "x"}, "there are query"),
            ("recall", {"query": 7}, "query is a string"),
            ("recall", {"since": "yesterday"}, "since is a time"),
            ("recall", {"mode": "magic"}, "auto text semantic"),
            ("recall", {"id": "a", "query": "b"}, "not both"),
            ("recall", {"query": "a", "cursor": "v1"}, "cursor"),
            ("recall", {"cursor": "nonsense"}, "after"),
            ("recall", {"id": "none"}, "no memory none"),
            ("remember", {}, "give a content"),
            ("remember", {"content": ""}, "1 to 1048576"),
            ("remember", {"content": "x", "tags": "a"}, "tags is a list"),
            ("remember", {"content": "x", "props": {"a": {"b": 1}}}, "props"),
            ("remember", {"id": "none", "kind": "fact"}, "to change"),
            ("forget", {}, "ids is missing"),
            ("forget", {"ids": []}, "list of 1 to 100"),
            ("history", {"id": "none"}, "no memory none"),
            ("undo", {}, "exactly one"),
            ("undo", {"ids": ["a"], "since": "1h"}, "exactly one"),
            ("undo", {"id": "a"}, "go together"),
            ("undo", {"alert": "none"}, "none"),
            ("status", {"verbose": True}, "takes none"),
            ("session", {"action": "eat"}, "current begin end list")):
        assert told in server.tool_fails(name, **arguments), (name, arguments)
    assert server.tool("recall", query=None, limit=None)["memories"] == []


# ---- its life ----

def test_what_is_in_flight_is_answered_when_input_ends(command):
    with serving(command, revision="2025-11-25") as server:
        for n in range(20):
            server.start("tools/call", {"name": "remember", "arguments": {"content": f"n{n}"}})
        assert len(server.end()) == 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it(command, number):
    with serving(command, revision="2025-11-25") as server:
        os.kill(server.process.pid, number)
        assert server.process.wait(DEADLINE_S) == 0
        assert server.process.stderr.read() == b""


def test_a_client_that_reads_no_more_ends_it(command):
    with serving(command, revision="2025-11-25") as server:
        server.process.stdout.close()
        server.start("ping")
        assert server.process.wait(DEADLINE_S) == 0
        server.process.stdin.close()


def test_a_client_that_writes_before_it_reads_is_waited_for(command):
    with serving(command, revision="2025-11-25") as server:
        server.tool("remember", id="big", content="x" * 1_000_000)
        for _ in range(40):
            server.start("resources/read", {"uri": "memferry://memory/big"})
        for ident in range(server.last_id - 39, server.last_id + 1):
            assert len(server.wait(ident)["result"]["contents"][0]["text"]) == 1_000_000


def test_a_restart_of_the_broker_is_not_noticed(broker, server):
    server.tool("remember", id="tea", content="at four")
    broker.kill()
    broker.start()
    assert server.tool("remember", id="tea", content="at five")["version"] > 1
    broker.restart()
    assert server.tool("recall", id="tea")["memories"][0]["content"] == "at five"


def test_without_a_broker_it_says_so_and_goes_on(make_broker):
    broker = make_broker(start=False)
    with serving(Command(broker), "--no-start") as server:
        assert "Nothing was changed" in server.tool_fails("remember", content="x")
        assert broker.socket in server.tool_fails("status")
        assert server.fails(-32603, "resources/list")["message"]
        broker.start()
        assert server.tool("remember", content="x")["durable"] is True


def test_it_starts_a_broker_when_one_is_needed(make_broker):
    broker = make_broker(start=False)
    command = Command(broker)
    with serving(command) as server:
        server.call("tools/list")
        assert not os.path.exists(broker.socket)
        assert server.tool("remember", id="tea", content="at four")["durable"] is True
        pid = broker.call("hello")["pid"]
    # It outlives the server, and can be ended.
    assert broker.call("memory.get", {"id": "tea"})["content"] == "at four"
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    assert select.select([descriptor], [], [], DEADLINE_S)[0]
    os.close(descriptor)


def test_a_call_that_is_cancelled_is_not_answered(sink):
    sink.script("hang")
    with serving(Command(sink.broker)) as server:
        ident = server.start("tools/call", {"name": "remember", "arguments": {
            "id": "tea", "content": "at four", "tags": ["x"], "wait": "delivered"}})
        server.send({"jsonrpc": "2.0", "method": "notifications/cancelled",
                     "params": {"requestId": ident, "reason": "enough"}})
        server.call("server/discover")
        sink.script("")
        until(lambda: "tea" in sink.state(), "what was on its way when it was cancelled")
        assert server.tool("recall", id="tea")["memories"][0]["content"] == "at four"
        assert ident not in server.answers and server.end() == []


def test_a_subscription_is_acknowledged_and_ends_with_a_result(server):
    ident = server.start("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    other = server.start("subscriptions/listen", {"notifications": {}})
    server.send({"jsonrpc": "2.0", "method": "notifications/cancelled",
                 "params": {"requestId": other}})
    server.call("tools/list")
    assert [note["params"] for note in server.notes] == [
        {"_meta": {META + "subscriptionId": n}, "notifications": {}} for n in (ident, other)]
    server.fails(INVALID_PARAMS, "subscriptions/listen")
    for _ in range(7):
        server.start("subscriptions/listen", {"notifications": {}})
    assert "cancel one" in server.fails(-32603, "subscriptions/listen",
                                        {"notifications": {}})["message"]
    ends = [message for message in server.end() if "result" in message]
    assert len(ends) == 8 and ident in [message["id"] for message in ends]


def test_no_words_and_no_wrong_options_are_taken(command):
    command.fails(64, "mcp", "now")
    command.fails(64, "mcp", "--session", "x" * 65)
    command.fails(64, "mcp", "--project", "x" * 201)
    assert "remember" in command.ok("help", "mcp")
