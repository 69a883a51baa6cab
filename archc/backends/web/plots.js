// Cost by depth: one bar for each op that costs, in order of execution, over bands of sections.

const PLOT = { width: 640, height: 150, left: 52, right: 8, top: 20, bottom: 20 };

function depthPlots(network, page) {
  const kinds = network.nodes.filter((node) => node.cost[0] || node.cost[1]).map((node) => node.kind);
  const box = make("div", { class: "plots" }, make("p", { class: "legend" }, ...kindSwatches(kinds)));
  for (const name of FIGURES) box.append(depthPlot(network, page, name));
  return box;
}

function depthPlot(network, page, name) {
  const nodes = network.nodes.filter((node) => !node.trainOnly && (node.cost[0] || node.cost[1]));
  const value = (node) => figure(node.cost, name);
  const most = Math.max(1, ...nodes.map(value));
  const { width, height, left, right, top, bottom } = PLOT;
  const step = (width - left - right) / Math.max(1, nodes.length);
  const y = (v) => top + (height - top - bottom) * (1 - v / most);
  const svg = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name} by depth` });
  svg.append(draw("text", { class: "ink bold", x: left, y: 13 }, `${name} by depth`), draw("text", { class: "faint", x: width - right, y: 13, "text-anchor": "end" }, `total ${short(figure(network.cost, name))}`));
  bands(network, nodes).forEach(([label, first, count], i) => {
    svg.append(draw("rect", { class: `band band${i % 2}`, x: left + first * step, y: top, width: count * step, height: height - top - bottom }));
    if (count * step > label.length * 5.5) svg.append(draw("text", { class: "faint", x: left + (first + count / 2) * step, y: height - 6, "text-anchor": "middle" }, label));
  });
  for (const tick of [most / 2, most]) {
    svg.append(draw("path", { class: "grid", d: `M${left},${y(tick)}H${width - right}` }), draw("text", { class: "faint", x: left - 4, y: y(tick) + 4, "text-anchor": "end" }, short(Math.round(tick))));
  }
  nodes.forEach((node, i) => {
    const item = network.itemOfNode[node.id];
    svg.append(draw("rect", {
      class: `bar fill-${node.kind}`, x: (left + i * step).toFixed(2), y: y(value(node)).toFixed(2), width: Math.max(0.6, step * 0.86).toFixed(2), height: (height - bottom - y(value(node))).toFixed(2),
      onclick: () => page.select([item], { reveal: true }), onpointermove: (event) => page.tip(item, event), onpointerleave: () => page.tip(null),
    }));
  });
  return svg;
}

// [name, first, count] of each outermost scope's stretch of nodes.
function bands(network, nodes) {
  const found = [];
  nodes.forEach((node, i) => {
    let scope = node.scope;
    while (scope > 0 && network.scopes[scope].parent > 0) scope = network.scopes[scope].parent;
    const name = scope > 0 ? network.scopes[scope].name : "";
    if (found.length && found.at(-1)[3] === scope) found.at(-1)[2]++;
    else found.push([name, i, 1, scope]);
  });
  return found;
}

// Side by side: totals, sections, and how cost adds up with depth.
function comparison() {
  const first = NETWORKS[0];
  const heads = ["", ...NETWORKS.map((network) => network.name)];
  const row = (name, cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  const cell = (value, base) =>
    make("td", { class: "number" }, short(value), base && value !== base ? make("span", { class: "faint" }, ` ×${(value / base).toPrecision(3)}`) : null);
  const head = () => make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", class: text ? "number" : null }, text))));
  const totals = make(
    "table", { class: "totals" }, head(),
    make(
      "tbody", {},
      row("input", NETWORKS.map((n) => make("td", { class: "number" }, shapeText(n.nodes[0].shape)))),
      ...COST.map((name) => row(name, NETWORKS.map((n) => cell(figure(n.cost, name), figure(first.cost, name))))),
      row("ops", NETWORKS.map((n) => cell(n.size, first.size))),
      row("depth", NETWORKS.map((n) => cell(depth(n), depth(first)))),
    ),
  );
  const byName = NETWORKS.map((n) => new Map(sectionRows(n).map((r) => [r.name, r])));
  const names = [...new Set(byName.flatMap((rows) => [...rows.keys()]))];
  const told = (r) => (r ? [`${r.times > 1 ? `${r.times} × ` : ""}${r.block || "…"}`, make("br"), `${shapeText(r.shape)} · ${short(r.cost[0])} params · ${short(r.cost[1])} macs`] : ["–"]);
  const sections = make(
    "table", { class: "sides" }, head(),
    make("tbody", {}, ...names.map((name) => row(name, byName.map((rows) => {
      const same = new Set(byName.map((other) => told(other.get(name)).filter((part) => typeof part === "string").join())).size === 1;
      return make("td", { class: same ? "same" : null }, ...told(rows.get(name)));
    })))),
  );
  return make("div", { class: "comparison" }, make("h2", {}, "Totals"), totals, make("h2", {}, "Cost by depth"), ...["macs", "params", "activations"].map(growth), make("h2", {}, "Sections"), sections);
}

// Convolutions and linear layers on the longest way from an input to an output.
function depth(network) {
  const deep = [];
  for (const node of network.nodes) deep.push(Math.max(0, ...node.inputs.map((i) => deep[i])) + (["conv", "linear"].includes(node.kind) ? 1 : 0));
  return Math.max(...deep);
}

function growth(name) {
  const { width, left, right, top, bottom } = PLOT;
  const height = 200;
  const most = Math.max(1, ...NETWORKS.map((n) => figure(n.cost, name)));
  const svg = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name} so far, by depth` });
  svg.append(draw("text", { class: "ink bold", x: left, y: 13 }, `${name} so far, by depth`));
  for (const tick of [most / 2, most]) {
    const y = top + (height - top - bottom) * (1 - tick / most);
    svg.append(draw("path", { class: "grid", d: `M${left},${y}H${width - right}` }), draw("text", { class: "faint", x: left - 4, y: y + 4, "text-anchor": "end" }, short(Math.round(tick))));
  }
  NETWORKS.forEach((network, i) => {
    const nodes = network.nodes.filter((node) => !node.trainOnly);
    let total = 0;
    const points = nodes.map((node, at) => {
      total += figure(node.cost, name);
      const x = left + ((width - left - right) * (at + 1)) / nodes.length;
      return `${x.toFixed(1)},${(top + (height - top - bottom) * (1 - total / most)).toFixed(1)}`;
    });
    svg.append(draw("path", { class: `line line${i % 6}`, d: `M${left},${height - bottom}L${points.join("L")}` }));
    svg.append(draw("text", { class: `key line${i % 6}`, x: left + 8, y: top + 14 + 15 * i }, network.name));
  });
  svg.append(draw("text", { class: "faint", x: left, y: height - 6 }, "input"), draw("text", { class: "faint", x: width - right, y: height - 6, "text-anchor": "end" }, "output"));
  return svg;
}
