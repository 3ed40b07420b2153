// backends.js - how each backend is, kept up to date.
import {call, trouble} from "./broker.js";
import {h, show, table} from "./dom.js";
import {lasting} from "./say.js";

const EVERY_MS = 2000;

function state(backend) {
  if (backend.paused) return h("span", {class: "warn"}, "paused");
  if (backend.circuit !== "closed") return h("span", {class: "bad"}, backend.circuit === "open" ? "cannot be reached" : "being tried");
  return h("span", {class: "good"}, "well");
}

function row(backend) {
  return h("tr", {}, h("th", {scope: "row"}, backend.name), h("td", {}, backend.plugin), h("td", {}, backend.kind),
    h("td", {}, state(backend)), h("td", {class: "number"}, (backend.pending ?? 0).toLocaleString()),
    h("td", {class: "number"}, backend.oldest_pending_ms ? lasting(backend.oldest_pending_ms) : ""),
    h("td", {class: "number"}, (backend.delivered ?? 0).toLocaleString()),
    h("td", {class: "number"}, (backend.dead ?? 0).toLocaleString()), h("td", {}, backend.last_error ?? ""));
}

const COLUMNS = ["Name", "Plugin", "Kind", "State", "#Pending", "#Oldest", "#Delivered", "#Dead", "Last error"];

export async function backends({isShown}) {
  const list = async () => (await call("backend.list")).backends;
  const first = await list();
  if (!isShown()) return null;
  if (first.length === 0) {
    show("Backends", h("p", {}, "None is configured: memories stay on this machine. The config names them; see ",
      h("code", {}, "man memferry.conf"), "."));
    return null;
  }
  const whole = table("What each backend has, and what it still gets", COLUMNS, first.map(row));
  show("Backends", whole);
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      whole.querySelector("tbody").replaceChildren(...(await list()).map(row));
    } catch (error) {
      trouble(error);
    }
  }, EVERY_MS);
  return () => clearInterval(timer);
}
