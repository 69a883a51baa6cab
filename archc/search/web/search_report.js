const data = JSON.parse(document.getElementById("data").textContent);
const first = data.objectives[0], whole = new Set(data.whole);
const byNumber = new Map(data.rows.map((row) => [row.number, row]));

function dot(svg, place, row, x, y) {
  element("circle", { cx: x, cy: y, r: 3.5, "data-number": row.number }, group(svg, place));
}

// The first objective of each evaluation, in order, and the best so far.
function course() {
  const rows = data.rows.filter((row) => row.state === "evaluated" && number(row.values[first]));
  if (!rows.length) return;
  const { svg, x, y } = frame(rows.map((_, i) => i + 1), rows.map((row) => row.values[first]), "evaluations", first);
  let best, path = "";
  rows.forEach((row, i) => {
    dot(svg, whole.has(row.number) ? 0 : 3, row, x(i + 1), y(row.values[first]));
    if (!whole.has(row.number)) return;
    const value = row.values[first];
    if (best === undefined) path = `M${x(i + 1)} ${y(value)}`;
    else path += `H${x(i + 1)}`;
    best = best === undefined ? value : (data.smaller[0] ? Math.min : Math.max)(best, value);
    path += `V${y(best)}`;
  });
  element("path", { class: "best", d: path }, group(svg, 1));
  const partly = rows.some((row) => !whole.has(row.number));
  legend(svg, [["evaluated", 0], ...(partly ? [["trained in part", 3]] : []), ["best so far", 1]]);
}

// The first objective against the second, or against what a network costs, with the front.
function front() {
  const rows = data.rows.filter((row) => whole.has(row.number) && number(row.values[data.second]));
  if (!rows.length) return;
  const { svg, x, y } = frame(rows.map((row) => row.values[data.second]), rows.map((row) => row.values[first]), data.second, first);
  const members = data.front.map((n) => byNumber.get(n)).sort((a, b) => a.values[data.second] - b.values[data.second]);
  const path = members.map((row, i) => `${i ? "L" : "M"}${x(row.values[data.second])} ${y(row.values[first])}`).join("");
  element("path", { class: "best", d: path }, group(svg, 1));
  for (const row of rows) dot(svg, data.front.includes(row.number) ? 1 : 0, row, x(row.values[data.second]), y(row.values[first]));
  legend(svg, [["evaluated", 0], ["front", 1]]);
}

function winners(parent) {
  made("h2", parent, "Found");
  for (const winner of data.winners) {
    const values = Object.entries(winner.values).map(([name, value]) => `${name} ${say(value)}`).join(", ");
    made("h3", parent, `${winner.name}, trial ${winner.number}: ${values}`);
    const box = made("div", parent, undefined, "winner");
    made("pre", box, winner.spec);
    const place = made("div", box, undefined, "scroll");
    drawn(place, winner.svg);
  }
}

function tried(parent) {
  made("h2", parent, "Tried");
  const figures = [...new Set([...data.objectives, ...(data.report ? [data.report] : []), "params", "macs", "latency"])]
    .filter((name) => data.rows.some((row) => name in row.values));
  const timed = data.rows.some((row) => row.epochs !== null);
  const columns = ["trial", "state", ...(timed ? ["epochs"] : []), ...figures, "seconds", "from"];
  const cell = (row, column) =>
    ({ trial: row.number, state: row.reason ? `${row.state}: ${row.reason}` : row.state, epochs: row.epochs, seconds: row.seconds, from: row.why })[column] ?? row.values[column];
  const table = made("table", made("div", parent, undefined, "scroll"));
  const head = made("tr", made("thead", table)), body = made("tbody", table);
  const isText = (column) => ["state", "from"].includes(column);
  let order = "trial", down = false;
  const fill = () => {
    const rows = [...data.rows].sort((a, b) => {
      const [u, v] = [cell(a, order) ?? -Infinity, cell(b, order) ?? -Infinity];
      return (u < v ? -1 : u > v ? 1 : a.number - b.number) * (down ? -1 : 1);
    });
    body.replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      line.className = row.state;
      for (const column of columns) made("td", line, say(cell(row, column)), isText(column) ? "text" : "");
      return line;
    }));
  };
  for (const column of columns) {
    const cell = made("th", head, undefined, isText(column) ? "text" : "");
    made("button", cell, column).addEventListener("click", () => {
      down = order === column ? !down : column !== "trial" && !isText(column);
      order = column;
      for (const other of head.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      fill();
    });
  }
  fill();
}

course();
front();
const below = document.createElement("section");
plots.after(below);
winners(below);
tried(below);
listed(below, "How", { command: data.command, ...data.summary });

plots.addEventListener("pointerover", (event) => {
  const chosen = event.target.dataset?.number;
  if (chosen === undefined) return;
  for (const circle of document.querySelectorAll("circle")) circle.classList.toggle("same", circle.dataset.number === chosen);
  const row = byNumber.get(Number(chosen));
  about.textContent = `trial ${row.number}: ${Object.entries(row.values).map(([name, value]) => `${name} ${say(value)}`).join("   ")}   ${row.why}`;
});
