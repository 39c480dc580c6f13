// Submits forms without leaving the page; the server decides the outcome.
// Without this script every form and link works as a page of its own.

import { button, byId, make, say, toast } from "./dom.js";
import { lastSeq } from "./live.js";
import { patch, patchShape } from "./patch.js";

const dialog = () => byId("dialog");
const menu = () => byId("menu");

/** @param {string} url @returns {Promise<Element | null>} the confirmation that one of our pages contains */
async function question(url) {
  const response = await reach(url, { headers: { "HX-Request": "true" } });
  if (!response) return null;
  if (!response.ok) {
    showOutcome(await response.json());
    return null;
  }
  return questionIn(await response.text());
}

/** @param {string} html */
const questionIn = (html) => new DOMParser().parseFromString(html, "text/html").getElementById("ask");

/** @param {Element} question */
function open(question) {
  const box = dialog();
  box.replaceChildren(...question.childNodes);
  if (!box.open) box.showModal();
  /** @type {HTMLElement | null} */ (box.querySelector("input:not([type=hidden]), footer .btn"))?.focus();
}

/** @param {string} url @param {RequestInit} init @returns {Promise<Response | null>} null when the server cannot be reached */
async function reach(url, init) {
  try {
    return await fetch(url, { ...init, cache: "no-store" });
  } catch {
    toast("Not sent: the server cannot be reached. Nothing was changed.", "unplug");
    return null;
  }
}

/**
 * A response may arrive after the live stream has sent its effect: then the page has newer parts already.
 * @param {{toast: string, icon?: string, seq?: number, html?: Record<string, string>, undo?: {action: string, word: string}}} outcome
 */
function showOutcome(outcome) {
  const old = (outcome.seq || 0) < lastSeq();
  for (const [id, html] of Object.entries(outcome.html || {})) {
    const el = !old && byId(id);
    if (el) (id.startsWith("row-") ? patchShape : patch)(el, html);
  }
  toast(outcome.toast, outcome.icon, outcome.undo);
}

/** An attribute of a form; its properties are hidden by fields named "action" and "id". @param {Element} form @param {string} name */
const own = (form, name) => form.getAttribute(name) || "";

const BUSY_AFTER = 400;

/** Shows that a button waits for its response, once that takes a moment. @param {HTMLButtonElement | null} button */
function atWork(button) {
  if (!button?.closest("dialog, .sel, .actions")) return null;
  const timer = setTimeout(() => {
    button.classList.add("busy");
    button.setAttribute("aria-busy", "true");
    say("Working");
  }, BUSY_AFTER);
  return {
    remove() {
      clearTimeout(timer);
      button.classList.remove("busy");
      button.removeAttribute("aria-busy");
    },
  };
}

/**
 * Follows an action on many jobs: one JSON object a line with its progress, the outcome last.
 * @param {Response} response @returns {Promise<any>}
 */
async function follow(response) {
  const count = make("p", "", "");
  const bar = document.createElement("progress");
  const title = make("h2", "", "");
  title.id = "dialog-title";
  const note = make("p", "sub", "It continues when you close this or leave the page.");
  const close = button("Close", () => dialog().close());
  close.classList.remove("s");
  count.setAttribute("role", "status");
  dialog().replaceChildren(make("header", "", title), make("div", "stack at-work", bar, count, note), make("footer", "", close));
  if (!dialog().open) dialog().showModal();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const part = await reader.read().catch(() => ({ done: true, value: undefined }));
    rest += decoder.decode(part.value, { stream: !part.done });
    const lines = rest.split("\n");
    rest = lines.pop() || "";
    for (const line of lines) {
      const step = JSON.parse(line);
      if (step.toast) return step;
      title.textContent = `${step.doing}…`;
      bar.max = step.of;
      bar.value = step.done + step.refused;
      bar.setAttribute("aria-label", step.doing);
      const refused = step.refused ? `, ${step.refused.toLocaleString("en")} refused` : "";
      count.textContent = `${step.done.toLocaleString("en")} of ${step.of.toLocaleString("en")} done${refused}`;
    }
    if (part.done) return { toast: "The connection was lost. The action continues on the server; the counts show what is done.", icon: "warn" };
  }
}

/** Shows refusals and their reasons in the dialog instead of a toast, which disappears by itself. @param {string} text */
function ended(text) {
  const [title, count, note] = dialog().querySelectorAll("h2, [role=status], .sub");
  title.textContent = title.textContent?.replace("…", ": ended") || "";
  count.textContent = text;
  note.remove();
}

