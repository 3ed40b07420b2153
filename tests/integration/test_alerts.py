"""Alerts: raised by the broker itself, listed, acked, told to people, and there after a crash."""
import hashlib
import hmac
import http.server
import json
import threading

import pytest

import sinks
from command import Command
from load import KEEP, remove_store
from sinks import put
from wire import RpcError, until

NOT_FOUND, PARAMS = -32002, -32602


def alerts(broker, **params):
    return broker.call("alert.list", params)["alerts"]


def wait_alert(broker, rule):
    return until(lambda: alerts(broker, rule=rule), f"an alert {rule}")[0]


def resumed(sink):
    """A backend that is gone is paused with its alert already on its way."""
    sink.wait_status("the pause", lambda s: s["paused"])
    sink.call("resume")


@pytest.fixture
def gone(sink):
    """A broker whose backend says 410."""
    sink.script("gone")
    put(sink.broker, "m", 3)
    wait_alert(sink.broker, "backend-gone")
    return sink


def test_backend_that_is_gone_raises_an_alert_that_says_how_to_go_on(gone):
    alert, = alerts(gone.broker)
    assert alert["id"] == "backend-gone/graph"
    assert alert["severity"] == "critical" and alert["count"] == 1
    assert alert["acked_ms"] is None and alert["sample_ids"] == []
    assert "graph" in alert["summary"] and "script says" in alert["summary"]
    assert alert["undo"] == "memferry backends resume graph"
    assert "alert: critical" in gone.broker.log_text()


def test_backend_that_goes_again_counts_in_the_same_alert(gone):
    for times in (2, 3):
        resumed(gone)
        until(lambda n=times: alerts(gone.broker)[0]["count"] == n, f"a count of {times}")
    alert, = alerts(gone.broker)
    assert alert["first_ms"] <= alert["at_ms"]


def test_backend_that_refuses_everything_raises_an_alert(sink):
    with sink.broker.client() as client:
        for n in range(25):
            client.call("memory.put", {"id": f"p{n}", "content": "poison"})
    alert = wait_alert(sink.broker, "backend-rejects")
    assert alert["severity"] == "warning" and "20 different memories" in alert["summary"]


def test_acked_alert_is_closed_until_it_happens_again(gone):
    broker = gone.broker
    told = broker.call("alert.ack", id="backend-gone/graph", session_id="human")
    assert told["duplicate"] is False and told["durable"] is True
    assert alerts(broker) == []
    alert, = alerts(broker, acked="only")
    assert alert["acked_by"] == "human" and alert["acked_ms"] >= alert["at_ms"]
    assert broker.call("alert.ack", id="backend-gone/graph")["duplicate"] is True
    resumed(gone)
    assert wait_alert(broker, "backend-gone")["acked_ms"] is None


def test_ack_of_what_is_not_there_is_not_found(gone):
    with pytest.raises(RpcError) as failure:
        gone.broker.call("alert.ack", id="nothing")
    assert failure.value.code == NOT_FOUND and "no alert nothing" in str(failure.value)


def test_ack_of_several_tells_of_each(gone):
    first, second = gone.broker.call("alert.ack", ids=["nothing", "backend-gone/graph"])["receipts"]
    assert first["id"] == "nothing" and first["error"]["name"] == "not_found"
    assert second["duplicate"] is False


def test_ack_of_all_counts(gone):
    assert gone.broker.call("stats")["store"]["alerts_open"] == 1
    assert gone.broker.call("alert.ack", all=True) == {"count": 1, "durable": True}
    assert gone.broker.call("alert.ack", all=True) == {"count": 0, "durable": True}
    assert gone.broker.call("stats")["store"]["alerts_open"] == 0


@pytest.mark.parametrize("params", [{}, {"id": "a", "all": True}, {"ids": []}, {"id": ""},
                                    {"ids": ["a"], "id": "b"}, {"ids": [1]}, {"all": False}])
def test_ack_of_nobody_knows_what_is_refused(shared, params):
    with pytest.raises(RpcError) as failure:
        shared.call("alert.ack", params)
    assert failure.value.code == PARAMS


def test_alerts_and_acks_outlive_a_kill(gone):
    broker = gone.broker
    with broker.client() as client:
        client.call("memory.put", id="x", content="x")
        client.call("alert.ack", id="backend-gone/graph")
    before = alerts(broker, acked="any")
    broker.kill()
    broker.start()
    assert alerts(broker, acked="any") == before
    broker.stop()
    done = broker.run("--check-journal")
    assert done.returncode == 0, done.stdout + done.stderr


