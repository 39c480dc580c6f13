// This exists so that a job's console can be followed while it is written: lines come in order, the eye keeps its place.

import { asks, takes } from "./live.js";
import { retell } from "./time.js";

const MOST = 2000;
const log = () => /** @type {HTMLOListElement | null} */ (document.getElementById("log"));

let follow = true;
let unseen = 0;
let mine = false;
let level = "";
let words = "";

const atEnd = (/** @type {HTMLElement} */ box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;

function toEnd() {
  const box = log();
  if (!box) return;
  mine = true;
  box.scrollTop = box.scrollHeight;
  unseen = 0;
  pill();
}

function pill() {
  const node = /** @type {HTMLButtonElement | null} */ (document.getElementById("log-new"));
  if (!node) return;
  node.hidden = !unseen;
  node.textContent = `${unseen.toLocaleString("en")} new ${unseen === 1 ? "line" : "lines"} ↓`;
}

/** @param {boolean} on */
function setFollow(on) {
  follow = on;
  document.getElementById("log-follow")?.setAttribute("aria-pressed", String(on));
  if (on) toEnd();
}

/** @param {HTMLElement} line */
function judge(line) {
  const low = level === "error" ? !line.classList.contains("error") : level === "warn" ? !line.matches(".warn, .error") : false;
  const text = line.textContent || "";
  line.classList.toggle("off", low || (words !== "" && !text.toLowerCase().includes(words)));
  line.classList.toggle("hit", words !== "" && text.toLowerCase().includes(words));
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
    if (level || words) judge(line);
    added++;
  }
  if (!added) return;
  for (const line of [...holder.content.children]) if (Number(line.id.slice(1)) <= last) line.remove();
  retell(holder.content);
  const stick = follow && (!held || held.isCollapsed || !box.contains(held.anchorNode));
  box.append(holder.content);
  box.dataset.last = String(message.last || last);
  if (stick) {
    while (box.children.length > MOST) box.firstElementChild?.remove();
    requestAnimationFrame(toEnd);
  } else {
    unseen += added;
    pill();
  }
  const count = document.getElementById("log-count");
  const n = box.children.length;
  if (count) count.textContent = `${n.toLocaleString("en")}${n >= MOST ? "+" : ""} ${n === 1 ? "line" : "lines"}`;
  const empty = document.getElementById("log-empty");
  if (empty) empty.hidden = true;
}

export function startConsole() {
  const box = log();
  if (!box) return;
  const paged = new URL(location.href).searchParams.has("after");
  asks((query) => {
    // an older page of the console does not grow
    query.set("log_after", paged ? "-1" : box.dataset.last || "0");
  });
  if (paged) return;
  takes("log", take);
  const tools = document.getElementById("log-tools");
  if (tools) tools.hidden = false;
  toEnd();
  // a scroll of the reader's own turns following off, and back on at the end
  box.addEventListener("scroll", () => {
    if (mine) {
      mine = false;
      return;
    }
    if (atEnd(box)) {
      unseen = 0;
      pill();
    }
    if (follow !== atEnd(box)) {
      follow = atEnd(box);
      document.getElementById("log-follow")?.setAttribute("aria-pressed", String(follow));
    }
  });
  document.getElementById("log-follow")?.addEventListener("click", () => setFollow(!follow));
  document.getElementById("log-new")?.addEventListener("click", () => setFollow(true));
  document.getElementById("log-wrap")?.addEventListener("click", (event) => {
    const on = !box.classList.toggle("nowrap");
    /** @type {HTMLElement} */ (event.currentTarget).setAttribute("aria-pressed", String(on));
  });
  const again = () => [...box.children].forEach((line) => judge(/** @type {HTMLElement} */ (line)));
  document.getElementById("log-level")?.addEventListener("change", (event) => {
    level = /** @type {HTMLSelectElement} */ (event.target).value;
    again();
  });
  document.getElementById("log-find")?.addEventListener("input", (event) => {
    words = /** @type {HTMLInputElement} */ (event.target).value.toLowerCase();
    again();
  });
}
