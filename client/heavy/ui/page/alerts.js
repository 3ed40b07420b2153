// alerts.js - alerts, and the button that undoes what one tells of, after showing what it would do.
import {call} from "./broker.js";
import {facts, h, show, table} from "./dom.js";
import {address} from "./memories.js";
import {count, when} from "./say.js";

const PAGE = 1000;
const SHOWN = 200;
const CHANGES = {undelete: "comes back", replace: "goes back to how it was", delete: "is deleted again"};

// Every page of a restore, with the same parameters.
async function restore(params) {
  const all = {memories: [], restored: 0, conflicts: 0, failed: 0, unchanged: 0};
  for (let after = null; after !== undefined;) {
    const told = await call("memory.restore", {...params, limit: PAGE, ...(after ? {after} : {})});
    all.memories.push(...told.memories);
    for (const name of ["restored", "conflicts", "failed", "unchanged"]) all[name] += told[name] ?? 0;
    after = told.next ?? undefined;
  }
  return all;
}

function planRows(memories) {
  return memories.slice(0, SHOWN).map((one) => h("tr", {},
    h("th", {scope: "row"}, h("a", {href: address(one.id), target: "_blank", rel: "noopener"}, one.id)),
    h("td", {}, one.conflict ? h("span", {class: "warn"}, `is left alone: ${one.conflict}`) : one.error ? h("span", {class: "bad"}, one.error.message ?? one.error) : CHANGES[one.change]),
    h("td", {class: "number"}, one.from), h("td", {class: "number"}, one.to)));
}

function plan(told) {
  return [
    h("p", {role: "status"}, `${count(told.restored, "memory", "memories")} would be restored, `,
      `${told.conflicts.toLocaleString()} left alone because somebody else has changed them since. Nothing has been done yet.`),
    told.memories.length > 0 ? table(told.memories.length > SHOWN ? `The first ${SHOWN} of ${told.memories.length}` : "What would become of each",
      ["Memory", "What", "#From version", "#To version"], planRows(told.memories)) : null];
}

function close(dialog) {
  dialog.close();
  dialog.remove();
}

async function undo(alert, dialog, buttons) {
  buttons.replaceChildren(h("p", {role: "status"}, "It is being done."));
  try {
    const told = await restore({alert: alert.id, reason: `undo of ${alert.id}, from the page`});
    const failed = told.failed > 0 ? ` ${told.failed} failed.` : "";
    dialog.querySelector(".plan").replaceChildren(h("p", {role: "status"},
      `${count(told.restored, "memory", "memories")} restored, ${told.conflicts.toLocaleString()} left alone.${failed}`));
  } catch (error) {
    dialog.querySelector(".plan").replaceChildren(h("p", {role: "alert", class: "bad"}, error.message));
  }
  const ready = h("button", {class: "strong", onclick: () => { close(dialog); dispatchEvent(new Event("memferry-changed")); }}, "Close");
  buttons.replaceChildren(ready);
  ready.focus();
}

async function ask(alert) {
  const buttons = h("div", {class: "buttons"}), inside = h("div", {class: "plan", "aria-live": "polite"}, h("p", {}, "Looking what would be done."));
  const dialog = h("dialog", {"aria-labelledby": "undo-title", onclose: () => dialog.remove()},
    h("h2", {id: "undo-title"}, `Undo ${alert.id}?`), inside, buttons);
  const cancel = h("button", {onclick: () => close(dialog)}, "Cancel");
  buttons.append(cancel);
  document.body.append(dialog);
  dialog.showModal();
  try {
    const told = await restore({alert: alert.id, dry_run: true});
    inside.replaceChildren(...plan(told).filter(Boolean));
    if (told.restored > 0) {
      buttons.prepend(h("button", {class: "strong", onclick: () => undo(alert, dialog, buttons)}, `Undo ${count(told.restored, "change")}`));
    }
  } catch (error) {
    inside.replaceChildren(h("p", {class: "bad"}, error.message));
  }
}

async function ack(alert, status) {
  try {
    await call("alert.ack", {id: alert.id});
    dispatchEvent(new Event("memferry-changed"));
  } catch (error) {
    status.textContent = error.message;
  }
}

function card(alert) {
  const status = h("p", {role: "status"});
  const canUndo = alert.undo !== null && alert.undo.startsWith("memferry undo");
  return h("li", {class: "card"},
    h("h2", {}, h("span", {class: alert.severity === "critical" ? "bad" : "warn"}, alert.severity), " ", alert.summary),
    facts([["Rule", alert.rule], ["When", when(alert.at_ms)], ["Session", alert.session_id],
      ["By", alert.peer_command ? h("code", {}, alert.peer_command) : null], ["Statement", alert.statement ? h("code", {}, alert.statement) : null],
      ["Such as", alert.sample_ids.slice(0, 10).map((id) => [h("a", {href: address(id)}, id), " "])],
      ["By command", alert.undo ? h("code", {}, alert.undo) : null], ["Seen", alert.acked_ms ? when(alert.acked_ms) : null]]),
    h("div", {class: "buttons"},
      canUndo ? h("button", {class: "strong", "aria-label": `Undo ${alert.id}, after showing what would be done`, onclick: () => ask(alert)}, "Undo …") : null,
      alert.acked_ms ? null : h("button", {"aria-label": `Acknowledge ${alert.id}`, onclick: () => ack(alert, status)}, "I have seen it")),
    status);
}

export async function alerts({query, isShown}) {
  const all = query.get("acked") === "any";
  const told = await call("alert.list", {acked: all ? "any" : "no", limit: 100});
  if (!isShown()) return;
  show("Alerts",
    h("p", {role: "status"}, told.alerts.length === 0 ? "There is none open." : `${count(told.alerts.length, "alert")}, the last first.`),
    h("p", {}, all ? h("a", {href: "#/alerts"}, "Only open ones") : h("a", {href: "#/alerts?acked=any"}, "Those that were seen, too")),
    h("ul", {class: "plain"}, told.alerts.map(card)));
}
