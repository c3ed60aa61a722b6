// Why a track is an answer: where it and a seed sound most alike, to be heard, and what else they share.
import { shown } from "./address.js";
import { why } from "./api.js";
import { clock, element, find, icon, named } from "./dom.js";
import { playPassage, stop } from "./player.js";
import { known } from "./track_rows.js";
import { drawWaveform } from "./waveform.js";

let asking = null;

/** Open the reasons of one line, and close those of others; none where `id` is empty. */
export function showWhy(rows, id) {
  for (const open of rows.querySelectorAll(".why")) if (open.parentElement.dataset.id !== id) close(open);
  const row = id && rows.querySelector(`:scope > [data-id="${CSS.escape(id)}"]`);
  if (!row || find(".why", row) || !shown.like.length) return;
  const box = element("div", { class: "why", id: "why" });
  find("[data-act=why]", row)?.setAttribute("aria-expanded", "true");
  row.append(box);
  const strongest = shown.like.toSorted((one, other) => other.weight - one.weight)[0];
  explain(box, strongest.id, id, false);
}

function close(box) {
  find("[data-act=why]", box.parentElement)?.setAttribute("aria-expanded", "false");
  box.remove();
  asking?.abort();
}

async function explain(box, seedId, id, fine) {
  asking?.abort();
  asking = new AbortController();
  box.replaceChildren(element("p", { class: "quiet", role: "status" }, "Comparing them…"));
  try {
    const reasons = await why(seedId, id, fine, asking.signal);
    box.replaceChildren(...contents(box, reasons, seedId, id, fine));
  } catch (error) {
    if (error.name === "AbortError") return;
    box.replaceChildren(
      element(
        "p",
        { role: "alert" },
        error.message,
        " ",
        element("button", { type: "button", click: () => explain(box, seedId, id, fine) }, "Try again"),
      ),
    );
  }
}

function contents(box, { moment, carried, score, facts, beliefs }, seedId, id, fine) {
  const [seed, track] = [seedId, id].map(
    (each) => known.get(each) || { id: each, name: each, artist: "", seconds: 0 },
  );
  const parts = [seedChoice(box, seedId, id)];
  if (moment) {
    const passages = [
      { track: seed, from: moment.here_seconds, seconds: moment.seconds },
      { track, from: moment.there_seconds, seconds: moment.seconds },
    ];
    const sides = passages.map(side);
    parts.push(
      element("p", {}, "They are most alike here:"),
      element(
        "div",
        { class: "sides" },
        sides.map(({ box: drawn }) => drawn),
      ),
      element(
        "p",
        { class: "actions" },
        playAll("Play both", sides),
        fine
          ? null
          : element(
              "button",
              { type: "button", click: () => explain(box, seedId, id, true) },
              "Listen more closely",
            ),
      ),
    );
    const without =
      carried === null ? "" : `; without this passage it would be ${(score - carried).toFixed(2)}`;
    parts.push(element("p", { class: "quiet" }, `Likeness ${score.toFixed(2)}${without}.`));
  } else
    parts.push(
      element(
        "p",
        { class: "quiet" },
        "Where they are most alike cannot be told: their audio is not at hand.",
      ),
    );
  const shared = facts.map(({ column, value, share }) =>
    fact(`${column} `, value, `${(100 * share).toPrecision(2)}% of the library`),
  );
  if (shared.length) parts.push(element("p", {}, "Both: ", shared));
  const believed = beliefs.map(({ label, confidence }) =>
    fact("", label, `${Math.round(100 * confidence)}%`),
  );
  if (believed.length) parts.push(element("p", {}, "Both sound like: ", believed));
  return parts.filter(Boolean);
}

const fact = (before, value, after) =>
  element("span", { class: "fact" }, before, named(value), element("span", { class: "quiet" }, ` ${after}`));

/** Of several seeds, which one the track is compared with. */
function seedChoice(box, seedId, id) {
  if (shown.like.length < 2) return null;
  const options = shown.like.map((seed) =>
    element("option", { value: seed.id, selected: seed.id === seedId }, known.get(seed.id)?.name || seed.id),
  );
  return element(
    "label",
    {},
    "Compared with ",
    element("select", { change: (event) => explain(box, event.target.value, id, false) }, options),
  );
}

/** One of the two passages: where it is in its track, and a button that plays it. */
function side(passage) {
  const { track, from, seconds } = passage;
  const whole = Math.max(track.seconds, from + seconds);
  const strip = element("div", { class: "strip", "aria-hidden": "true" });
  strip.style.setProperty("--from", `${(100 * from) / whole}%`);
  strip.style.setProperty("--to", `${(100 * (from + seconds)) / whole}%`);
  const wave = element("div", { class: "wave" });
  strip.append(wave);
  drawWaveform(wave, track);
  const place = `${clock(from)}–${clock(from + seconds)}`;
  const box = element(
    "div",
    { class: "side" },
    element(
      "p",
      { class: "name" },
      named(track.name),
      track.artist && element("span", { class: "quiet" }, " ", named(track.artist)),
    ),
    strip,
  );
  const drawn = { box, passage };
  box.append(
    element(
      "button",
      { type: "button", "aria-label": `Play ${place} of ${track.name}`, click: () => sound(drawn) },
      icon("play"),
      element("span", {}, place),
    ),
  );
  return drawn;
}

async function sound({ box, passage: { track, from, seconds } }) {
  box.classList.add("sounding");
  const heard = await playPassage(track, from, seconds);
  box.classList.remove("sounding");
  return heard;
}

function playAll(words, sides) {
  let on = false;
  const control = element(
    "button",
    {
      type: "button",
      class: "main",
      click: async () => {
        if (on) return stop();
        on = true;
        text.textContent = "Stop";
        for (const each of sides) if (!(await sound(each))) break;
        on = false;
        text.textContent = words;
        return null;
      },
    },
    icon("play"),
  );
  const text = element("span", {}, words);
  control.append(text);
  return control;
}
