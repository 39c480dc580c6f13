// The jobs table while it is live: selection, keys, scroll position.

import { byId, find, say } from "./dom.js";
import { openMenu } from "./forms.js";
import { fetchPage, load, patchShape } from "./patch.js";
import { onMessage, onRequest, resubscribe } from "./live.js";

const rows = () => /** @type {HTMLTableRowElement[]} */ ([...document.querySelectorAll("#rows > tr[data-id]")]);
/** @param {Element} row */
const tick = (row) => find(row, "input[type=checkbox]");

/** Ids that are selected; kept while the page changes, and over sorting and paging. @type {Set<string>} */
const selected = new Set(JSON.parse(sessionStorage.getItem("holdfast-selected") || "[]"));
let every = false;
let cursor = "";
let anchor = "";
/** When the pointer was last over the table. */
let pointed = 0;
let over = false;

function keep() {
  sessionStorage.setItem("holdfast-selected", JSON.stringify([...selected].slice(0, 1000)));
}

function bar() {
  const sel = byId("sel");
  if (!sel) return;
  sel.classList.add("scripted");
  sel.classList.toggle("shown", selected.size > 0 || every);
  const count = every ? byId("tabs")?.dataset.total || "All that match" : String(selected.size);
  const text = `${count} selected`;
  const b = byId("sel-count");
  if (b && b.textContent !== text) b.textContent = text;
  const allowed = new Map();
  for (const row of rows()) if (selected.has(row.dataset.id || "")) for (const action of (row.dataset.allowed || "").split(" ")) allowed.set(action, (allowed.get(action) || 0) + 1);
  const away = [...selected].filter((id) => !byId(`row-${id}`)).length;
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (sel.querySelectorAll("[data-action]"))) {
    const n = allowed.get(button.dataset.action) || 0;
    const note = find(button, ".n");
    const label = every ? "" : away ? `${n}+` : String(n);
    if (note.textContent !== label) note.textContent = label;
    const none = !every && !away && !n;
    button.setAttribute("aria-disabled", String(none));
    button.title = none ? "No selected job allows it" : "";
  }
  const all = byId("check-all");
  const here = rows().filter((row) => selected.has(row.dataset.id || "")).length;
  if (all) {
    all.checked = here > 0 && here === rows().length;
    all.indeterminate = here > 0 && here < rows().length;
  }
  const more = byId("sel-all");
  if (more) more.hidden = every || !document.querySelector(".pages a");
  const clear = byId("sel-clear");
  if (clear) clear.hidden = false;
  makeRoom(sel);
}

const narrow = matchMedia("(max-width: 45rem)");
const ROOM = 3;

/** On a narrow screen three actions stay, the others move behind "…": first those that no selected job allows. @param {Element} sel */
function makeRoom(sel) {
  const buttons = /** @type {HTMLButtonElement[]} */ ([...sel.querySelectorAll("[data-action]")]);
  const idle = (/** @type {HTMLElement} */ button) => button.getAttribute("aria-disabled") === "true";
  const order = [...buttons.filter((button) => !idle(button)), ...buttons.filter(idle)];
  const away = new Set(narrow.matches ? order.slice(ROOM) : []);
  for (const button of buttons) button.hidden = away.has(button);
  const more = byId("sel-more");
  if (more) more.hidden = !away.size;
}

/** The actions behind "…" of the selection bar. @param {HTMLElement} near */
function showAway(near) {
  const away = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll("#sel [data-action][hidden]")]);
  openMenu(
    near,
    away.map((button) => {
      const copy = /** @type {HTMLButtonElement} */ (button.cloneNode(true));
      copy.hidden = false;
      copy.className = "";
      return copy;
    }),
  );
}

/** Copies the count of the tabs to every other place that shows the count of the list. */
function tellTotal() {
  const total = byId("tabs")?.dataset.total;
  if (!total) return;
  for (const node of document.querySelectorAll("[data-total-of]")) if (node.textContent !== total) node.textContent = total;
}

/** @param {string} id @param {boolean} on */
function select(id, on) {
  if (on) selected.add(id);
  else selected.delete(id);
  every = false;
  const row = byId(`row-${id}`);
  const box = row && tick(row);
  if (box && box.checked !== on) box.checked = on;
}

/** @param {string} id @param {boolean} on */
function range(id, on) {
  const ids = rows().map((row) => row.dataset.id || "");
  const [a, b] = [ids.indexOf(anchor), ids.indexOf(id)].sort((x, y) => x - y);
  if (a < 0) return select(id, on);
  for (const each of ids.slice(a, b + 1)) select(each, on);
}

function clear() {
  for (const id of [...selected]) select(id, false);
  done();
}

function done() {
  keep();
  bar();
}

/** @param {number} step */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.dataset.id === cursor);
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  all[at]?.classList.remove("cursor");
  cursor = next.dataset.id || "";
  next.classList.add("cursor");
  next.scrollIntoView({ block: "nearest" });
  find(next, "a")?.focus({ preventScroll: true });
}

