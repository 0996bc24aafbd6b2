"use strict";
const values = JSON.parse(document.getElementById("values").textContent);
const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const redraws = [];

/** Text for Plotly, which reads some tags and entities of HTML. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** A text that is cut in the middle, for an axis. */
function short(text, most = 24) {
  return text.length <= most ? text : `${text.slice(0, most - 8)}…${text.slice(-7)}`;
}

function layout(more) {
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text"), family: "system-ui, sans-serif" },
    margin: { t: 30, r: 10, b: 45, l: 50 },
    hoverlabel: { align: "left", bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("text") } },
    // A finger on a chart scrolls the page.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    ...more,
    xaxis: { ...axis, ...(more.xaxis || {}) },
    yaxis: { ...axis, ...(more.yaxis || {}) },
  };
}

const drawn = new Set();

function draw(element, traces, more) {
  // With a configuration, Plotly may draw a second time later, over what has been drawn since.
  if (drawn.has(element)) return Plotly.react(element, traces, layout(more));
  drawn.add(element);
  return Plotly.newPlot(element, traces, layout(more), { responsive: true, displayModeBar: false });
}

/** Draws now, and again when the colours of the system change. */
function register(redraw) {
  redraws.push(redraw);
  redraw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((redraw) => redraw()));

function option(select, value, text, chosen) {
  select.add(new Option(text, value, chosen, chosen));
}

// Copying

/** Whether a text was copied. Browsers may refuse the first way, or leave it unanswered. */
async function copy(text) {
  const late = new Promise((resolve, reject) => { setTimeout(reject, 500); });
  try {
    await Promise.race([navigator.clipboard.writeText(text), late]);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

document.querySelectorAll("[data-copy]").forEach((button) => {
  const name = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(button.dataset.copy)) ? "copied" : "not copied";
    setTimeout(() => { button.textContent = name; }, 1500);
  });
});

// Subnets

/** Numbers of the subnets that no other dominates on the axes; of equal ones the first. */
function paretoFront(subnets, axes) {
  const signed = axes.map((axis) => subnets.columns[axis.name].map((v) => (v === null ? null : axis.lower_is_better ? v : -v)));
  const known = subnets.names.map((_, i) => i).filter((i) => signed.every((column) => column[i] !== null));
  const dominates = (a, b) => {
    if (!signed.every((column) => column[a] <= column[b])) return false;
    return a < b || signed.some((column) => column[a] < column[b]);
  };
  const front = known.filter((i) => !known.some((j) => j !== i && dominates(j, i)));
  return front.sort((a, b) => signed[0][a] - signed[0][b]);
}

function valueText(name, value) {
  if (value === null) return "unknown";
  if (name === "macs") return `${(value / 1e6).toLocaleString("en", { maximumFractionDigits: 2 })} M`;
  return value.toLocaleString("en", { maximumFractionDigits: 4 });
}

function hoverText(subnets, index, axes) {
  const shown = ["params", "macs", "latency_ms", "arena_bytes", subnets.figure, ...axes.map((axis) => axis.name)];
  const lines = subnets.axes.filter((axis) => shown.includes(axis.name))
    .map((axis) => `${axis.title}: ${valueText(axis.name, subnets.columns[axis.name][index])}`);
  const name = subnets.names[index].replace(/(.{1,36})(-|$)/g, "$1$2\n").trim().split("\n");
  return [`<b>${name.map(plain).join("<br>")}</b>`, ...subnets.roles[index].map((role) => `★ ${plain(role)}`), ...lines.map(plain)].join("<br>");
}

function trace(subnets, indices, axes, more) {
  return {
    type: "scatter",
    x: indices.map((i) => subnets.columns[axes[0].name][i]),
    y: indices.map((i) => subnets.columns[axes[1].name][i]),
    customdata: indices,
    text: indices.map((i) => hoverText(subnets, i, axes)),
    hoverinfo: "text",
    ...more,
  };
}

