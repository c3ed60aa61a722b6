// What is asked for, and the tracks that answer: found by words, like some tracks, or on the way between two.
import { changes, show, shown } from "./address.js";
import { answersTo, pathBetween, search } from "./api.js";
import { announce, find, many, showProblem } from "./dom.js";
import { drawQuery } from "./query_view.js";
import { addRows, fillRows, takeUpFocus, trackRow } from "./track_rows.js";
import { showWhy } from "./why_view.js";

const ANSWERS = 20,
  MOST_ANSWERS = 200;
const FOUND = 30;
const SOMEWHERE = 12; // tracks, to begin with
const PATH_TRACKS = 10;
const MOVE_MS = 350;
const NOTHING_FOUND = "No title, artist or album has all of these words. Try fewer, or only how one begins.";
const EMPTY = "This library holds no track yet. Add some: soundkin sync FOLDER, then soundkin serve FOLDER.";

const rows = find("#rows");
let asking = null; // an AbortController
let last = { key: "", kind: "", ids: [] }; // what the list shows
let wanted = ANSWERS;
export const listed = new EventTarget(); // "change" once the list shows others; detail: { kind, ids }

const kindOf = ({ words, like, unlike, path }) =>
  words ? "words" : path ? "path" : like.length ? "query" : unlike.length ? "unlike" : "somewhere";

/** What the list depends on. */
const keyOf = ({ words, like, unlike, path }) => JSON.stringify([words, path, like, unlike]);

async function refresh({ anew = false } = {}) {
  const key = keyOf(shown);
  if (key === last.key && !anew) return openWhy();
  if (key !== last.key) wanted = ANSWERS;
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  rows.setAttribute("aria-busy", "true");
  try {
    await drawQuery(signal, () => last.ids);
    await FILLERS[kindOf(shown)](signal, key);
    takeUpFocus(rows);
    showProblem(null);
    openWhy();
  } catch (error) {
    if (error.name === "AbortError") return;
    last = { key: "", kind: "", ids: [] };
    rows.replaceChildren();
    find("#further").hidden = true;
    say("");
    showProblem(error, () => refresh({ anew: true }));
  } finally {
    if (!signal.aborted) rows.removeAttribute("aria-busy");
  }
}

const FILLERS = {
  async words(signal, key) {
    const { tracks, total } = await search(shown.words, FOUND, 0, signal);
    fill(key, "words", tracks, (track) => trackRow(track));
    say(total ? many(total, "track") : NOTHING_FOUND);
    offerFurther(total > tracks.length, async () => {
      const more = await search(shown.words, FOUND, rows.children.length);
      addRows(rows, more.tracks, (track) => trackRow(track));
      last.ids.push(...more.tracks.map(({ id }) => id));
      find("#further").hidden = rows.children.length >= total;
    });
  },

  async query(signal, key) {
    const before = last.kind === "query" ? last.ids : [];
    const tracks = await answersTo(shown, wanted, signal);
    const places = new Map(before.map((id, place) => [id, place]));
    const steered =
      before.length > 0 && tracks.some(({ id }, place) => places.get(id) !== place) && steers(key);
    const from = steered ? tops() : null;
    const moves = tracks.map(({ id }, place) => (steered ? movedMark(places.get(id), place) : null));
    fill(key, "query", tracks, (track, place) => trackRow(track, { rank: place + 1, moved: moves[place] }));
    if (from) animate(from);
    const fresh = moves.filter((move) => move?.kind === "fresh").length;
    const told = steered ? `${fresh} of them new` : "the best first";
    say(tracks.length ? `${many(tracks.length, "track")}, ${told}` : "Nothing else is in this library.");
    offerFurther(tracks.length === wanted && wanted < MOST_ANSWERS, () => {
      wanted = Math.min(MOST_ANSWERS, wanted * 2);
      return refresh({ anew: true });
    });
  },

  async path(signal, key) {
    const tracks = await pathBetween(shown.path.start, shown.path.end, PATH_TRACKS, signal);
    fill(key, "path", tracks, (track, place) => trackRow(track, { step: place > 0 }));
    say(`${many(tracks.length, "track")}, each as like the one before as can be`);
    offerFurther(false);
  },

  async unlike(signal, key) {
    fill(key, "unlike", [], trackRow);
    say("Say what it should sound like as well: search, and ask for more like a track.");
    offerFurther(false);
  },

  async somewhere(signal, key) {
    const { tracks, total } = await somewhere(signal);
    find("#asked-more").textContent = total ? `${many(total, "track")}. Search, or begin somewhere:` : EMPTY;
    fill(key, "somewhere", tracks, (track) => trackRow(track));
    say("");
    offerFurther(total > tracks.length, () => refresh({ anew: true }), "Somewhere else");
  },
};

