// The spec with its colours; its ranges and the diagram's boxes know each other.

class Spec {
  // `page` hears select(items) when the user picks a place in the text.
  constructor(network, page) {
    this.network = network;
    this.page = page;
    this.bySpan = new Map();
    for (const item of network.items()) {
      if (item.kind === "run" || item.kind === "part" || !item.parent) continue;
      const span = network.span(item);
      if (span < 0) continue;
      if (!this.bySpan.has(span)) this.bySpan.set(span, []);
      this.bySpan.get(span).push(item);
    }
    this.used = new Set();
    for (const span of this.bySpan.keys()) this.used.add(DATA.spans[span][0]);
    const root = network.span(network.root);
    if (root >= 0) this.used.add(DATA.spans[root][0]);
    this.tabs = make("div", { class: "tabs files", role: "tablist" });
    this.body = make("div", { class: "code", tabindex: 0 });
    this.element = make("div", { class: "spec" }, this.tabs, this.body);
    this.sheets = new Map();
    for (const at of this.used) {
      const tab = make("button", { type: "button", role: "tab", onclick: () => this.show(at) }, DATA.sources[at].name);
      this.tabs.append(tab);
      this.sheets.set(at, { tab, element: null });
    }
    if (this.used.size) this.show(root >= 0 ? DATA.spans[root][0] : this.sheets.keys().next().value);
    else this.body.append(make("p", { class: "faint" }, "This network came without its text."));
    this.home = root < 0 ? -1 : declaration(DATA.sources[DATA.spans[root][0]].text, network.name);
    this.body.addEventListener("click", (event) => this.pick(event));
  }

  show(at) {
    this.at = at;
    const sheet = this.sheets.get(at);
    sheet.element ??= this.sheet(at);
    for (const [other, { tab }] of this.sheets) tab.setAttribute("aria-selected", String(other === at));
    this.body.replaceChildren(sheet.element);
  }

  sheet(at) {
    const { text, colours } = DATA.sources[at];
    const linked = new Set();
    for (const span of this.bySpan.keys()) if (DATA.spans[span][0] === at) linked.add(DATA.spans[span][3]);
    const list = make("ol");
    let start = 0;
    let next = 0;
    text.split("\n").forEach((line, index) => {
      const row = make("li", { class: linked.has(index + 1) ? "linked" : null, "data-line": index + 1 });
      const end = start + line.length;
      let from = start;
      const add = (to, look) => {
        if (to > from) row.append(make("span", { class: look, "data-start": from }, text.slice(from, to)));
        from = Math.max(from, to);
      };
      for (; next < colours.length && colours[next][1] < end; next++) {
        const [look, first, last] = colours[next];
        add(Math.min(first, end), null);
        add(Math.min(last, end), look);
        if (last > end) break; // a docstring goes on in the next line
      }
      add(end, null);
      list.append(row);
      start = end + 1;
    });
    return list;
  }

  // Shows where the network is declared, which for a variant is not where its arch is.
  open() {
    const row = this.sheets.get(this.at)?.element.children[this.home];
    if (!row) return;
    row.classList.add("declared");
    if (row.offsetTop > this.body.clientHeight) this.body.scrollTop = row.offsetTop - 60;
  }

  // The smallest range around the place clicked, or all that begin on its line.
  pick(event) {
    const row = event.target.closest("li");
    if (!row || String(getSelection())) return;
    const word = event.target.closest("[data-start]");
    const offset = word ? Number(word.dataset.start) : -1;
    const spans = [...this.bySpan.keys()].filter((span) => DATA.spans[span][0] === this.at);
    const around = spans
      .filter((span) => DATA.spans[span][1] <= offset && offset < DATA.spans[span][2])
      .sort((a, b) => DATA.spans[a][2] - DATA.spans[a][1] - (DATA.spans[b][2] - DATA.spans[b][1]));
    const line = Number(row.dataset.line);
    const chosen = around.length ? around.slice(0, 1) : spans.filter((span) => DATA.spans[span][3] === line);
    this.page.select(chosen.flatMap((span) => this.bySpan.get(span)), { fromSpec: true, spans: chosen });
  }

  // Highlights ranges: the first one's line is shown, the calls around it are tinted.
  mark(spans, scroll = true) {
    for (const { element } of this.sheets.values()) {
      for (const row of element?.querySelectorAll(".at, .around") ?? []) row.classList.remove("at", "around");
    }
    if (!spans.length) return this.paint([]);
    const [source] = DATA.spans[spans[0]];
    if (scroll && source !== this.at) this.show(source);
    spans.forEach((span, i) => {
      const [at, , , line] = DATA.spans[span];
      const sheet = this.sheets.get(at);
      if (!sheet) return;
      sheet.element ??= this.sheet(at);
      sheet.element.children[line - 1]?.classList.add(i ? "around" : "at");
    });
    this.paint(spans.slice(0, 1));
    const row = this.sheets.get(source)?.element?.querySelector(".at");
    if (scroll && row) this.body.scrollTop = row.offsetTop - this.body.clientHeight / 2;
  }

  // The exact range, where the browser can colour ranges of text.
  paint(spans) {
    if (typeof Highlight === "undefined") return;
    CSS.highlights.delete("chosen");
    const ranges = [];
    for (const span of spans) {
      const [at, start, end] = DATA.spans[span];
      const words = [...(this.sheets.get(at)?.element?.querySelectorAll("[data-start]") ?? [])];
      for (const word of words) {
        const first = Number(word.dataset.start);
        const length = word.textContent.length;
        if (first >= end || first + length <= start) continue;
        const range = new Range();
        range.setStart(word.firstChild, Math.max(0, start - first));
        range.setEnd(word.firstChild, Math.min(length, end - first));
        ranges.push(range);
      }
    }
    if (ranges.length) CSS.highlights.set("chosen", new Highlight(...ranges));
  }
}

function spanLine(span) {
  const [source, start, , line] = DATA.spans[span];
  const { name, text } = DATA.sources[source];
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const end = text.indexOf("\n", start);
  return { place: `${name}:${line}`, text: text.slice(from, end < 0 ? undefined : end).trim() };
}

// Index of the line that declares an arch or variant, -1 without one.
function declaration(text, name) {
  return text.split("\n").findIndex((line) => {
    const found = line.match(/^\s*(?:arch|variant)\s+(\w+)/);
    return found && found[1] === name;
  });
}
