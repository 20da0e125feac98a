// What depends on what: unfinished tasks in layers, left to right; each is a link to its task.

import { byId } from "./dom.js";
import { openTask } from "./task.js";

const WIDTH = 168;
const HEIGHT = 34;
const GAP_X = 60;
const GAP_Y = 12;
const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** How far each task is from those that wait for nothing. There is no circle: the board refuses them. */
function layers(tasks, edges) {
  const needs = new Map(tasks.map((task) => [task.module, []]));
  for (const edge of edges) if (needs.has(edge.module) && needs.has(edge.needs)) needs.get(edge.module).push(edge.needs);
  const depth = new Map();
  const of = (module) => {
    if (!depth.has(module)) {
      depth.set(module, 0);
      depth.set(module, Math.max(0, ...needs.get(module).map((other) => of(other) + 1)));
    }
    return depth.get(module);
  };
  tasks.forEach((task) => of(task.module));
  return depth;
}

/** Draws the answer of `graph`. */
export function drawGraph(graph) {
  const linked = new Set(graph.edges.flatMap((edge) => [edge.module, edge.needs]));
  const tasks = graph.tasks.filter((task) => linked.has(task.module));
  const note = [`${tasks.length} tasks hang together, ${graph.tasks.length - tasks.length} stand alone`];
  if (graph.cut) note.push("more are left out");
  byId("graph-note").textContent = `${note.join("; ")}.`;
  const depth = layers(tasks, graph.edges);
  const rows = [];
  const place = new Map();
  for (const task of tasks) {
    const column = depth.get(task.module);
    rows[column] = (rows[column] ?? 0) + 1;
    place.set(task.module, { x: column * (WIDTH + GAP_X) + 6, y: (rows[column] - 1) * (HEIGHT + GAP_Y) + 6 });
  }
  const lines = graph.edges.filter((edge) => place.has(edge.module) && place.has(edge.needs)).map((edge) => {
    const [from, to] = [place.get(edge.needs), place.get(edge.module)];
    const [x, y, toX, toY] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
    return svg("path", { d: `M${x} ${y} C${x + 30} ${y} ${toX - 30} ${toY} ${toX} ${toY}` });
  });
  const boxes = tasks.map((task) => {
    const { x, y } = place.get(task.module);
    const short = task.module.length > 22 ? `${task.module.slice(0, 21)}…` : task.module;
    const needs = graph.edges.filter((edge) => edge.module === task.module).map((edge) => edge.needs);
    const label = `${task.module}, ${task.state}${needs.length ? `, needs ${needs.join(", ")}` : ""}`;
    const box = svg(
      "a",
      { href: `#${task.module}`, class: task.state, "aria-label": label },
      svg("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 6 }),
      svg("text", { x: x + 9, y: y + HEIGHT / 2 + 4 }, short),
    );
    box.addEventListener("click", (event) => {
      event.preventDefault();
      openTask(task.module);
    });
    return box;
  });
  const width = rows.length * (WIDTH + GAP_X);
  const height = Math.max(0, ...rows) * (HEIGHT + GAP_Y) + 6;
  const focused = document.activeElement?.closest?.("#drawing a")?.getAttribute("href");
  byId("drawing").replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, ...lines, ...boxes));
  if (focused) byId("drawing").querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}
