"use strict";
// What pages share: one player at a time, items walked by keys, rows saved as a file.
function quoted(cell) { return /[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell; }

function asCsv(columns, rows) {
  return [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))].map((cells) => cells.map(quoted).join(",") + "\n").join("");
}

function saveFile(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function keep(memory, state) {
  try { localStorage.setItem(memory, JSON.stringify(state)); return "kept in this browser"; }
  catch { return "this browser keeps nothing: save before you leave"; }
}

function recall(memory) {
  try { return JSON.parse(localStorage.getItem(memory)) || {}; } catch { return {}; }
}

function play(player) {
  if (!player) return;
  if (player.paused) player.play().catch(() => {}); else player.pause();
}

// Keys act on the item that has the focus; j and k go to the next one and back, p plays it.
function walkByKeys(selector, keys) {
  const items = [...document.querySelectorAll(selector)];
  const focused = () => document.activeElement.closest?.(selector);
  function go(step) {
    const here = items.indexOf(focused());
    const next = items[here < 0 ? 0 : Math.min(Math.max(here + step, 0), items.length - 1)];
    next?.closest("details")?.setAttribute("open", "");
    next?.focus();
    next?.scrollIntoView({ block: "center" });
  }
  const all = { j: () => go(1), k: () => go(-1), p: (item) => play(item?.querySelector("audio")), ...keys };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const act = all[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act(focused());
  });
}

document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
document.addEventListener("submit", (event) => event.preventDefault());
