// memories.js - memories, found by words or filters, a page at a time.
import {call} from "./broker.js";
import {h, show} from "./dom.js";
import {count, when} from "./say.js";

const PAGE = 50;
const DELETED = [["no", "no"], ["any", "deleted ones too"], ["only", "only deleted ones"]];

export function address(id) {
  return `#/memory/${encodeURIComponent(id)}`;
}

function field(label, input, wide = false) {
  return h("label", {class: wide ? "wide" : null}, label, input);
}

function form(query) {
  const text = (name, type = "text") => h("input", {name, type, value: query.get(name) ?? "", autocomplete: "off"});
  return h("form", {class: "filters", role: "search", onsubmit: submit},
    field("Words", text("words", "search"), true), field("Kind", text("kind")), field("Tag", text("tag")),
    field("Session", text("session")),
    field("Deleted", h("select", {name: "deleted"}, DELETED.map(([value, label]) =>
      h("option", {value, selected: (query.get("deleted") ?? "no") === value}, label)))),
    h("button", {class: "strong"}, "Find"));
}

function submit(event) {
  event.preventDefault();
  const filled = [...new FormData(event.target)].filter(([name, value]) => value !== "" && !(name === "deleted" && value === "no"));
  const hash = `#/memories?${new URLSearchParams(filled)}`;
  if (hash === location.hash) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = hash;
}

function filters(query) {
  const params = {deleted: query.get("deleted") ?? "no"};
  for (const [name, as] of [["kind", "kind"], ["tag", "tag"], ["session", "session_id"]]) {
    if (query.get(name)) params[as] = query.get(name);
  }
  return params;
}

// The part of the content that was found; marks are bytes of it.
function snippet(hit) {
  const text = new TextEncoder().encode(hit.snippet ?? hit.content.slice(0, 300));
  const decode = (from, to) => new TextDecoder().decode(text.slice(from, to));
  const parts = [];
  let at = 0;
  for (const [from, to] of hit.marks ?? []) {
    parts.push(decode(at, from), h("mark", {}, decode(from, to)));
    at = to;
  }
  return [...parts, decode(at)];
}

function card(memory) {
  return h("li", {class: "card"},
    h("h2", {}, h("a", {href: address(memory.id)}, memory.id)),
    h("p", {class: "content"}, snippet(memory)),
    h("p", {class: "soft"}, memory.deleted_ms ? h("span", {class: "bad"}, "deleted ") : null, memory.kind, " ",
      memory.tags.map((tag) => h("span", {class: "tag"}, tag)), " ", when(memory.updated_ms)));
}

async function page(query, after) {
  const words = query.get("words");
  if (words) {
    const told = await call("memory.search", {...filters(query), query: words, limit: 100});
    return {memories: told.hits, next: null, mode: told.mode};
  }
  return call("memory.list", {...filters(query), limit: PAGE, after: after ?? undefined});
}

function summary(query, shown, more) {
  if (shown === 0) return "Nothing was found.";
  return query.get("words") ? `${count(shown, "memory", "memories")}, the best match first.`
    : `${count(shown, "memory", "memories")}, the newest first${more ? "; there are more" : ""}.`;
}

export async function memories({query, isShown}) {
  const list = h("ul", {class: "plain"}), status = h("p", {role: "status"});
  const more = h("button", {onclick: () => add().catch((error) => { status.textContent = error.message; })}, "Show more");
  let after = null, shown = 0;

  async function add() {
    const told = await page(query, after);
    if (!isShown()) return;
    after = told.next ?? null;
    shown += told.memories.length;
    list.append(...told.memories.map(card));
    more.hidden = after === null;
    status.textContent = summary(query, shown, after !== null);
  }
  await add();
  if (isShown()) show("Memories", form(query), status, list, more);
}
