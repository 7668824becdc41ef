// Graphs. Without this file they scroll, and every node is a link. With it they are moved and zoomed by their viewBox,
// arrow keys follow the edges, and what is opened, picked or looked at changes the picture without leaving the page.
"use strict";

const SCALE = 1.2, READABLE = 0.8, CLOSEST = 4;

// No font has to have a sign for it.
function corners() {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  icon.setAttribute("viewBox", "0 0 16 16");
  icon.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4");
  icon.append(path);
  return icon;
}

class Graph {
  // `figures` show the same layout and move together, so that the eye can compare.
  constructor(figures) {
    this.figures = figures;
    this.svgs = figures.map((figure) => figure.querySelector("svg.graph"));
    this.whole = this.svgs[0].getAttribute("viewBox").split(/[ ,]+/).map(Number);
    this.pointers = new Map();
    this.figures.forEach((figure, number) => this.prepare(figure, this.svgs[number]));
    this.measure();
    if (this.fit < 0.5) {
      this.figures.forEach((figure, number) => this.overview(figure, this.svgs[number]));
      this.measure();
    }
    this.begin();
    this.show();
    new ResizeObserver(() => this.resize()).observe(figures[0]);
  }

  prepare(figure, svg) {
    figure.classList.add("live");
    const bar = document.createElement("div");
    bar.className = "zoom";
    const acts = [["+", say("Closer"), () => this.zoom(1.33)], ["−", say("Farther"), () => this.zoom(0.75)], ["⤢", say("The whole graph"), () => this.all()]];
    if (document.fullscreenEnabled) acts.push(["", say("Full screen"), () => this.fill(figure)]);
    acts.forEach(([text, words, act]) => {
      const button = document.createElement("button");
      button.type = "button"; button.title = words;
      button.append(text || corners());
      button.setAttribute("aria-label", words);
      button.addEventListener("click", act);
      bar.append(button);
    });
    figure.prepend(bar);
    svg.addEventListener("wheel", (event) => this.wheel(event, svg), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.drag(event, svg));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) svg.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    // What ends a drag is no click; what a key does is none of it.
    svg.addEventListener("click", (event) => {
      if (this.moved > 4 && event.detail) { event.preventDefault(); event.stopPropagation(); }
      this.moved = 0;
    }, true);
    svg.addEventListener("dragstart", (event) => event.preventDefault());
    figure.addEventListener("keydown", (event) => this.key(event, svg));
    svg.addEventListener("focusin", (event) => this.arrive(event.target.closest("a"), svg));
    this.rove(svg, svg.querySelector("a[aria-current]") || svg.querySelector("a"));
    document.addEventListener("fullscreenchange", () => this.resize());
  }

  // The size of the window onto the graph, in pixels.
  measure() {
    const figure = this.figures[0];
    const full = document.fullscreenElement !== null && this.figures.includes(document.fullscreenElement);
    const shown = full ? document.fullscreenElement : figure, style = getComputedStyle(shown), free = (one, other) => (parseFloat(style[one]) || 0) + (parseFloat(style[other]) || 0);
    // Buttons and map stand beside the picture, in what its frame keeps free.
    this.width = Math.max(120, shown.clientWidth - free("paddingLeft", "paddingRight"));
    const scale = Math.max(READABLE, Math.min(this.width / this.whole[2], SCALE));
    this.height = full ? shown.clientHeight - free("paddingTop", "paddingBottom") : Math.min(Math.max(this.whole[3] * scale, 130), Math.max(260, window.innerHeight * 0.68));
    this.svgs.forEach((svg) => { svg.setAttribute("width", "100%"); svg.setAttribute("height", Math.round(this.height)); });
    this.fit = Math.min(this.width / this.whole[2], this.height / this.whole[3], SCALE);
  }

  // In a window of another size the whole graph stays whole, and the middle of a part stays in the middle.
  resize() {
    const { width, height, scale } = this, whole = scale <= this.fit * 1.01;
    this.measure();
    if (width === this.width && height === this.height) return;
    if (whole) { this.all(); return; }
    this.x += (width - this.width) / scale / 2;
    this.y += (height - this.height) / scale / 2;
    this.zoom(1);
  }

  // At first the whole graph, if it can be read so; otherwise what is looked at, or where everything begins.
  begin() {
    this.all();
    if (this.fit >= READABLE) return;
    const marked = this.svgs[0].querySelector("a[aria-current]") || this.svgs[0].querySelector(".asked, .goes");
    const node = marked || this.root();
    const [x, y] = node ? this.middle(node, this.svgs[0]) : [0, this.whole[3] / 2];
    // What is narrower than its window stands in the middle of it, beside the map and not below.
    const within = (at, size, start, all) => size >= all ? start + (all - size) / 2 : Math.max(start, Math.min(at - size / 2, start + all - size));
    this.scale = 1;
    this.x = marked || this.width >= this.whole[2] ? within(x, this.width, this.whole[0], this.whole[2]) : this.whole[0];
    this.y = within(y, this.height, this.whole[1], this.whole[3]);
    this.beginAfter(x, y);
  }

  // Of a pair, something is to be seen of both: what goes, and the nearest of what is left.
  beginAfter(x, y) {
    if (!this.svgs[1]) return;
    const far = ([left, top]) => Math.hypot(left - x, top - y);
    const [near] = [...this.svgs[1].querySelectorAll("g[id]")].map((node) => this.middle(node, this.svgs[1])).sort((one, other) => far(one) - far(other));
    if (!near || this.sees(...near, 60, 30)) return;
    this.scale = Math.max(this.fit, Math.min(1, this.width / (Math.abs(near[0] - x) + 140), this.height / (Math.abs(near[1] - y) + 80)));
    this.x = (x + near[0] - this.width / this.scale) / 2;
    this.y = (y + near[1] - this.height / this.scale) / 2;
  }

  sees(x, y, beside, above) {
    const width = this.width / this.scale, height = this.height / this.scale;
    return x > this.x + beside && x < this.x + width - beside && y > this.y + above && y < this.y + height - above;
  }

  // What most is joined to, and of those the leftmost: where everything begins.
  root() {
    const joined = new Map(), left = (link) => this.middle(link, this.svgs[0])[0];
    this.svgs[0].querySelectorAll(".edge:not(.edge-tag, [class*='edge-w'])").forEach(({ dataset: { from } }) => joined.set(from, (joined.get(from) || 0) + 1));
    const most = Math.max(0, ...joined.values()), lead = most > 2 ? most : 0;
    const nodes = [...this.svgs[0].querySelectorAll("a")].filter((link) => (joined.get(this.name(link)) || 0) >= lead);
    return nodes.sort((one, other) => left(one) - left(other))[0];
  }

  all() {
    this.scale = this.fit;
    this.x = this.whole[0] + (this.whole[2] - this.width / this.scale) / 2;
    this.y = this.whole[1] + (this.whole[3] - this.height / this.scale) / 2;
    this.show();
  }

  show() {
    const width = this.width / this.scale, height = this.height / this.scale;
    // Something of the graph stays in sight.
    this.x = Math.min(Math.max(this.x, this.whole[0] - width * 0.8), this.whole[0] + this.whole[2] - width * 0.2);
    this.y = Math.min(Math.max(this.y, this.whole[1] - height * 0.8), this.whole[1] + this.whole[3] - height * 0.2);
    this.svgs.forEach((svg) => svg.setAttribute("viewBox", [this.x, this.y, width, height].join(" ")));
    for (const mark of this.marks || []) {
      for (const [name, value] of Object.entries({ x: this.x, y: this.y, width, height })) mark.setAttribute(name, value);
    }
  }

  zoom(factor, x = 0.5, y = 0.5) {
    const scale = Math.min(CLOSEST, Math.max(this.fit * 0.6, this.scale * factor));
    this.x += (this.width / this.scale - this.width / scale) * x;
    this.y += (this.height / this.scale - this.height / scale) * y;
    this.scale = scale;
    this.show();
  }

  fill(figure) {
    if (document.fullscreenElement) document.exitFullscreen(); else figure.requestFullscreen();
  }

  // ---- pointers: drag to move, two fingers or Ctrl and the wheel to zoom; full screen needs no Ctrl ----

  wheel(event, svg) {
    if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 400), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  down(event) {
    if (event.button !== 0) return;
    if (!this.pointers.size) this.moved = 0;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  drag(event, svg) {
    const from = this.pointers.get(event.pointerId);
    if (!from) return;
    const to = [event.clientX, event.clientY];
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.pointers.set(event.pointerId, to);
    this.moved += Math.abs(to[0] - from[0]) + Math.abs(to[1] - from[1]);
    if (others.length) {
      const apart = (at) => Math.hypot(at[0] - others[0][0], at[1] - others[0][1]) || 1;
      const box = svg.getBoundingClientRect();
      this.zoom(apart(to) / apart(from), (others[0][0] - box.left) / box.width, (others[0][1] - box.top) / box.height);
      return;
    }
    this.x += (from[0] - to[0]) / this.scale;
    this.y += (from[1] - to[1]) / this.scale;
    this.show();
  }

  // ---- keys: one node can be reached by Tab, from there the arrows follow the edges ----

  key(event, svg) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = { "+": () => this.zoom(1.33), "=": () => this.zoom(1.33), "-": () => this.zoom(0.75), "0": () => this.all() };
    const at = event.target.closest("a");
    if (at && svg.contains(at)) {
      for (const [key, x, y] of [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]]) {
        acts[key] = () => { const next = this.beside(at, svg, x, y); if (next) next.focus({ preventScroll: true }); };
      }
      acts.Home = () => this.root() && this.root().focus({ preventScroll: true });
    }
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  name(link) { return link.querySelector("g[id]").id; }

  middle(link, svg) {
    const box = link.getBoundingClientRect(), whole = svg.getBoundingClientRect();
    const view = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number), scale = Math.min(whole.width / view[2], whole.height / view[3]) || 1;
    return [view[0] + (box.left + box.width / 2 - whole.left) / scale, view[1] + (box.top + box.height / 2 - whole.top) / scale];
  }

  // To the left and right along an edge; up and down also to what stands in the same column.
  beside(link, svg, x, y) {
    const name = this.name(link), here = this.middle(link, svg);
    const joined = new Set();
    svg.querySelectorAll(".edge").forEach(({ dataset: { from, to } }) => {
      if (from === name) joined.add(to);
      if (to === name) joined.add(from);
    });
    let best = null, least = Infinity;
    svg.querySelectorAll("a").forEach((other) => {
      if (other === link) return;
      const there = this.middle(other, svg), dx = there[0] - here[0], dy = there[1] - here[1];
      if (x ? dx * x <= 2 || !joined.has(this.name(other)) : dy * y <= 2 || (Math.abs(dx) > 60 && !joined.has(this.name(other)))) return;
      const far = x ? Math.abs(dy) + Math.abs(dx) / 10 : Math.abs(dy) + Math.abs(dx) / 4;
      if (far < least) { least = far; best = other; }
    });
    return best;
  }

  rove(svg, link) {
    svg.querySelectorAll("a").forEach((one) => one.setAttribute("tabindex", one === link ? "0" : "-1"));
  }

  arrive(link, svg) {
    if (!link) return;
    this.rove(svg, link);
    const [x, y] = this.middle(link, svg), width = this.width / this.scale, height = this.height / this.scale;
    if (this.sees(x, y, 40, 20) || this.pointers.size) return;
    // Only so far that nothing beside the graph comes into sight for it.
    const within = (at, size, start, all) => size >= all ? start + (all - size) / 2 : Math.max(start, Math.min(at - size / 2, start + all - size));
    this.x = within(x, width, this.whole[0], this.whole[2]);
    this.y = within(y, height, this.whole[1], this.whole[3]);
    this.show();
  }

  // ---- a map of the whole, where it is much larger than its window ----

  overview(figure, svg) {
    const space = "http://www.w3.org/2000/svg", map = document.createElementNS(space, "svg"), group = document.createElementNS(space, "g");
    map.setAttribute("class", "map");
    map.setAttribute("viewBox", this.whole.join(" "));
    map.setAttribute("aria-hidden", "true");
    // Left of what is tall, and below what is wide.
    const shape = this.whole[2] / this.whole[3], tall = shape < 1;
    const width = tall ? Math.max(20, Math.min(44, 240 * shape)) : Math.min(240, this.width, 60 * shape);
    map.setAttribute("width", Math.round(width));
    map.setAttribute("height", Math.round(tall ? Math.min(240, this.height, width / shape) : Math.max(20, width / shape)));
    figure.classList.add(tall ? "map-left" : "map-below");
    const inner = svg.querySelector("g");
    group.setAttribute("transform", inner.getAttribute("transform") || "");
    inner.querySelectorAll("g[id]").forEach((node) => {
      const box = node.getBBox(), rect = document.createElementNS(space, "rect");
      for (const name of ["x", "y", "width", "height"]) rect.setAttribute(name, box[name]);
      rect.setAttribute("class", node.getAttribute("class"));
      group.append(rect);
    });
    const mark = document.createElementNS(space, "rect");
    mark.setAttribute("class", "window");
    map.append(group, mark);
    const go = (event) => {
      if (!event.buttons) return;
      const box = map.getBoundingClientRect(), scale = Math.min(box.width / this.whole[2], box.height / this.whole[3]);
      const left = box.left + (box.width - this.whole[2] * scale) / 2, top = box.top + (box.height - this.whole[3] * scale) / 2;
      this.x = this.whole[0] + (event.clientX - left) / scale - this.width / this.scale / 2;
      this.y = this.whole[1] + (event.clientY - top) / scale - this.height / this.scale / 2;
      this.show();
    };
    map.addEventListener("pointerdown", go);
    map.addEventListener("pointermove", go);
    figure.append(map);
    this.marks = [...(this.marks || []), mark];
  }

  // What a picture that takes the place of this one keeps.
  state() { return { figures: this.figures.length, whole: this.whole, x: this.x, y: this.y, scale: this.scale }; }

  restore(state) {
    if (!state || state.figures !== this.figures.length || Math.abs(state.whole[2] - this.whole[2]) > this.whole[2] / 2) return;
    this.scale = state.scale; this.x = state.x; this.y = state.y;
    this.show();
  }
}

