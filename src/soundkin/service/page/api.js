// What the server is asked, and what is made of its answers and its errors.
import { announce } from "./dom.js";

const WISHED_COLUMNS = ["album", "year", "genre", "duration"];
const MOST_IDS = 50, LONGEST_IDS = 4000; // in one URL
const RETRIES = 3;
const LONGEST_WAIT_SECONDS = 30;

/** Says what is wrong and what to do; `status` is 0 where there was no answer. */
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const SILENT = "The server does not answer. Is soundkin serve still running, and this device connected?";
const ADVICE = {
  401: "The server wants its token. Reload the page, and give it as the password; any name will do.",
  403: "The server refuses this page. Open it at the address that soundkin serve prints.",
};

async function ask(target, { signal, body } = {}) {
  const headers = { "Content-Type": "application/json" };
  const sent = body ? { method: "POST", body: JSON.stringify(body), headers } : {};
  for (let tries = 0; ; tries += 1) {
    const response = await fetch(target, { signal, ...sent }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem(SILENT, 0);
    });
    if (response.ok) return response.json();
    const seconds = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !(seconds > 0) || tries === RETRIES) throw await problemOf(response);
    announce(`The server is busy. Asking again in ${seconds} s.`);
    await pause(Math.min(seconds, LONGEST_WAIT_SECONDS), signal);
  }
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const { status } = response;
  return new Problem(ADVICE[status] || told.detail || `The server answered ${status}. Try again.`, status);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });
}

/** A target with its parameters; lists give one each. */
function target(path, parameters = {}) {
  const listed = ([name, value]) => [value].flat().map((each) => [name, each]);
  const pairs = Object.entries(parameters).flatMap(listed);
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

const ofTrack = (id, what = "") => `/tracks/${encodeURIComponent(id)}${what}`;
export const audioOf = (id) => ofTrack(id, "/audio");

/** A track as the page knows it, of one in an answer. */
export function asTrack({ track_id, title, artist, catalog = {}, score, folded = [] }) {
  return {
    id: track_id,
    name: title || track_id,
    title,
    artist,
    seconds: Number(catalog.duration) || 0,
    facts: [catalog.album, catalog.year, catalog.genre].filter(Boolean).map(String),
    score,
    copies: folded.length,
  };
}

/** The columns of the catalog that may be seen; asked once. */
let asked = null;
export function catalogColumns() {
  asked ??= (async () => {
    const { tracks: [first] } = await ask(target("/tracks", { limit: 1 }));
    return first ? Object.keys((await ask(ofTrack(first.track_id))).catalog) : [];
  })();
  asked.catch(() => { asked = null; });
  return asked;
}

async function columns() {
  const all = await catalogColumns();
  return WISHED_COLUMNS.filter((name) => all.includes(name));
}

/** Where each track is on the map, and cells of these columns, as columns. */
export const mapPlaces = (wanted, signal) => ask(target("/map", { columns: wanted }), { signal });

export async function search(words, limit, offset, signal) {
  const wanted = { q: words, limit, offset, columns: await columns() };
  const { tracks, total } = await ask(target("/tracks", wanted), { signal });
  return { tracks: tracks.map(asTrack), total };
}

/** The tracks of these ids that the library has, in their order. */
export async function tracksOf(ids, signal) {
  const parts = [];
  let length = Infinity;
  for (const id of ids) {
    const adds = encodeURIComponent(id).length + 5;
    if (length + adds > LONGEST_IDS || parts.at(-1).length === MOST_IDS) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1).push(id);
    length += adds;
  }
  const found = [];
  for (const part of parts) {
    const { tracks } = await ask(target("/tracks", { ids: part, columns: await columns() }), { signal });
    found.push(...tracks.map(asTrack));
  }
  return found;
}

const seed = ({ id, weight }) => ({ name: id, kind: "track", weight });

/** The answers to a query: those of one track alone may have been computed ahead. */
export async function answersTo({ like, unlike }, k, signal) {
  const alone = like.length === 1 && !unlike.length && like[0].weight === 1;
  const wanted = { k, columns: await columns() };
  const { answers } = alone
    ? await ask(target(ofTrack(like[0].id, "/similar"), wanted), { signal })
    : await ask("/query", { signal, body: { like: like.map(seed), unlike: unlike.map(seed), ...wanted } });
  return answers.map(asTrack);
}

export async function pathBetween(start, end, length, signal) {
  const wanted = { start, end, length, columns: await columns() };
  const { tracks } = await ask(target("/paths", wanted), { signal });
  return tracks.map(asTrack);
}

export const why = (here, there, fine, signal) =>
  ask(target(ofTrack(here, `/why/${encodeURIComponent(there)}`), { fine }), { signal });

/** Tracks that would go on in the way of these; none of them is among these. */
export async function moreOf(ids, length) {
  const like = ids.map((name) => ({ name, kind: "track" }));
  const { tracks } = await ask("/playlists", { body: { like, length, columns: await columns() } });
  return tracks.map(asTrack);
}

/** Why a track cannot be heard, as a Problem. */
export async function whySilent(id) {
  try {
    const response = await fetch(audioOf(id), { headers: { Range: "bytes=0-0" } });
    if (!response.ok) return await problemOf(response);
    await response.body?.cancel();
    return new Problem("this browser cannot play files of this kind.", response.status);
  } catch {
    return new Problem("the server does not answer.", 0);
  }
}
