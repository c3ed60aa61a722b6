// One thing sounds at a time: a track, and then those after it in the list it was started from; or passages.
import { audioOf, whySilent } from "./api.js";
import { clock, find, notice } from "./dom.js";
import { recall, keep } from "./memory.js";
import { drawWaveform } from "./waveform.js";

const MEMORY = "soundkin-player";
const NUDGE_SECONDS = 5;
const NEAR_START_SECONDS = 3; // after which "previous" begins the same track again

const audio = find("#audio");
const place = find("#player-place");
export const playing = new EventTarget(); // "change" when another track sounds, or none
let queue = [];
let current = null; // a track
let asked = false; // whether it should sound: what is only restored fails in silence
let passage = null; // { end, done } while a passage sounds

export const isSounding = (id) => current?.id === id && !audio.paused;
export const currentTrack = () => current;

function load(track, seconds = 0) {
  endPassage(false);
  if (current?.id !== track.id || audio.error) {
    current = track;
    audio.src = audioOf(track.id);
  }
  if (find(".wave", place).dataset.track !== track.id) find(".wave", place).replaceChildren();
  audio.currentTime = seconds; // before anything is loaded, this is where it begins
  draw();
}

async function start() {
  asked = true;
  try {
    await audio.play();
  } catch (error) {
    if (error.name === "NotAllowedError") notice("This browser wants a press of the play button first.");
  }
}

/** Play a track, or stop it where it sounds; `from` is the list that goes on behind it. */
export function play(track, from = [track]) {
  if (isSounding(track.id) && !passage) return audio.pause();
  queue = from;
  if (current?.id !== track.id || passage || audio.ended) load(track, 0);
  start();
}

export function toggle() {
  if (!current) return;
  if (audio.paused) start();
  else audio.pause();
}

export function stop() {
  endPassage(false);
  audio.pause();
}

/** Go so many places on in the list. */
export function skip(places) {
  if (places < 0 && audio.currentTime > NEAR_START_SECONDS) {
    audio.currentTime = 0;
    return true;
  }
  const next = queue[queue.findIndex(({ id }) => id === current?.id) + places];
  if (!next) return false;
  load(next);
  start();
  return true;
}

export function nudge(direction) {
  audio.currentTime = Math.max(
    0,
    Math.min(audio.duration || 0, audio.currentTime + direction * NUDGE_SECONDS),
  );
}

/** Play `seconds` of a track; resolves to whether it was heard to its end. */
export function playPassage(track, from, seconds) {
  queue = [track];
  load(track, from);
  const heard = new Promise((done) => {
    passage = { end: from + seconds, done };
  });
  start();
  return heard;
}

function endPassage(heard) {
  if (!passage) return;
  const { done } = passage;
  passage = null;
  done(heard);
}

function draw() {
  const bar = find("#player");
  bar.hidden = !current;
  document.body.classList.toggle("with-player", Boolean(current));
  if (!current) return;
  const sounds = !audio.paused;
  find("#player-name").textContent = current.name;
  find("#player-artist").textContent = current.artist;
  find("#player-toggle").setAttribute("aria-label", sounds ? "Pause" : "Play");
  find("#player-toggle use").setAttribute("href", sounds ? "#icon-pause" : "#icon-play");
  const number = queue.findIndex(({ id }) => id === current.id);
  find("#player-next").disabled = number < 0 || number + 1 >= queue.length;
  drawTime();
  tellSystem(sounds);
  playing.dispatchEvent(new Event("change"));
}

function drawTime() {
  const rail = find("#player-rail");
  const whole = Number.isFinite(audio.duration) ? audio.duration : current?.seconds || 0;
  rail.max = String(whole || 1);
  if (document.activeElement !== rail || !rail.matches(":active")) rail.value = String(audio.currentTime);
  rail.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
  place.style.setProperty("--to", `${whole ? (100 * audio.currentTime) / whole : 0}%`);
  find("#player-time").textContent = `${clock(audio.currentTime)} / ${clock(whole)}`;
}

/** Name and buttons for the keys of keyboards, headphones and lock screens. */
function tellSystem(sounds) {
  if (!navigator.mediaSession) return;
  const { mediaSession } = navigator;
  mediaSession.metadata = new MediaMetadata({ title: current.name, artist: current.artist });
  mediaSession.playbackState = sounds ? "playing" : "paused";
}

function listen() {
  for (const event of ["play", "pause", "loadedmetadata"]) audio.addEventListener(event, draw);
  audio.addEventListener("timeupdate", () => {
    drawTime();
    if (passage && audio.currentTime >= passage.end) {
      audio.pause();
      endPassage(true);
    }
  });
  audio.addEventListener("seeking", drawTime);
  audio.addEventListener("playing", () => {
    const wave = find(".wave", place);
    if (wave.dataset.track !== current.id || !wave.children.length) drawWaveform(wave, current);
  });
  audio.addEventListener("pause", () => {
    if (audio.paused && !audio.ended && audio.currentTime < passage?.end) endPassage(false);
  });
  audio.addEventListener("ended", () => {
    if (passage) endPassage(true);
    else skip(1);
  });
  audio.addEventListener("error", async () => {
    if (!current || !asked || !audio.error) return;
    asked = false;
    const { id, name } = current;
    endPassage(false);
    const problem = await whySilent(id);
    notice(`“${name}” cannot be heard: ${problem.message}`);
  });
  find("#player-toggle").addEventListener("click", toggle);
  find("#player-previous").addEventListener("click", () => skip(-1));
  find("#player-next").addEventListener("click", () => skip(1));
  find("#player-rail").addEventListener("input", (event) => {
    endPassage(false);
    audio.currentTime = Number(event.target.value);
  });
  const handlers = {
    previoustrack: () => skip(-1),
    nexttrack: () => skip(1),
    play: start,
    pause: () => audio.pause(),
  };
  for (const [name, act] of Object.entries(handlers)) navigator.mediaSession?.setActionHandler(name, act);
  addEventListener("pagehide", () =>
    keep(MEMORY, { current, queue, seconds: audio.currentTime }, sessionStorage),
  );
}

/** What was heard before the page was loaded anew is there again, and silent. */
export function restorePlayer() {
  listen();
  const before = recall(MEMORY, sessionStorage);
  if (!before?.current?.id) return;
  queue = before.queue || [];
  load(before.current, before.seconds || 0);
}
