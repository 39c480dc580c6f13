// The completion list below the query box.

import { byId, find, make } from "./dom.js";

const base = document.documentElement.dataset.base || "";
/** Counts requests, so that a late response is dropped. */
let requests = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @returns {HTMLInputElement | null} */
const box = () => byId("q");
/** @returns {HTMLElement[]} */
const options = () => [...document.querySelectorAll("#ac > li")].map((option) => /** @type {HTMLElement} */ (option));
const chosen = () => options().findIndex((option) => option.ariaSelected === "true");

/** @param {string} html */
function show(html) {
  const input = box();
  if (!input) return;
  find(document, ".query + .drop").innerHTML = html;
  input.setAttribute("aria-expanded", String(!!html));
  input.removeAttribute("aria-activedescendant");
}

function close() {
  clearTimeout(timer);
  requests++;
  if (byId("ac")) show("");
}

async function load() {
  const input = box();
  if (!input) return;
  const mine = ++requests;
  const at = input.selectionStart ?? input.value.length;
  const query = new URLSearchParams({ before: input.value.slice(0, at), after: input.value.slice(at) });
  const response = await fetch(`${base}/complete?${query}`, { headers: { "HX-Request": "true" } }).catch(() => null);
  const html = response?.ok ? await response.text() : "";
  if (mine === requests && document.activeElement === input) show(html);
}

/** @param {number} at */
function choose(at) {
  const all = options();
  const one = all[(at + all.length) % all.length];
  for (const option of all) option.ariaSelected = String(option === one);
  one.scrollIntoView({ block: "nearest" });
  box()?.setAttribute("aria-activedescendant", one.id);
}

/** @param {HTMLElement} option */
function take(option) {
  const input = box();
  const { head = "", tail = "", more } = option.dataset;
  if (!input) return;
  input.value = head + tail;
  input.setSelectionRange(head.length, head.length);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  close();
  if (more !== undefined) load();
}

/** @param {KeyboardEvent} event */
function key(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = options();
  const at = chosen();
  if (event.key === "ArrowDown" && !all.length) load();
  else if (!all.length) return;
  else if (event.key === "ArrowDown") choose(at + 1);
  else if (event.key === "ArrowUp") choose(at < 0 ? -1 : at - 1);
  else if (event.key === "Escape") close();
  else if (event.key === "Tab" && !event.shiftKey) take(all[Math.max(at, 0)]);
  else if (event.key === "Enter" && at >= 0) take(all[at]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

export function startCompletion() {
  const input = box();
  const query = input?.closest(".query");
  if (!input || !query) return;
  const aria = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "ac" };
  for (const [name, value] of Object.entries(aria)) input.setAttribute(name, value);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(load, 80);
  });
  input.addEventListener("keydown", key);
  input.addEventListener("blur", close);
  const drop = make("div", "drop");
  query.after(drop);
  // the box keeps the focus while one clicks or scrolls in the list
  drop.addEventListener("mousedown", (event) => event.preventDefault());
  drop.addEventListener("click", (event) => {
    const option = /** @type {HTMLElement} */ (event.target).closest("li");
    if (option) take(option);
  });
}
