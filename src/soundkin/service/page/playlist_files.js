// A playlist as players read it. Entries are where this server gives the audio: paths are never told.
import { audioOf } from "./api.js";

const oneLine = (text) => String(text).replace(/\s+/g, " ").trim();
const locationOf = (id) => new URL(audioOf(id), location.origin).href;

/** M3U in UTF-8. */
export function asM3u({ name, tracks }) {
  const entries = tracks.flatMap(({ id, name: title, artist, seconds }) => [
    `#EXTINF:${Math.round(seconds) || -1},${oneLine([artist, title].filter(Boolean).join(" - "))}`,
    locationOf(id),
  ]);
  return ["#EXTM3U", `#PLAYLIST:${oneLine(name)}`, ...entries].join("\n") + "\n";
}

/** JSPF, which is XSPF as JSON. */
export function asJspf({ name, tracks }) {
  const track = tracks.map(({ id, name: title, artist, seconds }) => ({
    location: [locationOf(id)],
    title,
    creator: artist,
    ...(seconds > 0 ? { duration: Math.round(1000 * seconds) } : {}),
  }));
  return JSON.stringify({ playlist: { title: name, track } }, null, 2) + "\n";
}

/** Have the browser save a text, under a name that every system takes. */
export function saveFile(name, suffix, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `${
    name
      .replace(/[\\/:*?"<>|\p{Cc}\s]+/gu, " ")
      .trim()
      .slice(0, 100) || "playlist"
  }.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
