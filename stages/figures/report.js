// Charts first. Then the gallery, which decodes an image and its masks only while they are on the screen.
const LAYERS = ["image", "truth", "prediction", "errors"];
const FALSE_NEGATIVE = [240, 100, 0], FALSE_POSITIVE = [30, 140, 255], TRUE_POSITIVE = [255, 255, 255];
const byId = (id) => document.getElementById(id);
const read = (element) => JSON.parse(element.textContent);
const colours = read(byId("colours"));
const classes = Object.keys(colours);

for (const place of document.querySelectorAll("[data-chart]")) {
  const chart = byId("chart-" + place.dataset.chart);
  if (!chart) place.textContent = "no data";
  else window.vegaEmbed(place, read(chart), { mode: "vega-lite", actions: false, renderer: "svg" }).catch(console.error);
}

// For each image, keep what sorting and filtering need; the rest stays in its script element until it is drawn.
const items = [...document.querySelectorAll("script.item")].map((element) => {
  const { name, dice, score, false_negatives, false_positives, height, width, true: truth } = read(element);
  return { element, name, dice, score, false_negatives, false_positives, height, width, defects: Object.keys(truth) };
});

// Label map from run lengths: pixels are numbered from 1, top to bottom, then left to right.
function labelMap(masks, height, width) {
  const labels = new Uint8Array(height * width);
  for (const [name, text] of Object.entries(masks)) {
    const numbers = text.split(" ").map(Number), label = classes.indexOf(name) + 1;
    for (let i = 0; i < numbers.length; i += 2)
      for (let pixel = numbers[i] - 1; pixel < numbers[i] - 1 + numbers[i + 1]; pixel++)
        labels[(pixel % height) * width + Math.floor(pixel / height)] = label;
  }
  return labels;
}

async function load(item) {
  const whole = read(item.element);
  const picture = new Image();
  picture.src = "data:image/jpeg;base64," + whole.jpeg;
  await picture.decode();
  return {
    picture,
    truth: labelMap(whole.true, item.height, item.width),
    prediction: labelMap(whole.predicted, item.height, item.width),
  };
}

