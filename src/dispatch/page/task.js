// One task: what it is, what happened to it, and its bundle.

import { look, text } from "./api.js";
import { byId, make, when } from "./dom.js";
import { saying } from "./feed.js";

function facts(task) {
  const list = make("dl");
  const add = (name, value) => {
    if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return;
    list.append(make("dt", {}, name), make("dd", {}, Array.isArray(value) ? value.join(", ") : value));
  };
  add("State", task.state);
  if (task.holder) add("Held by", make("span", {}, `${task.holder.agent_id} until `, when(task.holder.expires_at)));
  add("Waits for", task.wait_reason && `${task.wait_for}: ${task.wait_reason}`);
  add("Priority", String(task.priority));
  add("Specialty", task.specialty);
  add("Depends on", task.depends_on);
  add("Not done of these", task.unmet_dependencies);
  add("Paths", task.owned_paths);
  add("Review", task.review === "required" ? `required${task.reviewer_id ? `, by ${task.reviewer_id}` : ""}` : "");
  add("What to do", task.body);
  add("Acceptance", task.acceptance?.map((line) => `• ${line}`).join("\n"));
  return list;
}

function attempt(one) {
  return make(
    "li",
    {},
    make("b", {}, `${one.attempt}. ${one.agent_id}`),
    ", ",
    when(one.started_at),
    one.ended_at ? " to " : " until now",
    when(one.ended_at),
    one.outcome ? ` · ${one.outcome.replaceAll("_", " ")}` : "",
    one.summary ? make("div", {}, one.summary) : null,
    one.submitted?.head ? make("div", { class: "quiet" }, `${one.submitted.branch ?? "no branch"} at ${one.submitted.head.slice(0, 12)}${one.submitted.dirty ? ", not all committed" : ""}`) : null,
    one.changed_paths.length ? make("div", { class: "quiet" }, one.changed_paths.join(", ")) : null,
    one.unattributed_paths?.length ? make("div", { class: "quiet" }, `In the paths of nobody who worked: ${one.unattributed_paths.join(", ")}`) : null,
  );
}

/** Opens a task. */
export async function openTask(module) {
  const dialog = byId("task");
  const body = byId("task-body");
  byId("task-title").textContent = module;
  body.replaceChildren(make("p", { class: "quiet" }, "…"));
  if (!dialog.open) dialog.showModal();
  try {
    const [{ task, ...more }, history, bundle] = await Promise.all([
      look("show", { module }),
      look("history", { module, limit: 20 }),
      text(`/bundles/${encodeURIComponent(module)}`),
    ]);
    byId("task-title").textContent = `${task.title} (${task.module})`;
    const list = (title, items) => (items.length ? [make("h3", {}, title), make("ol", { class: "plain" }, ...items)] : []);
    body.replaceChildren(
      facts({ ...more, ...task }),
      ...list("Tries", history.attempts.map(attempt)),
      ...list("Verdicts", history.verdicts.map((one) => make("li", {}, make("b", {}, one.verdict.replaceAll("_", " ")), ` by ${one.by} `, when(one.at), one.notes ? make("div", {}, one.notes) : null))),
      ...list("Events", history.events.map((one) => make("li", {}, when(one.at), " ", make("b", {}, one.kind.replaceAll("_", " ")), ` ${one.actor ?? ""} `, make("span", { class: "quiet" }, saying(one.data))))),
      ...(bundle ? [make("h3", {}, "Bundle"), make("pre", { tabindex: "0" }, bundle)] : []),
    );
  } catch (error) {
    body.replaceChildren(make("p", { class: "urgent" }, error.message));
  }
}
