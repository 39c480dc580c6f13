// The live stream of the page: messages are applied in one animation frame, and a lost connection is shown.

import { button, byId, icon, make } from "./dom.js";
import { patch } from "./patch.js";
import { clock, now, setServerTime, stopClocks } from "./time.js";

const root = document.documentElement;
const base = root.dataset.base || "";
const STREAMS = 3;
const SILENCE = 40_000;

/** @typedef {{html?: Record<string,string>, rate?: number, gone?: string[], left?: string[], new?: number, tabs?: string,
 *   title?: string, last?: number, total?: number, id?: string, seq?: number, time?: string, build?: string, retry?: number}} Message */

/** @type {((query: URLSearchParams) => void)[]} */
const requestListeners = [];
/** @type {Map<string, ((message: any) => void)[]>} */
const messageListeners = new Map();

/** @param {(query: URLSearchParams) => void} listener */
export const onRequest = (listener) => requestListeners.push(listener);
/** @param {string} event @param {(message: any) => void} listener */
export const onMessage = (event, listener) => messageListeners.set(event, [...(messageListeners.get(event) || []), listener]);

let seq = root.dataset.seq || "";
let known = root.dataset.build || "";
let paused = sessionStorage.getItem("holdfast-paused") || "";
let failures = 0;
let lostAt = 0;
let retryAt = 0;
let rate = 0;
/** @type {AbortController | null} */
let open = null;
/** @type {number | undefined} */
let timer;
/** @type {number | undefined} */
let hiding;
/** @type {(() => void) | null} */
let release = null;

/** @typedef {"on" | "connecting" | "offline" | "paused" | "polling"} Mode */
/** @type {Mode} */
let mode = "connecting";

/** @param {Mode} next */
function show(next) {
  mode = next;
  const sign = byId("live");
  if (!sign) return;
  sign.hidden = false;
  if (sign.dataset.live !== next) sign.dataset.live = next;
  sign.setAttribute("aria-pressed", String(!paused));
  const labels = { on: "Live", connecting: "Connecting", paused: "Paused", polling: "Every 5 s", offline: `Offline ${Math.round((Date.now() - lostAt) / 1000)} s` };
  write("live-word", labels[next]);
  write("live-rate", next === "on" && rate >= 0.5 ? `${rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)} changes/s` : "");
  bars();
}

/** @param {string} id @param {string} text */
function write(id, text) {
  const node = byId(id);
  if (node && node.textContent !== text) node.textContent = text;
}

/** @type {{key: string, until?: number} | null} */
let barred = null;

/** The one bar across the page, the worst first. */
function bars() {
  const place = byId("bars");
  if (!place) return;
  const lost = mode === "offline" && Date.now() - lostAt > 5000;
  byId("main")?.classList.toggle("lost", lost);
  stopClocks(lost);
  const key = lost ? "lost" : signedOut ? "out" : paused ? "paused" : updated ? "updated" : "";
  if (key === barred?.key) {
    if (lost) write("bar-retry", retryText());
    return;
  }
  barred = { key };
  place.replaceChildren();
  place.hidden = !key;
  if (lost) place.append(bar("retrying", "unplug", `Connection lost at ${clock(lostAt + (now() - Date.now()))}.`, "What you see may be old.", "Try now", again, true));
  if (key === "out") place.append(bar("failed", "lock", "You were signed out.", "This page and what you typed stay here.", "Try again", again));
  if (key === "paused") place.append(bar("paused", "paused", "Live updates paused.", `Since ${clock(Number(paused))}.`, "Go live", toggle));
  if (key === "updated") place.append(bar("", "info", "Holdfast was updated on the server.", "Reload when it suits you.", "Reload", () => location.reload()));
}

const retryText = () => (retryAt > Date.now() ? `Trying again in ${Math.ceil((retryAt - Date.now()) / 1000)} s.` : "Trying now, no response yet.");

/** @param {string} state @param {string} sign @param {string} strong @param {string} text @param {string} word @param {() => void} act @param {boolean} [retry] */
function bar(state, sign, strong, text, word, act, retry) {
  const p = make("p", "", make("b", "", strong), ` ${text} `);
  if (retry) {
    const wait = make("span", "", retryText());
    wait.id = "bar-retry";
    p.append(wait);
  }
  const node = make("div", "bar", icon(sign), p, button(word, act));
  if (state) node.dataset.state = state;
  return node;
}

let signedOut = false;
let updated = false;

/** Pauses or resumes live updates of this tab. */
export function toggle() {
  paused = paused ? "" : String(now());
  sessionStorage.setItem("holdfast-paused", paused);
  if (paused) {
    close();
    show("paused");
  } else again();
}

/** Connects again at once. */
export function again() {
  close();
  failures = 0;
  connect();
}

export const lastSeq = () => Number(seq) || 0;

/** Subscribes again to what is on the page now. @param {string} [drawn] the event up to which its new parts are true */
export function resubscribe(drawn) {
  if (drawn && Number(drawn) < lastSeq()) seq = drawn;
  clearTimeout(resub);
  resub = window.setTimeout(() => {
    if (!paused && open) again();
  }, 50);
}
/** @type {number | undefined} */
let resub;

