// Where boxes go. Each unfolded container is laid out on its own by dagre; edges from outside come in
// through ports on its top and leave through ports on its bottom. So unfolding one box lays out that box
// and those around it, whatever the size of the network.

const SIZE = { node: 12, title: 12.5, small: 10.5, line: 15, head: 22, pad: 10, port: 2 };
const MAX_FUSED = 4; // ops of a block that is shown as one
const MAX_LINE = 40; // characters
const MAX_LINES = 3;
const FONT = "Verdana, 'DejaVu Sans', sans-serif";
const measure = document.createElement("canvas").getContext("2d");
const widths = new Map();

function textWidth(text, size, bold) {
  const key = `${size}${bold ? "b" : ""} ${text}`;
  if (!widths.has(key)) {
    measure.font = `${bold ? "bold " : ""}${size}px ${FONT}`;
    widths.set(key, measure.measureText(text).width);
  }
  return widths.get(key);
}

const SYMBOLS = { add: "+", mul: "×" };

// Lines of text on a box: [text, size, class].
function boxLines(network, item) {
  if (item.kind === "node") {
    const node = network.nodes[item.of];
    if (SYMBOLS[node.op]) return [[SYMBOLS[node.op], 16, "ink"]];
    if (node.kind === "input") return [[node.name, SIZE.node, "ink bold"], [shapeText(node.shape), SIZE.small, "faint"]];
    return [[node.label, SIZE.node, "ink"]];
  }
  const { name, what } = named(network, item);
  const lines = [[name, SIZE.title, "ink bold"]];
  const single = mainOp(network, item);
  if (single) return [[single.label, SIZE.node, "ink"], [item.nodes.map((node) => node.op).join(" · "), SIZE.small, "faint"]];
  if (what !== name) lines.push(...wrapped(what).map((text) => [text, SIZE.node, "ink"]));
  const [params, macs] = network.costOf(item);
  const figures = [params && `${short(params)} params`, macs && `${short(macs)} macs`].filter(Boolean).join(" · ");
  if (figures) lines.push([figures, SIZE.small, "faint"]);
  return lines;
}

// `s2.1…3  × 3` and `bottleneck(width = 256)`: what a scope or run is called, and what it applies.
function named(network, item) {
  if (item.kind === "part") return { name: network.path(item), what: contents(network, item) };
  const first = item.kind === "run" ? item.children[0] : item;
  const scope = network.scopes[first.of];
  const name = scope.kind === "repeat" ? `${network.scopes[scope.parent].name}.${scope.name}` : scope.name;
  const more = item.kind === "run" ? `…${network.scopes[item.children.at(-1).of].name}  × ${item.children.length}` : "";
  return { name: name + more, what: scope.telling || contents(network, first) };
}

// The convolution or linear layer of a scope of so few ops that the rest goes without saying.
function mainOp(network, item) {
  if (item.kind !== "scope" || item.nodes.length > MAX_FUSED || network.scopes[item.of].kind !== "block") return null;
  const weighty = item.nodes.filter((node) => ["conv", "linear"].includes(node.kind));
  return weighty.length === 1 ? weighty[0] : null;
}

// Lines of at most MAX_LINE characters, broken after commas.
function wrapped(text) {
  const lines = [];
  for (const part of text.match(/[^,]+,?\s*/g) ?? []) {
    if (lines.length && (lines.at(-1) + part).trimEnd().length <= MAX_LINE) lines[lines.length - 1] += part;
    else lines.push(part);
  }
  const trimmed = lines.map((line) => clip(line.trim()));
  return trimmed.length > MAX_LINES ? [...trimmed.slice(0, MAX_LINES - 1), "…"] : trimmed;
}

// What a scope without a block is made of: `conv → batch_norm → relu`, `3 × dense_layer`.
function contents(network, item) {
  const parts = [];
  const push = (name, count) => {
    if (parts.length && parts.at(-1)[0] === name) parts.at(-1)[1] += count;
    else parts.push([name, count]);
  };
  for (const child of item.children) {
    if (child.kind === "node") push(network.nodes[child.of].op, 1);
    else if (child.kind === "part") push("part", 1);
    else if (child.kind === "run") push(network.scopes[child.children[0].of].block || "…", child.children.length);
    else push(network.scopes[child.of].block || network.scopes[child.of].name, 1);
  }
  const shown = parts.map(([name, count]) => (count > 1 ? `${count} × ${name}` : name));
  let text = shown.join(" → ");
  for (let keep = shown.length - 1; text.length > 46 && keep > 1; keep--) {
    text = [...shown.slice(0, Math.ceil(keep / 2)), "…", ...shown.slice(shown.length - Math.floor(keep / 2))].join(" → ");
  }
  return text;
}

function boxSize(network, item) {
  const lines = boxLines(network, item);
  item.lines = lines;
  if (item.kind === "node" && SYMBOLS[network.nodes[item.of].op]) return { width: 26, height: 26 };
  const width = Math.max(...lines.map(([text, size, look]) => textWidth(text, size, look.includes("bold"))));
  const handle = item.folds ? 22 : 0;
  return { width: Math.ceil(width) + 22 + handle, height: lines.length * SIZE.line + 10 };
}

