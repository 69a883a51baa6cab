const say = (value) => (number(value) ? (Math.abs(value) >= 1e4 ? short(value) : `${+value.toPrecision(5)}`) : value ?? "");

function made(name, parent, text, kind) {
  const found = document.createElement(name);
  if (text !== undefined) found.textContent = text;
  if (kind) found.className = kind;
  parent.append(found);
  return found;
}

// What a drawing may consist of; anything else of it is left out.
const DRAWN = new Set(["svg", "g", "path", "polygon", "polyline", "ellipse", "text", "title", "tspan"]);

function copied(node) {
  const name = node.localName === "a" ? "g" : node.localName; // links stand around what has a tooltip
  if (!DRAWN.has(name)) return null;
  const own = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const { name, value } of node.attributes)
    if (name === "font-size") own.style.fontSize = /px|pt/.test(value) ? value : `${value}px`; // charts have a size of their own
    else if (!/^on|href|style|xmlns/i.test(name)) own.setAttribute(name, value);
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) own.append(child.textContent);
    else if (child.nodeType === Node.ELEMENT_NODE) { const inner = copied(child); if (inner) own.append(inner); }
  }
  return own;
}

// A drawing as SVG text, or why there is none.
function drawn(place, svg) {
  if (svg) place.append(copied(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement));
  else place.textContent = "Not drawn: Graphviz is not installed.";
}

function listed(parent, title, values) {
  made("h2", parent, title);
  const list = made("dl", parent);
  const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : `${value}`);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || (typeof value === "object" && !Object.keys(value).length)) continue;
    made("dt", list, name);
    made("dd", list, text(value));
  }
}
