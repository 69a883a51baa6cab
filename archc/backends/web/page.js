// The page: a tab for each network and one that compares them.

const MAX_FOUND = 60;
const COLOURS = ["kind", "macs", "params", "activations"];

const tipBox = make("div", { class: "tip-box", role: "tooltip", hidden: true });

class NetworkPage {
  constructor(network) {
    this.network = network;
    this.legend = make("p", { class: "legend" });
    this.diagram = new Diagram(network, this);
    this.spec = new Spec(network, this);
    this.details = make("div", { class: "details" });
    this.side = tabbed({ Spec: () => this.spec.element, Costs: () => tables(network, this), Depth: () => depthPlots(network, this) }, "side");
    this.element = make(
      "section", { class: "network", "aria-label": network.name },
      make("div", { class: "left" }, this.toolbar(), this.diagram.view),
      make("div", { class: "right" }, this.details, this.side),
    );
    this.describe([]);
  }

  toolbar() {
    const button = (text, title, act) => make("button", { type: "button", title, onclick: act }, text);
    const colour = make("select", { "aria-label": "colour", onchange: () => this.recolour(colour.value) }, ...COLOURS.map((name) => make("option", { value: name }, name === "kind" ? "kind of op" : name)));
    return make(
      "div", { class: "toolbar" }, this.search(),
      button("unfold all", "show every op, equal blocks once", () => this.diagram.toggleAll(true)),
      button("fold all", "show sections only", () => { this.diagram.toggleAll(false); this.diagram.fit(); }),
      button("+", "zoom in (ctrl + wheel)", () => this.diagram.zoom(1.25)),
      button("−", "zoom out (ctrl + wheel)", () => this.diagram.zoom(0.8)),
      button("fit", "fit the width", () => this.diagram.fit()),
      make("label", {}, "colour: ", colour),
      this.legend,
    );
  }

  recolour(name) {
    this.diagram.colour = name;
    this.diagram.redraw();
  }

