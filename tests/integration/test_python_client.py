"""client/python against the real broker: the plain client."""
import array
import datetime
import io
import json
import os
import re
import subprocess
import sys
import threading

import pytest

import harness
from command import Command
from cutter import Cutter
from harness import MEMFERRY, SOURCE
from wire import until

sys.path.insert(0, str(SOURCE / "client" / "python"))

import memferry  # noqa: E402


@pytest.fixture
def client(broker, monkeypatch):
    for name in list(os.environ):
        if name.startswith("MEMFERRY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(broker.root))
    with memferry.Client(broker.socket, start=False) as it:
        yield it


@pytest.fixture
def cutter(broker, client):
    """A client whose connections can be cut."""
    with Cutter(broker.root / "cut", broker.socket) as it:
        yield it


# ---- memories ----


def test_a_memory_comes_back_as_it_was_put(client):
    vector = array.array("f", [n / 768 for n in range(768)])
    receipt = client.put("Tea is at four", id="tea", kind="fact", tags=["habits", "ü"],
                         props={"cups": 2, "warm": 1.0, "who": ["a", "b"], "yes": True},
                         embedding=vector)
    memory = client.get("tea")
    assert receipt.durable and receipt.version == receipt.seq == memory.version
    assert (memory.content, memory.kind, memory.tags) == ("Tea is at four", "fact", ["habits", "ü"])
    assert memory.props == {"cups": 2, "warm": 1.0, "who": ["a", "b"], "yes": True}
    assert memory.embedding == vector and memory.embedding_model == "caller"
    assert not memory.deleted and memory.created.tzinfo is datetime.timezone.utc


@pytest.mark.parametrize("give", [list, tuple, lambda v: array.array("d", v),
                                  lambda v: array.array("f", v).tobytes()])
def test_an_embedding_is_taken_in_every_form(client, give):
    values = [0.5] * 767 + [-0.25]
    client.put("x", id="v", embedding=give(values))
    assert list(client.get("v").embedding) == values


def test_a_put_merges_and_none_removes_a_prop(client):
    client.put("one", id="m", props={"a": 1, "b": 2})
    client.put(id="m", props={"a": None})
    memory = client.get("m")
    assert memory.content == "one" and memory.props == {"b": 2}


def test_history_versions_diff_restore_and_undo(client):
    first = client.put("a\nb\nc", id="m", props={"n": 1}, session_id="s-1").version
    client.put("a\nB\nc", id="m", props={"n": 1.0}, session_id="s-2")
    difference = client.diff("m")
    assert difference.fields == {"session_id": ("s-1", "s-2"), "props.n": (1, 1.0)}
    assert [line for line in difference.content if line[0] in "+-"][2:] == ["-b", "+B"]
    assert [one.op for one in client.history("m")] == ["put", "put"]
    assert client.get("m", first).content == "a\nb\nc"
    assert client.restore(versions={"m": first}, dry_run=True).restored == 1
    assert client.get("m").content == "a\nB\nc"
    client.restore(versions={"m": first})
    assert client.get("m").content == "a\nb\nc" and not client.diff("m", first).content
    client.delete("m", reason="gone")
    assert client.get("m").deleted and client.restore(["m"]).restored == 1
    with pytest.raises(memferry.NotFound):
        client.diff("never was")


def test_undo_goes_through_all_pages(client):
    with client.pipeline() as pipe:
        for n in range(30):
            pipe.put("x", id=f"m{n}", session_id="s-1")
        for n in range(30):
            pipe.put("y", id=f"m{n}", session_id="s-2")
    shown = client.undo(session_id="s-2", limit=7, dry_run=True)
    assert shown.restored == 30 == len(shown.memories)
    assert client.undo(session_id="s-2", limit=7).restored == 30
    assert {memory.content for memory in client.memories()} == {"x"}
    with pytest.raises(memferry.InvalidArgument):
        client.undo(dry_run=True)


def test_lists_page_and_filter(client):
    with client.pipeline() as pipe:
        for n in range(250):
            pipe.put(str(n), id=f"m{n:03}", kind="odd" if n % 2 else "even", tags=[f"t{n % 5}"])
    page = client.list(limit=10, order="id")
    assert [memory.id for memory in page] == [f"m{n:03}" for n in range(10)] and page.next
    assert [m.id for m in client.memories(order="id", limit=33)] == [f"m{n:03}" for n in range(250)]
    assert len(list(client.memories(kind="odd", tag="t1"))) == 25
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    assert not client.list(since=tomorrow).items and len(client.list(until=tomorrow)) == 100
    with pytest.raises(memferry.InvalidArgument):
        client.list(since=datetime.datetime.now())


def test_search_finds_by_words_and_by_a_vector_of_ones_own(client):
    client.put("Tea is at four, in the garden", id="tea", embedding=[1.0] + [0.0] * 767)
    client.put("Coffee is at nine", id="coffee", embedding=[0.0, 1.0] + [0.0] * 766)
    found = client.search("garden tea")
    assert [hit.memory.id for hit in found] == ["tea"] and found.hits[0].snippet
    assert client.search("tea", embedding=True).hits[0].memory.embedding[0] == 1.0
    near = client.search(by_embedding=[0.1, 0.9] + [0.0] * 766)
    assert near.hits[0].memory.id == "coffee" and near.hits[0].semantic_score > 0.9


def test_large_values_pass_and_too_large_ones_are_told(client):
    content = "é" * (1 << 19)
    client.put(content, id="large")
    assert client.get("large").content == content
    with pytest.raises(memferry.InvalidParams) as refused:
        client.put("x" * ((1 << 20) + 1), id="over")
    assert refused.value.field == "content"
    with pytest.raises(memferry.InvalidArgument, match="over 4 MiB"):
        client.put("x" * (5 << 20))
    assert client.get("large").content == content  # the connection is as before


# ---- errors ----


@pytest.mark.parametrize("do,kind,code", [
    (lambda c: c.get("no"), memferry.NotFound, -32002),
    (lambda c: c.put("x", id=""), memferry.InvalidParams, -32602),
    (lambda c: c.put("x", id="there", expected_version=0), memferry.Conflict, -32003),
    (lambda c: c.call("no.such"), memferry.MethodNotFound, -32601),
    (lambda c: c.purge(["there"]), memferry.Forbidden, -32007),
    (lambda c: c.search("x", mode="semantic"), memferry.Unavailable, -32008),
])
def test_the_brokers_errors_have_types(client, do, kind, code):
    seq = client.put("x", id="there").seq
    with pytest.raises(kind) as told:
        do(client)
    assert told.value.code == code and told.value.message and isinstance(told.value,
                                                                         memferry.RemoteError)
    if kind is memferry.Conflict:
        assert told.value.version == seq
    assert client.get("there").content == "x"


def test_every_error_of_the_protocol_has_a_type():
    rows = re.findall(r"^\| (-32\d+) \| `(\w+)` \|", (SOURCE / "docs/protocol.md").read_text(), re.M)
    assert len(rows) > 10
    for code, name in rows:
        told = memferry.errors.of_reply({"code": int(code), "name": name, "message": "m"})
        if name in ("parse_error", "invalid_request"):
            assert isinstance(told, memferry.ProtocolError)
        else:
            assert type(told) is not memferry.RemoteError, name
            assert (told.code, told.name) == (int(code), name)


@pytest.mark.parametrize("do", [
    lambda c: c.put("\ud800"), lambda c: c.put("x", props={"n": 2**64}),
    lambda c: c.put("x", props={"o": object()}), lambda c: c.put("x", embedding=["a"]),
    lambda c: c.put("x", wait="soon"), lambda c: c.restore("tea")])
def test_what_cannot_be_sent_is_refused_here(client, do):
    with pytest.raises(memferry.InvalidArgument):
        do(client)
    assert client.list().items == []


def test_a_delivery_that_is_late_still_has_its_receipt(sink):
    sink.script("down")
    with memferry.Client(sink.broker.socket, start=False, session_file="") as client:
        with pytest.raises(memferry.DeliveryTimeout) as late:
            client.put("x", id="late", wait="delivered", timeout_s=0.2)
        assert late.value.receipt["durable"] and late.value.receipt["id"] == "late"
        sink.script("")
        client.probe("graph")
        assert client.put("y", id="late", wait="delivered").backends == {"graph": "delivered"}
        assert [one["name"] for one in client.flush()] == ["graph"]
        client.pause("graph")
        assert client.backends()[0]["paused"]
        client.resume("graph")


def test_no_broker_and_an_untrusted_place_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.delenv("MEMFERRY_SOCKET", raising=False)
    with pytest.raises(memferry.ConnectError, match="no such socket"):
        memferry.Client(str(tmp_path / "none"), start=False).hello()
    (tmp_path / "file").write_text("")
    with pytest.raises(memferry.UntrustedError, match="not a socket"):
        memferry.Client(str(tmp_path / "file")).hello()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "memferry").mkdir(mode=0o755)
    assert memferry.default_socket() == str(tmp_path / "memferry" / "memferry.sock")
    with pytest.raises(memferry.UntrustedError, match="0755"):
        memferry.Client().hello()
    (tmp_path / "memferry").rmdir()
    (tmp_path / "memferry").symlink_to(tmp_path)
    with pytest.raises(memferry.UntrustedError, match="link"):
        memferry.Client().hello()
    with pytest.raises(memferry.InvalidArgument, match="107 bytes"):
        memferry.Client("/tmp/" + "x" * 120).hello()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a socket away needs root")
