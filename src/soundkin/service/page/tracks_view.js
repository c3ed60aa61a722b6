// What is asked for, and the tracks that answer: found by words, like some tracks, or on the way between two.
import { addressOf, changes, show, shown } from "./address.js";
import { answersTo, pathBetween, search, tracksOf } from "./api.js";
import { announce, button, element, find, many, named, notice, showProblem } from "./dom.js";
import { append, holds } from "./playlist.js";
import { addRows, fillRows, focusWhereItWas, known, playButton, trackRow } from "./track_rows.js";
import { showWhy } from "./why_view.js";

const ANSWERS = 20, MOST_ANSWERS = 200;
const FOUND = 30;
const SOMEWHERE = 12; // tracks, to begin with
const PATH_TRACKS = 10;
const WEIGHTS = [1, 2, 3, 0.5];
const MOVE_MS = 350;

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
    await drawQuery(signal);
    await FILLERS[kindOf(shown)](signal, key);
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
    say(total ? many(total, "track") : "No title, artist or album has all of these words. Try fewer, or only how one begins.");
    offerFurther(total > tracks.length, async () => addRows(rows, (await search(shown.words, FOUND, rows.children.length)).tracks, (track) => trackRow(track)));
  },

  async query(signal, key) {
    const before = last.kind === "query" ? last.ids : [];
    const tracks = await answersTo(shown, wanted, signal);
    const places = new Map(before.map((id, place) => [id, place]));
    const steered = before.length > 0 && tracks.some(({ id }, place) => places.get(id) !== place) && steers(key);
    const from = steered ? tops() : null;
    const moves = tracks.map(({ id }, place) => (steered ? movedMark(places.get(id), place) : null));
    fill(key, "query", tracks, (track, place) => trackRow(track, { rank: place + 1, moved: moves[place] }));
    if (from) animate(from);
    const fresh = moves.filter((move) => move?.kind === "fresh").length;
    say(steered ? `${many(tracks.length, "track")}, ${fresh} of them new` : tracks.length ? `${many(tracks.length, "track")}, the best first` : "Nothing else is in this library.");
    offerFurther(tracks.length === wanted && wanted < MOST_ANSWERS, () => {
      wanted = Math.min(MOST_ANSWERS, wanted * 2);
      return refresh({ anew: true });
    });
    focusWhereItWas(rows);
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
    find("#asked-more").textContent = total ? `${many(total, "track")}. Search, or begin somewhere:` : "This library holds no track yet. Add some: soundkin sync FOLDER, then soundkin serve FOLDER.";
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
  const places = Array.from({ length: SOMEWHERE }, (_, number) => Math.floor((number + Math.random()) * part));
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
  return before > now ? { kind: "up", text: `↑${before - now}` } : { kind: "down", text: `↓${now - before}` };
}

const tops = () => new Map([...rows.children].map((row) => [row.dataset.id, row.getBoundingClientRect().top]));

/** Lines glide from where they were to where they are. */
function animate(from) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const row of rows.children) {
    const before = from.get(row.dataset.id);
    const away = before === undefined ? 0 : before - row.getBoundingClientRect().top;
    const start = before === undefined ? { opacity: 0 } : { transform: `translateY(${away}px)` };
    if (before === undefined || away) row.animate([start, { opacity: 1, transform: "none" }], { duration: MOVE_MS, easing: "ease-out" });
  }
}

/** The heading, and a line for each seed. */
async function drawQuery(signal) {
  const { words, like, unlike, path } = shown;
  const seeds = path ? [path.start, path.end].map((id) => ({ id, weight: 1 })) : [...like, ...unlike];
  const lost = await learn(seeds.map(({ id }) => id), signal);
  const name = (id) => known.get(id)?.name || id;
  const title = words ? "Search" : path ? "On the way" : like.length === 1 && !unlike.length ? ["Sounds like ", named(name(like[0].id))] : seeds.length ? "Sounds like" : "What sounds like this?";
  find("#asked").replaceChildren(...[title].flat());
  document.title = words ? `${words} – soundkin` : seeds.length ? `${path ? "On the way" : `Sounds like ${name(seeds[0].id)}`} – soundkin` : "soundkin";
  find("#asked-more").hidden = Boolean(words || seeds.length);
  const kinds = path ? [[seeds, "way"]] : [[like, "like"], [unlike, "unlike"]];
  const list = find("#seeds");
  list.replaceChildren(...kinds.flatMap(([each, kind]) => each.map((seed) => seedChip(seed, kind, lost.has(seed.id)))));
  list.hidden = !seeds.length;
  drawActions();
}