function paretoTraces(subnets, axes) {
  const isCost = !axes[1].name.startsWith("validation_");
  const figure = subnets.axes.find((axis) => axis.name === subnets.figure);
  const front = paretoFront(subnets, isCost ? [...axes, figure] : axes);
  const all = subnets.names.map((_, i) => i);
  const winners = all.filter((i) => subnets.roles[i].length);
  const shade = { color: all.map((i) => subnets.columns[subnets.figure][i]), colorscale: "Viridis", colorbar: { title: { text: plain(figure.title), side: "right" }, thickness: 12 } };
  const better = axes[0].lower_is_better ? "hv" : "vh";
  return [
    trace(subnets, all, axes, { name: `${all.length} subnets`, mode: "markers", marker: { size: 7, ...(isCost ? shade : { color: colour("points") }) } }),
    trace(subnets, front, axes, { name: "Pareto front", mode: isCost ? "markers" : "lines+markers", line: { shape: better, color: colour("front") }, marker: { size: 10, color: isCost ? "rgba(0,0,0,0)" : colour("front"), line: { color: colour("front"), width: 2 } } }),
    trace(subnets, winners, axes, { name: "winners and largest", mode: "markers", marker: { symbol: "star", size: 15, color: colour("winner"), line: { color: colour("page"), width: 1 } } }),
  ];
}

function showSubnets(subnets) {
  const [chart, x, y, log] = ["pareto", "axis-x", "axis-y", "log-x"].map(byId);
  subnets.axes.forEach((axis) => {
    option(x, axis.name, axis.title, axis.name === "params");
    option(y, axis.name, axis.title, axis.name === subnets.figure);
  });
  const find = (select) => subnets.axes.find((axis) => axis.name === select.value);
  register(() => {
    const axes = [find(x), find(y)];
    const traces = paretoTraces(subnets, axes);
    draw(chart, traces, {
      hovermode: "closest",
      xaxis: { title: { text: plain(axes[0].title) }, type: log.checked ? "log" : "linear" },
      yaxis: { title: { text: plain(axes[1].title) } },
    });
    const third = axes[1].name.startsWith("validation_") ? "" : " No other subnet is at least as good in both and in the figure.";
    byId("front").textContent = `${traces[1].x.length} of ${subnets.names.length} subnets are on the Pareto front.${third}`;
  });
  [x, y, log].forEach((control) => control.addEventListener("change", redraws[redraws.length - 1]));
  chart.on("plotly_click", (event) => choose(subnets.names[event.points[0].customdata]));
  byId("chosen").querySelector("button").addEventListener("click", () => copyChosen());
}

function choose(subnet) {
  const box = byId("chosen");
  box.querySelector("code").textContent = values.convert.replace("--subnet=SUBNET", `--subnet=${subnet}`);
  box.hidden = false;
  return copyChosen();
}

async function copyChosen() {
  const done = await copy(byId("chosen").querySelector("code").textContent);
  byId("copied").textContent = done ? "The command was copied." : "The browser refused to copy the command.";
}

// Budgets

function showIntervals(winners) {
  const scored = winners.filter((row) => row.evaluation !== null);
  if (!scored.length) {
    byId("intervals").hidden = true;
    return;
  }
  const names = scored.map((row) => row.budget || "(largest)");
  const ends = scored.map((row) => row.interval || [row.evaluation, row.evaluation]);
  register(() => draw(byId("intervals"), [{
    type: "scatter",
    mode: "markers",
    x: scored.map((row) => row.evaluation),
    y: names.map((_, i) => i),
    text: scored.map((row, i) => `<b>${plain(names[i])}</b><br>${row.evaluation.toFixed(3)}, 95 %: ${ends[i][0].toFixed(3)} to ${ends[i][1].toFixed(3)}`),
    hoverinfo: "text",
    marker: { size: 11, color: colour("front") },
    error_x: { type: "data", symmetric: false, color: colour("front"), array: scored.map((row, i) => ends[i][1] - row.evaluation), arrayminus: scored.map((row, i) => row.evaluation - ends[i][0]) },
  }], {
    xaxis: { title: { text: `evaluation ${scored[0].figure}, with its 95 % interval` } },
    yaxis: { tickvals: names.map((_, i) => i), ticktext: names.map((name) => plain(short(name))), range: [names.length - 0.5, -0.5] },
  }));
}

