// What a track looks like, decoded in the browser. Nothing waits for it, and of large files there is none.
import { audioOf } from "./api.js";
import { element } from "./dom.js";

const BARS = 160;
const RATE_HZ = 8000; // decoded to: a twelfth of the memory, and as good to look at
const LONGEST_SECONDS = 15 * 60,
  LARGEST_BYTES = 30e6;
const KEPT = 40; // waveforms
const SVG = "http://www.w3.org/2000/svg";

const made = new Map(); // id -> a promise of heights from 0 to 1, or of null

function heightsOf({ id, seconds }) {
  if (!made.has(id)) {
    if (made.size === KEPT) made.delete(made.keys().next().value);
    made.set(
      id,
      seconds > LONGEST_SECONDS || navigator.connection?.saveData ? Promise.resolve(null) : decode(id),
    );
  }
  return made.get(id);
}

async function decode(id) {
  const asked = new AbortController();
  try {
    const response = await fetch(audioOf(id), { signal: asked.signal });
    if (!response.ok || Number(response.headers.get("Content-Length")) > LARGEST_BYTES) {
      asked.abort();
      return null;
    }
    const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await response.arrayBuffer());
    return loudest(sound.getChannelData(0));
  } catch {
    return null; // what cannot be decoded is told when it is played
  }
}

/** The loudest sample of each bar, the loudest of all at 1. */
function loudest(samples) {
  const heights = Array.from({ length: BARS }, (_, bar) => {
    const [first, end] = [bar, bar + 1].map((edge) => Math.floor((edge * samples.length) / BARS));
    return samples.subarray(first, end).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  });
  const most = Math.max(...heights) || 1;
  return heights.map((height) => height / most);
}

/** Draw a track's waveform into `box`, once it is there; of it, what lies in --from to --to is marked. */
export async function drawWaveform(box, track) {
  box.replaceChildren();
  box.dataset.track = track.id;
  const heights = await heightsOf(track);
  if (!heights || box.dataset.track !== track.id) return;
  const bars = heights
    .map((height, bar) => `M${bar + 0.5} ${-Math.max(0.04, height)}V${Math.max(0.04, height)}`)
    .join("");
  box.replaceChildren(drawing(bars), element("span", { class: "part" }, drawing(bars)));
}

function drawing(bars) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS(SVG, tag));
  svg.setAttribute("viewBox", `0 -1 ${BARS} 2`);
  svg.setAttribute("preserveAspectRatio", "none");
  path.setAttribute("d", bars);
  svg.append(path);
  return svg;
}
