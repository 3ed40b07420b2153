"""n8n-webhook in the real broker, against a receiver that checks every signature."""
import subprocess
import time

import pytest

from command import Command, assert_none_in, everything_told
from harness import SANITIZER
from receiver import SECRET, Answer, Receiver, section
from sinks import Backend, put
from wire import RpcError, floats, until

OTHER = "whsec_c2Vjb25kIHNlY3JldCE="
TOKEN, HOOK_PASSWORD = "bearer-token-77", "basic-password-88"
HOUR_MS = 3600 * 1000


@pytest.fixture
def receiver():
    it = Receiver(SECRET)
    yield it
    it.close()


@pytest.fixture
def flow(make_broker, receiver):
    """A broker with one webhook backend, running, and the right secret in the environment."""
    broker = make_broker(section(receiver), MEMORY_WEBHOOK_TOKEN=SECRET)
    return Backend(broker, "flow")


def level(flow):
    assert flow.flush()["level"] is True


def test_every_memory_arrives_signed_as_the_store_has_it(flow, receiver):
    broker = flow.broker
    put(broker, "m", 50)
    broker.call("memory.put", id="full", content="é \u2028 \"", kind="fact", tags=["a", "b"],
                props={"i": 2**63 - 1, "f": 1.0, "b": True, "l": [1.5, -2.25], "s": "x"},
                embedding=[i / 8 - 40 for i in range(768)])
    broker.call("memory.put", id="gone", content="x")
    broker.call("memory.delete", id="gone")
    level(flow)
    held = receiver.state()
    assert len(held) == 52 and not receiver.refused
    for ident in ("m0", "full", "gone"):
        told = broker.call("memory.get", id=ident)
        body = dict(held[ident])
        event = body.pop("event")
        assert event["op"] == ("delete" if ident == "gone" else "put")
        assert event["version"] == told["version"]
        if body["embedding"] is not None:
            body["embedding"] = floats(body["embedding"])
        for name, value in told.items():
            assert body.get(name) == value, (ident, name)
    assert held["gone"]["deleted_ms"] > 0 and held["m0"]["deleted_ms"] is None


def test_state_keeps_its_id_when_it_is_sent_again(flow, receiver):
    broker = flow.broker
    receiver.answer = lambda request: Answer(200 if request.op == "ping" else 500)
    broker.call("memory.put", id="a", content="x")
    until(lambda: receiver.of("put"), "the first try")
    broker.kill()
    receiver.answer = lambda request: Answer()
    broker.start()
    level(flow)
    ids = {r.headers["webhook-id"] for r in receiver.of("put")}
    assert len(receiver.of("put")) >= 2 and len(ids) == 1
    assert ids == {r.body["event"]["id"] for r in receiver.of("put")}
    broker.call("memory.put", id="a", content="y", wait="delivered")
    assert len({r.headers["webhook-id"] for r in receiver.of("put")}) == 2


def test_probe_is_a_signed_ping_without_a_memory(flow, receiver):
    flow.wait_status("the first probe", lambda s: s["circuit"] == "closed")
    assert [r.body for r in receiver.of("ping")] == [
        {"event": {"id": receiver.requests[0].headers["webhook-id"], "op": "ping"}}]
    flow.call("probe")
    assert len(receiver.of("ping")) == 2


def test_wrong_secret_blames_no_memory_and_heals_when_it_is_put_right(make_broker, receiver, tmp_path):
    file = tmp_path / "secret"
    file.write_text("wrong-secret-1\n")
    file.chmod(0o600)
    broker = make_broker(section(receiver, secret_file=file))
    flow = Backend(broker, "flow")
    put(broker, "m", 5)
    told = flow.wait_status("the refusal", lambda s: "401" in (s["last_error"] or ""))
    assert told["dead"] == 0 and told["deferred"] == 0 and told["circuit"] != "closed"
    assert "secret" in told["last_error"] and not receiver.requests
    file.write_text(SECRET + "\n")
    flow.call("probe")
    level(flow)
    assert len(receiver.state()) == 5


def test_workflow_that_is_not_published_blames_no_memory(flow, receiver):
    receiver.answer = lambda request: Answer(404, "not registered")
    put(flow.broker, "m", 5)
    told = flow.wait_status("the refusal", lambda s: "404" in (s["last_error"] or ""))
    assert told["dead"] == 0 and told["deferred"] == 0 and "workflow active" in told["last_error"]
    receiver.answer = lambda request: Answer()
    flow.call("probe")
    level(flow)