def test_damage_in_the_journal_raises_an_alert(make_broker):
    broker = make_broker(KEEP)
    for n in range(20):
        broker.call("memory.put", id=f"m{n}", content=f"unique-{n}-" + "c" * 500)
    broker.stop()
    remove_store(broker)
    segment, = (p for p in (broker.state / "journal").glob("*.seg") if b"unique-9-" in p.read_bytes())
    segment.write_bytes(segment.read_bytes().replace(b"unique-9-", b"UNIQUE-9-"))
    broker.start()
    alert = wait_alert(broker, "journal-damage")
    aside, = (broker.state / "journal").glob("aside-*")
    assert alert["severity"] == "critical" and str(aside) in alert["summary"]
    assert alert["id"] == f"journal-damage/{aside.name}"


# ---- told to people ----

SECRET = "correct-horse-battery"


class Receiver(http.server.HTTPServer):
    """A receiver of webhooks. Until it is activated its port is its own, and refuses."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()
        self.url = f"http://127.0.0.1:{self.server_port}/alert"
        self.status, self.alerts, self.thread = 200, [], None

    def activate(self):
        self.server_activate()
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def end(self):
        if self.thread:
            self.shutdown()
            self.thread.join()
        self.server_close()

    def told(self):
        return [(a["id"], a["count"]) for a in self.alerts]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(self.headers["X-Signature-256"], "sha256=" + signed)
        message = json.loads(body)
        is_alert = message["event"]["op"] == "alert"
        status = 401 if not good else self.server.status if is_alert else 200
        if status == 200 and is_alert:
            assert message["event"]["id"] == self.headers["webhook-id"]
            self.server.alerts.append(message["alert"])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    it = Receiver()
    yield it
    it.end()


class Told(sinks.Scripted):
    """A broker whose one backend is gone, and whose other one tells of alerts."""

    def __init__(self, broker, library, url, more=""):
        super().__init__(broker, "graph", library)
        self.bell = sinks.Backend(broker, "bell")
        self.script("gone")
        broker.configure(f'{self.section}[backend "bell"]\nplugin = alert-notify\n'
                         f"webhook = {url}\n{more}\n")
        broker.start()
        put(broker, "m", 1)
        wait_alert(broker, "backend-gone")


@pytest.fixture
def told(make_broker, library, receiver):
    """told("more of the section")"""
    def make(more="again = 0s"):
        broker = make_broker(start=False, MEMORY_WEBHOOK_TOKEN=SECRET)
        return Told(broker, library, receiver.url, more)
    return make


def test_alert_raised_while_its_receiver_is_down_arrives_when_it_is_back(told, receiver):
    it = told()
    status = it.bell.wait_status("a refused connection",
                                 lambda s: s["circuit"] != "closed" and s["last_error"])
    assert status["pending"] == 1 and status["kind"] == "alerts"
    it.broker.kill()
    it.broker.start()
    assert alerts(it.broker)[0]["id"] == "backend-gone/graph"
    it.broker.restart()
    receiver.activate()
    it.bell.call("probe")
    until(receiver.told, "the alert")
    it.bell.wait_status("a level lane", lambda s: s["pending"] == 0)
    assert receiver.told() == [("backend-gone/graph", 1)]
    alert, = receiver.alerts
    assert alert["rule"] == "backend-gone" and alert["undo"] == "memferry backends resume graph"
    assert SECRET not in it.broker.log_text()


def test_alert_is_told_once_over_restarts_and_kills(told, receiver):
    receiver.activate()
    it = told()
    it.bell.wait_status("the alert taken", lambda s: s["delivered"] == 1)
    for end in (it.broker.kill, it.broker.stop, it.broker.kill):
        end()
        it.broker.start()
        it.bell.wait_status("a level lane", lambda s: s["circuit"] == "closed" and not s["pending"])
    assert receiver.told() == [("backend-gone/graph", 1)]
    resumed(it)
    until(lambda: len(receiver.alerts) == 2, "the alert that went on")
    assert receiver.told() == [("backend-gone/graph", 1), ("backend-gone/graph", 2)]


def test_refused_alert_is_a_dead_letter_and_comes_on_request(told, receiver):
    receiver.status = 400
    receiver.activate()
    it = told()
    it.bell.wait_status("a dead letter", lambda s: s["dead"] == 1)
    dead, = it.bell.dead()
    assert dead["id"] == "backend-gone/graph" and "400" in dead["reason"]
    receiver.status = 200
    assert it.broker.call("dead.retry", backend="bell", all=True) == {"count": 1}
    until(receiver.told, "the alert")
    it.bell.wait_status("no dead letter", lambda s: s["dead"] == 0)


def test_alert_that_failed_is_tried_again(told, receiver):
    receiver.status = 500
    receiver.activate()
    it = told()
    it.bell.wait_status("a deferred alert", lambda s: s["deferred"] == 1)
    receiver.status = 200
    until(receiver.told, "the alert")
    it.bell.wait_status("a level lane", lambda s: s["pending"] == 0 and s["deferred"] == 0)


def test_receivers_trouble_keeps_no_other_sink_waiting(told, receiver, tmp_path):
    log = tmp_path / "alerts.ndjson"
    it = told(f"log_file = {log}\nagain = 0s")
    until(log.exists, "the file")
    it.bell.wait_status("a deferred alert", lambda s: s["deferred"] == 1)
    receiver.activate()
    until(receiver.told, "the alert")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["alert"]["id"] for line in lines] == ["backend-gone/graph"]
    assert lines[0]["alert"] == receiver.alerts[0]


def test_acked_alert_is_told_all_the_same(told, receiver):
    it = told()
    it.broker.call("alert.ack", all=True)
    receiver.activate()
    it.bell.call("probe")
    until(receiver.told, "the alert")


def test_new_alert_backend_is_told_of_open_alerts_only(gone, receiver):
    broker = gone.broker
    broker.call("alert.ack", all=True)
    receiver.activate()
    secret = broker.root / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    broker.configure(f'{gone.section}[backend "bell"]\nplugin = alert-notify\n'
                     f"webhook = {receiver.url}\nsecret_file = {secret}\n")
    broker.restart()
    sinks.Backend(broker, "bell").wait_status("a level lane", lambda s: s["circuit"] == "closed")
    resumed(gone)
    until(receiver.told, "the alert")
    assert receiver.told() == [("backend-gone/graph", 2)]


def test_storm_is_held_back_and_none_is_lost(make_broker, library, receiver):
    broker = make_broker(start=False, MEMORY_WEBHOOK_TOKEN=SECRET)
    gone_ones = [sinks.Scripted(broker, f"g{n}", library) for n in range(8)]
    for one in gone_ones:
        one.script("gone")
    receiver.activate()
    broker.configure("".join(one.section for one in gone_ones) + '[backend "bell"]\n'
                     f"plugin = alert-notify\nwebhook = {receiver.url}\nrate = 3 in 1s\n")
    broker.start()
    put(broker, "m", 1)
    bell = sinks.Backend(broker, "bell")
    bell.wait_status("the rate", lambda s: "rate" in (s["last_error"] or ""))
    until(lambda: len(receiver.alerts) == 8, lambda: f"all alerts: {receiver.told()}")
    bell.wait_status("a level lane", lambda s: s["pending"] == 0)
    assert sorted(receiver.told()) == [(f"backend-gone/g{n}", 1) for n in range(8)]


def test_alert_that_goes_on_is_told_again_with_its_last_count(told, receiver):
    receiver.activate()
    it = told("again = 1s")
    until(receiver.told, "the alert")
    for count in (2, 3, 4):
        resumed(it)
        until(lambda n=count: alerts(it.broker)[0]["count"] == n, f"a count of {count}")
    it.bell.wait_status("a level lane", lambda s: s["pending"] == 0)
    assert receiver.told()[-1] == ("backend-gone/graph", 4)


# ---- the command ----


def test_command_lists_and_acks(gone):
    command = Command(gone.broker)
    listed = command.json("alert")
    assert listed["id"] == "backend-gone/graph"
    assert command.ok("alert").split("\t")[1:5] == ["critical", "1", "backend-gone/graph",
                                                    "memferry backends resume graph"]
    assert "1 not acked" in command.ok("status")
    assert command.json("status")["store"]["alerts_open"] == 1
    assert command.ok("alert", "ack", "backend-gone/graph") == "1\n"
    assert command.ok("alert") == "" and "not acked" not in command.ok("status")
    assert command.json("alert", "--acked")["acked_ms"]
    assert command.ok("alert", "ack", "--all") == "0\n"
    assert "no alert nobody" in command.fails(1, "alert", "ack", "nobody").stderr


def test_flush_of_all_waits_for_no_alert_that_is_held_back(make_broker, tmp_path):
    log = tmp_path / "alerts.ndjson"
    broker = make_broker(f'[backend "bell"]\nplugin = alert-notify\nlog_file = {log}\nagain = 1h\n')
    broker.call("guard.observe", statement="DROP TABLE t", language="sql")
    until(lambda: log.exists() and log.read_text(), "the first to be told")
    for n in range(3):
        broker.call("guard.observe", statement=f"DROP TABLE t{n}", language="sql")
    assert broker.call("backend.flush")["backends"] == []
    until(lambda: broker.call("alert.list")["alerts"][0]["count"] == 4, "all to be counted")
    with pytest.raises(RpcError) as failed:
        broker.call("backend.flush", names=["bell"], timeout_ms=1)
    assert failed.value.name == "timeout"
