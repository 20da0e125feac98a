// What waits for a person: questions, which are answered here, and what does not move by itself.

import { change } from "./api.js";
import { byId, has, keep, make, when } from "./dom.js";

/** A question with what answers it. */
function question(one, answered) {
  const said = make("p", { class: "urgent", role: "alert", hidden: true });
  const send = async (fields) => {
    said.hidden = true;
    try {
      await change("answer", { question_id: one.question_id, ...fields });
      answered();
    } catch (error) {
      said.textContent = error.hint ? `${error.message} (${error.hint})` : error.message;
      said.hidden = false;
    }
  };
  const id = `answer-${one.question_id}`;
  const form = one.options.length
    ? make("div", { role: "group", "aria-label": "Options" }, ...one.options.map((option, at) => make("button", { type: "button", onclick: () => send({ option: at + 1 }) }, option)))
    : make(
        "form",
        {
          onsubmit: (event) => {
            event.preventDefault();
            send({ text: event.target.elements[0].value });
          },
        },
        make("label", { for: id, class: "quiet" }, "Answer"),
        make("textarea", { id, required: true, rows: 1 }),
        make("button", {}, "Send"),
      );
  return make(
    "article",
    { class: "question", "aria-label": `Question ${one.question_id}` },
    make("p", { class: "quiet" }, `${one.question_id}${one.module ? ` · ${one.module}` : ""} · ${one.asked_by} asks, `, when(one.asked_at)),
    make("p", {}, one.question),
    form,
    said,
  );
}

/** Draws the questions to people; `answered` is called after an answer. */
export function drawQuestions(questions, words, answered) {
  const wanted = questions.filter((one) => has(words, one.question_id, one.module, one.question, one.asked_by));
  // A question that is being answered keeps its words: it is drawn again only when it changed.
  keep(byId("questions"), wanted, (one) => one.question_id, (one) => [one.question, one.options], (one) => question(one, answered));
}

/** Draws what does not move by itself, each with the command that moves it. */
export function drawStalled(stalled, words) {
  // Questions stand above.
  const others = stalled.filter((one) => !one.command?.startsWith("callboard answer "));
  const wanted = others.filter((one) => has(words, one.what));
  const items = stalled.length || words ? wanted : [{ what: "Nothing waits for a person.", command: null }];
  keep(byId("stalled"), items, (one) => one.what, (one) => one, (one) =>
    make("li", { class: one.command ? null : "quiet" }, one.what, one.command ? " " : null, one.command ? make("code", {}, one.command) : null));
}
