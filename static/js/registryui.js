// Everything works without this file. With it: counts of what is selected, and graphs that zoom.
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

// A graph is moved by its viewBox. Graphs of a pair move together, so that the eye can compare.
function zoomable(figures) {
  const graphs = figures.map((figure) => figure.querySelector("svg.graph")).filter(Boolean);
  if (!graphs.length) return;
  const whole = graphs[0].getAttribute("viewBox").split(/[ ,]+/).map(Number);
  let view = [...whole];
  const show = () => graphs.forEach((graph) => graph.setAttribute("viewBox", view.join(" ")));
  const zoom = (factor, x = 0.5, y = 0.5) => {
    const width = Math.min(whole[2] * 2, Math.max(whole[2] / 40, view[2] * factor));
    const height = width * (view[3] / view[2]);
    view = [view[0] + (view[2] - width) * x, view[1] + (view[3] - height) * y, width, height];
    show();
  };
  const move = (x, y) => { view[0] += x * view[2]; view[1] += y * view[3]; show(); };
  const reset = () => { view = [...whole]; show(); };
  figures.forEach((figure) => {
    const graph = figure.querySelector("svg.graph");
    if (!graph) return;
    const bar = document.createElement("div");
    bar.className = "zoom";
    for (const [text, title, act] of [["+", say("Closer"), () => zoom(0.75)], ["−", say("Farther"), () => zoom(1.33)], ["⤢", say("The whole graph"), reset]]) {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = text; button.title = title; button.setAttribute("aria-label", title);
      button.addEventListener("click", act);
      bar.append(button);
    }
    figure.append(bar);
    graph.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = graph.getBoundingClientRect();
      zoom(event.deltaY > 0 ? 1.15 : 0.87, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    let from = null;
    graph.addEventListener("pointerdown", (event) => { if (event.button === 0 && !event.target.closest("a")) from = [event.clientX, event.clientY]; });
    window.addEventListener("pointerup", () => { from = null; });
    graph.addEventListener("pointermove", (event) => {
      if (!from) return;
      const box = graph.getBoundingClientRect();
      move((from[0] - event.clientX) / box.width, (from[1] - event.clientY) / box.height);
      from = [event.clientX, event.clientY];
    });
    figure.addEventListener("keydown", (event) => {
      const acts = { "+": () => zoom(0.75), "-": () => zoom(1.33), "0": reset, ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1) };
      if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
    });
  });
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
const pair = [...document.querySelectorAll("[data-zoom=pair]")];
if (pair.length) zoomable(pair);
document.querySelectorAll("[data-zoom='']").forEach((figure) => zoomable([figure]));
