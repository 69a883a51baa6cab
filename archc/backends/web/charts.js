const W = 380, H = 290, LEFT = 56, RIGHT = 10, TOP = 12, BOTTOM = 40, COLOURS = 6;
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
  return `${+value.toPrecision(3)}`;
}

function frame(xs, ys, xName, yName) {
  const svg = element("svg", { width: W, height: H, role: "img", "aria-label": `${yName} by ${xName}` });
  const bounds = (values) => {
    const low = Math.min(...values), high = Math.max(...values);
    const room = (high - low || Math.abs(high) || 1) * 0.03;
    return [low - room, high + room];
  };
  const [x0, x1] = bounds(xs), [y0, y1] = bounds(ys);
  const x = (v) => LEFT + (v - x0) / (x1 - x0) * (W - LEFT - RIGHT);
  const y = (v) => H - BOTTOM - (v - y0) / (y1 - y0) * (H - TOP - BOTTOM);
  element("path", { class: "axis", fill: "none", d: `M${LEFT} ${TOP}V${H - BOTTOM}H${W - RIGHT}` }, svg);
  for (let i = 0; i <= 4; i++) {
    const vx = x0 + (x1 - x0) * i / 4, vy = y0 + (y1 - y0) * i / 4;
    element("text", { x: x(vx), y: H - BOTTOM + 14, "text-anchor": "middle" }, svg, short(vx));
    element("text", { x: LEFT - 4, y: y(vy) + 4, "text-anchor": "end" }, svg, short(vy));
  }
  element("text", { x: (W + LEFT) / 2, y: H - 8, "text-anchor": "middle" }, svg, xName);
  element("text", { transform: `translate(12 ${H / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, yName);
  plots.append(svg);
  return { svg, x, y };
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