function graphsIn(place) {
  const figures = [...place.querySelectorAll("figure[data-zoom]")].filter((figure) => figure.querySelector("svg.graph") && !figure.classList.contains("live"));
  const pair = figures.filter((figure) => figure.dataset.zoom === "pair");
  const made = figures.filter((figure) => !pair.includes(figure)).map((figure) => new Graph([figure]));
  if (pair.length) made.push(new Graph(pair));
  return made;
}

let graphs = graphsIn(document);
let shown = location.pathname + location.search;

// Links that only change what is shown are followed in place; the address changes with them.
function follow(address, focus) {
  const states = graphs.map((graph) => graph.state());
  const whole = new URL(address, location.href);
  return htmx.ajax("GET", whole.pathname + whole.search, { target: "#graph", swap: "outerHTML" }).then(() => {
    if (whole.href !== location.href) history.pushState(null, "", whole.href);
    shown = whole.pathname + whole.search;
    graphs = graphsIn(document);
    graphs.forEach((graph, number) => graph.restore(states[number]));
    const same = focus && document.querySelector(`#graph svg.graph [${focus[0]}="${CSS.escape(focus[1])}"]`);
    const link = (same && same.closest("a")) || document.querySelector("#graph svg.graph a[tabindex='0']");
    if (focus && link) link.focus({ preventScroll: true });
  });
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || !window.htmx) return;
  const link = event.target.closest("#graph a");
  const address = link && link.getAttribute("href");
  if (!address || !address.startsWith("?") || link.hasAttribute("download")) return;
  event.preventDefault();
  const node = link.querySelector("g[id]");
  const focus = !node ? null : node.dataset.tag ? ["data-tag", node.dataset.tag] : ["data-key", node.dataset.key];
  follow(address, focus);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("#graph form.looks");
  if (form && window.htmx) follow(`?${new URLSearchParams(new FormData(form))}`, null);
});

// Back and forth go to other pictures; a link within the page does not.
window.addEventListener("popstate", () => { if (document.getElementById("graph") && location.pathname + location.search !== shown) location.reload(); });