/** Learn the names of tracks that have not been shown yet; returns those that the library has not. */
async function learn(ids, signal) {
  const unknown = ids.filter((id) => !known.has(id));
  if (!unknown.length) return new Set();
  for (const track of await tracksOf(unknown, signal)) known.set(track.id, track);
  const lost = new Set(unknown.filter((id) => !known.has(id)));
  for (const id of lost) notice(`The track ${id} is no longer in this library. Search for another.`);
  return lost;
}

function seedChip({ id, weight }, kind, lost) {
  const track = known.get(id) || { id, name: id, artist: "" };
  const signs = { like: "", unlike: "less like", way: "" };
  const others = (seeds) => seeds.filter((seed) => seed.id !== id);
  const remove = () => show(kind === "way" ? { path: null } : { [kind]: others(shown[kind]), why: "" });
  const reweigh = () => {
    const next = WEIGHTS[(WEIGHTS.indexOf(weight) + 1) % WEIGHTS.length];
    show({ [kind]: shown[kind].map((seed) => (seed.id === id ? { id, weight: next } : seed)) });
    find(`#seeds [data-id="${CSS.escape(id)}"] .weight`)?.focus();
  };
  const alone = kind === "way" || shown.like.length + shown.unlike.length < 2;
  const shownWeight = weight === 0.5 ? "½" : String(weight);
  return element("li", { class: `seed ${kind}`, "data-id": id },
    lost ? null : playButton(track),
    element("span", { class: "name" }, signs[kind] && element("span", { class: "sign" }, `${signs[kind]} `),
      element("a", { class: "open", href: addressOf({ like: [{ id, weight: 1 }] }), "data-act": "open" }, named(track.name)),
      track.artist && element("span", { class: "quiet" }, " ", named(track.artist))),
    alone ? null : element("button", { type: "button", class: "weight", click: reweigh, title: "How much it counts", "aria-label": `${track.name} counts ${shownWeight} times. Change` }, `×${shownWeight}`),
    button("remove-seed", `Leave out ${track.name}`, { drawing: "close", class: "round remove", title: "Leave out", click: remove }));
}

/** What can be done with all of what is shown. */
function drawActions() {
  const { words, like, unlike, path } = shown;
  const here = path ? path.start : like.length === 1 && !unlike.length ? like[0].id : null;
  const act = (text, click) => element("button", { type: "button", click }, text);
  const between = like.length === 2 && !unlike.length && !words ? act("The way between them", () => show({ path: { start: like[0].id, end: like[1].id }, words: "", why: "" })) : null;
  const back = path ? act("The other way round", () => show({ path: { start: path.end, end: path.start } })) : null;
  const keep = path ? act("Into the playlist", keepAll) : null;
  const own = here && !path && !words ? act(holds(here) ? "In the playlist" : "Into the playlist", (event) => {
    append([known.get(here)].filter(Boolean));
    event.currentTarget.textContent = "In the playlist";
  }) : null;
  const all = [between, back, keep, own].filter(Boolean);
  find("#query-actions").replaceChildren(...all);
  find("#query-actions").hidden = !all.length || Boolean(words);
}

function keepAll() {
  const added = append(last.ids.map((id) => known.get(id)));
  notice(added.length ? `${many(added.length, "track")} more in the playlist.` : "All of these are in the playlist.");
}

function openWhy() {
  showWhy(rows, shown.why);
}

/** Begin: follow the address, and ask for what is typed. */
export function startTracks() {
  const words = find("#words");
  let typing = 0;
  const ask = () => show({ words: words.value.trim(), why: "", view: shown.view === "playlist" ? "tracks" : shown.view }, { replace: Boolean(shown.words) });
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
