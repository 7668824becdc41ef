// Everything works without this file. With it: counts of what is selected, and buttons that copy.
"use strict";

// What a script says stands in it in English; pages in another language carry the translations.
const translations = JSON.parse(document.getElementById("script-words")?.textContent ?? "{}");
function say(text, values = {}) {
  return (translations[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function watchSelection(form) {
  const boxes = () => [...form.querySelectorAll("tbody input[name=ref]:not(:disabled)")];
  const head = form.querySelector("thead .pick");
  if (!head) return;
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", say("Select everything on this page"));
  head.replaceChildren(all);
  const count = () => {
    const picked = boxes().filter((box) => box.checked).length;
    all.checked = picked > 0 && picked === boxes().length;
    all.indeterminate = picked > 0 && !all.checked;
  };
  all.addEventListener("change", () => { boxes().forEach((box) => { box.checked = all.checked; }); count(); });
  form.addEventListener("change", count);
  count();
}

// Copying needs a script, so the button is made by one.
function copyable(place) {
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button"; button.className = "quiet copy"; button.textContent = say("Copy");
  button.title = place.dataset.copy; button.setAttribute("aria-label", say("Copy “{text}”", { text: place.dataset.copy }));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(place.dataset.copy);
    button.textContent = say("Copied");
    setTimeout(() => { button.textContent = say("Copy"); }, 1500);
  });
  place.append(button);
}

document.querySelectorAll("[data-copy]").forEach(copyable);
document.querySelectorAll("form[data-select]").forEach(watchSelection);
