const values = JSON.parse(document.getElementById("values").textContent);
const byId = (id) => document.getElementById(id);
const TOP = 10, STRIPS = 5, COLUMNS = 120, ROWS = 500, HOP_SECS = 1;

// The runtime

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const told = []; // what the runtime says, of which only errors concern a reader
const keep = (...words) => told.push(words.join(" "));
const quiet = { log: keep, info: keep, debug: keep, warn: keep, error: keep };
let litert;

/** Adds a script that lies beside the page. Pages from disk may load scripts, but no data. */
function loadScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = name;
    script.onload = resolve;
    script.onerror = () => reject(new Problem(`${name} is missing beside this page; copy the whole folder, or write the report again.`));
    document.head.append(script);
  });
}

async function loadRuntime() {
  if (typeof WebAssembly !== "object" || typeof DecompressionStream !== "function") {
    throw new Problem("This browser is too old for this page: it lacks WebAssembly or DecompressionStream.");
  }
  await loadScript(values.runtime);
  const unpacked = new Blob([bytesOf(LITERT_WASM)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const wasmBinary = await new Response(unpacked).arrayBuffer();
  const create = async (Library) => new Library(await ModuleFactory({ wasmBinary, print: keep, printErr: keep }));
  litert = defineLiteRt(create, quiet, {}); // no navigator, hence no GPU, whose scores differ
  await litert.loadLiteRt("wasm/");
}

// The model

const received = {};
let chosen, compiled, compiledName;

/** Called by the script of a model. */
function receiveModel(name, text) { received[name] = bytesOf(text); }

/** Makes the chosen model ready. */
async function prepare() {
  const { script } = chosen;
  if (!(script in received)) await loadScript(`${values.folder}/${script}`);
  if (compiledName === script) return;
  const fresh = await litert.loadAndCompile(received[script], { accelerator: "wasm" });
  if (chosen.script !== script) { fresh.delete(); return; }
  compiled?.delete();
  [compiled, compiledName] = [fresh, script];
}

async function scoresOf(clip) {
  const input = new litert.Tensor(clip, [1, clip.length]);
  let outputs = [];
  try {
    outputs = await compiled.run([input]);
    return Array.from(outputs[0].toTypedArray());
  } finally {
    input.delete();
    outputs.forEach((output) => output.delete());
  }
}

// What the page shows

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function say(text) { byId("status").textContent = text; }

function complain(error) {
  const isOurs = error instanceof Problem;
  byId("problem").textContent = isOurs ? error.message : `The model cannot be run in this browser: ${error.message || error}`;
  byId("problem").hidden = false;
  say("");
  if (!isOurs) console.error(error, told.slice(-20));
}

function showFacts() {
  const { subnet, budget, quantization, bytes, labels, clip_samples: clip, sample_rate_hz: rate } = chosen;
  const facts = { network: subnet, budget, file: `${quantization}, ${bytes.toLocaleString("en")} bytes`,
    clip: `${seconds(clip / rate)} at ${rate} Hz`, labels: `${labels.length}` };
  const shown = Object.entries(facts).filter(([, text]) => text);
  byId("facts").replaceChildren(...shown.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
}

/** Indices of the labels, the highest score first. */
const ranked = (scores) => scores.map((_, index) => index).sort((one, other) => scores[other] - scores[one]);

function showTags(scores, heard) {
  const row = (index) => {
    const item = element("li"), label = chosen.labels[index];
    const bar = element("meter", "", { min: 0, max: 1, value: scores[index], "aria-label": `score of ${label}` });
    item.append(element("span", label), bar, element("span", scores[index].toFixed(3)));
    return item;
  };
  const rows = ranked(scores).map(row);
  byId("result").hidden = false;
  byId("heard").textContent = heard;
  byId("tags").replaceChildren(...rows.slice(0, TOP));
  byId("others").replaceChildren(...rows.slice(TOP));
  byId("more").hidden = rows.length <= TOP;
  byId("more").querySelector("summary").textContent = `${rows.length - TOP} more labels`;
}

/** A row of cells per label, and a table; neighbouring windows share a cell if there are many. */
function showTimeline(windows, best, lengthSecs) {
  byId("timeline").hidden = windows.length < 2;
  const size = Math.ceil(windows.length / COLUMNS);
  const groups = windows.filter((_, index) => index % size === 0).map((_, index) => windows.slice(index * size, (index + 1) * size));
  const ends = [...groups.slice(1).map((group) => group[0].begin), lengthSecs];
  const strips = best.slice(0, STRIPS).map((index) => {
    const highs = groups.map((group) => Math.max(...group.map(({ scores }) => scores[index])));
    const peak = highs.indexOf(Math.max(...highs)), label = chosen.labels[index];
    const text = `${label}: highest ${highs[peak].toFixed(2)}, at ${seconds(groups[peak][0].begin)}`;
    const cells = element("div", "", { class: "cells", role: "img", "aria-label": text });
    cells.append(...highs.map((high, at) => {
      const begin = groups[at][0].begin, cell = element("span", "", { title: `${seconds(begin)}: ${high.toFixed(3)}` });
      cell.style.opacity = high;
      cell.style.flex = `${ends[at] - begin} 1 0`;
      return cell;
    }));
    const strip = element("div", "", { class: "strip" });
    strip.append(element("div", text), cells);
    return strip;
  });
  const scale = element("div", "", { class: "scale note" });
  scale.append(element("span", "0 s"), element("span", seconds(lengthSecs)));
  byId("strips").replaceChildren(...strips, scale);
  byId("windows").replaceChildren(...windows.slice(0, ROWS).map(({ begin, end, scores }) => {
    const row = element("tr"), top = ranked(scores)[0];
    row.append(element("td", begin.toFixed(2)), element("td", end.toFixed(2)), element("td", scores[top].toFixed(3)), element("td", chosen.labels[top]));
    return row;
  }));
  byId("windows-note").textContent = windows.length > ROWS ? `The first ${ROWS} of ${windows.length} windows.` : "";
}

// What it does: one thing at a time, the last that was asked for

let turn = 0, recording, microphone;

/** Runs a task after ending the one before; it gets a function that tells whether it is still wanted. */
async function begin(task) {
  const mine = ++turn;
  microphone?.close();
  microphone = undefined;
  byId("microphone").textContent = "Start the microphone";
  byId("microphone").setAttribute("aria-pressed", "false");
  byId("level-label").hidden = true;
  byId("problem").hidden = true;
  try {
    await task(() => mine === turn);
  } catch (error) {
    if (mine === turn) complain(error);
  }
}

const pause = () => new Promise((resolve) => { setTimeout(resolve); });

async function tagRecording(wanted) {
  const { file } = recording, rate = chosen.sample_rate_hz;
  byId("result").hidden = true;
  say(`${file.name} is read.`);
  await prepare();
  const samples = await decode(file, rate);
  const windows = [];
  let shown = performance.now();
  for (const { begin: first, samples: part } of windowsOf(samples, chosen.clip_samples)) {
    if (!wanted()) return;
    windows.push({ begin: first / rate, end: (first + part.length) / rate, scores: await scoresOf(fitted(part, chosen)) });
    if (performance.now() - shown > 100) {
      say(`${file.name}: ${seconds(windows.at(-1).end)} of ${seconds(samples.length / rate)}`);
      await pause();
      shown = performance.now();
    }
  }
  if (!wanted()) return;
  const scores = overall(windows.map((window) => window.scores), chosen.task);
  const count = `${windows.length} ${windows.length === 1 ? "window" : "windows"}`;
  showTags(scores, `${file.name}: ${seconds(samples.length / rate)}, ${count}`);
  showTimeline(windows, ranked(scores), samples.length / rate);
  byId("player").hidden = false;
  say(`${file.name} is tagged: ${chosen.labels[ranked(scores)[0]]}.`);
}

function open(file) {
  if (!file) return;
  if (recording) URL.revokeObjectURL(recording.url);
  recording = { file, url: URL.createObjectURL(file) };
  byId("player").src = recording.url;
  begin(tagRecording);
}

async function listen(wanted) {
  recording = undefined;
  byId("player").hidden = byId("timeline").hidden = byId("result").hidden = true;
  byId("player").removeAttribute("src");
  await prepare();
  const { clip_samples: clip, sample_rate_hz: rate } = chosen, clipSecs = clip / rate;
  let due = clipSecs, isBusy = false;
  const hear = async (block) => {
    if (!wanted() || !microphone) return;
    byId("level").value = block.reduce((high, sample) => Math.max(high, Math.abs(sample)), 0);
    if (isBusy || !microphone.isFull || microphone.heardSecs < due) return;
    isBusy = true;
    const heardSecs = microphone.heardSecs;
    due = heardSecs + Math.min(HOP_SECS, clipSecs);
    try {
      const scores = await scoresOf(await microphone.lastClip());
      if (wanted()) showTags(scores, `The last ${seconds(clipSecs)} of the microphone, after ${Math.round(heardSecs)} s`);
    } catch (error) {
      if (wanted()) begin(() => { throw error; });
    } finally {
      isBusy = false;
    }
  };
  say("The browser asks for the microphone.");
  const opened = await Microphone.open(rate, clip, hear);
  if (!wanted()) { opened.close(); return; }
  microphone = opened;
  byId("level-label").hidden = false;
  byId("microphone").textContent = "Stop the microphone";
  byId("microphone").setAttribute("aria-pressed", "true");
  say(`Listening. The first tags come after ${seconds(clipSecs)}, then about every second.`);
}

function chooseModel() {
  const isListening = Boolean(microphone);
  chosen = values.models[byId("model").value];
  showFacts();
  byId("result").hidden = true;
  if (recording) begin(tagRecording);
  else if (isListening) begin(listen);
  else begin(prepareOnly);
}

async function prepareOnly(wanted) {
  say("The model is loaded.");
  await prepare();
  if (wanted()) say("Ready for a recording or the microphone.");
}

values.models.forEach(({ name, budget }, index) => {
  const isFirst = index === values.first;
  byId("model").add(new Option(budget ? `${name} (${budget})` : name, index, isFirst, isFirst));
});
byId("model").addEventListener("change", chooseModel);
byId("file").addEventListener("change", () => open(byId("file").files[0]));
byId("file").addEventListener("click", () => { byId("file").value = ""; }); // the same file again
byId("microphone").addEventListener("click", () => {
  if (microphone) begin(async () => say("The microphone is off."));
  else begin(listen);
});
// Anywhere on the page: a recording that misses its place would take the page's.
["dragover", "dragleave", "drop"].forEach((kind) => addEventListener(kind, (event) => {
  event.preventDefault();
  byId("drop").classList.toggle("over", kind === "dragover");
  if (kind === "drop" && !byId("file").disabled) open(event.dataTransfer.files[0]);
}));
byId("from-disk").hidden = isSecureContext && location.protocol !== "file:";

async function start(wanted) {
  chosen = values.models[byId("model").value];
  showFacts();
  byId("model").disabled = true;
  await loadRuntime();
  byId("model").disabled = false;
  await prepareOnly(wanted);
  byId("file").disabled = byId("microphone").disabled = false;
}
begin(start);
