// The way to the server: the same operations as every other door. The token comes from the address once (#token=...), and is
// kept for this tab only.

import { byId } from "./dom.js";

const KEPT = "callboard-token";

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEPT, given);
  history.replaceState(null, "", location.pathname);
}

const headers = () => {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
};

/** Asks for a token; true when one was given. */
export function askForToken() {
  const dialog = byId("key");
  if (dialog.open) return Promise.resolve(false);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const token = byId("token").value.trim();
      byId("token").value = "";
      if (dialog.returnValue === "ok" && token) sessionStorage.setItem(KEPT, token);
      resolve(dialog.returnValue === "ok" && token !== "");
    }, { once: true });
  });
}

class Refused extends Error {
  constructor(status, answer) {
    super(answer?.error?.message ?? `the server answered ${status}`);
    this.status = status;
    this.hint = answer?.error?.hint;
  }
}

async function answered(response) {
  const answer = await response.json().catch(() => null);
  if (!response.ok || !answer) throw new Refused(response.status, answer);
  return answer;
}

/** Reads; asks for a token where one is needed. */
export async function look(operation, fields = {}) {
  const query = new URLSearchParams(fields);
  const once = async () => answered(await fetch(`/v1/${operation}?${query}`, { headers: headers() }));
  try {
    return await once();
  } catch (error) {
    if (error.status === 401 && (await askForToken())) return once();
    throw error;
  }
}

/** Changes something, as the person who shows the token. Repeated after a lost answer it is done once. */
export async function change(operation, fields) {
  const body = JSON.stringify({ ...fields, as_human: true, request_id: `page-${crypto.randomUUID()}` });
  const once = async () =>
    answered(
      await fetch(`/v1/${operation}`, { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body }),
    );
  try {
    return await once();
  } catch (error) {
    if (error.status === 401 && (await askForToken())) return once();
    if (error instanceof TypeError) return once();
    throw error;
  }
}

/** The text of a published file; null where there is none. */
export async function text(path) {
  const response = await fetch(path, { headers: headers() });
  return response.ok ? response.text() : null;
}

/**
 * Follows events after `since`, for ever: comes back after a lost connection, where it was. `told` is called with each event,
 * `linked` with whether the server is reached.
 */
export async function follow(since, told, linked) {
  let place = since;
  for (;;) {
    try {
      const response = await fetch(`/events/stream?limit=200&since=${encodeURIComponent(place)}`, { headers: headers() });
      if (response.status === 409 || response.status === 410) return linked("gone");
      if (!response.ok) throw new Refused(response.status, null);
      linked("yes");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const field = (name) => part.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          place = field("id") ?? place;
          if (field("event") === "event") told(JSON.parse(field("data")));
          if (field("event") === "refused") return linked("gone");
        }
      }
    } catch {
      // The server is away; it is asked again below.
    }
    linked("no");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
