"""deploy/openapi.yaml: a good document, and true of what the plugins send."""
import re

import jsonschema
import pytest
import yaml

from harness import SOURCE
from receiver import SECRET, Answer, Receiver, section
from sinks import Backend
from wire import until

DOCUMENT = yaml.safe_load((SOURCE / "deploy/openapi.yaml").read_text())
VECTOR = [i / 8 - 40 for i in range(768)]


def check(name, body):
    """The body against a schema of the document; references lead into it."""
    schema = {**DOCUMENT, "$ref": f"#/components/schemas/{name}"}
    jsonschema.Draft202012Validator(schema).validate(body)


def schema_of_request(webhook):
    content = DOCUMENT["webhooks"][webhook]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"]


def check_request(webhook, request):
    jsonschema.Draft202012Validator({**DOCUMENT, **schema_of_request(webhook)}).validate(request.body)
    for parameter in DOCUMENT["components"]["parameters"].values():
        value = request.headers.get(parameter["name"].lower())
        assert value is not None or not parameter.get("required"), parameter["name"]
        if value is not None:
            jsonschema.Draft202012Validator({**DOCUMENT, **parameter["schema"]}).validate(value)


@pytest.fixture
def receiver():
    it = Receiver(SECRET)
    yield it
    it.close()


def test_every_reference_leads_somewhere():
    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                at = DOCUMENT
                for step in node["$ref"].removeprefix("#/").split("/"):
                    at = at[step]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_schema_is_a_good_one():
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_what_n8n_webhook_sends_is_as_the_document_says(make_broker, receiver):
    broker = make_broker(section(receiver), MEMORY_WEBHOOK_TOKEN=SECRET)
    broker.call("memory.put", id="bare", content="")
    broker.call("memory.put", id="full", content="é", kind="fact", tags=["a"], embedding=VECTOR,
                session_id="7f2c1f1e-0000-4000-8000-000000000001",
                props={"i": -5, "f": 1.0, "b": True, "s": "x", "l": [1, 2], "none": []})
    broker.call("memory.put", id="gone", content="x")
    broker.call("memory.delete", id="gone")
    assert Backend(broker, "flow").flush()["level"] is True
    assert {r.op for r in receiver.requests} >= {"ping", "put", "delete"}
    for request in receiver.requests:
        check_request("memory", request)


def test_what_alert_notify_sends_is_as_the_document_says(make_broker, receiver):
    bell = f'[backend "bell"]\nplugin = alert-notify\nwebhook = {receiver.url}\n'
    gone = Receiver(SECRET)
    gone.answer = lambda request: Answer(410)
    try:
        broker = make_broker(section(gone) + bell, MEMORY_WEBHOOK_TOKEN=SECRET)
        until(lambda: receiver.of("alert"), "the alert that flow is gone")
        assert broker.call("alert.list")["alerts"]
    finally:
        gone.close()
    for request in receiver.requests:
        check_request("alert", request)


@pytest.mark.parametrize("change", [
    {"id": ""}, {"deleted_ms": 5}, {"version": "1"}, {"embedding": ["x"]}, {"colour": "red"},
    {"event": {"id": "msg_x", "op": "put", "version": 1}}, {"props": {"a": {"b": 1}}},
    {"embedding_state": "soon"}, {"origin": None}, {"tags": None}])
def test_what_is_no_memory_is_not_taken_for_one(change):
    good = {"event": {"id": "msg_" + "0" * 32, "op": "put", "version": 1}, "id": "a", "content": "",
            "kind": "note", "tags": [], "props": {}, "embedding": None, "embedding_state": "none",
            "embedding_model": None, "created_ms": 1, "updated_ms": 1, "deleted_ms": None, "version": 1,
            "stamp": 1, "origin": "7f2c1f1e-0000-4000-8000-000000000001", "session_id": None}
    check("MemoryBody", good)
    with pytest.raises(jsonschema.ValidationError):
        check("MemoryBody", {**good, **change})


def test_answers_of_the_table_in_the_docs_are_in_the_document():
    text = (SOURCE / "docs/webhooks.md").read_text()
    table = text[text.index("| you answer |"):].split("\n\n")[0]
    told = set(re.findall(r"\b[45]\d\d\b", table)) - {"400", "413", "422"}  # those are 4XX
    answers = DOCUMENT["webhooks"]["memory"]["post"]["responses"]
    assert told and told <= set(answers), told - set(answers)