// Classes

const MOST_BARS = 30;

function showClasses(files) {
  const select = byId("class-file");
  files.forEach((file, index) => option(select, index, file.file, index === 0));
  const chart = byId("per-class");
  register(() => {
    const file = files[select.value];
    const name = "f1" in file.classes[0] ? "f1" : "average_precision";
    const rows = file.classes.slice(0, MOST_BARS);
    const title = name === "f1" ? "F1" : "average precision";
    draw(chart, [{
      type: "bar",
      orientation: "h",
      x: rows.map((row) => row[name]),
      y: rows.map((_, i) => i),
      text: rows.map((row) => Object.entries(row).map(([key, value]) => `${key.replace("_", " ")}: ${typeof value === "number" ? valueText(key, value) : value === null ? "not defined" : plain(value)}`).join("<br>")),
      textposition: "none",
      hoverinfo: "text",
      marker: { color: colour("front") },
    }], {
      xaxis: { title: { text: `${title}, the worst class first` }, range: [0, 1] },
      yaxis: { tickvals: rows.map((_, i) => i), ticktext: rows.map((row) => plain(short(row.label))), range: [rows.length - 0.5, -0.5] },
    });
    byId("class-note").textContent = file.classes.length > MOST_BARS ? `The ${MOST_BARS} worst of ${file.classes.length} classes; the model card has all.` : "";
    showConfusions(byId("confusions"), file.confusions);
  });
  select.addEventListener("change", redraws[redraws.length - 1]);
}

function showConfusions(place, confusions) {
  place.replaceChildren();
  if (!confusions.length) return;
  const table = document.createElement("table");
  const heading = table.createTHead().insertRow();
  for (const text of ["most frequent confusions", "classified as", "clips", "share"]) {
    heading.append(Object.assign(document.createElement("th"), { textContent: text }));
  }
  const body = table.createTBody();
  for (const row of confusions) {
    const line = body.insertRow();
    [row.label, row.classified_as, row.clips, `${(100 * row.share).toFixed(0)} %`].forEach((text) => { line.insertCell().textContent = text; });
  }
  place.append(table);
}

// Training

function showCurves(charts) {
  // All places first: a chart takes the width that its place has when it is drawn.
  const places = charts.map(() => Object.assign(document.createElement("div"), { className: "chart" }));
  places.forEach((place) => byId("curves").append(place));
  charts.forEach((chart, index) => {
    const more = chart.left_out ? ` (${chart.curves.length} of ${chart.curves.length + chart.left_out})` : "";
    register(() => draw(places[index], chart.curves.map((curve) => ({
      type: "scatter",
      mode: curve.steps.length > 40 ? "lines" : "lines+markers",
      name: plain(curve.name.split("/").slice(1).join("/") || curve.name),
      x: curve.steps,
      y: curve.values,
    })), {
      title: { text: plain(`${chart.stage}: ${chart.group}${more}`), font: { size: 14 }, x: 0, xref: "paper", y: 0.98, yanchor: "top" },
      margin: { t: 60, r: 10, b: 45, l: 50 },
      showlegend: chart.curves.length > 1,
      xaxis: { title: { text: "step" } },
    }));
  });
}

// Data

function showBalance(balance) {
  const names = balance.labels.map((_, i) => i);
  const few = names.length <= 40;
  register(() => draw(byId("balance"), Object.entries(balance.splits).map(([split, counts]) => ({
    type: "bar",
    name: plain(split),
    x: names,
    y: counts,
    text: balance.labels.map((label, i) => `${plain(label)}<br>${counts[i].toLocaleString("en")} ${plain(split)} clips`),
    textposition: "none",
    hoverinfo: "text",
  })), {
    barmode: "stack",
    xaxis: { tickvals: few ? names : [], ticktext: few ? balance.labels.map((label) => plain(short(label, 18))) : [] },
    yaxis: { title: { text: "clips of a class" } },
  }));
}

if (values.subnets) showSubnets(values.subnets);
if (values.winners.length) showIntervals(values.winners);
if (values.classes.length) showClasses(values.classes);
showCurves(values.charts);
if (values.balance) showBalance(values.balance);