function close() {
  clearTimeout(timer);
  open?.abort();
  open = null;
  release?.();
  release = null;
}

/** Takes one of the slots for streams in this browser; null = all are taken. @returns {Promise<(() => void) | null>} */
async function place() {
  if (!navigator.locks) return () => {};
  for (let at = 0; at < STREAMS; at++) {
    const got = await new Promise((/** @type {(value: (() => void) | null) => void} */ resolve) => {
      navigator.locks.request(`holdfast-stream-${at}`, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(null);
        return new Promise((/** @type {(value?: unknown) => void} */ done) => resolve(() => done()));
      });
    });
    if (got) return got;
  }
  return null;
}

function request() {
  const query = new URLSearchParams();
  for (const listener of requestListeners) listener(query);
  if (seq) query.set("seq", seq);
  return query;
}

async function connect() {
  if (paused || (document.hidden && !open)) return;
  const query = request();
  if (![...query.keys()].some((key) => key !== "seq")) return;
  const control = (open = new AbortController());
  if (mode !== "offline") show("connecting");
  const got = await place();
  if (control.signal.aborted) return got?.();
  release = got;
  if (!got) query.set("once", "1");
  let last = Date.now();
  const watch = setInterval(() => Date.now() - last > SILENCE && control.abort(), 1000);
  let retry = 0;
  try {
    const long = query.toString().length > 6000;
    const response = await fetch(`${base}/live${long ? "" : `?${query}`}`, {
      method: long ? "POST" : "GET",
      body: long ? query : undefined,
      signal: control.signal,
      cache: "no-store",
      headers: { Accept: "text/event-stream", ...(seq ? { "Last-Event-ID": seq } : {}) },
    });
    signedOut = response.status === 401;
    if (!response.ok || !response.body) throw new Error(String(response.status));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      last = Date.now();
      rest += value;
      const parts = rest.split("\n\n");
      rest = parts.pop() || "";
      for (const part of parts) retry = receive(part, !got) || retry;
    }
    if (got && !retry) throw new Error("ended");
  } catch (error) {
    if (open !== control) return;
    retry = 0;
  } finally {
    clearInterval(watch);
    if (release === got) release = null;
    got?.();
  }
  if (open !== control) return;
  open = null;
  if (!got && retry) {
    show("polling");
    timer = window.setTimeout(connect, 5000);
    return;
  }
  if (!lostAt || mode !== "offline") lostAt = Date.now();
  const wait = retry || Math.min(30_000, 500 * 2 ** Math.min(failures++, 6)) * (0.75 + Math.random() / 2);
  retryAt = Date.now() + wait;
  show("offline");
  timer = window.setTimeout(connect, wait);
}

/** @param {string} text one event @param {boolean} polling @returns {number} the wait that a `bye` requests */
function receive(text, polling) {
  let event = "message";
  const data = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    else if (line.startsWith("id:")) seq = line.slice(3).trim() || seq;
  }
  if (!data.length) return 0;
  /** @type {Message} */
  const message = JSON.parse(data.join("\n"));
  if (event === "hello") {
    failures = 0;
    lostAt = 0;
    setServerTime(message.time || "");
    if (known && message.build && message.build !== known) updated = true;
    show(polling ? "polling" : "on");
  } else if (event === "bye") return message.retry || 1000;
  else if (event === "gap") {
    seq = "";
    again();
  } else if (event !== "ping") {
    waiting.push([event, message]);
    if (!framed) framed = requestAnimationFrame(apply);
  }
  return 0;
}

/** @type {[string, Message][]} */
let waiting = [];
let framed = 0;

function apply() {
  framed = 0;
  const batch = waiting;
  waiting = [];
  /** @type {Map<string, string>} */
  const html = new Map();
  for (const [event, message] of batch) {
    if (message.rate !== undefined && message.rate !== rate) {
      rate = message.rate;
      show(mode);
    }
    if (event === "stats" || event === "job") for (const [id, part] of Object.entries(message.html || {})) html.set(id, part);
    if (event === "job" && message.title) document.title = `${message.title} · Holdfast`;
    if (event === "rows" && message.tabs) html.set("tabs", message.tabs);
    for (const listener of messageListeners.get(event) || []) listener(message);
  }
  for (const [id, part] of html) {
    const el = byId(id);
    if (el) patch(el, part);
    const title = id.endsWith("-head") && el?.querySelector("h1");
    if (title) document.title = `${title.textContent} · Holdfast`;
  }
}

/** Starts the stream of this page. */
export function startLive() {
  byId("live")?.addEventListener("click", toggle);
  onRequest((query) => {
    const topic = byId("topic")?.dataset.topic;
    query.set("topics", ["stats", ...(topic ? [topic] : [])].join(","));
    const job = byId("job");
    if (job) query.set("job", job.dataset.job || "");
    const peek = byId("peek");
    if (peek) query.set("peek", peek.dataset.peek || "");
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = window.setTimeout(close, 10_000);
    else if (!open && !paused) again();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && !paused && again());
  setInterval(() => mode === "offline" && !document.hidden && show("offline"), 1000);
  if (paused) show("paused");
  else connect();
}
