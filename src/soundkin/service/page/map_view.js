// The map of the library: a dot a track, near where they sound alike; heard by a click, walked by arrow keys.
import { catalogColumns, mapPlaces } from "./api.js";
import { element, many } from "./dom.js";
import { readColumn } from "./map_colours.js";
import { legendOf } from "./map_legend.js";
import { steer } from "./map_modes.js";
import { makeParts } from "./map_parts.js";
import { Places } from "./map_places.js";
import { NoWebglError } from "./map_points.js";
import { Scene } from "./map_scene.js";
import { keep, recall } from "./memory.js";

const MEMORY = "soundkin-map-column";
const USUAL_COLUMNS = ["genre", "artist"]; // to colour by: the first that says anything
const NEVER_COLOURS = ["track_id", "title"]; // a value a track
const NO_WEBGL =
  "The map needs WebGL 2, which this browser does not have or has switched off. Switch on hardware " +
  "acceleration in its settings, or use another browser. The rest of this page works without.";
const NO_GRAPHICS = "The graphics of this device have gone for the moment, and the map with them.";
const NOBODY_THERE = "No track of this library is on its map yet. soundkin sync puts them there.";

/**
 * The map in `container`, which calls back `onSelect(id)`, `onPath(start, end)` and `onLasso(ids)`.
 *
 * Gives `show(ids, { fit })` (these stand out, and with `fit` are brought into sight), `highlight(id)`,
 * `drawPath(ids)`, `colourBy(column)` and `destroy()`. Tracks that are not on the map are passed over.
 */
export function createMapView(container, { onSelect, onPath, onLasso }) {
  const ended = new AbortController();
  const { signal } = ended;
  const parts = makeParts(container);
  const wanted = { shown: [], highlighted: "", path: [] }; // ids, whether or not they are on the map
  let scene = null;
  let hands = null;
  let loads = 0;

  async function load(column) {
    const turn = (loads += 1);
    if (!scene?.places.count) parts.note("Drawing the map…");
    try {
      scene ||= new Scene(parts, signal);
      const columns = await catalogColumns();
      const colours = columns.filter((each) => !NEVER_COLOURS.includes(each));
      const candidates = [column, ...USUAL_COLUMNS].filter((each) => each === "" || colours.includes(each));
      for (const chosen of new Set([...candidates, ""])) {
        const asked = [...new Set(["title", "artist", chosen])].filter((each) => columns.includes(each));
        const places = new Places(await mapPlaces(asked, signal));
        if (turn !== loads) return; // another column has been asked for since
        const says = places.columns[chosen]?.some((cell) => cell !== null && cell !== "");
        if (says || chosen === column || chosen === "") {
          fill(places, colours, chosen);
          return;
        }
      }
    } catch (error) {
      if (signal.aborted || turn !== loads) return;
      parts.note(error instanceof NoWebglError ? NO_WEBGL : error.message, () => load(column));
    }
  }

  function fill(places, colours, chosen) {
    parts.note(places.count ? "" : NOBODY_THERE, places.count ? null : () => load(chosen));
    scene.setPlaces(places, readColumn(places.columns[chosen] || new Array(places.count).fill("")));
    const options = ["", ...colours].map((each) => element("option", { value: each }, each || "nothing"));
    parts.chooser.replaceChildren(...options);
    parts.chooser.value = chosen;
    parts.setLegend(
      legendOf(chosen, scene.column, (group) => {
        scene.only = group;
        scene.recolour();
      }),
    );
    parts.ground.setAttribute("aria-label", `Map of ${many(places.count, "track")}`);
    hands ||= steer(
      scene,
      parts,
      {
        select: (number) => {
          highlight(scene.places.ids[number]);
          onSelect(scene.places.ids[number]);
        },
        path: (start, end) => onPath(scene.places.ids[start], scene.places.ids[end]),
        lasso: (numbers) => onLasso(numbers.map((number) => scene.places.ids[number])),
        clearPath: () => drawPath([]),
      },
      signal,
    );
    hands.sayCount();
    refresh();
  }

  /** What is wanted by id, as numbers. */
  function refresh() {
    if (!scene?.places.count) return;
    scene.shown = scene.places.numbersOf(wanted.shown);
    scene.path = scene.places.numbersOf(wanted.path);
    scene.selected = scene.places.numbers.get(wanted.highlighted) ?? -1;
    scene.recolour();
  }

  function show(ids, { fit = false } = {}) {
    wanted.shown = ids;
    refresh();
    if (fit && scene?.shown.length) scene.camera.fit(scene.shown.map((number) => scene.placeOf(number)));
  }

  function highlight(id) {
    if (id === wanted.highlighted) return;
    wanted.highlighted = id;
    refresh();
    if (scene?.selected >= 0) scene.camera.reveal(...scene.placeOf(scene.selected));
  }

  function drawPath(ids) {
    if (ids.join("\n") === wanted.path.join("\n")) return;
    wanted.path = ids;
    refresh();
    if (scene?.path.length) scene.camera.fit(scene.path.map((number) => scene.placeOf(number)));
  }

  function colourBy(column) {
    keep(MEMORY, column);
    return load(column);
  }

  parts.dots.addEventListener("webglcontextlost", () => parts.note(NO_GRAPHICS), { signal });
  parts.dots.addEventListener("webglcontextrestored", () => parts.note(""), { signal });
  parts.chooser.addEventListener("change", () => colourBy(parts.chooser.value), { signal });
  load(recall(MEMORY));
  return {
    show,
    highlight,
    drawPath,
    colourBy,
    destroy() {
      ended.abort();
      loads += 1;
      parts.view.remove();
    },
  };
}