// {width, height, boxes: Map(item -> {x, y, width, height}), edges: [{source, points, label}], top, bottom}.
// Coordinates count from the container's corner; top and bottom say where each source's port is.
function layOut(network, container) {
  if (container.layout) return container.layout;
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ ranksep: container.parent ? 24 : 30, nodesep: 18, edgesep: 12, marginx: 0, marginy: 0 });
  const shown = new Set(container.inside);
  for (const item of shown) {
    const { width, height } = item.open ? layOut(network, item) : boxSize(network, item);
    graph.setNode(item.key, { width, height });
  }
  // what goes from the one member of a run that is shown to the next leaves through the bottom
  const edges = [...container.edges.values()]
    .filter(({ from, to }) => (from ? shown.has(from) : shown.has(to)))
    .map(({ source, from, to }) => ({ source, from, to: to && shown.has(to) ? to : null }));
  // a hidden node above all ports keeps them at the top, one below at the bottom
  const port = (end, source) => {
    const name = `${end}${source}`;
    if (graph.hasNode(name)) return name;
    graph.setNode(name, { width: SIZE.port, height: 0 });
    if (!graph.hasNode(end)) graph.setNode(end, { width: 0, height: 0 });
    if (end === "top") graph.setEdge(end, name, { weight: 200 });
    else graph.setEdge(name, end, { weight: 200 });
    return name;
  };
  const drawn = new Map();
  for (const { source, from, to } of edges) {
    const tail = from ? from.key : port("top", source);
    const head = to ? to.key : port("bottom", source);
    const exact = (from && from.open) || (to && to.open); // ports tell one tensor from another
    const key = `${tail} ${head} ${exact ? source : ""}`;
    const text = to ? edgeText(network, source, from) : "";
    if (drawn.has(key)) {
      const known = drawn.get(key);
      if (text && !known.texts.includes(text)) known.texts.push(text);
      continue;
    }
    drawn.set(key, { source, from, to, tail, head, key, texts: text ? [text] : [] });
  }
  for (const edge of drawn.values()) {
    const label = edge.texts.length ? { width: textWidth(edge.texts.join(", "), SIZE.small) + 10, height: 12, labelpos: "r" } : {};
    graph.setEdge(edge.tail, edge.head, { ...label, weight: edge.from && edge.to ? 2 : 1 }, edge.key);
  }
  dagre.layout(graph);
  return (container.layout = collect(network, container, graph, shown, drawn));
}

function collect(network, container, graph, shown, drawn) {
  const names = graph.nodes().filter((name) => name !== "top" && name !== "bottom");
  const rows = names.map((name) => graph.node(name));
  const inner = container.parent ? SIZE.pad : 0;
  const head = container.parent ? SIZE.head : 0;
  let [left, right, high, low] = [Infinity, -Infinity, Infinity, -Infinity];
  const reach = (x0, x1, y0, y1) => {
    left = Math.min(left, x0); right = Math.max(right, x1);
    high = Math.min(high, y0); low = Math.max(low, y1);
  };
  for (const row of rows) reach(row.x - row.width / 2, row.x + row.width / 2, row.y - row.height / 2, row.y + row.height / 2);
  for (const edge of drawn.values()) {
    const found = graph.edge({ v: edge.tail, w: edge.head, name: edge.key });
    for (const { x, y } of found.points) reach(x, x, y, y);
    if (edge.texts.length) reach(found.x - found.width / 2, found.x + found.width / 2, found.y, found.y);
  }
  const title = container.parent ? titleText(network, container).width + 16 : 0;
  const spare = Math.max(0, title - (right - left) - 2 * inner);
  const dx = inner - left + spare / 2;
  const dy = head + (graph.hasNode("top") ? 0 : inner) - high;
  const width = right - left + 2 * inner + spare;
  const height = low + dy + (graph.hasNode("bottom") ? 0 : inner);
  const layout = { width, height, boxes: new Map(), edges: [], top: new Map(), bottom: new Map() };
  for (const item of shown) {
    const at = graph.node(item.key);
    layout.boxes.set(item, { x: at.x - at.width / 2 + dx, y: at.y - at.height / 2 + dy, width: at.width, height: at.height });
  }
  for (const edge of drawn.values()) {
    const found = graph.edge({ v: edge.tail, w: edge.head, name: edge.key });
    const points = found.points.map(({ x, y }) => [x + dx, y + dy]);
    if (!edge.from) layout.top.set(edge.source, (points[0] = [graph.node(edge.tail).x + dx, 0])[0]);
    else moveEnd(points, 0, layout.boxes.get(edge.from), edge.from, edge.source, true);
    if (!edge.to) layout.bottom.set(edge.source, (points[points.length - 1] = [graph.node(edge.head).x + dx, height])[0]);
    else moveEnd(points, points.length - 1, layout.boxes.get(edge.to), edge.to, edge.source, false);
    const label = edge.texts.length ? { text: edge.texts.join(", "), x: found.x - found.width / 2 + 6 + dx, y: found.y + dy } : null;
    layout.edges.push({ source: edge.source, points, label, arrow: Boolean(edge.to), from: edge.from, to: edge.to });
  }
  return layout;
}

// An end of an edge at an unfolded box goes to the port, or to the middle of its border.
function moveEnd(points, index, box, item, source, atBottom) {
  if (!item.open) return;
  const ports = atBottom ? item.layout.bottom : item.layout.top;
  const [only] = ports.size === 1 ? ports.values() : [box.width / 2];
  points[index] = [box.x + (ports.get(source) ?? only), atBottom ? box.y + box.height : box.y];
}

// The heading of an unfolded box.
function titleText(network, item) {
  const { name, what: told } = named(network, item);
  const what = clip(told);
  const each = item.kind === "run" ? "show each" : "";
  const width = textWidth(name, SIZE.title, true) + textWidth(what, SIZE.small) + textWidth(each, SIZE.small) + 60;
  return { name, what, each, width };
}

// The shape on an edge, where it says something new.
function edgeText(network, source, from) {
  const node = network.nodes[source];
  if (!from || node.kind === "input") return "";
  if (from.kind === "node") {
    const before = node.inputs.length ? network.nodes[node.inputs[0]].shape : [];
    if (shapeText(before) === shapeText(node.shape)) return "";
  }
  return shapeText(node.shape);
}
