// Building the page. Text from the board is only ever set as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a child is an element or text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick" || key === "onsubmit") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Makes the children of a list those of `items`, and touches only what differs: whoever reads or has the focus in it is not
 * disturbed. `draw` makes an item's element; what `shows` returns says whether it is still the same.
 */
export function keep(parent, items, key, shows, draw) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const shown = JSON.stringify(shows(item));
    let element = before.get(name);
    before.delete(name);
    if (!element || element.dataset.shown !== shown) {
      const focused = element?.contains(document.activeElement);
      const drawn = draw(item);
      drawn.dataset.key = name;
      drawn.dataset.shown = shown;
      if (element) {
        if (element === place) place = drawn;
        element.replaceWith(drawn);
        if (focused) (drawn.matches("button, a") ? drawn : drawn.querySelector("button, a, input, textarea"))?.focus();
      }
      element = drawn;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of before.values()) gone.remove();
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** A time as people write it; the exact one for programs and for whoever points at it. */
export function when(time) {
  if (!time) return "";
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return make("time", { datetime: time, title: clock.format(date) }, (today ? hour : clock).format(date));
}

/** The words that a filter looks for in what is shown. */
export const has = (words, ...texts) => !words || texts.some((text) => text && String(text).toLowerCase().includes(words));
