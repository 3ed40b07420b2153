// app.js - which page the address names, and what every page shows.
import {alerts} from "./alerts.js";
import {backends} from "./backends.js";
import {call, trouble} from "./broker.js";
import {h, show} from "./dom.js";
import {memories} from "./memories.js";
import {memory} from "./memory.js";
import {count} from "./say.js";
import {sessions} from "./sessions.js";

const pages = {memories, memory, sessions, backends, alerts};
let stop = null; // ends what the page before does from time to time
let asked = 0;

function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return {name: pages[name] ? name : "memories", rest: rest.map(decodeURIComponent), query: new URLSearchParams(query)};
}

function markNavigation(name) {
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name === "memory" ? "memories" : name}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function go(focus) {
  const {name, rest, query} = place(), mine = ++asked;
  stop?.();
  stop = null;
  markNavigation(name);
  try {
    const ended = await pages[name]({rest, query, isShown: () => mine === asked});
    trouble(null);
    if (mine === asked) stop = ended ?? null;
    else ended?.();
  } catch (error) {
    if (mine !== asked) return;
    show("Something is in the way", h("p", {}, error.message), h("button", {onclick: () => go(true)}, "Try again"));
  }
  if (focus && mine === asked) document.querySelector("h1")?.focus();
}

async function refresh() {
  try {
    const stats = await call("stats");
    const open = stats.store.alerts_open;
    document.getElementById("open-alerts").textContent = open > 0 ? `(${open} open)` : "";
    document.getElementById("broker").textContent =
      `memferryd ${stats.server.version}: ${count(stats.store.memories, "memory", "memories")}, ` +
      `${stats.store.deleted.toLocaleString()} deleted, ${count(stats.store.events, "event")}`;
    trouble(null);
  } catch (error) {
    trouble(error);
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", () => go(true));
addEventListener("memferry-changed", () => { refresh(); go(false); });
go(false);
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 5000);