def test_a_socket_of_another_user_is_not_trusted(broker):
    os.chown(broker.socket, 12345, 12345)
    with pytest.raises(memferry.UntrustedError, match="12345"):
        memferry.Client(broker.socket).hello()


# ---- broken connections ----


def test_a_put_cut_off_from_its_receipt_happens_once(client, cutter):
    with memferry.Client(cutter.path, start=False) as cut:
        for behind in (0, 1, 7, 30):
            cutter.cut_replies[:] = [behind]
            receipt = cut.put("x", id=f"m{behind}")
            assert receipt.duplicate and receipt.durable
            assert len(client.history(f"m{behind}")) == 1
            cut.close()
        cutter.cut_replies[:] = [5]
        assert cut.get("m0").content == "x"
        cut.close()
        cutter.cut_replies[:] = [5, 5]
        with pytest.raises(memferry.UncertainError):
            cut.put("y", id="twice", event_id="e-twice")
        assert cut.put("y", id="twice", event_id="e-twice", retry=True).duplicate
        assert len(client.history("twice")) == 1


def test_what_may_not_happen_twice_is_uncertain(client, cutter):
    client.put("x", id="m")
    client.put("y", id="m")
    with memferry.Client(cutter.path, start=False) as cut:
        cutter.cut_replies[:] = [3]
        with pytest.raises(memferry.UncertainError):
            cut.restore(versions={"m": 1})
    assert len(client.history("m")) == 3


