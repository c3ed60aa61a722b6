// What is asked for: a heading, a chip for each seed, and what can be done with all of it.
import { addressOf, show, shown } from "./address.js";
import { tracksOf } from "./api.js";
import { button, element, find, many, named, notice } from "./dom.js";
import { append, holds } from "./playlist.js";
import { goOnAtHeading, known, playButton } from "./track_rows.js";

const WEIGHTS = [1, 2, 3, 0.5];
const SIGNS = { like: "", unlike: "less like ", way: "" };

const nameOf = (id) => known.get(id)?.name || id;

/** Draw it, once the names of the seeds are known; `listedIds` gives the tracks of the list below. */
export async function drawQuery(signal, listedIds) {
  const { words, like, unlike, path } = shown;
  const ends = path ? [path.start, path.end].map((id) => ({ id, weight: 1 })) : [];
  const chips = path
    ? ends.map((seed) => [seed, "way"])
    : [...like.map((seed) => [seed, "like"]), ...unlike.map((seed) => [seed, "unlike"])];
  const lost = await learn(
    chips.map(([{ id }]) => id),
    signal,
  );
  find("#asked").replaceChildren(...heading());
  document.title = [
    words || (path && "On the way") || (like.length && `Sounds like ${nameOf(like[0].id)}`),
    "soundkin",
  ]
    .filter(Boolean)
    .join(" – ");
  find("#asked-more").hidden = Boolean(words || chips.length);
  const list = find("#seeds");
  const weighed =
    document.activeElement?.closest("#seeds [data-act=weigh]") &&
    document.activeElement.closest("li").dataset.id;
  list.replaceChildren(...chips.map(([seed, kind]) => seedChip(seed, kind, lost.has(seed.id))));
  list.hidden = !chips.length;
  if (weighed) find(`[data-id="${CSS.escape(weighed)}"] [data-act=weigh]`, list)?.focus();
  drawActions(listedIds);
}

function heading() {
  const { words, like, unlike, path } = shown;
  if (words) return ["Search"];
  if (path) return ["On the way"];
  if (like.length === 1 && !unlike.length) return ["Sounds like ", named(nameOf(like[0].id))];
  return [like.length || unlike.length ? "Sounds like" : "What sounds like this?"];
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
  const leaveOut = () => {
    goOnAtHeading();
    if (kind === "way") show({ path: null });
    else show({ [kind]: shown[kind].filter((seed) => seed.id !== id), why: "" });
  };
  const alone = kind === "way" || shown.like.length + shown.unlike.length < 2;
  const name = element(
    "span",
    { class: "name" },
    SIGNS[kind] && element("span", { class: "sign" }, SIGNS[kind]),
    element(
      "a",
      { class: "open", href: addressOf({ like: [{ id, weight: 1 }] }), "data-act": "open" },
      named(track.name),
    ),
    track.artist && element("span", { class: "quiet" }, " ", named(track.artist)),
  );
  return element(
    "li",
    { class: `seed ${kind}`, "data-id": id },
    lost ? null : playButton(track),
    name,
    alone ? null : weightButton({ id, weight }, kind),
    button("remove-seed", `Leave out ${track.name}`, {
      drawing: "close",
      class: "round remove",
      title: "Leave out",
      click: leaveOut,
    }),
  );
}

function weightButton({ id, weight }, kind) {
  const times = weight === 0.5 ? "½" : String(weight);
  const reweigh = () => {
    const next = WEIGHTS[(WEIGHTS.indexOf(weight) + 1) % WEIGHTS.length];
    show({ [kind]: shown[kind].map((seed) => (seed.id === id ? { id, weight: next } : seed)) });
  };
  return element(
    "button",
    {
      type: "button",
      class: "weight",
      title: "How much it counts",
      click: reweigh,
      "aria-label": `${nameOf(id)} counts ${times} times. Change`,
      "data-act": "weigh",
    },
    `×${times}`,
  );
}

function drawActions(listedIds) {
  const { words, like, unlike, path } = shown;
  const actions = [];
  const offer = (text, click) => actions.push(element("button", { type: "button", click }, text));
  if (path) {
    offer("The other way round", () => show({ path: { start: path.end, end: path.start } }));
    offer("Into the playlist", () => keepAll(listedIds()));
  } else if (like.length === 2 && !unlike.length) {
    const way = { start: like[0].id, end: like[1].id };
    offer("The way between them", () => show({ path: way, words: "", why: "" }));
  } else if (like.length === 1 && !unlike.length) {
    const track = known.get(like[0].id);
    const text = () => (track && holds(track.id) ? "In the playlist" : "Into the playlist");
    if (track)
      offer(text(), ({ currentTarget }) => {
        append([track]);
        currentTarget.textContent = text();
      });
  }
  find("#query-actions").replaceChildren(...actions);
  find("#query-actions").hidden = !actions.length || Boolean(words);
}

function keepAll(ids) {
  const added = append(ids.map((id) => known.get(id)));
  notice(
    added.length
      ? `${many(added.length, "track")} more in the playlist.`
      : "All of these are in the playlist.",
  );
}
