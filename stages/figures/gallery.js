// Images with masks: decoded and drawn only while they are on the screen, and enlarged one at a time.
const FALSE_NEGATIVE = [240, 100, 0], FALSE_POSITIVE = [30, 140, 255], TRUE_POSITIVE = [255, 255, 255];
const INSIDE = 105, EDGE = 255, WRONG = 160, RIGHT = 60;  // opacity of marks, of 255
const MOST_SIDE = 16384, DRAWN = 1400, SMALL = 300;  // browsers leave a larger canvas empty; width of one among others
const byId = (id) => document.getElementById(id);
const read = (element) => JSON.parse(element.textContent);
const make = (parent, kind, settings = {}) => Object.assign(parent.appendChild(document.createElement(kind)), settings);
const colours = read(byId("colours"));
const classes = Object.keys(colours);

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
  const whole = read(item.element), photo = new Image();
  photo.src = "data:image/jpeg;base64," + whole.jpeg;
  await photo.decode();
  const maps = Object.entries(whole.masks).map(([name, masks]) => [name, labelMap(masks, item.height, item.width)]);
  return { photo, maps: Object.fromEntries(maps) };
}

// Of a layer "truth" the classes, with an opaque edge; of "errors" those of the prediction; of "errors of A" those of A.
function overlay(layer, { maps }, height, width) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const paint = (at, [red, green, blue], alpha) => pixels.data.set([red, green, blue, alpha], 4 * at);
  if (layer.startsWith("errors")) {
    const { truth } = maps, found = maps[layer.replace(/^errors( of )?/, "") || "prediction"];
    for (let at = 0; at < height * width; at++)
      if (truth[at] && truth[at] === found[at]) paint(at, TRUE_POSITIVE, RIGHT);
      else if (truth[at] || found[at]) paint(at, found[at] ? FALSE_POSITIVE : FALSE_NEGATIVE, WRONG);
  } else {
    const labels = maps[layer];
    for (let at = 0, row = 0; row < height; row++)
      for (let column = 0; column < width; column++, at++) {
        const label = labels[at];
        if (!label) continue;
        const inside = row && column && row < height - 1 && column < width - 1 && labels[at - 1] === label &&
          labels[at + 1] === label && labels[at - width] === label && labels[at + width] === label;
        paint(at, colours[classes[label - 1]], inside ? INSIDE : EDGE);
      }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// At full size a photograph that is stored smaller shows its pixels: blur would look like detail.
function draw(canvas, layer, item, loaded, width) {
  const scale = Math.min(width / item.width, MOST_SIDE / item.height, MOST_SIDE / item.width);
  canvas.width = Math.max(1, Math.round(item.width * scale));
  canvas.height = Math.max(1, Math.round(item.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.imageSmoothingEnabled = canvas.width < item.width;
  context.drawImage(loaded.photo, 0, 0, canvas.width, canvas.height);
  if (layer !== "photo")
    context.drawImage(overlay(layer, loaded, item.height, item.width), 0, 0, canvas.width, canvas.height);
}

const seen = new IntersectionObserver(async (entries) => {
  for (const { target, isIntersecting } of entries) {
    const canvases = target.querySelectorAll("canvas");
    target.visible = isIntersecting;
    if (!isIntersecting) canvases.forEach((canvas) => { canvas.width = canvas.height = 0; });
    else {
      const loaded = await load(target.item);
      if (target.visible)
        canvases.forEach((canvas) =>
          draw(canvas, canvas.dataset.layer, target.item, loaded, Math.min(DRAWN, target.item.width)));
    }
  }
}, { rootMargin: "400px" });

// In columns. The last of a strip's layers, if it would be alone in its row, fills it.
function card(item, gallery) {
  const place = document.createElement("article"), strip = item.width > 2 * item.height;
  place.className = "card";
  place.style.setProperty("--columns", strip ? gallery.wide : gallery.cards);
  const alone = (number) => number === gallery.cards - 1 && number % gallery.wide === 0;
  const title = make(place, "h4", { textContent: item.name + " " });
  make(title, "span", { textContent: item.caption });
  const panels = make(place, "div", { className: "panels" });
  gallery.layers.forEach((layer, number) => {
    if (number >= gallery.cards) return;
    const figure = make(panels, "figure", { className: strip && alone(number) ? "whole" : "" });
    make(figure, "figcaption", { textContent: layer });
    const canvas = make(figure, "canvas", { tabIndex: 0, width: 0, height: 0, role: "button" });
    canvas.style.aspectRatio = `${item.width} / ${item.height}`;
    canvas.style.imageRendering = item.width < SMALL ? "pixelated" : "auto";
    canvas.dataset.layer = layer;
    canvas.setAttribute("aria-label", `${item.name}, ${layer}: enlarge`);
    canvas.addEventListener("click", () => zoomed.open(item, gallery, layer));
    canvas.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      zoomed.open(item, gallery, layer);
    });
  });
  item.card = place;
  place.item = item;
  seen.observe(place);
}

// Keep what sorting and filtering need of each image; the rest stays in its script element until it is drawn.
function gallery(cards) {
  const { gallery: id, layers, wide } = cards.dataset, controls = document.querySelector(`[data-for="${id}"]`);
  const found = { layers: JSON.parse(layers), wide: Number(wide), shown: [] };
  found.cards = found.layers.filter((layer) => !layer.startsWith("errors of ")).length;
  const items = [...document.querySelectorAll(`script.item[data-gallery="${id}"]`)].map((element) => {
    const { jpeg, masks, ...item } = read(element);
    return { element, ...item };
  });
  function arrange() {
    const wanted = new FormData(controls), name = wanted.get("class");
    const [key, direction] = wanted.get("sort").split("-"), sign = direction === "up" ? 1 : -1;
    const switches = [...controls.querySelectorAll("[type=checkbox]:checked")].map((box) => box.name);
    found.shown = items.filter((item) =>
      (!name || (name === "-" ? item.clean : Object.hasOwn(item.classes, name))) && switches.every((each) => item.keys[each]));
    const of = (item) => (key === "score" && Object.hasOwn(item.classes, name) ? item.classes[name] : item.keys[key] ?? item.name);
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    found.shown.sort((a, b) => sign * compare(of(a), of(b)) || compare(a.name, b.name));
    cards.replaceChildren(...found.shown.map((item) => item.card));
    controls.querySelector(".count").textContent =
      `${found.shown.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} images`;
  }
  items.forEach((item) => card(item, found));
  controls.addEventListener("change", arrange);
  controls.addEventListener("submit", (event) => event.preventDefault());
  arrange();
}
