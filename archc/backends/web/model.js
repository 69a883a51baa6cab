// The data of the page as a tree: a network holds scopes, runs of equal scopes, and single nodes.
// report_data.py writes the rows read here.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COST = ["params", "macs", "flops", "activations", "buffers"];

const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// Text only ever becomes text: strings are appended as text nodes.
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A count to four digits, as the command line prints it.
function short(number) {
  if (number < 10000) return String(number);
  let power = 1;
  while (power < 6 && number >= 999.95 * 1000 ** power) power++;
  const value = number / 1000 ** power;
  return value.toFixed(Math.max(0, 4 - String(Math.trunc(value)).length)) + " " + "_kMGTPE"[power];
}

const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
const percent = (part, total) => (total ? ((100 * part) / total).toFixed(1) + " %" : "");
const shapeText = (shape) => shape.join("×");
const sum = (costs) => COST.map((_, i) => costs.reduce((total, cost) => total + cost[i], 0));

const MAX_CHILDREN = 150; // boxes side by side in one container: more are laid out too slowly
const PART = 50;

// One box of a diagram. kind: "scope"; "run" of equal scopes; "part" of a scope that holds too much; "node".
// `of` is the row's index (of the scope around, for runs and parts); nodes are those inside.
class Item {
  constructor(kind, of, parent) {
    Object.assign(this, { kind, of, parent, children: [], nodes: [], open: false, each: false, edges: null, layout: null });
  }

  get folds() {
    return this.kind !== "node";
  }

  // What is inside when unfolded: a run shows its first member, or each.
  get inside() {
    return this.kind === "run" && !this.each ? this.children.slice(0, 1) : this.children;
  }

  *above() {
    for (let at = this; at; at = at.parent) yield at;
  }
}

class Network {
  constructor(row, index) {
    this.index = index;
    Object.assign(this, row);
    this.nodes = row.nodes.map(([label, kind, op, inputs, shape, cost, name, scope, span, trainOnly], id) => ({
      id, inputs, name, scope, span, trainOnly,
      label: row.labels[label], kind: row.kinds[kind], op: row.labels[op],
      shape: row.shapes[shape], cost: row.costs[cost],
    }));
    this.scopes = row.scopes.map(([parent, name, kind, block, telling, call, span]) => ({ parent, name, kind, block, telling, call, span }));
    this.size = this.nodes.length;
    for (const [name, node, trainOnly] of this.outputs) {
      const { shape } = this.nodes[node];
      const end = { inputs: [node], name, scope: 0, span: -1, trainOnly, label: "output", kind: "input", op: "output", shape, cost: COST.map(() => 0) };
      this.nodes.push({ id: this.nodes.length, ...end });
    }
    this.grow();
    this.wire();
  }

  grow() {
    this.root = new Item("scope", 0, null);
    this.root.open = true;
    this.itemOfScope = new Map([[0, this.root]]);
    this.itemOfNode = this.nodes.map((node) => {
      const item = new Item("node", node.id, this.scopeItem(node.scope));
      item.parent.children.push(item);
      for (const at of item.above()) at.nodes.push(node);
      return item;
    });
    for (const [parent, first, count] of this.runs.slice().sort((a, b) => b[1] - a[1])) {
      const around = this.itemOfScope.get(parent);
      const run = new Item("run", parent, around);
      run.children = around.children.splice(first, count, run);
      for (const child of run.children) child.parent = run;
      run.nodes = run.children.flatMap((child) => child.nodes);
    }
    for (const item of [...this.items()]) if (item.kind === "scope") this.divide(item);
  }

  // Puts the children of a scope that has too many into parts, and those into parts.
  divide(item) {
    while (item.children.length > MAX_CHILDREN) {
      const members = item.children;
      item.children = [];
      for (let at = 0; at < members.length; at += PART) {
        const part = new Item("part", item.of, item);
        part.children = members.slice(at, at + PART);
        for (const child of part.children) child.parent = part;
        part.nodes = part.children.flatMap((child) => child.nodes);
        item.children.push(part);
      }
    }
  }

  scopeItem(scope) {
    let item = this.itemOfScope.get(scope);
    if (!item) {
      const around = this.scopeItem(this.scopes[scope].parent);
      item = new Item("scope", scope, around);
      around.children.push(item);
      this.itemOfScope.set(scope, item);
    }
    return item;
  }

  // Edges inside every container: {source, from, to}. `from` is an item, or null where `source` (a node)
  // comes in through the container's top; `to` is null where it leaves through the bottom.
  wire() {
    for (const item of this.items()) item.edges = new Map();
    const add = (container, source, from, to) => {
      const key = `${source} ${from ? from.key : ""} ${to ? to.key : ""}`;
      if (!container.edges.has(key)) container.edges.set(key, { source, from, to });
    };
    let number = 0;
    for (const item of this.items()) item.key = `i${number++}`;
    for (const node of this.nodes) {
      for (const source of node.inputs) {
        const down = [...this.itemOfNode[node.id].above()];
        const up = [...this.itemOfNode[source].above()];
        const around = new Set(down);
        const shared = up.find((item) => around.has(item));
        const inward = down.slice(0, down.indexOf(shared));
        const outward = up.slice(0, up.indexOf(shared));
        add(shared, source, outward.at(-1), inward.at(-1));
        for (let i = 1; i < inward.length; i++) add(inward[i], source, null, inward[i - 1]);
        for (let i = 1; i < outward.length; i++) add(outward[i], source, outward[i - 1], null);
      }
    }
  }

  *items(at = this.root) {
    yield at;
    for (const child of at.children) yield* this.items(child);
  }

  path(item) {
    if (item.kind === "run" || item.kind === "part") {
      const [first, last] = [item.children[0], item.children.at(-1)].map((child) => this.path(child));
      return `${first.split("…")[0]}…${last.slice(Math.max(last.lastIndexOf("."), last.lastIndexOf("…")) + 1)}`;
    }
    const names = item.kind === "node" ? [this.nodes[item.of].name] : [];
    for (let at = item.kind === "node" ? this.nodes[item.of].scope : item.of; at > 0; at = this.scopes[at].parent) names.unshift(this.scopes[at].name);
    return names.join(".");
  }

  costOf(item) {
    item.cost ??= sum(item.nodes.filter((node) => !node.trainOnly || item.kind === "node").map((node) => node.cost));
    return item.cost;
  }

  // Shape of the last result in eval mode.
  shape(item) {
    return (item.nodes.findLast((node) => !node.trainOnly) ?? item.nodes.at(-1)).shape;
  }

  span(item) {
    if (item.kind === "node") return this.nodes[item.of].span;
    return item.kind === "run" ? this.span(item.children[0]) : this.scopes[item.of].span;
  }

  // Spans that made an item, its own first, then those of the calls around it.
  origin(item) {
    const found = [];
    for (const at of item.above()) if (at.kind === "node" || at.kind === "scope") found.push(this.span(at));
    if (item.kind === "run") found.unshift(this.span(item));
    return [...new Set(found.filter((span) => span >= 0))];
  }

  // The item, or the folded one around it that is drawn in its place.
  visible(item) {
    let shown = item;
    for (const at of item.above()) if (at.parent && (!at.parent.open || !at.parent.inside.includes(at))) shown = at.parent;
    return shown;
  }
}

const NETWORKS = DATA.networks.map((row, index) => new Network(row, index));
