// Tasks by state, and who holds what. What the board says in short is shown; all tasks of a state are a list of pages.

import { look } from "./api.js";
import { byId, has, keep, make, when } from "./dom.js";
import { openTask } from "./task.js";

const STATES = [
  ["draft", "Drafts"],
  ["open", "Open"],
  ["active", "Active"],
  ["waiting", "Waiting"],
  ["review", "In review"],
  ["done", "Done"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];
const PAGE = 50;

/** A task as a card. */
function card(task) {
  const said = [];
  if (task.holder) said.push(`${task.holder.agent_id} until `, when(task.holder.expires_at));
  else if (task.state === "waiting") said.push(`for ${task.wait_for ?? "something"}: ${task.wait_reason ?? ""}`);
  else if (task.state === "open") said.push(task.ready ? "ready" : `needs ${task.unmet_dependencies.join(", ") || "others"}`);
  else if (task.state === "review") said.push(task.reviewer_id ? `for ${task.reviewer_id}` : "waits for a reviewer");
  else said.push(when(task.changed_at));
  const labels = [task.specialty, task.priority < 2 ? `priority ${task.priority}` : null].filter(Boolean).join(", ");
  return make(
    "button",
    { class: `card p${task.priority}`, type: "button", onclick: () => openTask(task.module) },
    make("b", {}, task.title),
    make("span", {}, labels ? `${task.module} · ${labels}` : task.module),
    make("span", {}, ...said),
  );
}

const shows = (task) => [task.title, task.state, task.priority, task.specialty, task.holder, task.wait_reason, task.ready, task.unmet_dependencies, task.reviewer_id, task.changed_at];

/** Draws the columns of a state of the board; `words` is what is looked for. */
export function drawColumns(state, words) {
  const tasks = new Map(STATES.map(([name]) => [name, []]));
  for (const task of state.tasks) {
    if (has(words, task.module, task.title, task.specialty, task.holder?.agent_id)) tasks.get(task.state)?.push(task);
  }
  const columns = STATES.filter(([name]) => state.counts[name] > 0 || ["open", "active", "review", "done"].includes(name));
  keep(byId("states"), columns, ([name]) => name, ([name]) => name, ([name, title]) =>
    make("section", { class: "column", "aria-label": title }, make("h3", {}, make("span", {}, title), make("span", { class: "quiet" })), make("div", {}), make("button", { type: "button", onclick: () => openList(name, title) })));
  for (const column of byId("states").children) {
    const name = column.dataset.key;
    const [heading, list, more] = column.children;
    const shown = tasks.get(name);
    const all = state.counts[name];
    heading.lastChild.textContent = all;
    keep(list, shown, (task) => task.module, shows, card);
    more.textContent = `All ${all}`;
    more.setAttribute("aria-label", `All ${all} tasks: ${heading.firstChild.textContent}`);
    more.hidden = all === 0 || (shown.length === all && !words);
  }
}

/** Draws who holds what until when. */
export function drawLeases(leases, words) {
  const wanted = leases.filter((lease) => has(words, lease.module, lease.agent_id));
  keep(byId("held"), wanted, (lease) => `${lease.module} ${lease.kind}`, (lease) => [lease.agent_id, lease.expires_at, lease.lapsed], (lease) =>
    make(
      "tr",
      {},
      make("td", {}, make("button", { type: "button", onclick: () => openTask(lease.module) }, lease.module)),
      make("td", {}, lease.kind),
      make("td", {}, lease.agent_id),
      make("td", { class: lease.lapsed ? "urgent" : null }, lease.lapsed ? "ran out " : "", when(lease.expires_at)),
    ));
}

/** Opens the list of all tasks of a state, a page at a time. */
async function openList(state, title) {
  const dialog = byId("list");
  const body = byId("list-body");
  const more = byId("list-more");
  byId("list-title").textContent = title;
  body.replaceChildren();
  if (!dialog.open) dialog.showModal();
  let after = null;
  const next = async () => {
    const page = await look("tasks", { state, limit: PAGE, ...(after ? { after } : {}) });
    body.append(...page.tasks.map(card));
    after = page.next_after;
    more.hidden = !after;
  };
  more.onclick = () => next().catch((error) => body.append(make("p", { class: "urgent" }, error.message)));
  more.onclick();
}
