// sessions.js - sessions on a time line, each from its beginning to its end.
import {call} from "./broker.js";
import {h, show} from "./dom.js";
import {count, lasting, when} from "./say.js";

const ENDS = {command: "ended by command", idle: "ended when it was idle", owner_exit: "ended with its process"};

function end(session, now) {
  return session.ended_ms ?? (session.seen_ms ? Math.max(session.seen_ms, now) : now);
}

function bar(session, from, to, now) {
  const width = Math.max(1, to - from);
  const piece = h("span", {class: session.ended_ms ? null : "going"});
  piece.style.left = `${(100 * (session.started_ms - from)) / width}%`;
  piece.style.width = `${(100 * (end(session, now) - session.started_ms)) / width}%`;
  return h("div", {class: "line", "aria-hidden": "true"}, piece);
}

function card(session, from, to, now) {
  return h("li", {class: "card"},
    h("h2", {}, session.agent ?? "A session", " ", h("code", {}, session.id)), bar(session, from, to, now),
    h("p", {}, when(session.started_ms), `, for ${lasting(end(session, now) - session.started_ms)}: `,
      session.ended_ms ? ENDS[session.end_reason] ?? "ended" : h("span", {class: "good"}, "goes on"),
      session.end_note ? `. ${session.end_note}` : ""),
    session.cwd ? h("p", {class: "soft"}, h("code", {}, session.cwd)) : null,
    h("p", {}, h("a", {href: `#/memories?session=${encodeURIComponent(session.id)}&deleted=any`}, "Its memories",
      h("span", {class: "soft"}, ` of ${session.id.slice(0, 8)}`))));
}

export async function sessions({query, isShown}) {
  const id = query.get("id"), now = Date.now();
  const list = id ? [await call("session.get", {session_id: id})] : (await call("session.list", {limit: 100})).sessions;
  if (!isShown()) return;
  if (list.length === 0) {
    show("Sessions", h("p", {}, "There has been none yet."));
    return;
  }
  const from = Math.min(...list.map((session) => session.started_ms)), to = Math.max(...list.map((session) => end(session, now)));
  show(id ? "A session" : "Sessions", h("p", {role: "status"}, id ? h("a", {href: "#/sessions"}, "All sessions") : `${count(list.length, "session")}, the newest first.`),
    h("div", {class: "axis", "aria-hidden": "true"}, h("span", {}, when(from)), h("span", {}, when(to))),
    h("ol", {class: "plain"}, list.map((session) => card(session, from, to, now))));
}
