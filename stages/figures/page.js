// Charts, tabs and the enlarged image; then the galleries.
for (const place of document.querySelectorAll("[data-chart]")) {
  const chart = byId("chart-" + place.dataset.chart);
  if (!chart) place.textContent = "no data";
  else window.vegaEmbed(place, read(chart), { mode: "vega-lite", actions: false, renderer: "svg" }).catch(console.error);
}

// Tabs: the address names the open one, so that a link and the back button lead to it. Without a script all are shown.
const tabs = [...document.querySelectorAll("[role=tab]")];
function show(name, focus = false) {
  const chosen = tabs.find((tab) => tab.getAttribute("aria-controls") === name) ?? tabs[0];
  for (const tab of tabs) {
    const open = tab === chosen;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !open;
  }
  if (focus) chosen?.focus();
}
function select(tab, focus = false) {
  history.replaceState(null, "", "#" + tab.getAttribute("aria-controls"));
  show(tab.getAttribute("aria-controls"), focus);
}
for (const tab of tabs) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const place = tabs.indexOf(tab), last = tabs.length - 1;
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    select(tabs[(next + tabs.length) % tabs.length], true);
  });
}
function follow() {
  const target = byId(location.hash.slice(1)), panel = target?.closest("[role=tabpanel]");
  show(panel?.id);
  if (panel && target !== panel) target.scrollIntoView();
}
window.addEventListener("hashchange", follow);
if (tabs.length) follow();

// The enlarged image. From its own size on, it is enlarged by whole numbers, so that each pixel stays a square.
const LEVELS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48];
const dialog = byId("zoom"), stage = byId("stage"), big = stage.querySelector("canvas");
const zoomed = {
  item: null, gallery: null, loaded: null, layer: "", scale: 1, x: 0, y: 0, turned: 0,

  place() {
    this.x = Math.round(this.x);
    this.y = Math.round(this.y);
    big.style.imageRendering = this.scale < 1 ? "auto" : "pixelated";
    big.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    byId("zoom-scale").textContent = this.scale < 1 ? `${Math.round(100 * this.scale)}%` : `${this.scale}×`;
  },
  whole() {
    const scale = Math.min(stage.clientWidth / big.width, stage.clientHeight / big.height);
    return scale < 1 ? scale : LEVELS.findLast((level) => level <= scale);
  },
  fit() {
    this.scale = this.whole();
    this.x = (stage.clientWidth - big.width * this.scale) / 2;
    this.y = (stage.clientHeight - big.height * this.scale) / 2;
    this.place();
  },
  zoom(direction, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const levels = [...new Set([this.whole(), ...LEVELS])].filter((level) => level >= this.whole()).sort((a, b) => a - b);
    const next = direction > 0 ? levels.find((level) => level > this.scale) : levels.findLast((level) => level < this.scale);
    if (!direction || next === levels[0]) return this.fit();
    if (next === undefined) return;
    this.x = x - ((x - this.x) * next) / this.scale;
    this.y = y - ((y - this.y) * next) / this.scale;
    this.scale = next;
    this.place();
  },
  move(x, y) { this.x += x; this.y += y; this.place(); },
  choose(layer) {
    if (!this.gallery.layers.includes(layer)) return;
    this.layer = layer;
    for (const button of dialog.querySelectorAll("[name=layer]")) button.checked = button.value === layer;
    draw(big, layer, this.item, this.loaded, this.item.width);
  },
  async open(item, gallery, layer = this.layer) {
    const loaded = await load(item);
    Object.assign(this, { item, gallery, loaded });
    byId("zoom-title").textContent = `${item.name} · ${item.caption}`;
    const layers = dialog.querySelector(".layers");
    layers.replaceChildren();
    for (const each of gallery.layers) {
      const label = make(layers, "label");
      make(label, "input", { type: "radio", name: "layer", value: each });
      label.append(" " + each);
    }
    if (!dialog.open) dialog.showModal();
    stage.focus();  // not a layer's button, where the arrow keys would change the layer
    this.choose(layer);
    this.fit();
  },
  step(by) {
    const next = this.gallery.shown[this.gallery.shown.indexOf(this.item) + by];
    if (next) this.open(next, this.gallery);
  },
};
dialog.addEventListener("change", (event) => zoomed.choose(event.target.value));
dialog.addEventListener("click", (event) => {
  const { step, zoom } = event.target.dataset;
  if (step) zoomed.step(Number(step));
  if (zoom) zoomed.zoom(Number(zoom));
  if (event.target.id === "close" || event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  const far = 80, moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
  const keys = {
    ArrowLeft: () => zoomed.step(-1), ArrowRight: () => zoomed.step(1), "+": () => zoomed.zoom(1), "=": () => zoomed.zoom(1),
    "-": () => zoomed.zoom(-1), 0: () => zoomed.zoom(0),
  };
  const act = event.shiftKey && moves[event.key] ? () => zoomed.move(...moves[event.key])
    : keys[event.key] ?? (/^[1-9]$/.test(event.key) ? () => zoomed.choose(zoomed.gallery.layers[event.key - 1]) : null);
  if (!act || event.ctrlKey || event.metaKey || (event.target.type === "radio" && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomed.turned += event.deltaY;
  if (Math.abs(zoomed.turned) < 50) return;
  const box = stage.getBoundingClientRect();
  zoomed.zoom(-Math.sign(zoomed.turned), event.clientX - box.left, event.clientY - box.top);
  zoomed.turned = 0;
}, { passive: false });
stage.addEventListener("pointermove", (event) => { if (event.buttons === 1) zoomed.move(event.movementX, event.movementY); });

document.querySelectorAll(".cards").forEach(gallery);
document.documentElement.dataset.ready = "yes";
