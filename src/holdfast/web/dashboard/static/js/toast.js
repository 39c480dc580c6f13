// This exists so that what has happened is told once, in words, where a screen reader hears it too.

/**
 * @param {string} text @param {string} [icon] @param {{action: string, word: string}} [undo]
 */
export function toast(text, icon = "check", undo) {
  const place = /** @type {HTMLElement} */ (document.getElementById("toasts"));
  const node = document.createElement("div");
  node.className = "toast";
  const sign = /** @type {SVGElement} */ (document.querySelector(".topbar svg.i")?.cloneNode(true));
  const use = sign?.querySelector("use");
  if (use) use.setAttribute("href", (use.getAttribute("href") || "").replace(/#.*/, `#${icon}`));
  const p = document.createElement("p");
  p.textContent = text;
  node.append(sign, p);
  if (undo) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = undo.action;
    const button = document.createElement("button");
    button.className = "btn s";
    button.textContent = undo.word;
    form.append(button);
    form.addEventListener("submit", () => setTimeout(() => node.remove()));
    node.append(form);
  }
  while (place.children.length > 2) place.firstElementChild?.remove();
  place.append(node);
  const button = document.createElement("button");
  button.className = "btn s";
  button.type = "button";
  button.textContent = "Close";
  button.addEventListener("click", () => node.remove());
  node.append(button);
  setTimeout(() => node.remove(), undo ? 10_000 : 6_000);
}

/** At most one summary in ten seconds goes to screen readers. */
let said = 0;
/** @param {string} text */
export function say(text) {
  const node = document.getElementById("say");
  if (!node || Date.now() - said < 10_000) return;
  said = Date.now();
  node.textContent = text;
}
