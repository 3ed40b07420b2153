// memory.js - one memory: as it is, its versions, and what differs between two of them.
import {call} from "./broker.js";
import {diff} from "./diff.js";
import {facts, h, show, table} from "./dom.js";
import {count, when} from "./say.js";

const VERSIONS = 200;

function asText(memory) {
  const props = Object.entries(memory.props).sort().map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return [memory.deleted_ms ? "(deleted)" : null, `kind: ${memory.kind}`, `tags: ${memory.tags.join(", ")}`, ...props, "", memory.content]
    .filter((line) => line !== null).join("\n");
}

function said(sign) {
  return {"+": "added", "-": "removed", " ": ""}[sign];
}

function differences(before, after) {
  const lines = diff(asText(before), asText(after));
  if (lines.every(([sign]) => sign === " ")) return h("p", {}, "They are the same.");
  return h("div", {class: "diff"}, lines.map(([sign, line]) => {
    const hidden = said(sign) === "" ? null : h("span", {class: "soft"}, `${said(sign)} `);
    return h("p", {}, sign === " " ? `  ${line}` : h(sign === "+" ? "ins" : "del", {}, `${sign} `, hidden, line));
  }));
}

function chooser(label, name, versions, chosen) {
  return h("label", {}, `${label} `, h("select", {name}, versions.map((one) =>
    h("option", {value: one.version, selected: one.version === chosen}, `${one.version} (${one.op})`))));
}

function comparison(id, versions) {
  const out = h("div", {"aria-live": "polite"});
  const form = h("form", {class: "filters", onsubmit: (event) => event.preventDefault(), onchange: () => compare()},
    chooser("From version", "from", versions, versions[1].version), chooser("to version", "to", versions, versions[0].version));

  async function compare() {
    const chosen = new FormData(form);
    try {
      const [before, after] = await Promise.all(["from", "to"].map((name) =>
        call("memory.get", {id, version: Number(chosen.get(name))})));
      out.replaceChildren(differences(before, after));
    } catch (error) {
      out.replaceChildren(h("p", {class: "bad"}, error.message));
    }
  }
  compare();
  return [h("h2", {}, "What changed"), form, out];
}

function versionRows(versions) {
  return versions.map((one) => h("tr", {}, h("th", {scope: "row"}, one.version), h("td", {}, one.op), h("td", {}, when(one.at_ms)),
    h("td", {}, one.session_id ? h("a", {href: `#/sessions?id=${encodeURIComponent(one.session_id)}`}, one.session_id) : ""),
    h("td", {}, one.reason ?? "")));
}

function present(memory) {
  return [
    memory.deleted_ms ? h("p", {class: "bad"}, "It was deleted ", when(memory.deleted_ms), ". Its last content:") : null,
    h("pre", {tabindex: 0, "aria-label": "Content"}, memory.content),
    facts([["Kind", memory.kind], ["Tags", memory.tags.map((tag) => h("span", {class: "tag"}, tag))],
      ["Made", when(memory.created_ms)], ["Changed", when(memory.updated_ms)], ["Version", String(memory.version)],
      ["Session", memory.session_id], ["Vector", memory.embedding_state === "ready" ? `by ${memory.embedding_model}` : memory.embedding_state],
      ...Object.entries(memory.props).map(([name, value]) => [name, h("code", {}, JSON.stringify(value))])])];
}

export async function memory({rest: [id], isShown}) {
  const [now, history] = await Promise.all([call("memory.get", {id}), call("memory.history", {id, limit: VERSIONS})]);
  if (!isShown()) return;
  const {versions} = history;
  show(id, present(now), versions.length > 1 ? comparison(id, versions) : null, h("h2", {}, "Versions"),
    table(`${count(versions.length, "version")}, the newest first`, ["Version", "What", "When", "Session", "Why"], versionRows(versions)));
}
