// This exists so that the page is changed in one place: two functions, and no other file knows what they are made of.

import { retell } from "./time.js";

/** @type {any} */
const htmx = /** @type {any} */ (window).htmx;
htmx.config.morphIgnore = ["data-htmx-powered", "open", "data-kept"];
htmx.config.history = false;
htmx.config.includeIndicatorCSS = false;

/** What was last put into an element, so that nothing is done when nothing changed. @type {WeakMap<Element, string>} */
const last = new WeakMap();

/**
 * Makes `el` look like `html`, keeping what the viewer has done to it: focus, selection, ticks, open details.
 * @param {Element} el @param {string} html @returns {boolean} whether anything was done
 */
export function patch(el, html) {
  if (last.get(el) === html) return false;
  last.set(el, html);
  htmx.swap({ target: el, text: html, swap: "outerMorph", sourceElement: el });
  retell(el);
  return true;
}

/**
 * Fetches a page of ours and lets the elements `selectors` of it take the place of those that are here.
 * @param {string} url @param {string[]} selectors @returns {Promise<boolean>}
 */
export async function load(url, selectors) {
  const answer = await fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (page.documentElement.dataset.seq) document.documentElement.dataset.seq = page.documentElement.dataset.seq;
  for (const selector of selectors) {
    const here = document.querySelector(selector);
    const there = page.querySelector(selector);
    if (here && there) {
      last.delete(here);
      patch(here, there.outerHTML);
    } else if (here) here.remove();
  }
  document.title = page.title;
  return true;
}
