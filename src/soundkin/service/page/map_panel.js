// The map of the library, fetched once somebody wants to see it.
import { queryOf, show, shown, changes } from "./address.js";
import { tracksOf } from "./api.js";
import { element, find, many, notice } from "./dom.js";
import { play } from "./player.js";
import { append, playlist, replacePlaylist } from "./playlist.js";
import { known } from "./track_rows.js";
import { listed } from "./tracks_view.js";

const MOST_LASSOED = 500;
const panel = find("#map");
let view = null; // a promise of what createMapView gives
let list = { kind: "", ids: [] };

async function open() {
  try {
    const { createMapView } = await import("./map_view.js");
    return createMapView(panel, { onSelect, onPath, onLasso });
  } catch (error) {
    view = null;
    panel.replaceChildren(element("p", { class: "map-note" }, `The map cannot be shown: ${error.message}`));
    return null;
  }
}

const onPath = (start, end) => show({ path: { start, end }, words: "", why: "" });

async function onSelect(id) {
  const track = known.get(id) || (await tracksOf([id]).catch(() => []))[0];
  if (!track) return;
  known.set(id, track);
  play(track);
  show(queryOf(id));
}

async function onLasso(ids) {
  if (ids.length > MOST_LASSOED) {
    const count = many(ids.length, "track");
    notice(`${count} are too many for one playlist. Zoom in and draw around at most ${MOST_LASSOED}.`);
    return;
  }
  const tracks = await tracksOf(ids).catch((error) => notice(error.message));
  if (!tracks) return;
  const before = playlist();
  const added = append(tracks).length;
  notice(
    `${many(added, "track")} of ${ids.length} put into the playlist.`,
    added ? () => replacePlaylist(before) : null,
  );
}

/** What the list shows, on the map. */
async function draw() {
  panel.hidden = shown.view !== "map";
  if (panel.hidden) return;
  view ??= open();
  const map = await view;
  if (!map) return;
  map.show(list.kind === "somewhere" ? [] : list.ids);
  const isPath = list.kind === "path";
  map.highlight(isPath ? "" : shown.like[0]?.id || "");
  map.drawPath(isPath ? list.ids : []);
}

export function startMap() {
  listed.addEventListener("change", ({ detail }) => {
    list = detail;
    draw();
  });
  changes.addEventListener("change", draw);
  draw();
}
