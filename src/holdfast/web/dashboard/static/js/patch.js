// Changes the page; no other file does.

import { updateTimes } from "./time.js";

/** @type {any} */
const htmx = /** @type {any} */ (window).htmx;
htmx.config.morphIgnore = ["data-htmx-powered", "open", "data-kept"];
htmx.config.history = false;
htmx.config.includeIndicatorCSS = false;

/** What was last put into an element, so that an unchanged part costs nothing. @type {WeakMap<Element, string>} */
const last = new WeakMap();

/**
 * Makes `el` look like `html`, keeping what the viewer has done to it: focus, selection, ticks, open details.
 * @param {Element} el @param {string} html @returns {boolean} whether anything was done
 */
export function patch(el, html) {
  if (last.get(el) === html) return false;
  last.set(el, html);
  htmx.swap({ target: el, text: html, swap: "outerMorph", sourceElement: el });
  updateTimes(el);
  return true;
}

const parser = document.createElement("template");

/**
 * The same for parts that are drawn by one macro and so keep their shape, as the rows of a table: places are compared one by
 * one and only what differs is touched. Several times as quick as `patch`, which matters at a thousand changes a second.
 * @param {Element} el @param {string} html @returns {boolean}
 */
export function patchShape(el, html) {
  if (last.get(el) === html) return false;
  last.set(el, html);
  parser.innerHTML = html;
  const fresh = parser.content.firstElementChild;
  if (fresh) align(el, fresh);
  return true;
}

/** @param {Node} old @param {Node} fresh */
function align(old, fresh) {
  if (old.nodeName !== fresh.nodeName || old.nodeType !== fresh.nodeType) {
    old.parentNode?.replaceChild(fresh, old);
    if (fresh instanceof Element) updateTimes(fresh.nodeName === "TIME" ? /** @type {Element} */ (fresh.parentNode) : fresh);
    return;
  }
  if (!(old instanceof Element) || !(fresh instanceof Element)) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const time = old.nodeName === "TIME";
  // an unchanged time is in the viewer's zone already and continues counting by itself
  if (time && old.getAttribute("datetime") === fresh.getAttribute("datetime") && old.getAttribute("data-f") === fresh.getAttribute("data-f")) return;
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const [mine, theirs] = [old.childNodes, [...fresh.childNodes]];
  theirs.forEach((node, at) => (at < mine.length ? align(mine[at], node) : old.appendChild(node)));
  while (mine.length > theirs.length) old.lastChild?.remove();
  if (time && old.parentNode) updateTimes(/** @type {Element} */ (old.parentNode));
}

/** @param {string} url @returns {Promise<Document>} one of our pages */
export async function fetchPage(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" }, cache: "no-store" });
  return new DOMParser().parseFromString(response.ok ? await response.text() : "", "text/html");
}

/**
 * Replaces the elements `selectors` by those of another of our pages.
 * @param {string} url @param {string[]} selectors @returns {Promise<string | undefined>} the event up to which they are true
 */
export async function load(url, selectors) {
  const page = await fetchPage(url);
  if (!page.title) return;
  for (const selector of selectors) {
    const here = document.querySelector(selector);
    const there = page.querySelector(selector);
    if (here && there) {
      last.delete(here);
      patch(here, there.outerHTML);
    } else if (here) here.remove();
  }
  document.title = page.title;
  return page.documentElement.dataset.seq;
}
