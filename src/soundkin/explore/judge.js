"use strict";
const COLUMNS = ["query_id", "neighbour_id", "verdict", "annotator_id", "timestamp"];
const MEMORY = "soundkin judgements " + document.body.dataset.collection;
const candidates = [...document.querySelectorAll(".candidate")];
const annotator = document.getElementById("annotator");
const status = document.getElementById("status");

// Every judgement there is, the last one of a person and pair; an empty verdict is a mark that was taken off.
const judgements = new Map();

function keyOf(row) { return JSON.stringify([row.annotator_id, row.query_id, row.neighbour_id]); }

function add(row) {
  const known = judgements.get(keyOf(row));
  if (!known || Number(row.timestamp || 0) >= Number(known.timestamp || 0)) judgements.set(keyOf(row), row);
}

function remember() {
  try {
    localStorage.setItem(MEMORY, JSON.stringify({ annotator: annotator.value, rows: [...judgements.values()] }));
    return true;
  } catch { return false; }
}

function recall() {
  try { return JSON.parse(localStorage.getItem(MEMORY)) || {}; } catch { return {}; }
}

function verdictOn(candidate) {
  const row = { annotator_id: annotator.value.trim(), query_id: candidate.dataset.query, neighbour_id: candidate.dataset.neighbour };
  return judgements.get(keyOf(row))?.verdict || "";
}

function show() {
  const kept = remember();
  let marked = 0;
  for (const candidate of candidates) {
    const verdict = verdictOn(candidate);
    marked += verdict ? 1 : 0;
    for (const button of candidate.querySelectorAll("[data-verdict]"))
      button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
  const whose = annotator.value.trim() ? ` by ${annotator.value.trim()}` : "";
  const where = kept ? "kept in this browser" : "this browser keeps nothing: save before you leave";
  status.textContent = `${marked} of ${candidates.length} judged${whose}; ${where}`;
}

function mark(candidate, verdict) {
  add({
    query_id: candidate.dataset.query,
    neighbour_id: candidate.dataset.neighbour,
    verdict: verdict === verdictOn(candidate) ? "" : verdict,
    annotator_id: annotator.value.trim(),
    timestamp: String(Math.floor(Date.now() / 1000)),
  });
  show();
}

function quoted(cell) { return /[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell; }

function asCsv() {
  const rows = [...judgements.values()].filter((row) => row.verdict).map((row) => COLUMNS.map((name) => row[name] ?? ""));
  return [COLUMNS, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
}

function readCsv(text) {
  const rows = [[""]];
  let inside = false;
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; at++) {
    const letter = text[at], row = rows[rows.length - 1];
    if (inside && letter === '"' && text[at + 1] === '"') { row[row.length - 1] += '"'; at++; }
    else if (letter === '"') inside = !inside;
    else if (!inside && letter === ",") row.push("");
    else if (!inside && letter === "\n") rows.push([""]);
    else if (inside || letter !== "\r") row[row.length - 1] += letter;
  }
  const [names, ...found] = rows.filter((row) => row.length > 1);
  return (found || []).map((cells) => Object.fromEntries(COLUMNS.map((name) => [name, cells[names.indexOf(name)] ?? ""])));
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  link.download = "judgements.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function load(file) {
  const rows = readCsv(await file.text()).filter((row) => row.query_id && row.neighbour_id && ["good", "bad"].includes(row.verdict));
  rows.forEach(add);
  show();
  status.textContent += rows.length ? `; ${rows.length} read from ${file.name}` : `; ${file.name} holds no judgements`;
}

function play(player) {
  if (!player) return;
  if (player.paused) player.play().catch(() => {}); else player.pause();
}

function go(step) {
  const here = candidates.indexOf(document.activeElement.closest?.(".candidate"));
  const next = candidates[here < 0 ? 0 : Math.min(Math.max(here + step, 0), candidates.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "center" });
}

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  p: (candidate) => play(candidate?.querySelector("audio")),
  q: (candidate) => play((candidate ?? candidates[0])?.closest(".judged").querySelector(".query-player audio")),
  g: (candidate) => candidate && verdictOn(candidate) !== "good" && mark(candidate, "good"),
  b: (candidate) => candidate && verdictOn(candidate) !== "bad" && mark(candidate, "bad"),
  u: (candidate) => candidate && verdictOn(candidate) && mark(candidate, verdictOn(candidate)),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const act = KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act(document.activeElement.closest?.(".candidate"));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verdict]");
  if (button) mark(button.closest(".candidate"), button.dataset.verdict);
});
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
document.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("save").addEventListener("click", save);
document.getElementById("load").addEventListener("change", (event) => event.target.files[0] && load(event.target.files[0]));
annotator.addEventListener("input", show);

JSON.parse(document.getElementById("given").textContent).forEach(add);
const before = recall();
(before.rows || []).forEach(add);
annotator.value = before.annotator || "";
show();