def test_a_pipeline_cut_in_the_middle_loses_and_doubles_nothing(client, cutter):
    with memferry.Client(cutter.path, start=False) as cut:
        for behind in (0, 100, 5000, 20001):
            cutter.cut_replies[:] = [behind]
            with cut.pipeline() as pipe:
                sent = [pipe.put(str(n), id=f"{behind}-{n % 10}") for n in range(500)]
            assert [one.result().seq for one in sent] == sorted(one.result().seq for one in sent)
            for n in range(10):
                assert len(client.history(f"{behind}-{n}")) == 50
                assert client.get(f"{behind}-{n}").content == str(490 + n)
            cut.close()


def test_a_broker_that_restarts_is_waited_for(broker, client):
    client.put("x", id="m")
    broker.restart()
    assert client.get("m").content == "x"
    done, count = threading.Event(), 0

    def puts():
        nonlocal count
        while not done.is_set():
            client.put("x", id=f"n{count}")
            count += 1

    thread = threading.Thread(target=puts)
    thread.start()
    for _ in range(2):
        seen = count
        until(lambda: count > seen, "puts to go on")  # pylint: disable=cell-var-from-loop
        broker.restart()
    done.set()
    thread.join()
    assert len(list(client.memories())) == count + 1
    assert all(len(client.history(f"n{n}")) == 1 for n in range(count))


