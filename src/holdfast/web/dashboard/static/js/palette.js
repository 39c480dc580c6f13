// The command palette and the keyboard shortcuts, which are off while the user types.

import { byId, icon, make } from "./dom.js";
import { openConfirmation, post } from "./forms.js";
import { toggle } from "./live.js";
import { currentJob, tableKey } from "./table.js";

const base = document.documentElement.dataset.base || "";
const box = () => byId("palette");

/** @typedef {{word: string, note: string, icon: string, key: string, run: () => void}} Hit */

/** @param {string} path */
const go = (path) => () => (location.href = base + path);

/** @returns {Hit[]} */
function hits() {
  const id = currentJob();
  /** @type {Hit[]} */
  const list = [...document.querySelectorAll("#nav a")].map((link) => ({
    word: link.querySelector("span")?.textContent || "",
    note: "page",
    icon: link.querySelector("use")?.getAttribute("href")?.split("#")[1] || "right",
    key: "",
    run: () => (location.href = /** @type {HTMLAnchorElement} */ (link).href),
  }));
  const keys = { Overview: "g o", Jobs: "g j", Queues: "g q", Types: "g t", Workers: "g w", Help: "?" };
  for (const hit of list) hit.key = keys[/** @type {keyof typeof keys} */ (hit.word)] || "";
  list.push({ word: "New job", note: "choose a type", icon: "plus", key: "n", run: go("/types") });
  list.push({ word: "Pause or resume live updates", note: "this tab", icon: "paused", key: "r", run: toggle });
  list.push({ word: "Change theme", note: "light, dark, system", icon: "theme", key: "t", run: () => byId("theme")?.click() });
  if (id) {
    const at = `${base}/jobs/${encodeURIComponent(id)}`;
    const on = `this job, …${id.slice(-12)}`;
    list.unshift(
      { word: "Pause job", note: on, icon: "paused", key: "p", run: () => post(`${at}/pause`) },
      { word: "Resume job", note: on, icon: "processing", key: "p", run: () => post(`${at}/resume`) },
      { word: "Cancel job…", note: on, icon: "cancelled", key: "c", run: () => openConfirmation(`${at}/cancel`) },
      { word: "Retry job", note: on, icon: "retrying", key: "R", run: () => post(`${at}/retry`) },
    );
  }
  return list;
}

/** Letters in order anywhere in the word. @param {string} typed @param {string} text */
function matches(typed, text) {
  let at = 0;
  for (const letter of typed.toLowerCase()) {
    at = text.toLowerCase().indexOf(letter, at) + 1;
    if (!at) return false;
  }
  return true;
}

function openPalette() {
  const dialog = box();
  const input = document.createElement("input");
  const attributes = { role: "combobox", "aria-label": "Go to or do", "aria-expanded": "true", "aria-controls": "hits", placeholder: "A page, an action, or a job to find" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  const field = make("div", "ask", input, make("kbd", "", "Esc"));
  const list = make("div", "hits");
  list.id = "hits";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Hits");
  dialog.replaceChildren(field, list);
  const all = hits();
  /** @type {Hit[]} */
  let shown = [];
  let chosen = 0;
  const draw = () => {
    const typed = input.value.trim();
    shown = all.filter((hit) => matches(typed, hit.word));
    if (typed) shown.push({ word: `Find “${typed}”`, note: "in all jobs, or by id", icon: "search", key: "", run: go(`/find?q=${encodeURIComponent(typed)}`) });
    chosen = Math.max(0, Math.min(chosen, shown.length - 1));
    list.replaceChildren(...shown.map((hit, at) => row(hit, at, at === chosen)));
    input.setAttribute("aria-activedescendant", shown.length ? `hit-${chosen}` : "");
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  input.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  dialog.onkeydown = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen += event.key === "ArrowDown" ? 1 : -1;
      draw();
    } else if (event.key === "Enter" && shown[chosen]) {
      event.preventDefault();
      dialog.close();
      shown[chosen].run();
    }
  };
  list.onclick = (event) => {
    const hit = /** @type {HTMLElement} */ (event.target).closest("[role=option]");
    if (!hit) return;
    dialog.close();
    shown[Number(hit.id.slice(4))].run();
  };
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  draw();
  dialog.showModal();
  input.focus();
}

/** @param {Hit} hit @param {number} at @param {boolean} on */
function row(hit, at, on) {
  const word = make("span", "clip", `${hit.word} `, make("span", "sub", hit.note));
  const keys = hit.key.split(" ").filter(Boolean).map((key) => make("kbd", "", key));
  const node = make("div", "", make("span", "icon-slot", icon(hit.icon)), word, ...keys);
  node.setAttribute("role", "option");
  node.id = `hit-${at}`;
  node.setAttribute("aria-selected", String(on));
  return node;
}

/** @type {Record<string, string>} */
const PLACES = { o: "/", j: "/jobs", q: "/queues", t: "/types", w: "/workers", h: "/help" };
let going = 0;

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!box().open) openPalette();
      return;
    }
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    const key = event.key;
    if (Date.now() - going < 1200 && PLACES[key]) return go(PLACES[key])();
    going = 0;
    const id = currentJob();
    const at = `${base}/jobs/${encodeURIComponent(id)}`;
    if (key === "g") going = Date.now();
    else if (key === "/") {
      event.preventDefault();
      (byId("q") || byId("find"))?.focus();
    } else if (key === "?") go("/help")();
    else if (key === "n") location.href = byId("new-job")?.href || `${base}/types`;
    else if (key === "r") toggle();
    else if (key === "t") byId("theme")?.click();
    else if (tableKey(key, event)) return;
    else if (id && key === "o") location.href = at;
    else if (id && key === "p") post(`${at}/${pausable(id) ? "pause" : "resume"}`);
    else if (id && key === "c") openConfirmation(`${at}/cancel`);
    else if (id && key === "R") post(`${at}/retry`);
  });
}

/** @param {string} id */
function pausable(id) {
  const row = byId(`row-${id}`);
  if (row) return (row.dataset.allowed || "").split(" ").includes("pause");
  return !document.querySelector("[data-key=resume]");
}
