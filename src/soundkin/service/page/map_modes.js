// What is done with the map, by pointer and by key. In the mode "path" two tracks are picked, in "lasso"
// many.
import { many } from "./dom.js";
import { followPointers } from "./map_gestures.js";

const STEP = 1.6; // closer, by a key or a button
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const HINTS = {
  path: "Drag from one track to another, or pick two: the way between them is then found.",
  lasso: "Draw around tracks, or pick them one by one and press Enter: they go into the playlist.",
};

/** `act` has `select(number)`, `path(start, end)`, `lasso(numbers)` and `clearPath()`. */
export function steer(scene, { ground, tools, said }, act, signal) {
  const { camera } = scene;
  let mode = "move";
  let isFresh = false; // whether the path's start was picked by the press that is going on

  const say = (text) => {
    said.textContent = text;
  };
  const nameOf = (number) =>
    [scene.places.title(number), scene.places.artist(number)].filter(Boolean).join(", by ");
  const sayCount = () => say(`${many(scene.places.count, "track")} on the map.`);

  function setMode(next) {
    mode = mode === next ? "move" : next;
    scene.forget();
    for (const each of ["path", "lasso"]) tools[each].setAttribute("aria-pressed", String(mode === each));
    ground.dataset.mode = mode;
    if (HINTS[mode]) say(HINTS[mode]);
    else sayCount();
    scene.request();
  }

  function pick(number) {
    scene.focused = number;
    if (mode === "lasso") togglePicked(number);
    else if (mode === "path") pickStop(number);
    else {
      say(`Chosen: ${nameOf(number)}.`);
      act.select(number);
    }
    scene.request();
  }

  /** An end of a path; the second one asks for the way. */
  function pickStop(number) {
    const start = scene.pathStart;
    if (start < 0) {
      scene.pathStart = number;
      say(`From ${nameOf(number)}. Now pick the track to go to.`);
    } else if (start !== number) {
      setMode("move");
      say(`The way from ${nameOf(start)} to ${nameOf(number)}.`);
      act.path(start, number);
    }
  }

  function togglePicked(number) {
    const isIn = !scene.picked.delete(number);
    if (isIn) scene.picked.add(number);
    const count = many(scene.picked.size, "track");
    say(`${nameOf(number)} ${isIn ? "picked" : "left out"}: ${count}. Enter takes them.`);
  }

  function take(numbers) {
    setMode("move");
    say(numbers.length ? `${many(numbers.length, "track")} picked.` : "No track lies inside.");
    if (numbers.length) act.lasso(numbers);
  }

  function walk([right, up]) {
    const from = scene.focused;
    const next = from < 0 ? scene.places.nearest(camera.x, camera.y) : scene.places.next(from, right, up);
    if (next < 0) return say(`Nothing further that way. ${nameOf(from)}.`);
    scene.focused = next;
    scene.hovered = -1;
    say(`${nameOf(next)}${scene.picked.has(next) ? ", picked" : ""}.`);
    camera.reveal(...scene.placeOf(next));
    return scene.request();
  }

  function goBack() {
    if (mode !== "move") return setMode("move");
    if (scene.path.length) act.clearPath();
    scene.focused = scene.hovered = -1;
    sayCount();
    return scene.request();
  }

  const zoom = (factor) =>
    camera.zoomBy(
      factor,
      scene.focused < 0 ? undefined : camera.toScreen(...scene.placeOf(scene.focused)),
      true,
    );
  const pickFocused = () => {
    if (scene.focused >= 0) pick(scene.focused);
  };
  const keys = {
    "+": () => zoom(STEP),
    "=": () => zoom(STEP),
    "-": () => zoom(1 / STEP),
    0: () => camera.fit([]),
    " ": pickFocused,
    Enter: () => (mode === "lasso" ? take([...scene.picked]) : pickFocused()),
    Escape: goBack,
  };
  ground.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !scene.places.count) return;
      scene.byKeys = true;
      if (ARROWS[event.key]) walk(ARROWS[event.key]);
      else if (keys[event.key]) keys[event.key]();
      else return;
      event.preventDefault();
    },
    { signal },
  );

  ground.addEventListener(
    "blur",
    () => {
      scene.byKeys = false;
      scene.request();
    },
    { signal },
  );

  const press = (tool, handle) => tools[tool].addEventListener("click", handle, { signal });
  press("in", () => zoom(STEP));
  press("out", () => zoom(1 / STEP));
  press("whole", () => camera.fit([]));
  for (const each of ["path", "lasso"]) press(each, () => setMode(each));

  followPointers(
    ground,
    {
      begin(point, reach) {
        scene.byKeys = false;
        if (mode === "lasso") scene.lasso = [point];
        isFresh = mode === "path" && scene.pathStart < 0 && scene.trackAt(point, reach) >= 0;
        if (isFresh) scene.pathStart = scene.trackAt(point, reach);
      },
      drag(here, before) {
        if (mode === "lasso") scene.lasso.push(here);
        else if (isFresh) [scene.pathEnd, scene.hovered] = [here, scene.trackAt(here, 24)];
        else camera.panBy(here[0] - before[0], here[1] - before[1]);
        scene.request();
      },
      end(point, reach) {
        if (mode === "lasso")
          return take(scene.places.inside(scene.lasso.map((each) => camera.toPlace(...each))));
        const number = isFresh ? scene.trackAt(point, 2 * reach) : -1;
        scene.pathEnd = null;
        isFresh = false;
        if (number >= 0) pick(number);
        return scene.request();
      },
      tap(point, reach) {
        if (isFresh) scene.pathStart = -1; // `pick` sets it
        isFresh = false;
        scene.lasso = [];
        const number = scene.trackAt(point, reach);
        if (number >= 0) pick(number);
        scene.request();
      },
      cancel() {
        if (isFresh) scene.pathStart = -1;
        isFresh = false;
        Object.assign(scene, { lasso: [], pathEnd: null });
        scene.request();
      },
      hover(point, reach) {
        scene.hovered = scene.trackAt(point, reach);
        scene.pathEnd = scene.pathStart < 0 ? null : point;
        ground.classList.toggle("pointed", scene.hovered >= 0);
        scene.request();
      },
      leave() {
        Object.assign(scene, { hovered: -1, pathEnd: null });
        scene.request();
      },
      pinch(factor, from, to) {
        camera.panBy(to[0] - from[0], to[1] - from[1]);
        camera.zoomBy(factor, to);
      },
    },
    signal,
  );
  return { sayCount };
}
