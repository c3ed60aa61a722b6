// What the page shows, held in its address: so reload, back and a link sent to somebody show the same.

const NOTHING = { words: "", like: [], unlike: [], path: null, view: "tracks", why: "" };
const VIEWS = ["tracks", "map", "playlist"];
const WEIGHTED = /^(\d+(?:\.\d+)?)\*(.*)$/s;

export const changes = new EventTarget(); // "change" once what is shown is another
export let shown = read();

/** A seed as `2*track-17`; its weight is left out where it is 1. */
const written = ({ id, weight }) => (weight === 1 && !WEIGHTED.test(id) ? id : `${weight}*${id}`);

function seedOf(text) {
  const [, weight, id] = WEIGHTED.exec(text) || [null, "1", text];
  return { id, weight: Number(weight) || 1 };
}

function read() {
  const given = new URLSearchParams(location.search);
  const [start, end] = [given.get("from"), given.get("to")];
  return {
    words: given.get("q") || "",
    like: given.getAll("like").filter(Boolean).map(seedOf),
    unlike: given.getAll("unlike").filter(Boolean).map(seedOf),
    path: start && end ? { start, end } : null,
    view: VIEWS.includes(given.get("view")) ? given.get("view") : "tracks",
    why: given.get("why") || "",
  };
}

/** The address that shows `what`; what it does not name is as in the beginning. */
export function addressOf(what) {
  const { words, like, unlike, path, view, why } = { ...NOTHING, ...what };
  const pairs = [
    ["q", words],
    ...like.map((each) => ["like", written(each)]),
    ...unlike.map((each) => ["unlike", written(each)]),
    ...(path
      ? [
          ["from", path.start],
          ["to", path.end],
        ]
      : []),
    ["view", view === "tracks" ? "" : view],
    ["why", why],
  ].filter(([, value]) => value);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "/";
}

/** Show something else; with `replace`, back leads past what is shown now. */
export function show(change, { replace = false } = {}) {
  shown = { ...shown, ...change };
  const address = addressOf(shown);
  history[replace ? "replaceState" : "pushState"](null, "", address);
  changes.dispatchEvent(new Event("change"));
}

/** A track, asked for by itself. */
export const queryOf = (id) => ({ words: "", like: [{ id, weight: 1 }], unlike: [], path: null, why: "" });

addEventListener("popstate", () => {
  shown = read();
  changes.dispatchEvent(new Event("change"));
});
