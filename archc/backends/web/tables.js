// Sortable tables of cost.

const MAX_ROWS = 1000; // more are slow to show; sorting brings up the others
const FIGURES = ["params", "macs", "activations"];
const figure = (cost, name) => cost[COST.indexOf(name)];

// columns: [{name, of: row -> value, show: value -> text, numeric}]; rows: any objects.
function sortable(columns, rows, pick) {
  const body = make("tbody");
  let order = { column: -1, down: true };
  const fillBody = () => {
    const { of } = columns[order.column] ?? {};
    const sorted = of ? rows.slice().sort((a, b) => compare(of(a), of(b)) * (order.down ? -1 : 1)) : rows;
    body.replaceChildren(
      ...sorted.slice(0, MAX_ROWS).map((row) =>
        make(
          "tr",
          pick && { class: "pick", tabindex: 0, onclick: () => pick(row), onkeydown: (event) => event.key === "Enter" && pick(row) },
          ...columns.map(({ of: value, show, numeric }) => make("td", { class: numeric ? "number" : null }, (show ?? String)(value(row), row))),
        ),
      ),
      ...(rows.length > MAX_ROWS ? [make("tr", {}, make("td", { class: "faint", colspan: columns.length }, `the first ${MAX_ROWS} of ${rows.length}; sort to see others`))] : []),
    );
  };
  const heads = columns.map(({ name, numeric }, column) => {
    const head = make("th", { class: numeric ? "number" : null, scope: "col" });
    const sort = () => {
      order = { column, down: order.column === column ? !order.down : Boolean(numeric) };
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      fillBody();
    };
    head.append(make("button", { type: "button", onclick: sort }, name));
    return head;
  });
  fillBody();
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
}

const compare = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));

function costColumns(total) {
  return FIGURES.flatMap((name) => [
    { name, numeric: true, of: (row) => figure(row.cost, name), show: short },
    ...(name === "activations" ? [] : [{ name: "%", numeric: true, of: (row) => figure(row.cost, name), show: (value) => percent(value, figure(total, name)) }]),
  ]);
}

// The boxes of a container with its runs and parts undone.
function* members(item) {
  for (const child of item.children) {
    if (child.kind === "run" || child.kind === "part") yield* members(child);
    else yield child;
  }
}

// Rows of the top boxes: sections, and what stands outside them.
function sectionRows(network) {
  const rows = [];
  for (const item of members(network.root)) {
    if (item.kind === "node" && network.nodes[item.of].kind === "input") continue;
    const repeats = [...members(item)].filter((inner) => inner.kind === "scope" && network.scopes[inner.of].kind === "repeat");
    const scope = item.kind === "node" ? null : network.scopes[(repeats[0] ?? item).of];
    rows.push({ item, name: network.path(item), block: scope ? scope.block : network.nodes[item.of].label, times: Math.max(1, repeats.length), shape: network.shape(item), cost: network.costOf(item) });
  }
  return rows;
}

// Cost by something that nodes share; nodes of training only are left out.
function groupRows(network, nameOf) {
  const groups = new Map();
  for (const node of network.nodes) {
    const name = node.trainOnly || node.kind === "input" ? null : nameOf(node);
    if (name === null) continue;
    if (!groups.has(name)) groups.set(name, { name, nodes: [] });
    groups.get(name).nodes.push(node);
  }
  return [...groups.values()].map(({ name, nodes }) => ({ name, nodes, times: nodes.length, cost: sum(nodes.map((node) => node.cost)) }));
}

function tables(network, page) {
  const total = costColumns(network.cost);
  const select = (items) => page.select(items, { reveal: true });
  const text = (name, of) => ({ name, of });
  const count = { name: "×", numeric: true, of: (row) => row.times };
  const makers = {
    Sections: () =>
      sortable([text("section", (r) => r.name), text("block", (r) => r.block), count, text("output", (r) => shapeText(r.shape)), ...total], sectionRows(network), (row) => select([row.item])),
    Blocks: () =>
      sortable([text("block", (r) => r.name), { ...count, name: "ops" }, ...total], groupRows(network, (node) => innermostBlock(network, node)), (row) => select(row.nodes.map((n) => network.itemOfNode[n.id]))),
    Ops: () =>
      sortable([text("op", (r) => r.name), count, ...total], groupRows(network, (node) => node.op), (row) => select(row.nodes.map((n) => network.itemOfNode[n.id]))),
    Nodes: () =>
      sortable(
        [text("node", (r) => r.name), text("op", (r) => r.label), text("output", (r) => shapeText(r.shape)), ...total],
        network.nodes.filter((n) => n.kind !== "input").map((n) => ({ node: n, name: network.path(network.itemOfNode[n.id]), label: n.label, shape: n.shape, cost: n.cost })),
        (row) => select([network.itemOfNode[row.node.id]]),
      ),
  };
  return tabbed(makers, "tables");
}

function innermostBlock(network, node) {
  for (let at = node.scope; at >= 0; at = network.scopes[at].parent) if (network.scopes[at].block) return network.scopes[at].block;
  return "(none)";
}

// Tabs over contents made when first shown.
function tabbed(makers, look) {
  const body = make("div", { class: `${look} body` });
  const bar = make("div", { class: "tabs", role: "tablist" });
  const made = new Map();
  const show = (name) => {
    if (!made.has(name)) made.set(name, makers[name]());
    for (const tab of bar.children) tab.setAttribute("aria-selected", String(tab.textContent === name));
    body.replaceChildren(made.get(name));
  };
  for (const name of Object.keys(makers)) bar.append(make("button", { type: "button", role: "tab", onclick: () => show(name) }, name));
  show(Object.keys(makers)[0]);
  return Object.assign(make("div", { class: `${look} panel` }, bar, body), { show });
}