  search() {
    const list = make("ul", { class: "found", role: "listbox", hidden: true });
    const go = (item) => {
      list.hidden = true;
      this.select([item], { reveal: true });
    };
    const find = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const items = words.length ? this.find(words) : [];
      list.replaceChildren(...items.slice(0, MAX_FOUND).map((item) => make("li", { role: "option", tabindex: 0, onclick: () => go(item), onkeydown: (e) => e.key === "Enter" && go(item) }, make("b", {}, this.network.path(item)), " ", make("span", { class: "faint" }, this.what(item)))));
      if (words.length && !items.length) list.append(make("li", { class: "faint" }, "nothing by that name"));
      if (items.length > MAX_FOUND) list.append(make("li", { class: "faint" }, `and ${items.length - MAX_FOUND} more`));
      list.hidden = !words.length;
      return items;
    };
    const field = make("input", {
      type: "search", placeholder: "search: s3.1 conv, squeeze…", "aria-label": "search", oninput: find,
      onkeydown: (event) => {
        if (event.key === "Enter") { const [item] = find(); if (item) go(item); }
        if (event.key === "Escape") list.hidden = true;
      },
    });
    field.addEventListener("blur", () => setTimeout(() => { if (!list.contains(document.activeElement)) list.hidden = true; }, 150));
    return make("div", { class: "search" }, field, list);
  }

  // Items whose path or label has all the words, the shortest paths first.
  find(words) {
    const found = [];
    for (const item of this.network.items()) {
      if (!item.parent || item.kind === "run" || item.kind === "part") continue;
      const path = this.network.path(item);
      const text = `${path} ${this.what(item)}`.toLowerCase();
      if (words.every((word) => text.includes(word))) found.push([path.toLowerCase().includes(words[0]) ? 0 : 1, path.length, found.length, item]);
    }
    return found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map((row) => row[3]);
  }

  what(item) {
    if (item.kind === "node") return this.network.nodes[item.of].label;
    if (item.kind === "part") return contents(this.network, item);
    const scope = this.network.scopes[item.kind === "run" ? item.children[0].of : item.of];
    return scope.telling || scope.kind;
  }

  // Marks items in the diagram and their ranges in the spec, and tells about them.
  select(items, { reveal = false, fromSpec = false, spans = null } = {}) {
    if (reveal && items.length === 1) this.diagram.reveal(items[0]);
    this.diagram.mark(items);
    if (!reveal && fromSpec && items.length) this.diagram.reveal(this.network.visible(items[0]), false);
    this.spec.mark(spans ?? (items.length === 1 ? this.network.origin(items[0]) : []), !fromSpec);
    this.describe(items);
  }

  describe(items) {
    const { network } = this;
    if (!items.length) {
      const facts = [...network.info.map(([name, value]) => `${name} ${value}`), network.call].filter(Boolean).join(" · ");
      this.details.replaceChildren(make("h2", {}, network.name), make("p", {}, network.doc.split("\n")[0]), figures(network.cost), facts ? make("p", { class: "faint" }, facts) : "", make("p", { class: "faint" }, "Click a box or a line of the spec; double-click or + unfolds."));
      return;
    }
    if (items.length > 1) {
      const cost = sum(items.filter((item) => item.parent).map((item) => network.costOf(item)));
      this.details.replaceChildren(make("h2", {}, `${items.length} places`), make("p", {}, clipped(items.map((item) => network.path(item)).join(", "), 160)), figures(cost, network.cost));
      return;
    }
    const [item] = items;
    const chain = network.origin(item).map((span) => {
      const { place: where, text } = spanLine(span);
      return make("li", {}, make("button", { type: "button", class: "link", onclick: () => { this.side.show("Spec"); this.spec.mark([span]); } }, where), " ", make("code", {}, clipped(text, 90)));
    });
    this.details.replaceChildren(make("h2", {}, network.path(item)), make("p", {}, this.signature(item)), figures(network.costOf(item), network.cost), make("ul", { class: "chain" }, ...chain));
  }

  // `conv 3×3, 64: 3×224×224 → 64×112×112`
  signature(item) {
    const { nodes } = this.network;
    const inside = new Set(item.nodes.map((node) => node.id));
    const entering = new Set(item.nodes.flatMap((node) => node.inputs.filter((i) => !inside.has(i))));
    const shapes = [...entering].map((i) => shapeText(nodes[i].shape));
    const only = [...new Set(shapes)].slice(0, 4).join(", ");
    return `${this.what(item)}: ${only}${only ? " → " : ""}${shapeText(this.network.shape(item))}`;
  }

  tip(item, event) {
    if (!item || !item.parent) {
      tipBox.hidden = true;
      return;
    }
    const cost = this.network.costOf(item);
    const [span] = this.network.origin(item);
    const line = span === undefined ? null : spanLine(span);
    tipBox.replaceChildren(
      make("b", {}, this.network.path(item)),
      make("div", {}, this.signature(item)),
      make("div", {}, FIGURES.filter((name) => figure(cost, name)).map((name) => `${short(figure(cost, name))} ${name} (${percent(figure(cost, name), figure(this.network.cost, name))})`).join(" · ")),
      line ? make("div", { class: "faint" }, line.place, " ", make("code", {}, clipped(line.text, 100))) : "",
    );
    tipBox.hidden = false;
    const { width, height } = tipBox.getBoundingClientRect();
    const x = event.clientX + 16 + width > innerWidth ? Math.max(4, event.clientX - width - 12) : event.clientX + 16;
    const y = event.clientY + 18 + height > innerHeight ? Math.max(4, event.clientY - height - 12) : event.clientY + 18;
    tipBox.style.left = `${x}px`;
    tipBox.style.top = `${y}px`;
  }

  open() {
    if (this.opened) return;
    this.opened = true;
    this.diagram.redraw();
    this.diagram.fit();
    this.spec.open();
  }
}

const clipped = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

function figures(cost, total) {
  const cells = COST.map((name, i) => [name, cost[i]]).filter(([, value]) => value);
  return make("dl", { class: "figures" }, ...cells.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { title: whole(value) }, short(value), total ? make("span", { class: "faint" }, ` ${percent(value, figure(total, name))}`) : null))));
}

function start() {
  const pages = NETWORKS.map((network) => new NetworkPage(network));
  const content = make("main");
  const bar = make("nav", { class: "tabs networks", role: "tablist" });
  const show = (tab, element, page) => {
    for (const other of bar.children) other.setAttribute("aria-selected", String(other === tab));
    content.replaceChildren(element());
    page?.open();
  };
  const add = (name, element, page) => {
    const tab = make("button", { type: "button", role: "tab", onclick: () => show(tab, element, page) }, name);
    bar.append(tab);
    return tab;
  };
  const tabs = pages.map((page) => add(page.network.name, () => page.element, page));
  if (pages.length > 1) add("Compare", comparison);
  else bar.hidden = true;
  document.body.append(bar, content, tipBox);
  show(tabs[0], () => pages[0].element, pages[0]);
}

start();
