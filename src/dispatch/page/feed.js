// Events as they come, signals that are not resolved, and windows by host.

import { byId, has, keep, make, when } from "./dom.js";
import { openTask } from "./task.js";

const KEPT = 200;
const events = [];

/** A short text of what an event says. */
export function saying(data) {
  const parts = Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== "");
  const text = parts.map(([key, value]) => `${key}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}

function item(event) {
  const task = event.module ? make("button", { type: "button", onclick: () => openTask(event.module) }, event.module) : null;
  return make(
    "li",
    {},
    make("span", { class: "quiet" }, `${event.seq} `, when(event.at), " "),
    make("b", {}, event.kind.replaceAll("_", " ")),
    " ",
    task,
    ` ${event.actor ?? ""} `,
    event.audience ? make("span", { class: "urgent" }, `to ${event.audience} `) : null,
    make("span", { class: "quiet" }, saying(event.data)),
  );
}

/** Remembers an event; the newest come first. */
export function remember(event) {
  if (events.length && event.seq <= events[0].seq) return;
  events.unshift(event);
  events.length = Math.min(events.length, KEPT);
}

/** Draws the events that are remembered. */
export function drawEvents(words) {
  const wanted = events.filter((event) => has(words, event.module, event.kind, event.actor));
  keep(byId("feed"), wanted, (event) => event.seq, () => 0, (event) => {
    const drawn = item(event);
    drawn.classList.add("fresh");
    return drawn;
  });
}

/** Draws the signals that are not resolved. */
export function drawNotifications(notifications, words) {
  const wanted = notifications.filter((one) => has(words, one.module, one.kind, one.audience, saying(one.data)));
  keep(byId("notifications"), wanted, (one) => one.seq, (one) => one.status, item);
  if (!wanted.length) byId("notifications").replaceChildren(make("li", { class: "quiet" }, "None."));
}

/** Draws windows by host. */
export function drawWindows(sessions, words) {
  const wanted = sessions.filter((one) => has(words, one.agent_id, one.window_id, one.host_name));
  const hosts = Map.groupBy ? Map.groupBy(wanted, (one) => one.host_id) : group(wanted);
  keep(byId("hosts"), [...hosts], ([host]) => host, ([, list]) => list, ([host, list]) =>
    make(
      "section",
      {},
      make("h3", {}, list[0].host_name || host, " ", make("span", { class: "quiet" }, host)),
      make(
        "ul",
        { class: "plain" },
        ...list.map((one) =>
          make("li", {}, `${one.agent_id} in ${one.window_id}, ${one.status}, heard of `, when(one.seen_at), one.leases.length ? ` · holds ${one.leases.map((lease) => lease.module).join(", ")}` : "")),
      ),
    ));
  if (!wanted.length) byId("hosts").replaceChildren(make("p", { class: "quiet" }, "No window is open."));
}

function group(sessions) {
  const hosts = new Map();
  for (const one of sessions) hosts.set(one.host_id, [...(hosts.get(one.host_id) ?? []), one]);
  return hosts;
}