def test_a_time_out_leaves_the_connection_as_it_is(broker, client):
    broker.process.send_signal(19)
    try:
        with memferry.Client(broker.socket, timeout_s=0.2, start=False) as hasty:
            with pytest.raises(memferry.DeadlineError):
                hasty.put("x", id="slow")
            broker.process.send_signal(18)
            assert hasty.put("y", id="after").seq == 2
            assert hasty.get("slow").content == "x"
    finally:
        broker.process.send_signal(18)


def test_a_reply_that_is_none_ends_the_connection_and_not_the_client(tmp_path, client, broker):
    listener = harness.bound_socket(tmp_path / "s")
    listener.listen(1)

    def answer():
        peer, _ = listener.accept()
        peer.recv(1000)
        peer.sendall(b"\xc1what is this")
        peer.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with memferry.Client(str(tmp_path / "s"), start=False, timeout_s=10) as odd:
        with pytest.raises(memferry.ProtocolError):
            odd.hello()
        thread.join()
        listener.close()
        os.unlink(tmp_path / "s")
        os.symlink(broker.socket, tmp_path / "s")
        assert odd.hello()["server"] == "memferryd"


def test_a_refusal_in_json_is_understood(tmp_path):
    listener = harness.bound_socket(tmp_path / "s")
    listener.listen(1)

    def refuse():
        peer, _ = listener.accept()
        peer.sendall(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"name":"busy",'
                     b'"message":"too many","data":{"retry_after_ms":250}}}\n')
        peer.recv(1000)
        peer.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    with memferry.Client(str(tmp_path / "s"), start=False) as client:
        with pytest.raises(memferry.Busy) as told:
            client.put("x")
    thread.join()
    listener.close()
    assert told.value.retry_after_ms == 250


# ---- pipelines, threads, processes ----


def test_a_pipelines_failures_are_never_silent(client):
    with pytest.raises(memferry.PipelineError) as told:
        with client.pipeline() as pipe:
            pipe.put("x", id="good")
            pipe.put("x", id="")
            looked_at = pipe.get("nowhere")
            with pytest.raises(memferry.NotFound):
                looked_at.result()
            pipe.put("x", kind="k" * 65)
    assert [error.field for error in told.value.failures] == ["id", "kind"]
    assert client.get("good").content == "x"


def test_a_pipeline_keeps_to_its_window(broker, client):
    with memferry.Client(broker.socket, start=False, window=3) as narrow:
        with narrow.pipeline() as pipe:
            for n in range(100):
                pipe.put(str(n), id="one")
                assert pipe._exchange.in_flight <= 3  # pylint: disable=protected-access
    assert client.get("one").content == "99"


def test_large_answers_and_large_requests_do_not_wait_for_each_other(client):
    client.put("x" * (1 << 20), id="large")
    with client.pipeline() as pipe:
        answers = []
        for n in range(60):
            answers.append(pipe.get("large"))
            pipe.put("y" * (1 << 20), id=f"m{n}")
    assert all(len(one.result().content) == 1 << 20 for one in answers)


def test_threads_may_share_a_client(client):
    def work(number):
        for n in range(50):
            client.put(str(n), id=f"{number}-{n}")
            assert client.get(f"{number}-{n}").content == str(n)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(client.memories())) == 200


