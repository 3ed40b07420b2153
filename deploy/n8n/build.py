#!/usr/bin/env python3
"""build.py [--check]: writes the workflows beside it out of source/.

n8n keeps a workflow's code as strings in one JSON file, which nobody can review; so the code lies in source/,
and the workflows are made. --check says whether they are what the sources make, and changes nothing.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
STEP = 220  # pixels between nodes
OUTCOMES = ["answer", "later", "again", "schema", "hand on"]


def source(name):
    """A file of source/; __TEXT_OF("other")__ in it becomes that file's text as a string."""
    text = (HERE / "source" / name).read_text()
    return re.sub(r'__TEXT_OF\("([^"]+)"\)__', lambda m: json.dumps(source(m[1]).strip()), text)


def code(*names):
    return ("n8n-nodes-base.code", 2, {
        "mode": "runOnceForAllItems", "language": "javaScript",
        "jsCode": "\n".join(source(name) for name in names)})


def switch(*outputs):
    """Goes on by the name in `next`."""
    return ("n8n-nodes-base.switch", 3.2, {
        "mode": "expression", "numberOutputs": len(outputs),
        "output": "={{ " + json.dumps(list(outputs)) + ".indexOf($json.next) }}"})


def webhook(path):
    return ("n8n-nodes-base.webhook", 2, {
        "httpMethod": "POST", "path": path, "responseMode": "responseNode",
        "options": {"rawBody": True}})


def respond(later=False):
    options = {"responseCode": "={{ $json.status }}"}
    if later:
        options["responseHeaders"] = {"entries": [
            {"name": "Retry-After", "value": "={{ $json.retryAfter }}"}]}
    return ("n8n-nodes-base.respondToWebhook", 1.1, {
        "respondWith": "json", "responseBody": "={{ $json.body }}", "options": options})


def request(url, body, headers=(), timeout_s=15):
    """Whatever comes back goes on, for the next node to judge; so does that nothing comes."""
    return ("n8n-nodes-base.httpRequest", 4.2, {
        "method": "POST", "url": url,
        "sendHeaders": bool(headers),
        "headerParameters": {"parameters": [{"name": n, "value": v} for n, v in headers]},
        "sendBody": True, "contentType": "raw", "rawContentType": "application/json",
        "body": body,
        "options": {"timeout": timeout_s * 1000, "redirect": {"redirect": {"followRedirects": False}},
                    "response": {"response": {"fullResponse": True, "neverError": True}}}})


def neo4j(body):
    return request(
        "={{ $env.NEO4J_HTTP_URL }}/db/{{ encodeURIComponent($env.NEO4J_DATABASE || 'neo4j') }}/tx/commit",
        body, [
            ("Authorization", "={{ 'Basic ' + (($env.NEO4J_USER || 'neo4j') + ':' + "
                              "$env.NEO4J_PASSWORD).base64Encode() }}"),
            ("Accept", "application/json")])


def cypher(*statements):
    return neo4j("={{ " + json.dumps(json.dumps(
        {"statements": [{"statement": s} for s in statements]})) + " }}")


def ollama(texts, timeout_s):
    """texts: an expression that gives a list of them."""
    return request("={{ $env.OLLAMA_URL }}/api/embed", (
        "={{ JSON.stringify({ model: $env.OLLAMA_MODEL || 'nomic-embed-text', keep_alive: '10m', "
        f"input: {texts}.map((t) => ($env.OLLAMA_DOCUMENT_PREFIX ?? 'search_document: ') + t) "
        "}) }}"), timeout_s=timeout_s)


def check_expressions(parameters):
    """n8n ends an expression at the first }}, be it in a string."""
    for value in parameters.values():
        if isinstance(value, str) and value.startswith("={{"):
            assert value.count("}}") == value.count("{{") and value.endswith("}}") or "}}/" in value, value


def build(ident, name, nodes, ways, note):
    """nodes: {name: (node, column, row)}; ways: {name: [the nodes behind each output]}."""
    made = []
    for title, ((kind, version, parameters), column, row) in nodes.items():
        node = {"id": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"), "name": title, "type": kind,
                "typeVersion": version, "position": [column * STEP, row * STEP],
                "parameters": parameters}
        if kind == "n8n-nodes-base.webhook":
            node["webhookId"] = ident
        if kind == "n8n-nodes-base.httpRequest":
            node["onError"] = "continueRegularOutput"
        check_expressions(parameters)
        made.append(node)
    made.append({"id": "note", "name": "Note", "type": "n8n-nodes-base.stickyNote", "typeVersion": 1,
                 "position": [-STEP, -2 * STEP],
                 "parameters": {"content": note, "width": 3 * STEP, "height": STEP}})
    connections = {
        title: {"main": [[{"node": to, "type": "main", "index": 0}] if to else [] for to in outputs]}
        for title, outputs in ways.items()}
    return {"id": ident, "name": name, "active": False, "nodes": made, "connections": connections,
            "settings": {"executionOrder": "v1", "saveDataSuccessExecution": "none",
                         "saveDataErrorExecution": "none", "saveManualExecutions": False},
            "pinData": {}, "meta": {}, "tags": []}


CONSTRAINTS = (
    "CREATE CONSTRAINT memory_id IF NOT EXISTS FOR (m:Memory) REQUIRE m.id IS UNIQUE",
    "CREATE CONSTRAINT memory_session_id IF NOT EXISTS FOR (s:Session) REQUIRE s.id IS UNIQUE")
ALERT_CONSTRAINT = (
    "CREATE CONSTRAINT memory_alert_id IF NOT EXISTS FOR (a:MemoryAlert) REQUIRE a.id IS UNIQUE")