/** @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
async function send(form, submitter) {
  const data = new FormData(form, submitter);
  const pressed = /** @type {HTMLButtonElement | null} */ (submitter);
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const busy = atWork(pressed);
  const response = await reach(pressed?.getAttribute("formaction") || own(form, "action"), {
    method: "POST",
    headers: { "HX-Request": "true" },
    body: new URLSearchParams(/** @type {any} */ (data)),
  });
  const type = response?.headers.get("Content-Type") || "";
  const steps = response && type.includes("ndjson") ? await follow(response) : null;
  delete form.dataset.busy;
  if (busy) busy.remove();
  if (!response) return;
  if (type.includes("json")) {
    const outcome = steps || (await response.json());
    if (steps?.icon === "warn" && dialog().open) ended(steps.toast);
    else {
      if (dialog().open && response.status < 500) dialog().close();
      showOutcome(outcome);
    }
    document.dispatchEvent(new CustomEvent("holdfast:done", { detail: { form, outcome, ok: response.ok } }));
    const gone = response.ok && /\/delete$/.test(own(form, "action")) && byId("job");
    if (gone) location.href = outcome.to;
    return;
  }
  const next = questionIn(await response.text());
  if (next) open(next);
  else location.reload();
}

/**
 * Opens the one menu of the page beside an element.
 * @param {HTMLElement} near @param {Iterable<Node>} nodes
 */
export function openMenu(near, nodes) {
  menu().replaceChildren(...nodes);
  place(near);
  /** @type {HTMLElement | null} */ (menu().querySelector("a, button:not([aria-disabled=true])"))?.focus();
}

/** @param {HTMLElement} near */
function place(near) {
  const box = near.getBoundingClientRect();
  const own = menu();
  own.showPopover();
  const size = own.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.right - size.width, innerWidth - size.width - 8));
  const top = box.bottom + size.height + 8 > innerHeight ? Math.max(8, box.top - size.height - 4) : box.bottom + 4;
  own.style.setProperty("left", `${left}px`);
  own.style.setProperty("top", `${top}px`);
}

/** Opens the confirmation of a link with `data-ask` in the dialog. @param {string} url */
export async function openConfirmation(url) {
  const found = await question(url);
  if (found) open(found);
}

/** @param {string} action @param {Record<string, string>} [fields] */
export function post(action, fields = {}) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = action;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = name;
    input.value = value;
    form.append(input);
  }
  send(form, null);
}

export function startForms() {
  document.addEventListener("click", async (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const disabled = target.closest("[aria-disabled=true]");
    if (disabled) return event.preventDefault();
    const close = target.closest("[data-close]");
    if (close && dialog().open) {
      event.preventDefault();
      return dialog().close();
    }
    const confirms = /** @type {HTMLAnchorElement | null} */ (target.closest("a[data-ask]"));
    if (confirms) {
      event.preventDefault();
      if (menu().matches(":popover-open")) menu().hidePopover();
      return openConfirmation(confirms.href);
    }
    const opens = /** @type {HTMLAnchorElement | null} */ (target.closest("a[data-menu]"));
    if (opens) {
      event.preventDefault();
      const found = await question(opens.href);
      if (!found) return;
      return openMenu(opens, found.childNodes);
    }
    const copies = /** @type {HTMLElement | null} */ (target.closest("[data-copy]"));
    if (copies) copy(document.querySelector(copies.dataset.copy || "")?.textContent || "");
  });

  document.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (own(form, "method") !== "post" || own(form, "id") === "new" || /\/looks$/.test(own(form, "action"))) return;
    event.preventDefault();
    if (menu().matches(":popover-open") && menu().contains(form)) menu().hidePopover();
    send(form, /** @type {SubmitEvent} */ (event).submitter);
  });

  // a click beside the dialog closes it, as Esc does
  dialog().addEventListener("click", (event) => event.target === dialog() && dialog().close());
  for (const button of document.querySelectorAll("[data-copy]")) /** @type {HTMLElement} */ (button).hidden = false;
  newJob();
}

/** The form of a new job: parts that change the form are redrawn in place; the first problem gets the focus. */
function newJob() {
  const form = byId("new");
  if (!form) return;
  byId("problems")?.focus();
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    const name = /** @type {HTMLButtonElement | null} */ (event.submitter)?.name;
    if (!name) form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => delete form.dataset.sent);
  form.addEventListener("change", (event) => {
    const select = /** @type {HTMLElement} */ (event.target);
    if (select.matches("select[data-repaint]")) /** @type {HTMLElement | null} */ (select.parentElement?.querySelector("[data-repaint-button]"))?.click();
  });
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // plain http: there is no clipboard for scripts, but the old command still copies a selection
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "vh";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied.");
}
