const data = JSON.parse(document.getElementById("data").textContent);

// Each of some columns of the history, over the epochs of the supernet or the trials of its evolution.
function course(names, along) {
  for (const name of names) {
    const rows = data.history.filter((row) => number(row[name]) && number(row[along]));
    if (rows.length < 2) continue;
    const { svg, x, y } = frame(rows.map((row) => row[along]), rows.map((row) => row[name]), along === "trial" ? "trials" : "epochs", name);
    const d = rows.map((row, i) => `${i ? "L" : "M"}${x(row[along])} ${y(row[name])}`).join("");
    element("path", { class: "line", d }, group(svg, 0));
  }
}

// The shares of the answers to each choice; choices with the same answers in one table.
function shares(parent) {
  if (!data.choices.length) return;
  made("h2", parent, "Shares in the end");
  const tables = new Map();
  for (const choice of data.choices) {
    const key = choice.answers.join();
    if (!tables.has(key)) tables.set(key, []);
    tables.get(key).push(choice);
  }
  for (const rows of tables.values()) {
    const table = made("table", made("div", parent, undefined, "scroll"));
    const head = made("tr", made("thead", table)), body = made("tbody", table);
    for (const name of ["choice", ...rows[0].answers]) made("th", head, name);
    for (const row of rows) {
      const line = made("tr", body);
      made("td", line, row.path);
      const most = Math.max(...row.shares);
      row.shares.forEach((share, i) => {
        const cell = made("td", line, share.toFixed(3), row.chosen.includes(i) ? "taken" : "");
        cell.style.background = `rgb(31 119 180 / ${(0.6 * share / most).toFixed(2)})`;
      });
    }
  }
}

course(["loss", "accuracy", "entropy", "reward"], "epoch");
course(["best"], "trial");
const below = document.createElement("section");
plots.after(about, below);
made("h2", below, "Found");
const box = made("div", below, undefined, "winner");
made("pre", box, data.spec);
drawn(made("div", box, undefined, "scroll"), data.svg);
listed(below, "Trained from scratch", data.trained);
shares(below);
listed(below, "How", { command: data.command, ...data.told });