def test_refused_memory_is_a_dead_letter_with_the_first_line_of_the_answer(flow, receiver):
    def answer(request):
        if request.op == "put" and request.body["id"] == "bad":
            return Answer(422, "content: no\x1b[2J poetry\nsecond line")
        return Answer()

    receiver.answer = answer
    put(flow.broker, "a", 5)
    flow.broker.call("memory.put", id="bad", content="roses")
    put(flow.broker, "b", 5)
    flow.flush()
    (dead,) = flow.dead()
    assert dead["id"] == "bad" and len(receiver.state()) == 11
    assert "422" in dead["reason"] and "content: no [2J poetry" in dead["reason"]
    assert "second" not in dead["reason"]


def test_retry_after_of_a_429_is_obeyed(flow, receiver):
    receiver.answer = lambda request: (
        Answer() if request.op == "ping" else Answer(429, "slower", Retry_After="3600"))
    flow.wait_status("the first probe", lambda s: s["circuit"] == "closed")
    before_ms = time.time() * 1000
    put(flow.broker, "m", 5)
    told = flow.wait_status("the circuit to open",
                            lambda s: s["circuit"] != "closed" and s["last_error"])
    assert told["next_probe_ms"] >= before_ms + HOUR_MS
    assert told["dead"] == 0 and len(receiver.of("put")) <= 4  # one a connection
    receiver.answer = lambda request: Answer()
    flow.call("probe")
    level(flow)


def test_receiver_that_is_gone_pauses_its_backend_and_raises_an_alert(flow, receiver):
    receiver.answer = lambda request: Answer(200 if request.op == "ping" else 410)
    put(flow.broker, "m", 5)
    told = flow.wait_status("the pause", lambda s: s["paused"])
    assert told["dead"] == 0 and "gone for good" in told["last_error"]
    (alert,) = until(lambda: flow.broker.call("alert.list")["alerts"], "the alert")
    assert "flow" in alert["summary"]
    receiver.answer = lambda request: Answer()
    flow.call("resume")
    level(flow)
    assert len(receiver.state()) == 5


def test_probe_that_is_answered_410_pauses_the_backend_too(flow, receiver):
    receiver.answer = lambda request: Answer(410)
    with pytest.raises(RpcError):
        flow.call("probe")
    flow.wait_status("the pause", lambda s: s["paused"])
    until(lambda: flow.broker.call("alert.list")["alerts"], "the alert")


@pytest.mark.parametrize("answer", [Answer(409, "newer"), Answer(200, '{"superseded": true}')])
def test_receiver_with_a_newer_state_is_done_and_told(flow, receiver, answer):
    receiver.answer = lambda request: Answer() if request.op == "ping" else answer
    receipt = flow.broker.call("memory.put", id="a", content="x", wait="delivered")
    assert receipt["backends"] == {"flow": "superseded"}


def test_n8n_that_is_starting_says_200_and_loses_nothing(flow, receiver):
    receiver.answer = lambda request: Answer(200, "n8n is starting up. Please wait")
    put(flow.broker, "m", 5)
    told = flow.wait_status("the circuit to open", lambda s: "starting up" in s["last_error"])
    assert (told["delivered"], told["dead"], told["deferred"]) == (0, 0, 0)
    receiver.answer = lambda request: Answer()
    flow.call("probe")
    level(flow)
    assert flow.status()["delivered"] == 5


def test_redirect_is_not_followed_and_told_by_its_host(flow, receiver):
    receiver.answer = lambda request: Answer(302, Location=f"{receiver.url}?elsewhere-secret=1")
    with pytest.raises(RpcError):
        flow.call("probe")
    told = flow.status()["last_error"]
    assert "leads to http://127.0.0.1:" in told and "elsewhere" not in told and "/hook" not in told


def test_secret_is_changed_while_memories_flow(make_broker, receiver):
    config = section(receiver, second_secret_env="NEXT")
    broker = make_broker(config, MEMORY_WEBHOOK_TOKEN=SECRET, NEXT=OTHER)
    flow = Backend(broker, "flow")
    broker.call("memory.put", id="a", content="x", wait="delivered")
    receiver.secret = OTHER
    broker.call("memory.put", id="b", content="x", wait="delivered")
    broker.configure(section(receiver, secret_env="NEXT"))
    broker.restart()
    broker.call("memory.put", id="c", content="x", wait="delivered")
    assert set(receiver.state()) == {"a", "b", "c"} and not receiver.refused
    assert flow.status()["dead"] == 0


def test_vector_is_left_out_when_it_is_not_wanted(make_broker, receiver):
    broker = make_broker(section(receiver, embedding="no"), MEMORY_WEBHOOK_TOKEN=SECRET)
    broker.call("memory.put", id="a", content="x", embedding=[0.5] * 768, wait="delivered")
    (body,) = receiver.memories()
    assert "embedding" not in body and body["embedding_state"] == "ready"