def vector_index():
    """Index options take no parameters: the number is the environment's, and made a number."""
    return neo4j(
        "={{ JSON.stringify({ statements: [{ statement: 'CREATE VECTOR INDEX memory_embedding IF NOT EXISTS "
        "FOR (m:Memory) ON (m.embedding) OPTIONS {indexConfig: {`vector.dimensions`: ' + "
        "Number($env.MEMORY_DIMS || 768) + ', `vector.similarity_function`: \"cosine\"} }' }] }) }}")


def memory_sync():
    return build("memferrymemorysync", "memory-sync", {
        "Webhook": (webhook("memory-sync"), 0, 0),
        "Check": (code("verify.js", "text.js", "memory-check.js"), 1, 0),
        "Checked": (switch("answer", "later", "embed", "store"), 2, 0),
        "Ollama": (ollama("[$json.text]", 10), 3, 1),
        "Vector": (code("vectors.js", "memory-vector.js"), 4, 1),
        "Statement": (code("memory-statement.js"), 5, 0),
        "Neo4j": (neo4j("={{ $json.request }}"), 6, 0),
        "Outcome": (code("neo4j-reply.js", "memory-outcome.js"), 7, 0),
        "Done": (switch("answer", "later", "again", "schema"), 8, 0),
        "Constraints": (cypher(*CONSTRAINTS), 6, 2),
        "Vector index": (vector_index(), 5, 2),
        "Respond": (respond(), 9, -1),
        "Respond later": (respond(later=True), 9, 0),
    }, {
        "Webhook": ["Check"],
        "Check": ["Checked"],
        "Checked": ["Respond", "Respond later", "Ollama", "Statement"],
        "Ollama": ["Vector"],
        "Vector": ["Statement"],
        "Statement": ["Neo4j"],
        "Neo4j": ["Outcome"],
        "Outcome": ["Done"],
        "Done": ["Respond", "Respond later", "Statement", "Constraints"],
        "Constraints": ["Vector index"],
        "Vector index": ["Statement"],
    }, "## memory-sync\nStores in Neo4j what memferry's n8n-webhook sends: verified, checked, embedded by "
       "Ollama if it came without a vector, newest state wins. What it needs is in docs/n8n.md. Made by "
       "deploy/n8n/build.py: change the sources there.")


def memory_alert():
    return build("memferrymemoryalert", "memory-alert", {
        "Webhook": (webhook("memory-alert"), 0, 0),
        "Check": (code("verify.js", "alert-check.js"), 1, 0),
        "Checked": (switch("answer", "later", "store"), 2, 0),
        "Statement": (code("alert-statement.js"), 3, 0),
        "Neo4j": (neo4j("={{ $json.request }}"), 4, 0),
        "Outcome": (code("neo4j-reply.js", "alert-outcome.js"), 5, 0),
        "Done": (switch("answer", "later", "again", "schema", "hand on"), 6, 0),
        "Constraint": (cypher(ALERT_CONSTRAINT), 4, 2),
        "Put e-mail, Slack or a pager here": (("n8n-nodes-base.noOp", 1, {}), 7, 1),
        "Told": (neo4j(
            "={{ JSON.stringify({ statements: [{ statement: "
            "'MATCH (a:MemoryAlert {id: $id}) SET a.handed_on_ms = $now', "
            "parameters: { id: $('Check').first().json.id, now: Date.now() } }] }) }}"), 8, 1),
        "Answer": (code("alert-answer.js"), 9, 1),
        "Respond": (respond(), 10, -1),
        "Respond later": (respond(later=True), 10, 0),
    }, {
        "Webhook": ["Check"],
        "Check": ["Checked"],
        "Checked": ["Respond", "Respond later", "Statement"],
        "Statement": ["Neo4j"],
        "Neo4j": ["Outcome"],
        "Outcome": ["Done"],
        "Done": ["Respond", "Respond later", "Statement", "Constraint",
                 "Put e-mail, Slack or a pager here"],
        "Constraint": ["Statement"],
        "Put e-mail, Slack or a pager here": ["Told"],
        "Told": ["Answer"],
        "Answer": ["Respond"],
    }, "## memory-alert\nKeeps memferry's alerts as (:MemoryAlert) in Neo4j, and hands each on once. Put a node of "
       "yours in the place of the empty one: it gets the alert's id and summary, and when it fails memferry sends the "
       "alert again. Made by deploy/n8n/build.py.")


def memory_embed():
    return build("memferrymemoryembed", "memory-embed", {
        "Every 20 seconds": (("n8n-nodes-base.scheduleTrigger", 1.2, {
            "rule": {"interval": [{"field": "seconds", "secondsInterval": 20}]}}), 0, 0),
        "Pending": (cypher(source("pending.cypher").strip()), 1, 0),
        "Texts": (code("text.js", "embed-texts.js"), 2, 0),
        "Ollama": (ollama("$json.texts", 120), 3, 0),
        "Statement": (code("vectors.js", "embed-statement.js"), 4, 0),
        "Neo4j": (neo4j("={{ $json.request }}"), 5, 0),
    }, {
        "Every 20 seconds": ["Pending"],
        "Pending": ["Texts"],
        "Texts": ["Ollama"],
        "Ollama": ["Statement"],
        "Statement": ["Neo4j"],
    }, "## memory-embed\nBrings memories their vectors that came while Ollama was away. Not needed where memferry has "
       "an embedder of its own and sends vectors along. Made by deploy/n8n/build.py.")


def main():
    stale = False
    for workflow in (memory_sync(), memory_alert(), memory_embed()):
        path = HERE / f"{workflow['name']}.json"
        text = json.dumps(workflow, indent=2) + "\n"
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                print(f"{path}: not what source/ makes; run deploy/n8n/build.py", file=sys.stderr)
                stale = True
        else:
            path.write_text(text)
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
