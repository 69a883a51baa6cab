const { column, populations } = JSON.parse(document.getElementById("data").textContent);

function scatter(xName, yName, bands) {
  const rows = populations.map((p) => p.rows.filter((r) => number(r[xName]) && number(r[yName])));
  const all = rows.flat();
  if (!all.length) return;
  const { svg, x, y } = frame(all.map((r) => r[xName]), all.map((r) => r[yName]), xName, yName);
  rows.forEach((found, i) => {
    const g = group(svg, i), band = bands && populations[i].parameters[xName];
    if (band) {
      element("rect", { class: "band", x: x(band[0]), y: TOP, width: Math.max(1, x(band[2]) - x(band[0])), height: H - TOP - BOTTOM }, g);
      element("path", { d: `M${x(band[1])} ${TOP}V${H - BOTTOM}` }, g);
    }
    for (const row of found)
      element("circle", { cx: x(row[xName]), cy: y(row[yName]), r: 3.5, "data-name": row.name, "data-population": i }, g);
  });
}

function edfs() {
  const found = populations.map((p, i) => [p.edf, i]).filter(([e]) => e);
  if (!found.length) return;
  const { svg, x, y } = frame(found.flatMap(([e]) => e.errors), [0, 1], column, "share of networks below");
  for (const [e, i] of found) {
    const g = group(svg, i);
    const steps = (shares) => e.errors.map((v, k) => `${k ? "H" + x(v) : "M" + x(v) + " " + y(0)}V${y(shares[k])}`).join("");
    const back = e.errors.map((v, k) => [v, k]).reverse().map(([v, k]) => `L${x(v)} ${y(e.low[k])}`).join("");
    element("path", { class: "band", stroke: "none", d: `${steps(e.high)}${back}Z` }, g);
    element("path", { class: "curve", d: steps(e.shares) }, g);
  }
}

toggles(populations.map((p) => `${p.name} (${p.rows.length})`));
edfs();
for (const name of new Set(populations.flatMap((p) => Object.keys(p.parameters)))) scatter(name, column, true);
scatter("macs", "activations", false);
scatter("macs", "params", false);
if (populations.some((p) => p.edf)) scatter("macs", column, false);

plots.addEventListener("pointerover", (event) => {
  const { name, population } = event.target.dataset ?? {};
  if (name === undefined) return;
  for (const circle of document.querySelectorAll("circle"))
    circle.classList.toggle("same", circle.dataset.name === name && circle.dataset.population === population);
  const row = populations[population].rows.find((r) => r.name === name);
  about.textContent = Object.entries(row).map(([key, value]) => `${key} ${number(value) && value > 9999 ? short(value) : value}`).join("   ");
});
