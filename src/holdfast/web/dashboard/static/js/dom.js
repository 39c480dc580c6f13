// Makes the elements that only scripts add, and announces outcomes.

/** An icon of our sprite. @param {string} name @returns {Element} */
export function icon(name) {
  const sign = /** @type {SVGElement} */ (document.querySelector(".topbar svg.i")).cloneNode(true);
  const use = /** @type {SVGElement} */ (sign).querySelector("use");
  use?.setAttribute("href", (use.getAttribute("href") || "").replace(/#.*/, `#${name}`));
  return /** @type {SVGElement} */ (sign);
}

/** @param {string} tag @param {string} css @param {...(Node | string)} inside @returns {HTMLElement} */
export function make(tag, css, ...inside) {
  const node = document.createElement(tag);
  if (css) node.className = css;
  node.append(...inside);
  return node;
}

/** A small button that runs a function. @param {string} word @param {() => void} act */
export function button(word, act) {
  const node = /** @type {HTMLButtonElement} */ (make("button", "btn s", word));
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** An element by its id, null when the page has none. @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** The one element inside that a selector finds. @param {ParentNode} within @param {string} selector @returns {any} */
export const find = (within, selector) => within.querySelector(selector);

/**
 * @param {string} text @param {string} [sign] @param {{action: string, word: string}} [undo]
 */
export function toast(text, sign = "check", undo) {
  const place = byId("toasts");
  const node = make("div", "toast", icon(sign), make("p", "", text));
  if (undo) {
    const form = /** @type {HTMLFormElement} */ (make("form", "", make("button", "btn s", undo.word)));
    form.method = "post";
    form.action = undo.action;
    form.addEventListener("submit", () => setTimeout(() => node.remove()));
    node.append(form);
  }
  node.append(button("Close", () => node.remove()));
  while (place.children.length > 2) place.firstElementChild?.remove();
  place.append(node);
  setTimeout(() => node.remove(), undo ? 10_000 : 6_000);
}

/** At most one summary in ten seconds goes to screen readers. */
let said = 0;
/** @param {string} text */
export function say(text) {
  const node = byId("say");
  if (!node || Date.now() - said < 10_000) return;
  said = Date.now();
  node.textContent = text;
}
