// Only a convenience: the line of a fault is marked in the text.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-line]");
  const text = document.getElementById("text");
  if (!button || !text) return;
  const lines = text.value.split("\n");
  const number = Math.min(Number(button.dataset.line), lines.length) - 1;
  const start = lines.slice(0, number).reduce((sum, line) => sum + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + lines[number].length);
  text.scrollTop = Math.max(0, (number - 4) * parseFloat(getComputedStyle(text).lineHeight));
});
