// Shows the exact value of a bar of a chart on hover and touch.

import { clock } from "./time.js";

export function startCharts() {
  document.addEventListener("pointerover", (event) => {
    const target = /** @type {Element} */ (event.target);
    const bar = /** @type {SVGGElement | null} */ (target.closest?.("[data-chart] g[data-at]"));
    const box = bar?.closest(".body");
    for (const old of document.querySelectorAll(".read-out")) old.remove();
    if (!bar || !box) return;
    const note = document.createElement("span");
    note.className = "read-out";
    note.textContent = `${clock(Date.parse(bar.dataset.at || ""))} · ${bar.dataset.text}`;
    const here = bar.getBoundingClientRect();
    const outer = box.getBoundingClientRect();
    box.append(note);
    const half = note.getBoundingClientRect().width / 2;
    const x = Math.max(half + 4, Math.min(outer.width - half - 4, here.left + here.width / 2 - outer.left));
    note.style.setProperty("left", `${x}px`);
  });
}