/** Some tracks from all over the library, and how many it has. */
async function somewhere(signal) {
  const first = await search("", SOMEWHERE, 0, signal);
  if (first.total <= SOMEWHERE) return first;
  const part = first.total / SOMEWHERE;
  const places = Array.from({ length: SOMEWHERE }, (_, number) =>
    Math.floor((number + Math.random()) * part),
  );
  const found = await Promise.all(places.map((place) => search("", 1, place, signal)));
  return { tracks: found.flatMap(({ tracks }) => tracks), total: first.total };
}

function fill(key, kind, tracks, rowOf) {
  fillRows(rows, tracks, rowOf);
  rows.hidden = !tracks.length;
  last = { key, kind, ids: tracks.map(({ id }) => id) };
  listed.dispatchEvent(new CustomEvent("change", { detail: last }));
}

function say(text) {
  const found = find("#found");
  found.textContent = text;
  found.hidden = !text;
  if (text) announce(text);
}

function offerFurther(possible, act = null, words = "Show more") {
  const further = find("#further");
  further.hidden = !possible;
  further.textContent = words;
  further.onclick = act && (() => act().catch((error) => showProblem(error)));
}

/** Whether this query is the one before with seeds more, fewer or weighted otherwise: not another one. */
function steers(key) {
  if (!last.key) return false;
  const [before, now] = [last.key, key].map((each) => JSON.parse(each)[2].map(({ id }) => id));
  return before.some((id) => now.includes(id));
}

function movedMark(before, now) {
  if (before === undefined) return { kind: "fresh", text: "new" };
  if (before === now) return null;
  if (before > now) return { kind: "up", text: `↑${before - now}` };
  return { kind: "down", text: `↓${now - before}` };
}

const tops = () =>
  new Map([...rows.children].map((row) => [row.dataset.id, row.getBoundingClientRect().top]));

/** Lines glide from where they were to where they are. */
function animate(from) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const row of rows.children) {
    const before = from.get(row.dataset.id);
    const away = before === undefined ? 0 : before - row.getBoundingClientRect().top;
    const start = before === undefined ? { opacity: 0 } : { transform: `translateY(${away}px)` };
    if (before === undefined || away)
      row.animate([start, { opacity: 1, transform: "none" }], { duration: MOVE_MS, easing: "ease-out" });
  }
}

function openWhy() {
  showWhy(rows, shown.why);
}

/** Begin: follow the address, and ask for what is typed. */
export function startTracks() {
  const words = find("#words");
  let typing = 0;
  const ask = () => {
    const view = shown.view === "playlist" ? "tracks" : shown.view;
    show({ words: words.value.trim(), why: "", view }, { replace: Boolean(shown.words) });
  };
  words.value = shown.words;
  words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(ask, 120);
  });
  find("#search").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    ask();
    find(".open", rows)?.focus();
  });
  changes.addEventListener("change", () => {
    if (document.activeElement !== words || words.value.trim() !== shown.words) words.value = shown.words;
    refresh();
  });
  return refresh();
}
