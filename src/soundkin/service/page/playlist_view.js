// The playlist beside the tracks: heard, put into another order by mouse or keys, made longer, saved.
import { moreOf, tracksOf } from "./api.js";
import { announce, button, clock, element, find, many, named, notice, showProblem } from "./dom.js";
import { play } from "./player.js";
import {
  append,
  holds,
  MOST_TRACKS,
  move,
  playlist,
  playlistChanges,
  playlistName,
  remove,
  rename,
  replacePlaylist,
  secondsOf,
} from "./playlist.js";
import { asJspf, asM3u, saveFile } from "./playlist_files.js";
import { fillRows, known, playButton } from "./track_rows.js";

const MOST_SEEDS = 50; // of one request
const MORE = 10;

const list = find("#playlist-rows");
let lost = new Set(); // ids that this library has not

const entries = () => ({ name: playlistName(), tracks: playlist().filter(({ id }) => !lost.has(id)) });

const ACTS = {
  play: () => {
    const { tracks } = entries();
    if (tracks.length) play(tracks[0], tracks);
  },
  more: extend,
  m3u8: () => save("m3u8", asM3u, "audio/x-mpegurl"),
  jspf: () => save("jspf", asJspf, "application/json"),
  clear: () => notice("The playlist is empty.", replacePlaylist([])),
};

function save(suffix, write, type) {
  saveFile(playlistName(), suffix, write(entries()), type);
  announce(`${playlistName()}.${suffix} is saved.`);
}

async function extend() {
  const { tracks } = entries();
  const control = find("[data-list=more]");
  control.disabled = true;
  try {
    const before = playlist();
    const seeds = tracks.slice(-MOST_SEEDS).map(({ id }) => id);
    const others = tracks.length - seeds.length; // which may be among what is found
    const found = await moreOf(seeds, Math.min(MORE + others, MOST_TRACKS));
    const added = append(found.filter(({ id }) => !holds(id)).slice(0, MORE));
    const told = added.length
      ? `${many(added.length, "track")} more, like those before.`
      : "No more tracks fit.";
    notice(told, added.length ? () => replacePlaylist(before) : null);
  } catch (error) {
    showProblem(error, extend);
  } finally {
    control.disabled = !playlist().length;
  }
}

function draw() {
  const tracks = playlist();
  const focused = document.activeElement?.closest("#playlist-rows > li");
  const [focusedId, focusedAct] = [focused?.dataset.id, document.activeElement?.dataset.act];
  fillRows(list, tracks, row);
  if (focusedId)
    find(`[data-id="${CSS.escape(focusedId)}"] [data-act=${focusedAct}]`, list)?.focus({
      preventScroll: true,
    });
  const seconds = secondsOf(tracks);
  const sum = [tracks.length && many(tracks.length, "track"), seconds && clock(seconds)];
  find("#playlist-sum").textContent = sum.filter(Boolean).join(", ");
  find("#playlist-count").textContent = tracks.length ? String(tracks.length) : "";
  find("#playlist-empty").hidden = tracks.length > 0;
  for (const control of document.querySelectorAll("[data-list]")) control.disabled = !tracks.length;
  const field = find("#playlist-name");
  if (document.activeElement !== field) field.value = playlistName();
}

function row(track, place) {
  if (!known.has(track.id)) known.set(track.id, track);
  const gone = lost.has(track.id);
  const grip = button("grip", `Move ${track.name}, ${place + 1} of ${playlist().length}`, {
    drawing: "grip",
    class: "round grip",
    "aria-describedby": "move-hint",
    title: "Drag, or use the arrow keys",
  });
  return element(
    "li",
    { class: gone ? "track gone" : "track", "data-id": track.id },
    grip,
    gone ? element("span", {}) : playButton(track),
    element(
      "div",
      { class: "name" },
      element(
        "a",
        { class: "open", href: `/?like=${encodeURIComponent(track.id)}`, "data-act": "open" },
        named(track.name),
      ),
      element(
        "span",
        { class: "facts quiet" },
        gone ? "no longer in this library" : named(track.artist || ""),
      ),
    ),
    element("span", { class: "length quiet" }, track.seconds ? clock(track.seconds) : ""),
    button("drop", `Take out ${track.name}`, { drawing: "close", class: "round", title: "Take out" }),
  );
}

function takeOut(id) {
  const place = playlist().findIndex((track) => track.id === id);
  const { name } = playlist()[place];
  notice(`“${name}” is out of the playlist.`, remove(id));
  const next = list.children[Math.min(place, list.children.length - 1)];
  (next ? find("[data-act=drop]", next) : find("#playlist-name"))?.focus();
}

function moveBy(id, places) {
  const from = playlist().findIndex((track) => track.id === id);
  const to = move(id, from + places);
  announce(`${playlist()[to].name} is ${to + 1} of ${playlist().length}.`);
}

/** Others make room around the line that is dragged: taken out of the document it would lose the pointer. */
function drag(event) {
  const grip = event.target.closest("[data-act=grip]");
  if (!grip || event.button !== 0) return;
  const dragged = grip.closest("li");
  event.preventDefault();
  grip.focus();
  grip.setPointerCapture(event.pointerId);
  dragged.classList.add("dragged");
  const follow = ({ clientY }) => {
    const middle = (row) => {
      const { top, height } = row.getBoundingClientRect();
      return top + height / 2;
    };
    for (let next; (next = dragged.nextElementSibling) && clientY > middle(next);)
      list.insertBefore(next, dragged);
    for (let before; (before = dragged.previousElementSibling) && clientY < middle(before);)
      dragged.after(before);
  };
  const end = (ended) => {
    for (const [name, act] of Object.entries(heard)) grip.removeEventListener(name, act);
    dragged.classList.remove("dragged");
    if (ended.type === "pointerup") move(dragged.dataset.id, [...list.children].indexOf(dragged));
    draw();
  };
  const heard = { pointermove: follow, pointerup: end, pointercancel: end };
  for (const [name, act] of Object.entries(heard)) grip.addEventListener(name, act);
}

/** Which tracks are still in the library. */
async function check() {
  const ids = playlist().map(({ id }) => id);
  if (!ids.length) return;
  const there = await tracksOf(ids).catch(() => null); // what does not answer is said by what is shown
  if (!there) return;
  for (const track of there) known.set(track.id, track);
  const found = new Set(there.map(({ id }) => id));
  lost = new Set(ids.filter((id) => !found.has(id)));
  draw();
}

export function startPlaylist() {
  for (const control of document.querySelectorAll("[data-list]"))
    control.addEventListener("click", ACTS[control.dataset.list]);
  list.addEventListener("click", (event) => {
    const drop = event.target.closest("[data-act=drop]");
    if (drop) takeOut(drop.closest("li").dataset.id);
  });
  list.addEventListener("pointerdown", drag);
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: -1, ArrowDown: 1 };
    const id = event.target.closest("li")?.dataset.id;
    if (!(event.key in steps) || !(event.target.matches("[data-act=grip]") || event.altKey)) return;
    event.preventDefault();
    event.stopPropagation();
    moveBy(id, steps[event.key]);
  });
  find("#playlist-name").addEventListener("change", (event) => rename(event.target.value));
  playlistChanges.addEventListener("change", ({ detail }) => {
    draw();
    if (!detail.kept) notice("This browser keeps nothing: save the playlist before you leave.");
  });
  draw();
  return check();
}
