// Lines of tracks, and what their buttons and keys do.
import { addressOf, queryOf, show, shown } from "./address.js";
import { button, clock, element, find, many, named, notice } from "./dom.js";
import { isSounding, play, playing } from "./player.js";
import { append, holds, MOST_TRACKS, playlist, playlistChanges, remove } from "./playlist.js";

export const known = new Map(); // id -> track, of all that have been shown
const lists = new Map(); // id of a list's element -> its tracks

/** A line; `rank` and `moved` are told where there is an order to speak of. */
export function trackRow(track, { rank = null, moved = null, step = false } = {}) {
  known.set(track.id, track);
  const score = Number.isFinite(track.score) && (rank !== null || step) ? scoreMark(track.score, step) : null;
  return element(
    "li",
    { class: "track", "data-id": track.id },
    playButton(track),
    element(
      "div",
      { class: "name" },
      element(
        "a",
        { class: "open", href: addressOf(queryOf(track.id)), "data-act": "open" },
        named(track.name),
      ),
      factsOf(track),
    ),
    moved && element("span", { class: `moved ${moved.kind}` }, moved.text),
    score,
    element(
      "div",
      { class: "acts", role: "group", "aria-label": `What to do with ${track.name}` },
      rank !== null && shown.like.length
        ? button("why", "Why", { shown: true, "aria-expanded": "false" })
        : null,
      button("more", "More", {
        drawing: "plus",
        shown: true,
        "aria-label": "More like this",
        title: "More like this",
      }),
      button("less", "Less", {
        drawing: "minus",
        shown: true,
        "aria-label": "Less like this",
        title: "Less like this",
      }),
      button("add", "Into the playlist", { drawing: "list", "aria-pressed": "false" }),
    ),
  );
}

export const playButton = (track) =>
  button("play", `Play ${track.name}`, { drawing: "play", class: "round play", title: null });

/** Artist, album, year, genre, length. */
function factsOf({ artist, facts = [], seconds, copies }) {
  const parts = [artist, ...facts].filter(Boolean).map(named);
  if (seconds) parts.push(element("span", { class: "length" }, clock(seconds)));
  if (copies)
    parts.push(
      element(
        "span",
        { title: "Copies and versions that this one stands for" },
        `+${many(copies, "version")}`,
      ),
    );
  return element(
    "span",
    { class: "facts quiet" },
    parts.flatMap((part, place) => (place ? [" · ", part] : [part])),
  );
}

/** How alike, from 0 to 1, as a rail and a number. */
function scoreMark(score, step) {
  const rail = element("span", { class: "rail", "aria-hidden": "true" }, element("span", {}));
  rail.firstChild.style.width = `${100 * Math.min(1, Math.max(0, score))}%`;
  const what = step ? "Likeness to the track before" : "Likeness to what is asked for";
  return element(
    "span",
    { class: "score", title: `${what}: cosine ${score.toFixed(3)}` },
    rail,
    element("span", { class: "unseen" }, "likeness "),
    score.toFixed(2),
  );
}

/** Show tracks in a list's element, and remember them as what plays on. */
export function fillRows(list, tracks, rowOf) {
  list.replaceChildren(...tracks.map(rowOf));
  lists.set(list.id, tracks);
  refreshMarks();
}

export function addRows(list, tracks, rowOf) {
  list.append(...tracks.map(rowOf));
  lists.set(list.id, [...(lists.get(list.id) || []), ...tracks]);
  refreshMarks();
}

/** What a person can do with the track of a line. */
export const acts = {
  play(track, row) {
    play(track, lists.get(row.closest("ol, ul").id) || [track]);
  },
  open(track) {
    goOnAtHeading();
    show(queryOf(track.id));
    scrollTo({ top: 0 });
  },
  why(track) {
    if (shown.like.length) show({ why: shown.why === track.id ? "" : track.id }, { replace: true });
  },
  more: (track, row) => steer("like", "unlike", track, row),
  less: (track, row) => steer("unlike", "like", track, row),
  add(track) {
    if (holds(track.id)) return notice(`“${track.name}” is out of the playlist.`, remove(track.id));
    if (!append([track]).length)
      return notice(`The playlist is full: it holds ${many(MOST_TRACKS, "track")}.`);
    return notice(`“${track.name}” is in the playlist, which has ${many(playlist().length, "track")}.`);
  },
};

/** Ask for more, or less, of a track. */
function steer(to, from, track, row) {
  const others = (seeds) => seeds.filter(({ id }) => id !== track.id);
  const asked = shown[to].find(({ id }) => id === track.id);
  const seed = { id: track.id, weight: asked ? Math.min(3, asked.weight + 1) : 1 };
  const next = { [to]: [...others(shown[to]), seed], [from]: others(shown[from]) };
  if (to === "unlike" && !next.like.length)
    return notice("First say what it should sound like: open a track, or ask for more like it.");
  remembered = row && {
    place: [...row.parentElement.children].indexOf(row),
    act: document.activeElement?.dataset.act || "open",
  };
  show({ ...next, words: "", path: null, why: "" });
  return null;
}

/** What a person was at may be gone from the next list: they go on in its place, or at the heading. */
let remembered = null; // { place, act } of a line
export const goOnAtHeading = () => (remembered = { place: -1 });
export function takeUpFocus(list) {
  if (!remembered) return;
  const { place, act } = remembered;
  remembered = null;
  const row = list.children[Math.min(place, list.children.length - 1)];
  const control = row && (find(`[data-act=${act}]`, row) || find(".open", row));
  (control || find("#asked")).focus({ preventScroll: true });
}

/** Which track sounds, and which are in the playlist. */
function refreshMarks() {
  for (const row of document.querySelectorAll("[data-id]")) {
    const { id } = row.dataset;
    const sounds = isSounding(id);
    row.classList.toggle("sounding", sounds);
    const control = find("[data-act=play]", row);
    if (control) {
      find("use", control).setAttribute("href", sounds ? "#icon-pause" : "#icon-play");
      find(".unseen", control).textContent = `${sounds ? "Pause" : "Play"} ${known.get(id)?.name || id}`;
    }
    const add = find("[data-act=add]", row);
    if (!add) continue;
    const inside = holds(id);
    add.setAttribute("aria-pressed", String(inside));
    find("use", add).setAttribute("href", inside ? "#icon-check" : "#icon-list");
    add.title = inside ? "Out of the playlist" : "Into the playlist";
  }
}

playing.addEventListener("change", refreshMarks);
playlistChanges.addEventListener("change", refreshMarks);

document.addEventListener("click", (event) => {
  const control = event.target.closest("[data-act]");
  const row = control?.closest("[data-id]");
  const act = acts[control?.dataset.act];
  if (!row || !act || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  act(known.get(row.dataset.id), row);
});
