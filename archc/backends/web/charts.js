const W = 380, H = 302, LEFT = 56, RIGHT = 16, TOP = 24, BOTTOM = 40, COLOURS = 6;
const plots = document.getElementById("plots"), about = document.getElementById("about");

function element(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function short(value) {
  const size = Math.abs(value);
  for (const [unit, name] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (size >= unit) return `${+(value / unit).toPrecision(3)}${name}`;
  return size && size < 1e-3 ? (+value.toPrecision(2)).toExponential() : `${+value.toPrecision(3)}`;
}

// Round numbers inside [low, high], three to five of them.
function ticks(low, high) {
  const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return found;
}

function logTicks(low, high) {
  const found = [];
  for (let k = Math.floor(low); k <= high; k++)
    for (const m of high - low > 2 ? [1] : [1, 2, 5]) if (k + Math.log10(m) >= low && k + Math.log10(m) <= high) found.push(k + Math.log10(m));
  return found;
}

// Axes around all points; `form` writes a value of y, `log` makes y logarithmic.
function frame(xs, ys, xName, yName, form = short, log = false) {
  const svg = element("svg", { width: W, height: H, role: "img", "aria-label": `${yName} by ${xName}` });
  const bounds = (values) => {
    const low = Math.min(...values), high = Math.max(...values);
    const room = (high - low || Math.abs(high) || 1) * 0.03;
    return [low - room, high + room];
  };
  const scale = log ? Math.log10 : (v) => v;
  const [x0, x1] = bounds(xs), [y0, y1] = bounds(ys.map(scale));
  const x = (v) => LEFT + (v - x0) / (x1 - x0) * (W - LEFT - RIGHT);
  const place = (v) => H - BOTTOM - (v - y0) / (y1 - y0) * (H - TOP - BOTTOM);
  const y = (v) => place(scale(v));
  element("path", { class: "axis", fill: "none", d: `M${LEFT} ${TOP}V${H - BOTTOM}H${W - RIGHT}` }, svg);
  for (const v of ticks(x0, x1)) element("text", { x: x(v), y: H - BOTTOM + 14, "text-anchor": "middle" }, svg, short(v));
  for (const v of log ? logTicks(y0, y1) : ticks(y0, y1))
    element("text", { x: LEFT - 4, y: place(v) + 4, "text-anchor": "end" }, svg, form(log ? 10 ** v : v));
  element("text", { x: (W + LEFT) / 2, y: H - 8, "text-anchor": "middle" }, svg, xName);
  element("text", { transform: `translate(12 ${H / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, yName);
  plots.append(svg);
  return { svg, x, y };
}

// What colours and lines of a chart mean, above its right corner: [text, colour] of each.
function legend(svg, entries) {
  const line = element("text", { class: "legend", x: W - RIGHT, y: TOP - 8, "text-anchor": "end" }, svg);
  entries.forEach(([text, colour], i) => {
    element("tspan", { class: `c${colour}`, dx: i ? 12 : 0 }, line, text);
  });
}

const group = (svg, i) => element("g", { class: `c${i % COLOURS} p${i}` }, svg);
const number = (value) => typeof value === "number";

// A button for each series, which shows and hides what `group` made for it.
function toggles(names) {
  names.forEach((name, i) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.className = `b${i}`;
    button.classList.add(`c${i % COLOURS}`);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const g of document.querySelectorAll(`.p${i}`)) g.classList.toggle("off", !on);
    });
    plots.before(button);
  });
}

