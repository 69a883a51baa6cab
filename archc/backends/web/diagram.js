// The diagram of one network: boxes that fold, in a view that scrolls and zooms.

const HEAT = ["#ffffff", "#f08a5d"]; // no cost, the most

class Diagram {
  // `page` hears select(items) when the user picks a box.
  constructor(network, page) {
    this.network = network;
    this.page = page;
    this.scale = 1;
    this.colour = "kind";
    this.marked = new Set();
    this.layer = draw("g");
    this.svg = draw(
      "svg",
      { class: "diagram", role: "tree", "aria-label": `diagram of ${network.name}` },
      draw("defs", {}, draw("marker", { id: `arrow${network.index}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, draw("path", { d: "M0,0.6L8,4L0,7.4z", class: "tip" }))),
      this.layer,
    );
    this.view = make("div", { class: "view" }, this.svg);
    this.items = new Map();
    for (const item of network.items()) this.items.set(item.key, item);
    this.listen();
  }

  listen() {
    const hit = (event) => {
      const group = event.target.closest("[data-key]");
      return group && this.items.get(group.dataset.key);
    };
    this.svg.addEventListener("click", (event) => {
      const item = hit(event);
      if (this.dragged) return;
      if (event.target.closest(".each")) this.showEach(item);
      else if (event.target.closest(".handle")) this.toggle(item);
      else this.page.select(item && item.parent ? [item] : []);
    });
    this.svg.addEventListener("dblclick", (event) => {
      const item = hit(event);
      if (item && !event.target.closest(".handle, .each")) this.toggle(item);
    });
    this.svg.addEventListener("keydown", (event) => {
      const item = hit(event);
      if (!item || !["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      if (event.key === " " || !item.folds) this.page.select([item]);
      else this.toggle(item);
      this.group(item)?.focus();
    });
    this.svg.addEventListener("pointermove", (event) => this.page.tip(hit(event), event));
    this.svg.addEventListener("pointerleave", () => this.page.tip(null));
    this.view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), event);
    }, { passive: false });
    this.view.addEventListener("pointerdown", (event) => this.drag(event));
  }

  drag(start) {
    this.dragged = false;
    if (start.button !== 0) return;
    const { scrollLeft, scrollTop } = this.view;
    const move = (event) => {
      const [dx, dy] = [event.clientX - start.clientX, event.clientY - start.clientY];
      if (Math.hypot(dx, dy) > 4) this.dragged = true;
      if (this.dragged) this.view.scrollTo(scrollLeft - dx, scrollTop - dy);
    };
    const end = () => removeEventListener("pointermove", move);
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
    addEventListener("pointercancel", end, { once: true });
  }

  group(item) {
    return this.layer.querySelector(`[data-key="${item.key}"]`);
  }

  // Folds or unfolds a box, which stays where it is on the screen.
  toggle(item, open = !item.open) {
    if (!item.folds || !item.parent || item.open === open) return;
    item.open = open;
    // a box that holds one box only says nothing: go on to what that holds
    if (open && item.inside.length === 1 && item.inside[0].folds) item.inside[0].open = true;
    this.changed(item);
  }

  showEach(item) {
    item.each = !item.each;
    this.changed(item);
  }

  changed(item) {
    const before = this.group(item)?.getBoundingClientRect();
    for (const at of item.above()) at.layout = null;
    this.redraw();
    const after = this.group(item)?.getBoundingClientRect();
    if (before && after) this.view.scrollBy(after.left - before.left, after.top - before.top);
  }

  toggleAll(open) {
    for (const item of this.items.values()) {
      if (item.folds && item.parent) item.open = open;
      item.layout = null;
    }
    this.redraw();
  }

  // Unfolds what hides an item and scrolls to it.
  reveal(item, unfold = true) {
    if (unfold) {
      let hidden = false;
      for (const at of item.above()) {
        const around = at.parent;
        if (!around) break;
        if (!around.open) [around.open, hidden] = [true, true];
        if (!around.inside.includes(at)) [around.each, hidden] = [true, true];
      }
      if (hidden) {
        for (const at of item.above()) at.layout = null;
        this.redraw();
      }
    }
    const box = this.group(this.network.visible(item))?.getBoundingClientRect();
    const view = this.view.getBoundingClientRect();
    if (!box) return;
    const outside = box.top < view.top || box.bottom > view.bottom || box.left < view.left || box.right > view.right;
    if (outside) this.view.scrollBy(box.left + box.width / 2 - view.left - view.width / 2, box.top + Math.min(box.height, view.height) / 2 - view.top - view.height / 2);
  }

  mark(items) {
    this.marked = new Set(items.map((item) => this.network.visible(item)));
    for (const group of this.layer.querySelectorAll(".marked")) group.classList.remove("marked");
    for (const item of this.marked) this.group(item)?.classList.add("marked");
  }

  zoom(factor, event) {
    const view = this.view.getBoundingClientRect();
    const x = (event ? event.clientX : view.left + view.width / 2) - view.left;
    const y = (event ? event.clientY : view.top + view.height / 2) - view.top;
    const before = this.scale;
    this.scale = Math.min(3, Math.max(0.08, this.scale * factor));
    const grown = this.scale / before;
    const [left, top] = [(this.view.scrollLeft + x) * grown - x, (this.view.scrollTop + y) * grown - y];
    this.resize();
    this.view.scrollTo(left, top);
  }

  // The whole width, and the whole height where it stays legible.
  fit() {
    const room = this.view.getBoundingClientRect();
    const { width, height } = layOut(this.network, this.network.root);
    const across = (room.width - 24) / (width + 48);
    this.scale = Math.min(1.1, across, Math.max(0.7, (room.height - 24) / (height + 48)));
    this.scale = Math.max(0.25, this.scale);
    this.resize();
    this.view.scrollTo(0, 0);
  }

  resize() {
    const { width, height } = layOut(this.network, this.network.root);
    const [w, h] = [width + 48, height + 48];
    this.svg.setAttribute("viewBox", `-24 -24 ${w} ${h}`);
    this.svg.setAttribute("width", w * this.scale);
    this.svg.setAttribute("height", h * this.scale);
  }

  redraw() {
    const layout = layOut(this.network, this.network.root);
    this.most = Math.max(1, ...[...this.leaves(this.network.root)].map((item) => this.heat(item)));
    this.layer.replaceChildren(this.inside(layout, 0, 0));
    for (const item of this.marked) this.group(this.network.visible(item))?.classList.add("marked");
    this.page.legend.replaceChildren(...this.legend());
    this.resize();
  }

  // What the colours of the boxes shown mean.
  legend() {
    if (this.colour === "kind") return kindSwatches([...this.leaves(this.network.root)].map((item) => kindOf(this.network, item)));
    return [0, 0.25, 0.5, 0.75, 1].map((share) => {
      const made = swatch("section", short(Math.round(this.most * share ** 2)));
      made.querySelector("rect").style.fill = blend(share);
      return made;
    });
  }

  *leaves(item) {
    for (const child of item.inside) {
      if (child.open) yield* this.leaves(child);
      else yield child;
    }
  }

  inside(layout, x, y) {
    const group = draw("g", { transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` });
    const boxes = [...layout.boxes];
    for (const [item, box] of boxes) if (item.open) group.append(this.container(item, box));
    for (const edge of layout.edges) group.append(this.edge(edge));
    for (const edge of layout.edges) {
      if (edge.label) group.append(draw("text", { class: "shape-text", x: edge.label.x.toFixed(1), y: (edge.label.y + 4).toFixed(1) }, clip(edge.label.text)));
    }
    for (const [item, box] of boxes) if (!item.open) group.append(this.box(item, box));
    return group;
  }

  container(item, box) {
    const { name, what, each } = titleText(this.network, item);
    const at = textWidth(name, SIZE.title, true) + 36;
    return draw(
      "g",
      { class: "container", "data-key": item.key, transform: place(box), tabindex: 0, role: "treeitem", "aria-expanded": "true", "aria-label": name },
      draw("rect", { class: "frame", width: box.width, height: box.height, rx: 8 }),
      this.inside(item.layout, 0, 0),
      handle("−", 8, 5),
      draw("text", { class: "ink bold title halo", x: 26, y: 16 }, name),
      draw("text", { class: "faint halo", x: at, y: 16 }, what),
      each ? draw("text", { class: "each halo", x: box.width - 10, y: 16, "text-anchor": "end" }, item.each ? "show one" : "show each") : null,
    );
  }

  box(item, box) {
    const node = item.kind === "node" ? this.network.nodes[item.of] : null;
    const symbol = node && SYMBOLS[node.op];
    const only = item.nodes.every((inner) => inner.trainOnly);
    const shape = symbol
      ? draw("circle", { class: "shape", cx: box.width / 2, cy: box.height / 2, r: box.width / 2 })
      : draw("rect", { class: "shape", width: box.width, height: box.height, rx: node ? 6 : 9 });
    if (this.colour !== "kind") shape.style.fill = blend(Math.sqrt(this.heat(item) / this.most));
    const middle = box.width / 2 + (item.folds ? 9 : 0);
    const start = (box.height - item.lines.length * SIZE.line) / 2 + SIZE.line * 0.75;
    return draw(
      "g",
      {
        class: `box k-${kindOf(this.network, item)}${only ? " train-only" : ""}${node && node.kind === "regularize" ? " dashed" : ""}`,
        "data-key": item.key, transform: place(box), tabindex: 0, role: "treeitem",
        "aria-expanded": item.folds ? "false" : null, "aria-label": item.folds ? named(this.network, item).name : item.lines[0][0],
      },
      item.kind === "run" ? draw("rect", { class: "shape behind", x: 4, y: 4, width: box.width, height: box.height, rx: 9 }) : null,
      shape,
      item.folds ? handle("+", 6, box.height / 2 - 7) : null,
      ...item.lines.map(([text, size, look], i) =>
        draw("text", { class: look, x: middle, y: (symbol ? box.height / 2 + 5.5 : start + i * SIZE.line).toFixed(1), "text-anchor": "middle", "font-size": size }, text),
      ),
    );
  }

  edge({ points, arrow, source }) {
    return draw("path", {
      class: `edge${this.network.nodes[source].trainOnly ? " dashed" : ""}`,
      d: curve(points),
      "marker-end": arrow ? `url(#arrow${this.network.index})` : null,
    });
  }

  heat(item) {
    return this.colour === "kind" ? 0 : this.network.costOf(item)[COST.indexOf(this.colour)];
  }
}

const clip = (text) => (text.length > MAX_LINE ? text.slice(0, MAX_LINE - 1) + "…" : text);
const place = (box) => `translate(${box.x.toFixed(1)},${box.y.toFixed(1)})`;

const kindOf = (network, item) => (item.kind === "node" ? network.nodes[item.of] : mainOp(network, item))?.kind ?? "section";

function swatch(kind, text) {
  const box = draw("svg", { class: `swatch k-${kind}`, "aria-hidden": "true" }, draw("rect", { class: "shape", x: 1, y: 1, width: 14, height: 9, rx: 2 }));
  return make("span", {}, box, text);
}

const kindSwatches = (kinds) => Object.entries(DATA.kinds).filter(([kind]) => kinds.includes(kind)).map(([kind, text]) => swatch(kind, text));

function handle(sign, x, y) {
  return draw(
    "g",
    { class: "handle", transform: `translate(${x},${y})` },
    draw("rect", { x: -6, y: -6, width: 26, height: 26, class: "reach" }),
    draw("rect", { width: 14, height: 14, rx: 3, class: "knob" }),
    draw("path", { class: "sign", d: sign === "+" ? "M3.5,7h7M7,3.5v7" : "M3.5,7h7" }),
  );
}

// A smooth line through the points, straight in where it ends.
function curve(points) {
  const at = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
  if (points.length < 3) return `M${points.map(at).join("L")}`;
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i++) {
    const next = points[i + 1];
    const end = i === points.length - 2 ? next : [(points[i][0] + next[0]) / 2, (points[i][1] + next[1]) / 2];
    path += `Q${at(points[i])} ${at(end)}`;
  }
  return path;
}

function blend(share) {
  const channels = HEAT.map((colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
  return `rgb(${[0, 1, 2].map((i) => Math.round(channels[0][i] + (channels[1][i] - channels[0][i]) * share)).join(",")})`;
}
