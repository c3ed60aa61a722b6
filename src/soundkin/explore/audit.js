const MEMORY = "soundkin review " + document.body.dataset.collection;
const rows = JSON.parse(document.getElementById("rows").textContent);
const items = [...document.querySelectorAll(".decision")];
const keyOf = (row) => JSON.stringify([row.track_id, row.column, row.given]);

function show() {
  const state = Object.fromEntries(rows.filter((row) => row.decision || row.value).map((row) => [keyOf(row), [row.decision, row.value]]));
  const kept = keep(MEMORY, state);
  for (const item of items) {
    const row = rows[item.dataset.row];
    for (const button of item.querySelectorAll("[data-decision]"))
      button.setAttribute("aria-pressed", String(button.dataset.decision === row.decision));
    const other = item.querySelector("input");
    if (other.value.trim() !== row.value) other.value = row.value;
  }
  document.getElementById("status").textContent = `${Object.keys(state).length} of ${rows.length} decided; ${kept}`;
}

// A decision and another label exclude each other, as `soundkin correct` wants it.
function decide(item, decision, value = "") {
  const row = rows[item.dataset.row];
  row.decision = decision === row.decision ? "" : decision;
  row.value = value;
  show();
}

const pressed = (decision) => (item) => item?.querySelector(`[data-decision=${decision}]`)?.click();
walkByKeys(".decision", {
  1: pressed("keep"),
  2: pressed("accept"),
  3: pressed("remove"),
  4: (item) => item?.querySelector("input").focus(),
  u: (item) => item && decide(item, ""),
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-decision]");
  if (button) decide(button.closest(".decision"), button.dataset.decision);
});
document.addEventListener("input", (event) => decide(event.target.closest(".decision"), "", event.target.value.trim()));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") && ["Enter", "Escape"].includes(event.key)) event.target.closest(".decision").focus();
});
document.getElementById("save")?.addEventListener("click", () => saveFile("review.csv", asCsv(document.body.dataset.columns.split(","), rows)));

const before = recall(MEMORY);
for (const row of rows) [row.decision, row.value] = before[keyOf(row)] ?? [row.decision, row.value];
if (rows.length) show();
