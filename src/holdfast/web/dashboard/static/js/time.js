// Shows every time on a page in the viewer's zone and keeps it current, by one timer.
// The texts are the same as those of format.py.

import { byId } from "./dom.js";

const root = document.documentElement;

/** How far the server's clock is ahead of this one, in ms. @type {number} */
let offset = Date.parse(root.dataset.now || "") - Date.now() || 0;

/** Set while the connection is lost: the clocks stop, because their values are not known. */
let stopped = false;

/** @param {string} serverTime RFC 3339 */
export function setServerTime(serverTime) {
  const at = Date.parse(serverTime);
  if (at) offset = at - Date.now();
}

/** @param {boolean} on */
export function stopClocks(on) {
  stopped = on;
}

/** @returns {number} the server's time in ms */
export const now = () => Date.now() + offset;

const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @returns {string} the IANA zone in use */
export const zone = () => root.dataset.zone || own;

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} key @param {Intl.DateTimeFormatOptions} options */
function format(key, options) {
  const name = key + zone();
  let made = formats.get(name);
  if (!made) formats.set(name, (made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone(), hourCycle: "h23" })));
  return made;
}

/** @param {number} at */
const dayOf = (at) => format("d", { year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
/** @param {number} at */
const hms = (at) => format("t", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);

/** The results of `clock`, because Intl is slow for each row and second. @type {Map<number, string>} */
const cached = new Map();
let cachedOn = "";

/** @param {number} at */
export function clock(at) {
  const today = dayOf(now()) + zone();
  if (today !== cachedOn || cached.size > 5000) cached.clear();
  cachedOn = today;
  let text = cached.get(at);
  if (!text) {
    text = today.startsWith(dayOf(at)) ? hms(at) : `${format("m", { day: "numeric", month: "short" }).format(at)} ${hms(at)}`;
    cached.set(at, text);
  }
  return text;
}

/** @param {number} seconds */
export function ticking(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

/** @param {number} seconds */
function rough(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

/** @param {number} at */
export function ago(at) {
  const s = (now() - at) / 1000;
  if (s <= -1) return `in ${rough(-s)}`;
  return s < 1 ? "now" : `${rough(s)} ago`;
}

/** @param {Element} node @param {string} text */
function say(node, text) {
  const first = node.firstChild;
  if (first && first.nodeType === 3) {
    if (first.nodeValue !== text) first.nodeValue = text;
  } else node.prepend(text);
}

/** @param {HTMLElement} node */
function one(node) {
  const kind = node.dataset.f;
  if (kind === "now") return say(node, hms(now()));
  const at = Date.parse(node.getAttribute("datetime") || "");
  if (!at) return;
  if (kind === "for") return say(node, (node.dataset.prefix || "") + ticking((now() - at) / 1000));
  if (kind === "in") return say(node, at > now() ? `in ${ticking((at - now()) / 1000)}` : "due now");
  if (kind === "clock") return say(node, clock(at));
  if (kind === "clock-ms") return say(node, `${hms(at)}.${String(new Date(at).getUTCMilliseconds()).padStart(3, "0")}`);
  say(node, ago(at));
  const exact = node.querySelector("span");
  if (exact) say(exact, ` · ${clock(at)}`);
  const title = `${clock(at)} ${zone()}`;
  if (node.title !== title) node.title = title;
}

/** Writes every time inside `within` in the viewer's zone, now. @param {ParentNode} [within] */
export function updateTimes(within = document) {
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (within.querySelectorAll("time[data-f]"))) one(node);
  for (const node of /** @type {NodeListOf<SVGElement>} */ (within.querySelectorAll("text[data-clock]"))) {
    const at = Date.parse(node.dataset.clock || "");
    if (at) say(node, hms(at).slice(0, node.textContent?.trim().length === 5 ? 5 : 8));
  }
}

/** Starts the one timer of the page. */
export function startClocks() {
  // so that the next page comes in this zone from the server at once
  document.cookie = `holdfast_browser_zone=${own};path=${root.dataset.base || ""}/;max-age=31536000;samesite=lax`;
  if (!root.dataset.zone) {
    for (const node of document.querySelectorAll("[data-zone-word]")) node.textContent = own;
    const word = byId("zone-word");
    if (word) word.textContent = own.split("/").pop()?.replaceAll("_", " ") || own;
  }
  updateTimes();
  setInterval(() => {
    if (!document.hidden && !stopped) updateTimes();
  }, 1000);
}