def test_a_forked_child_has_a_connection_of_its_own(client):
    client.put("x", id="before")
    child = os.fork()
    if child == 0:
        try:
            client.put("y", id="child")
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except
            os._exit(1)
    client.put("z", id="parent")
    assert os.waitpid(child, 0)[1] == 0
    assert {m.id for m in client.memories()} == {"before", "child", "parent"}
    client.put("again", id="parent")


# ---- sessions ----


def test_one_session_with_the_command_and_without_a_broker(tmp_path, broker, client):
    command = Command(broker)
    command.environment["HOME"] = str(broker.root)
    current = client.current_session()
    assert current.begun and not client.current_session().begun
    assert command.ok("session", "current").strip() == current.id
    client.put("x", id="m")
    assert client.get("m").session_id == current.id
    client.put("x", id="none", session_id="")
    assert client.get("none").session_id is None
    begun = client.begin_session(agent="tester", pid=os.getpid())
    assert begun.id != current.id and client.get_session(begun.id)["agent"] == "tester"
    assert command.ok("session", "current").strip() == begun.id
    client.end_session(reason="done")
    assert client.get_session(begun.id)["end_note"] == "done"
    with pytest.raises(memferry.NotFound):
        client.peek_session()
    with memferry.Client(str(tmp_path / "nobody"), start=False) as offline:
        assert offline.begin_session().id == client.current_session().id
        offline.end_session()
        with pytest.raises(memferry.NotFound):
            offline.peek_session()


def test_a_session_for_a_block_ends_behind_it(client):
    with client.session(agent="tester") as session:
        client.put("x", id="m")
        assert client.get("m").session_id == session.id
        assert client.sessions(active=True).items[0]["pid"] == os.getpid()
    assert client.get_session(session.id)["end_reason"] == "command"


def test_ten_processes_that_begin_at_once_get_one_session(tmp_path):
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import memferry; "
              "sys.stdin.read(1); print(memferry.Client('/nowhere').current_session().id)")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    started = [subprocess.Popen([sys.executable, "-c", script, str(SOURCE / "client/python")],
                                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for _ in range(5)]
    command = [subprocess.Popen(["sh", "-c", f"read x; exec {MEMFERRY} session current"],
                                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for _ in range(5)]
    for process in started + command:
        process.stdin.write(b"\n")
        process.stdin.flush()
    told = {process.communicate()[0].strip() for process in started + command}
    assert len(told) == 1 and len(told.pop()) == 36
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".claude-session-id", ".claude-session-id.lock"]
    assert (tmp_path / ".claude-session-id").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text,taken", [
    ("  11111111-2222-4333-8444-ABCDEFABCDEF \n", True), ("", False), ("1111", False),
    ("{11111111-2222-4333-8444-abcdefabcdef}", None), ("x" * 200, None)])
def test_the_session_file_is_read_as_documented(tmp_path, monkeypatch, text, taken):
    monkeypatch.delenv("MEMFERRY_SESSION_ID", raising=False)
    path = tmp_path / "session"
    path.write_text(text)
    client = memferry.Client("/nowhere", session_file=str(path))
    if taken is None:
        with pytest.raises(memferry.SessionFileError, match="left as it is"):
            client.current_session()
        assert path.read_text() == text
    else:
        current = client.current_session()
        assert current.begun is not taken and path.read_text().strip() == current.id
    os.utime(path, (0, 0))
    if taken is not None:
        assert client.current_session().begun  # the other was idle


def test_links_and_bad_settings_of_the_session_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("MEMFERRY_SESSION_ID", raising=False)
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(memferry.SessionFileError, match="symbolic link"):
        memferry.Client("/nowhere", session_file=str(tmp_path / "link")).current_session()
    monkeypatch.setenv("MEMFERRY_SESSION_IDLE", "soon")
    with pytest.raises(memferry.SessionFileError, match="90s"):
        memferry.Client("/nowhere", session_file=str(tmp_path / "f")).current_session()
    monkeypatch.setenv("MEMFERRY_SESSION_ID", "from outside")
    it = memferry.Client("/nowhere").current_session()
    assert it.id == "from outside" and it.from_environment


