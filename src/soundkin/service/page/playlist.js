// The playlist: its tracks in order and its name, kept in this browser; no two of them are the same track.
import { keep, recall } from "./memory.js";

const MEMORY = "soundkin-playlist";
export const MOST_TRACKS = 1000;
const FIRST_NAME = "My playlist";

export const playlistChanges = new EventTarget();
let { name, tracks } = remembered();

function remembered() {
  const kept = recall(MEMORY);
  const tracks = Array.isArray(kept?.tracks)
    ? kept.tracks.filter((track) => typeof track?.id === "string")
    : [];
  return { name: typeof kept?.name === "string" ? kept.name : FIRST_NAME, tracks };
}

export const playlist = () => tracks;
export const playlistName = () => name;
export const holds = (id) => tracks.some((track) => track.id === id);
export const secondsOf = (list) => list.reduce((sum, track) => sum + track.seconds, 0);

/** Other tracks in place of those; returns what takes it back. */
export function replacePlaylist(others) {
  const before = tracks;
  tracks = others;
  changed();
  return () => replacePlaylist(before);
}

/** Put tracks at the end; returns those that were not there, as many as there is room for. */
export function append(more) {
  const ids = new Set(tracks.map(({ id }) => id));
  const fresh = more
    .filter(({ id }) => !ids.has(id) && ids.add(id))
    .slice(0, Math.max(0, MOST_TRACKS - tracks.length));
  const kept = fresh.map(({ id, name, title, artist, seconds }) => ({ id, name, title, artist, seconds }));
  if (kept.length) replacePlaylist([...tracks, ...kept]);
  return fresh;
}

export const remove = (id) => replacePlaylist(tracks.filter((track) => track.id !== id));

/** Move a track to a place, counted from 0; returns the place it is in then. */
export function move(id, place) {
  const moved = tracks.find((track) => track.id === id);
  if (!moved) return -1;
  const others = tracks.filter((track) => track !== moved);
  const to = Math.min(Math.max(place, 0), others.length);
  if (tracks[to] !== moved) replacePlaylist(others.toSpliced(to, 0, moved));
  return to;
}

export function rename(other) {
  name = other.trim() || FIRST_NAME;
  changed();
}

function changed() {
  const kept = keep(MEMORY, { name, tracks });
  playlistChanges.dispatchEvent(new CustomEvent("change", { detail: { kept } }));
}

addEventListener("storage", (event) => {
  // another tab has changed it
  if (event.key !== MEMORY) return;
  ({ name, tracks } = remembered());
  playlistChanges.dispatchEvent(new CustomEvent("change", { detail: { kept: true } }));
});
