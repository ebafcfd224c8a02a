"use strict";
// Without this script the page shows everything; it only narrows what is shown.
for (const key of document.querySelectorAll("button.key")) {
  key.addEventListener("click", () => {
    const on = key.getAttribute("aria-pressed") === "false";
    key.setAttribute("aria-pressed", String(on));
    key.closest("section").classList.toggle("off-" + key.dataset.curve, !on);
  });
}
for (const filters of document.querySelectorAll(".filters")) {
  const section = filters.closest("section");
  const search = filters.querySelector("input");
  const buttons = [...filters.querySelectorAll("button")];
  const count = filters.querySelector("output");
  const samples = [...section.querySelectorAll(".sample")];
  const texts = samples.map((sample) => sample.textContent.toLowerCase());
  const narrow = () => {
    const wanted = search.value.toLowerCase();
    const off = new Set(buttons.filter((b) => b.getAttribute("aria-pressed") === "false").map((b) => b.value));
    let shown = 0;
    samples.forEach((sample, place) => {
      const fits = !off.has(sample.dataset.outcome) && texts[place].includes(wanted);
      sample.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown + " of " + samples.length;
  };
  search.addEventListener("input", narrow);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") === "false"));
      narrow();
    });
  }
  narrow();
}
// On paper nothing can be opened; samples stay as short as they are on the screen.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not(.sample)")) each.open = true;
});