function overlay(layer, { truth, prediction }, height, width) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const paint = (at, [red, green, blue], alpha) => pixels.data.set([red, green, blue, alpha], 4 * at);
  for (let at = 0; at < height * width; at++) {
    const expected = truth[at], predicted = prediction[at];
    if (layer === "truth" && expected) paint(at, colours[classes[expected - 1]], 150);
    if (layer === "prediction" && predicted) paint(at, colours[classes[predicted - 1]], 150);
    if (layer === "errors" && (expected || predicted))
      if (expected === predicted) paint(at, TRUE_POSITIVE, 60);
      else paint(at, predicted ? FALSE_POSITIVE : FALSE_NEGATIVE, 160);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function draw(canvas, layer, item, loaded, width) {
  const scale = Math.min(width / item.width, 16384 / item.height);  // browsers leave a larger canvas empty
  canvas.width = Math.max(1, Math.round(item.width * scale));
  canvas.height = Math.max(1, Math.round(item.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(loaded.picture, 0, 0, canvas.width, canvas.height);
  if (layer !== "image")
    context.drawImage(overlay(layer, loaded, item.height, item.width), 0, 0, canvas.width, canvas.height);
}

const scores = (item) =>
  Object.entries(item.dice).map(([name, dice]) => `${name} ${dice.toFixed(3)}`).join(", ") || "no defect, none predicted";

function card(item) {
  const place = document.createElement("article");
  place.className = "card";
  place.style.setProperty("--columns", item.width > 2 * item.height ? 2 : 4);
  const title = place.appendChild(document.createElement("h4"));
  title.textContent = item.name + " ";
  title.appendChild(document.createElement("span")).textContent =
    `Dice ${item.score.toFixed(3)} (${scores(item)}); false negatives ${item.false_negatives.toLocaleString("en")} px, ` +
    `false positives ${item.false_positives.toLocaleString("en")} px`;
  const panels = place.appendChild(document.createElement("div"));
  panels.className = "panels";
  for (const layer of LAYERS) {
    const figure = panels.appendChild(document.createElement("figure"));
    const canvas = figure.appendChild(document.createElement("canvas"));
    canvas.style.aspectRatio = `${item.width} / ${item.height}`;
    canvas.width = canvas.height = 0;
    canvas.dataset.layer = layer;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "button");
    canvas.setAttribute("aria-label", `${item.name}, ${layer}: enlarge`);
    canvas.addEventListener("click", () => open(item, layer));
    canvas.addEventListener("keydown", (event) => { if (event.key === "Enter") open(item, layer); });
    figure.appendChild(document.createElement("figcaption")).textContent = layer;
  }
  item.card = place;
  place.item = item;
  return place;
}

const seen = new IntersectionObserver(async (entries) => {
  for (const { target, isIntersecting } of entries) {
    const canvases = target.querySelectorAll("canvas");
    target.visible = isIntersecting;
    if (!isIntersecting) canvases.forEach((canvas) => { canvas.width = canvas.height = 0; });
    else {
      const loaded = await load(target.item);
      if (target.visible) canvases.forEach((canvas) => draw(canvas, canvas.dataset.layer, target.item, loaded, 800));
    }
  }
}, { rootMargin: "400px" });

const controls = byId("controls");
let shown = [];
function arrange() {
  const wanted = new FormData(controls), name = wanted.get("class");
  const [key, direction] = wanted.get("sort").split("-");
  shown = items.filter((item) =>
    (!name || (name === "-" ? !item.defects.length : Object.hasOwn(item.dice, name))) &&
    (!wanted.get("false_negatives") || item.false_negatives) && (!wanted.get("false_positives") || item.false_positives));
  const of = (item) => (key === "score" && Object.hasOwn(item.dice, name) ? item.dice[name] : item[key]);
  const sign = direction === "up" ? 1 : -1;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  shown.sort((a, b) => sign * compare(of(a), of(b)) || compare(a.name, b.name));
  byId("cards").replaceChildren(...shown.map((item) => item.card));
  byId("count").textContent = `${shown.length} of ${items.length} images`;
}
items.forEach((item) => seen.observe(card(item)));
controls.addEventListener("change", arrange);
controls.addEventListener("submit", (event) => event.preventDefault());
arrange();

// The enlarged image: wheel and buttons zoom, dragging moves, arrow keys show the previous and the next image.
const dialog = byId("zoom"), stage = byId("stage"), big = stage.querySelector("canvas");
const view = { item: null, loaded: null, layer: "errors", scale: 1, x: 0, y: 0 };
function place() { big.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`; }
function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  if (!factor) {
    view.scale = Math.min(stage.clientWidth / big.width, stage.clientHeight / big.height);
    view.x = (stage.clientWidth - big.width * view.scale) / 2;
    view.y = (stage.clientHeight - big.height * view.scale) / 2;
  } else {
    const scale = Math.min(40, Math.max(0.05, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
  }
  place();
}
async function open(item, layer = view.layer) {
  const loaded = await load(item);
  Object.assign(view, { item, layer, loaded });
  byId("zoom-title").textContent = `${item.name} · Dice ${item.score.toFixed(3)}`;
  dialog.querySelector(`[value=${layer}]`).checked = true;
  if (!dialog.open) dialog.showModal();
  stage.focus();  // not a layer's button, where the arrow keys would change the layer
  draw(big, layer, item, loaded, item.width);
  zoom(0);
}
function step(by) {
  const next = shown[shown.indexOf(view.item) + by];
  if (next) open(next);
}
dialog.addEventListener("change", (event) => {
  view.layer = event.target.value;
  draw(big, view.layer, view.item, view.loaded, view.item.width);
});
dialog.addEventListener("click", (event) => {
  const { step: by, zoom: factor } = event.target.dataset;
  if (by) step(Number(by));
  if (factor) zoom(Number(factor));
  if (event.target.id === "close" || event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  const keys = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => zoom(2), "-": () => zoom(0.5), 0: () => zoom(0) };
  if (keys[event.key] && !(event.target.type === "radio" && event.key.startsWith("Arrow"))) { event.preventDefault(); keys[event.key](); }
});
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  zoom(2 ** (-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
stage.addEventListener("pointermove", (event) => {
  if (event.buttons !== 1) return;
  view.x += event.movementX;
  view.y += event.movementY;
  place();
});
document.documentElement.dataset.ready = "yes";