def test_outage_loses_nothing(flow, receiver):
    receiver.answer = lambda request: Answer(503, "starting")
    with pytest.raises(RpcError):
        flow.call("probe")
    put(flow.broker, "m", 100)
    flow.broker.kill()
    receiver.answer = lambda request: Answer()
    flow.broker.start()
    level(flow)
    assert len(receiver.state()) == 100


# ---- no secret is told anywhere ----


def test_no_secret_reaches_log_status_error_dead_letter_or_store(make_broker, receiver, tmp_path):
    """Through everything that goes wrong, and with a receiver that sends back all that it got."""
    logins = [{"token_file": tmp_path / "token"},
              {"user": "ada", "password_file": tmp_path / "password"}]
    for name, text in (("token", TOKEN), ("password", HOOK_PASSWORD), ("secret", SECRET),
                       ("second", OTHER)):
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    secrets = [SECRET, OTHER, OTHER.removeprefix("whsec_"), "second secret!", TOKEN, HOOK_PASSWORD,
               "url-secret-99", "YWRhOmJhc2ljLXBhc3N3b3JkLTg4"]

    def echo(status):
        return lambda request: Answer(status if request.op != "ping" else 200, " ".join(
            [*map(str, request.headers.values()), SECRET, OTHER, TOKEN, HOOK_PASSWORD]))

    for login in logins:
        broker = make_broker(section(receiver, secret_file=tmp_path / "secret",
                                     second_secret_file=tmp_path / "second", **login))
        flow = Backend(broker, "flow")
        errors = []
        for status in (400, 401, 404, 429, 500, 302):
            receiver.answer = echo(status)
            flow.wait_status("the circuit to close", lambda s: s["circuit"] == "closed")
            put(broker, f"s{status}-", 3)
            flow.wait_status(f"a {status}", lambda s, code=status: (
                str(code) in (s["last_error"] or "") or s["dead"] or s["deferred"]))
            receiver.answer = lambda request: Answer(401, SECRET + TOKEN + HOOK_PASSWORD)
            with pytest.raises(RpcError) as failure:
                flow.call("probe")
            errors.append(str(failure.value).encode() + repr(failure.value.data).encode())
            receiver.answer = echo(200)
            flow.call("probe")
        assert flow.dead(), "a 400 is a dead letter"
        assert_none_in(everything_told(broker, *errors), secrets)


def test_secret_that_is_none_is_told_without_it(make_broker, receiver):
    broker = make_broker(section(receiver), MEMORY_WEBHOOK_TOKEN="whsec_hunter2hunter2!")
    flow = Backend(broker, "flow")
    flow.wait_status("the error", lambda s: s["last_error"])
    broker.wait_log("base64")
    assert_none_in(everything_told(broker), ["hunter2"])


def test_secret_in_the_config_itself_is_refused_without_being_shown(make_broker, receiver):
    broker = make_broker(section(receiver, secret="hunter2-in-the-file"), start=False)
    done = broker.run("--check-config")
    assert done.returncode != 0 and "secret_env" in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_password_in_the_url_is_refused_without_being_shown(make_broker, receiver):
    config = section(receiver).replace("http://", "http://ada:hunter2@")
    broker = make_broker(config, start=False, MEMORY_WEBHOOK_TOKEN=SECRET)
    done = broker.run("--check-config")
    assert done.returncode != 0 and "url" in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


# ---- the command's signatures, at the receiver ----


def test_what_the_command_signs_is_taken_by_a_receiver(flow, receiver, tmp_path):
    body = tmp_path / "body.json"
    body.write_text('{"event":{"id":"msg_hand","op":"ping"}}')
    command = Command(flow.broker)
    command.environment["MEMORY_WEBHOOK_TOKEN"] = SECRET
    signed = command.ok("webhook", "sign", "--id", "msg_hand", body)
    done = subprocess.run(["curl", "-sS", "--fail", "-H", "@-", "--data-binary", f"@{body}",
                           receiver.url], input=signed, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (request,) = [r for r in receiver.of("ping") if r.headers["webhook-id"] == "msg_hand"]
    assert request.headers["content-type"] == "application/json"
    file = tmp_path / "headers"
    file.write_text("".join(f"{name}: {value}\n" for name, value in request.headers.items()))
    assert command.ok("webhook", "verify", "--headers", file, body) == "valid\n"
    assert not SANITIZER.search(flow.broker.log_text())
