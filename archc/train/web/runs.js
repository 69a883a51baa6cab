const { columns, runs } = JSON.parse(document.getElementById("data").textContent);
const percent = (value) => `${+(100 * value).toFixed(2)} %`;

// Lines over epochs, one for each run and key; the second key is dashed.
function curves(keys, yName, form) {
  const lines = runs.flatMap((run, i) => keys.map((key, k) => [run.curves[key] ?? [], i, k]));
  const points = lines.flatMap(([line]) => line);
  if (!points.length) return;
  const values = points.map((p) => p[1]), low = Math.min(...values);
  const log = low > 0 && Math.max(...values) > 50 * low;
  const { svg, x, y } = frame(points.map((p) => p[0]), values, "epoch", yName, form, log);
  for (const [line, i, k] of lines) {
    if (!line.length) continue;
    const g = group(svg, i);
    const d = line.map(([at, value], n) => `${n ? "L" : "M"}${x(at)} ${y(value)}`).join("");
    element("path", { class: k ? "curve second" : "curve", d }, g);
    for (const [at, value] of line)
      element("circle", { cx: x(at), cy: y(value), r: line.length > 60 ? 2 : 3, "data-run": i,
        "data-text": `${runs[i].name}   epoch ${+at.toFixed(2)}   ${keys[k].replace("_", " ")} ${form(value)}` }, g);
  }
  if (lines.some(([line, , k]) => k && line.length)) legend(svg, [["dashed: averaged weights", ""]]);
}

function table() {
  const made = document.createElement("table");
  const row = (cells, kind) => {
    const tr = made.insertRow();
    for (const cell of cells) {
      const td = document.createElement(kind);
      td.textContent = cell;
      tr.append(td);
    }
    return tr;
  };
  row(columns, "th");
  runs.forEach((run, i) => row(run.row, "td").classList.add(`p${i}`, `c${i % COLOURS}`));
  const place = document.createElement("div");
  place.className = "scroll";
  place.append(made);
  plots.before(place);
}

toggles(runs.map((run) => run.name));
table();
curves(["loss"], "training loss", short);
curves(["eval_accuracy", "ema_accuracy"], "held-out accuracy", percent);
curves(["eval_loss", "ema_loss"], "held-out loss", short);
curves(["lr"], "learning rate", short);

plots.addEventListener("pointerover", (event) => {
  const { text } = event.target.dataset ?? {};
  if (text !== undefined) about.textContent = text;
});
