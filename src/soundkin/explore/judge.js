const COLUMNS = ["query_id", "neighbour_id", "verdict", "annotator_id", "timestamp"];
const MEMORY = "soundkin judgements " + document.body.dataset.collection; // an earlier name, so that marks are found again
const candidates = [...document.querySelectorAll(".candidate")];
const annotator = document.getElementById("annotator");
const status = document.getElementById("status");

// Every verdict there is, the last one of a person and pair; an empty verdict is a mark that was taken off.
const verdicts = new Map();

function keyOf(row) { return JSON.stringify([row.annotator_id, row.query_id, row.neighbour_id]); }

function add(row) {
  const known = verdicts.get(keyOf(row));
  if (!known || Number(row.timestamp || 0) >= Number(known.timestamp || 0)) verdicts.set(keyOf(row), row);
}

function verdictOn(candidate) {
  const row = { annotator_id: annotator.value.trim(), query_id: candidate.dataset.query, neighbour_id: candidate.dataset.neighbour };
  return verdicts.get(keyOf(row))?.verdict || "";
}

function show() {
  const kept = keep(MEMORY, { annotator: annotator.value, rows: [...verdicts.values()] });
  let marked = 0;
  for (const candidate of candidates) {
    const verdict = verdictOn(candidate);
    marked += verdict ? 1 : 0;
    for (const button of candidate.querySelectorAll("[data-verdict]"))
      button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
  const whose = annotator.value.trim() ? ` by ${annotator.value.trim()}` : "";
  status.textContent = `${marked} of ${candidates.length} judged${whose}; ${kept}`;
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

async function load(file) {
  const rows = readCsv(await file.text()).filter((row) => row.query_id && row.neighbour_id && ["good", "bad"].includes(row.verdict));
  rows.forEach(add);
  show();
  status.textContent += rows.length ? `; ${rows.length} read from ${file.name}` : `; ${file.name} holds no verdicts`;
}

walkByKeys(".candidate", {
  q: (candidate) => play((candidate ?? candidates[0])?.closest(".judged").querySelector(".query-player audio")),
  g: (candidate) => candidate && verdictOn(candidate) !== "good" && mark(candidate, "good"),
  b: (candidate) => candidate && verdictOn(candidate) !== "bad" && mark(candidate, "bad"),
  u: (candidate) => candidate && verdictOn(candidate) && mark(candidate, verdictOn(candidate)),
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verdict]");
  if (button) mark(button.closest(".candidate"), button.dataset.verdict);
});
document.getElementById("save").addEventListener("click", () => {
  saveFile("verdicts.csv", asCsv(COLUMNS, [...verdicts.values()].filter((row) => row.verdict)));
});
document.getElementById("load").addEventListener("change", (event) => event.target.files[0] && load(event.target.files[0]));
annotator.addEventListener("input", show);

JSON.parse(document.getElementById("given").textContent).forEach(add);
const before = recall(MEMORY);
(before.rows || []).forEach(add);
annotator.value = before.annotator || "";
show();