/** The job that keys act on: that of the page, the peek, or the row under the cursor. */
export function currentJob() {
  const job = byId("job")?.dataset.job || byId("peek")?.dataset.peek || cursor;
  const row = job && byId(`row-${job}`);
  const held = document.activeElement?.closest("tr[data-id]");
  return held instanceof HTMLElement && !byId("job") ? held.dataset.id || job : row || byId("job") || byId("peek") ? job : "";
}

/** @param {string} id */
export function openPeek(id) {
  const url = new URL(location.href);
  if (id) url.searchParams.set("peek", id);
  else url.searchParams.delete("peek");
  history.pushState(null, "", url);
  showPeek();
}

async function showPeek() {
  const list = byId("list");
  const id = new URL(location.href).searchParams.get("peek");
  for (const row of rows()) {
    if (row.dataset.id === id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  if (!id) {
    byId("peek")?.remove();
    list?.classList.remove("with-peek");
    return resubscribe();
  }
  const page = await fetchPage(location.href);
  const found = page.getElementById("peek");
  if (!found || !list) return;
  const old = byId("peek");
  if (old) old.replaceWith(found);
  else list.append(found);
  list.classList.add("with-peek");
  resubscribe(page.documentElement.dataset.seq);
}

/** Shows what is new, from the top. */
export async function showNew() {
  const pill = byId("pill");
  if (pill) pill.hidden = true;
  fresh = 0;
  const url = new URL(location.href);
  url.searchParams.delete("cursor");
  history.replaceState(null, "", url);
  const drawn = await load(url.href, ["#tabs", "#list"]);
  scrollTo({ top: 0 });
  restore();
  resubscribe(drawn);
}

function restore() {
  for (const row of rows()) {
    const box = tick(row);
    if (box) box.checked = selected.has(row.dataset.id || "");
  }
  bar();
}

/** Whether new rows may be inserted: the user does not read, select, point or type here. */
function idle() {
  const table = byId("table");
  if (!table || table.dataset.first !== "yes" || table.dataset.sort !== "-created") return false;
  if (scrollY > 60 || selected.size || over || Date.now() - pointed < 1500) return false;
  if (document.querySelector("dialog[open], :popover-open, #peek")) return false;
  const focus = document.activeElement;
  return !(focus && focus !== document.body && byId("list")?.contains(focus)) && getSelection()?.isCollapsed !== false;
}

let fresh = 0;
let entering = false;
/** When `fresh` was counted last, for the pace of new rows. @type {[number, number]} */
let paceFrom = [Date.now(), 0];
/** Changes counted in this second, and in the one before. */
let flashFrom = [Date.now(), 0, 0];

/** @param {{html?: Record<string,string>, gone?: string[], left?: string[], new?: number}} message */
function take(message) {
  const html = Object.entries(message.html || {});
  const now = Date.now();
  if (now - flashFrom[0] > 1000) flashFrom = [now, 0, now - flashFrom[0] < 2000 ? flashFrom[1] : 0];
  flashFrom[1] += html.length;
  const quiet = Math.max(flashFrom[1], flashFrom[2]) >= 50 || matchMedia("(prefers-reduced-motion: reduce)").matches;
  let failed = 0;
  for (const [id, text] of html) {
    const row = byId(`row-${id}`);
    if (!row) continue;
    const before = quiet ? [] : [...row.children].map((cell) => cell.querySelector("time") ? "" : cell.textContent);
    const was = row.dataset.style;
    const kept = row.classList.contains("cursor");
    const current = row.getAttribute("aria-current");
    if (!patchShape(row, text)) continue;
    if (kept) row.classList.add("cursor");
    if (current) row.setAttribute("aria-current", current);
    if (message.left?.includes(id)) row.classList.add("left");
    if (row.dataset.style === "failed" && was !== "failed") failed++;
    if (quiet) continue;
    [...row.children].forEach((cell, at) => {
      if (at && before[at] !== undefined && before[at] !== "" && !cell.querySelector("time") && cell.textContent !== before[at]) flash(cell);
    });
  }
  for (const id of message.gone || []) {
    const row = byId(`row-${id}`);
    if (!row) continue;
    row.classList.add("left");
    select(id, false);
    const box = tick(row);
    if (box) box.disabled = true;
  }
  if (failed) say(`${failed} ${failed === 1 ? "job" : "jobs"} failed`);
  if (html.length || message.gone?.length) bar();
  if (message.new !== undefined) arrived(message.new);
}

/** @param {Element} cell */
function flash(cell) {
  cell.classList.remove("changed");
  cell.addEventListener("animationend", () => cell.classList.remove("changed"), { once: true });
  cell.classList.add("changed");
}

/** @param {number} count jobs that were added since this page was drawn */
async function arrived(count) {
  const now = Date.now();
  if (now - paceFrom[0] > 2000) paceFrom = [now, count];
  const pace = ((count - paceFrom[1]) / Math.max(500, now - paceFrom[0])) * 1000;
  fresh = count;
  if (count && idle() && pace < 10 && !entering) {
    entering = true;
    try {
      const drawn = await load(location.href, ["#tabs", "#list"]);
      fresh = 0;
      restore();
      resubscribe(drawn);
    } finally {
      setTimeout(() => (entering = false), 1000);
    }
    return;
  }
  const pill = byId("pill");
  if (!pill || entering) return;
  pill.hidden = !count;
  const label = /** @type {HTMLElement} */ (pill.firstElementChild);
  const text = `${count.toLocaleString("en")} new`;
  if (label.textContent !== text) label.textContent = text;
}

/** The mirror below a search as text marks its invalid part; it has the same text and scroll position. */
function startQuery() {
  const mirror = document.querySelector(".edit .mirror");
  const input = /** @type {HTMLInputElement | null} */ (mirror?.parentElement?.querySelector("input") || null);
  if (!mirror || !input) return;
  const follow = () => (mirror.scrollLeft = input.scrollLeft);
  input.addEventListener("input", () => {
    mirror.textContent = input.value; // the text has changed, so the mark is void
    follow();
  });
  input.addEventListener("scroll", follow);
}

export function startTable() {
  onRequest((query) => {
    const list = byId("list");
    if (!list) return;
    if (rows().length) query.set("ids", rows().map((row) => row.dataset.id).join(","));
    query.set("q", list.dataset.q || "");
    if (fresh) query.set("new", String(fresh));
    if (list.dataset.tab) query.set("state", list.dataset.tab);
  });
  onMessage("rows", take);
  startQuery();
  if (!byId("list")) return;
  const tabs = byId("tabs");
  if (tabs) new MutationObserver(tellTotal).observe(tabs, { attributes: true, attributeFilter: ["data-total"] });
  narrow.addEventListener("change", bar);
  // a selection belongs to one search
  const place = new URL(location.href);
  place.searchParams.delete("cursor");
  place.searchParams.delete("peek");
  place.searchParams.delete("sort");
  if (sessionStorage.getItem("holdfast-selected-on") !== place.href) selected.clear();
  sessionStorage.setItem("holdfast-selected-on", place.href);
  restore();
  keep();

  const list = byId("list");
  list.addEventListener("pointerenter", () => (over = true));
  list.addEventListener("pointerleave", () => (over = false));
  list.addEventListener("pointermove", () => (pointed = Date.now()));
  list.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = /** @type {HTMLElement | null} */ (target.closest("tr[data-id]"));
    const id = row?.dataset.id || "";
    if (target.id === "check-all") {
      for (const each of rows()) select(each.dataset.id || "", /** @type {HTMLInputElement} */ (target).checked);
      return done();
    }
    if (target.id === "sel-clear" || target.closest("#sel-clear")) return clear();
    if (target.id === "sel-all") {
      every = true;
      return bar();
    }
    const more = /** @type {HTMLElement | null} */ (target.closest("#sel-more"));
    if (more) return showAway(more);
    if (target.closest("#pill")) {
      event.preventDefault();
      return showNew();
    }
    if (target.closest("#peek-close")) {
      event.preventDefault();
      return openPeek("");
    }
    if (row && target.matches("input[type=checkbox]")) {
      const on = /** @type {HTMLInputElement} */ (target).checked;
      if (event.shiftKey && anchor) range(id, on);
      else select(id, on);
      anchor = id;
      return done();
    }
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button;
    if (row && plain && !target.closest("a, button, input") && getSelection()?.isCollapsed !== false && innerWidth > 720) openPeek(id);
  });
  document.addEventListener("formdata", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (form.getAttribute("id") !== "bulk") return;
    const data = /** @type {FormDataEvent} */ (event).formData;
    data.delete("id");
    if (every) data.set("all", "1");
    else for (const id of selected) data.append("id", id);
  });
  document.addEventListener("holdfast:done", (event) => {
    const detail = /** @type {CustomEvent} */ (event).detail;
    if (detail.ok && (detail.form.getAttribute("id") === "bulk" || detail.form.querySelector("[name=sure]"))) clear();
  });
  addEventListener("popstate", showPeek);
}

/** What the keys do on a list. @param {string} key @param {KeyboardEvent} event @returns {boolean} */
export function tableKey(key, event) {
  if (!byId("rows")) return false;
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "x" || key === "X") {
    const id = currentJob();
    if (!id) return false;
    if (event.shiftKey && anchor) range(id, true);
    else select(id, !selected.has(id));
    anchor = id;
    done();
  } else if (key === "." && !byId("pill")?.hidden) showNew();
  else if (key === "Enter" && document.activeElement?.matches("#rows a[href]") && innerWidth > 720) {
    event.preventDefault();
    openPeek(currentJob());
  } else if (key === "Escape" && byId("peek")) openPeek("");
  else if (key === "Escape" && selected.size) clear();
  else return false;
  return true;
}