# ---- the guard, events, files ----


def test_the_guard_is_told_and_its_alert_comes_to_a_subscriber(client):
    with client.subscribe(kinds=["alert", "alert_ack"]) as events:
        seen = client.observe("DROP TABLE users", language="sql", source="hook")
        assert [rule["rule"] for rule in seen.rules] == ["schema-change"]
        event = events.next(30)
        assert event.op == "alert" and event.alert["rule"] == "schema-change"
        (alert,) = client.alerts(acked="no")
        assert alert["id"] == seen.alerts[0]["id"] == event.alert["id"]
        assert client.ack(alert["id"])["durable"]
        assert events.next(30).op == "alert_ack"
    assert client.observe("rm -rf /", dry_run=True).seq is None


def test_a_subscription_misses_nothing_over_a_restart(broker, client):
    with client.subscribe(["put"], from_seq=1) as events:
        for n in range(50):
            client.put("x", id=f"a{n}")
        taken = [next(events).id for _ in range(20)]
        broker.restart()
        for n in range(50):
            client.put("x", id=f"b{n}")
        taken += [next(events).id for _ in range(80)]
        assert events.next(0.05) is None
    assert taken == [f"a{n}" for n in range(50)] + [f"b{n}" for n in range(50)]


def test_export_and_import_are_the_commands_own(make_broker, client, tmp_path):
    client.put("x\u2028\"", id="a", props={"f": 1.0, "i": 1, "none": []}, tags=["ü"],
               embedding=[0.25] * 768)
    client.put("y", id="b")
    client.delete("b")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert client.export_to(ours) == 2
    there = make_broker()
    assert Command(there).json("import", ours) == {
        "imported": 2, "unchanged": 0, "older": 0, "refused": 0}
    Command(there).ok("export", theirs)
    assert [json.loads(line) for line in ours.read_text().split("\n") if line] == [
        json.loads(line) for line in theirs.read_text().split("\n") if line]
    third = make_broker()
    with memferry.Client(third.socket, start=False) as again:
        told = again.import_from(io.StringIO("no json\n" + theirs.read_text() + "[]\n"))
        assert (told.imported, [line for line, _ in told.refused]) == (2, [1, 4])
        assert again.get("a") == client.get("a") or again.get("a").embedding == client.get(
            "a").embedding
        assert again.import_from(theirs).unchanged == 2
    assert ours.stat().st_mode & 0o777 == 0o600


def test_a_broker_is_started_when_none_runs(tmp_path):
    """As a new user has it: nothing but the programs in the path."""
    (tmp_path / "run").mkdir(mode=0o700)
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import memferry\n"
              "with memferry.Client() as c: c.put('x', id='m'); print(c.hello()['pid'])")
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"),
                   "PATH": f"{MEMFERRY.parent}:{harness.MEMFERRYD.parent}:{os.environ['PATH']}"}
    line = [sys.executable, "-c", script, str(SOURCE / "client/python")]
    refused = subprocess.run(line, env=dict(environment, MEMFERRY_NO_START="1"),
                             capture_output=True, text=True, check=False)
    assert "ConnectError" in refused.stderr
    told = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    os.kill(int(told.stdout), 15)
    until(lambda: not (tmp_path / "run/memferry/memferry.sock").exists(), "the broker to end")


@pytest.mark.skipif(harness.sanitized(), reason="the same with any broker")
def test_the_client_is_typed_without_a_hole():
    done = subprocess.run(
        ["mypy", "--config-file", "pyproject.toml", "--cache-dir", os.devnull],
        cwd=SOURCE / "client/python", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
