// Keys: they act on the line that has the focus, or else on what sounds.
import { find } from "./dom.js";
import { keep, recall } from "./memory.js";
import { nudge, skip, toggle } from "./player.js";
import { acts, known } from "./track_rows.js";

const MEMORY = "soundkin-letters"; // whether single letters are keys: some people dictate
const ROW_ACTS = { m: "more", l: "less", w: "why", a: "add", " ": "play" };

const focusedRow = () => document.activeElement?.closest(".track[data-id]");
const isText = (target) => target.matches("input:not([type=range]), select, textarea");

/** Go to the line after or before the one with the focus, or to the first. */
function walk(step) {
  const row = focusedRow();
  const list = row?.parentElement || find("#rows");
  const rows = [...list.children];
  const next = rows[row ? Math.min(Math.max(rows.indexOf(row) + step, 0), rows.length - 1) : 0];
  const open = next && find(".open", next);
  open?.focus({ preventScroll: true });
  next?.scrollIntoView({
    block: "nearest",
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
}

const KEYS = {
  "/": () => {
    find("#words").focus();
    find("#words").select();
  },
  "?": () => find("#help").showModal(),
  j: () => walk(1),
  k: () => walk(-1),
  ArrowDown: () => walk(1),
  ArrowUp: () => walk(-1),
  ArrowRight: () => nudge(1),
  ArrowLeft: () => nudge(-1),
  n: () => skip(1),
  b: () => skip(-1),
};

function press(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || find("dialog[open]"))
    return;
  if (isText(target)) {
    if (key === "Escape" && target.id === "words") target.blur();
    if (key === "ArrowDown" && target.id === "words") {
      event.preventDefault();
      find("#rows .open")?.focus();
    }
    return;
  }
  if (key.length === 1 && key !== " " && !find("#letters").checked) return;
  if (key === " " && target.closest("button, summary")) return; // which it presses
  if (target.closest("#map") && key !== "/" && key !== "?") return; // which has keys of its own
  if (target.matches("input[type=range]") && key.startsWith("Arrow")) return;
  const row = focusedRow();
  const act = row && ROW_ACTS[key];
  if (act && known.has(row.dataset.id)) acts[act](known.get(row.dataset.id), row);
  else if (key === " ") toggle();
  else if (KEYS[key]) KEYS[key]();
  else return;
  event.preventDefault();
}

export function startKeys() {
  document.addEventListener("keydown", press);
  find("#open-help").addEventListener("click", KEYS["?"]);
  const letters = find("#letters");
  letters.checked = recall(MEMORY) !== false;
  letters.addEventListener("change", () => keep(MEMORY, letters.checked));
}
