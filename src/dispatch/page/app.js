// The live page: reads the board, follows its events, and draws again what changed. Its size does not depend on the board's:
// every list is bounded, and what is left out is a page away.

import { follow, look } from "./api.js";
import { drawColumns, drawLeases } from "./columns.js";
import { byId } from "./dom.js";
import { drawEvents, drawNotifications, drawWindows, remember } from "./feed.js";
import { drawGraph } from "./graph.js";
import { drawQuestions, drawStalled } from "./people.js";

const LISTED = 50;
const GRAPH = 60;
const COLUMN = 20;
// A storm of events is drawn a few times a second and no more.
const PAUSE = 250;

let board = null;
let busy = false;
let again = false;
let drawnGraph = "";

function draw() {
  if (!board) return;
  const words = byId("find").value.trim().toLowerCase();
  const { state, questions, notifications } = board;
  const { counts } = state;
  document.title = `${state.board.name} · ${counts.done} of ${counts.total} done`;
  byId("name").textContent = state.board.name;
  const parts = [`${counts.done} of ${counts.total} done`, `${counts.active} active`, `${counts.review} in review`, `${counts.ready} ready`];
  if (counts.waiting) parts.push(`${counts.waiting} waiting`);
  byId("counts").textContent = `${parts.join(", ")} · revision ${state.board.revision}, profile ${state.board.safety_profile}`;
  drawQuestions(questions, words, refresh);
  drawStalled(state.stalled, words);
  drawColumns(state, words);
  drawLeases(state.leases, words);
  drawWindows(state.sessions, words);
  drawNotifications(notifications, words);
  drawEvents(words);
}

/** Reads everything that is shown; while that goes on, once more at most is asked for. */
async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const [state, asked, called, graph, open, drafts] = await Promise.all([
      look("state"),
      look("questions", { status: "open", target: "humans", limit: LISTED }),
      look("notifications", { limit: LISTED }),
      look("graph", { limit: GRAPH }),
      look("tasks", { state: "open", limit: COLUMN }),
      look("tasks", { state: "draft", limit: COLUMN }),
    ]);
    // The state has what is ready, best first; what waits for others comes after it.
    const known = new Set(state.tasks.map((task) => task.module));
    state.tasks.push(...[...open.tasks, ...drafts.tasks].filter((task) => !known.has(task.module)));
    board = { state, questions: asked.questions, notifications: called.notifications };
    draw();
    const drawn = JSON.stringify([graph.tasks, graph.edges]);
    if (drawn !== drawnGraph) drawGraph(graph);
    drawnGraph = drawn;
  } catch (error) {
    byId("link").textContent = error.message;
    byId("link").className = "lost";
  } finally {
    setTimeout(() => {
      busy = false;
      if (again) {
        again = false;
        refresh();
      }
    }, PAUSE);
  }
}

function linked(how) {
  const words = { yes: "live", no: "the server is not reached; trying again", gone: "the board is another one now; reload the page" };
  byId("link").textContent = words[how];
  byId("link").className = how === "yes" ? "" : "lost";
  if (how === "yes") refresh();
}

async function begin() {
  byId("find").addEventListener("input", draw);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, textarea, dialog")) {
      event.preventDefault();
      byId("find").focus();
    }
  });
  await refresh();
  const newest = board?.state.board.event_seq ?? 0;
  const oldest = Math.max(newest - 100, board?.state.board.pruned_through ?? 0, 0);
  follow(String(oldest), (event) => {
    remember(event);
    refresh();
  }, linked);
}

begin();
