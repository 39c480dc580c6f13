// Follows a job's console: lines come in order, the scroll position stays.

import { byId } from "./dom.js";
import { onMessage, onRequest } from "./live.js";
import { updateTimes } from "./time.js";

const MOST = 2000;
const log = () => byId("log");

let follow = true;
let unseen = 0;
/** Scroll height at the last end. */
let stood = 0;
let level = "";
let wanted = "";

const atEnd = (/** @type {HTMLElement} */ box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;

function toEnd() {
  const box = log();
  if (!box) return;
  box.scrollTop = box.scrollHeight;
  stood = box.scrollTop;
  unseen = 0;
  pill();
}

function pill() {
  const node = byId("log-new");
  if (!node) return;
  node.hidden = !unseen;
  node.textContent = `${unseen.toLocaleString("en")} new ${unseen === 1 ? "line" : "lines"} ↓`;
}

/** @param {boolean} on */
function setFollow(on) {
  follow = on;
  byId("log-follow")?.setAttribute("aria-pressed", String(on));
  if (on) toEnd();
}

/** Scrolling up ends following, scrolling to the end starts it. @param {HTMLElement} box */
function heed(box) {
  const on = atEnd(box) || (follow && box.scrollTop > stood - 24);
  if (on === follow) return;
  follow = on;
  byId("log-follow")?.setAttribute("aria-pressed", String(on));
}

/** @param {HTMLElement} line */
function applyFilters(line) {
  const low = level === "error" ? !line.classList.contains("error") : level === "warn" ? !line.matches(".warn, .error") : false;
  const text = line.textContent || "";
  line.classList.toggle("off", low || (wanted !== "" && !text.toLowerCase().includes(wanted)));
  line.classList.toggle("hit", wanted !== "" && text.toLowerCase().includes(wanted));
}

/** @param {{html?: string, last?: number}} message */
function take(message) {
  const box = log();
  if (!box || !message.html) return;
  const last = Number(box.dataset.last || 0);
  const holder = document.createElement("template");
  holder.innerHTML = message.html;
  let added = 0;
  const held = getSelection();
  for (const line of /** @type {HTMLElement[]} */ ([...holder.content.children])) {
    if (Number(line.id.slice(1)) <= last) continue;
    if (level || wanted) applyFilters(line);
    added++;
  }
  if (!added) return;
  for (const line of [...holder.content.children]) if (Number(line.id.slice(1)) <= last) line.remove();
  let number = Number(box.dataset.count || 0);
  for (const line of holder.content.children) {
    const link = line.querySelector("a");
    if (link) link.textContent = String(++number);
  }
  box.dataset.count = String(number);
  updateTimes(holder.content);
  heed(box);
  const stick = follow && (!held || held.isCollapsed || !box.contains(held.anchorNode));
  box.append(holder.content);
  box.dataset.last = String(message.last || last);
  if (stick) {
    while (box.children.length > MOST) box.firstElementChild?.remove();
    toEnd();
  } else {
    unseen += added;
    pill();
  }
  const count = byId("log-count");
  if (count) count.textContent = `${number.toLocaleString("en")} ${number === 1 ? "line" : "lines"}`;
  const empty = byId("log-empty");
  if (empty) empty.hidden = true;
}

export function startConsole() {
  const box = log();
  if (!box) return;
  const place = new URL(location.href).searchParams;
  const paged = place.has("after") || place.has("before");
  onRequest((query) => {
    // an older page of the console does not grow
    query.set("log_after", paged ? "-1" : box.dataset.last || "0");
  });
  if (paged) return;
  onMessage("log", take);
  const tools = byId("log-tools");
  if (tools) tools.hidden = false;
  toEnd();
  box.addEventListener("scroll", () => {
    heed(box);
    if (!atEnd(box)) return;
    unseen = 0;
    pill();
  });
  byId("log-follow")?.addEventListener("click", () => setFollow(!follow));
  byId("log-new")?.addEventListener("click", () => setFollow(true));
  byId("log-wrap")?.addEventListener("click", (event) => {
    const on = !box.classList.toggle("nowrap");
    /** @type {HTMLElement} */ (event.currentTarget).setAttribute("aria-pressed", String(on));
  });
  const filterAll = () => [...box.children].forEach((line) => applyFilters(/** @type {HTMLElement} */ (line)));
  byId("log-level")?.addEventListener("change", (event) => {
    level = /** @type {HTMLSelectElement} */ (event.target).value;
    filterAll();
  });
  byId("log-find")?.addEventListener("input", (event) => {
    wanted = /** @type {HTMLInputElement} */ (event.target).value.toLowerCase();
    filterAll();
  });
}
