// What is on the map and how it is drawn: once a frame, and only what has changed. Where frames come slowly,
// as without a graphics card, fewer dots are drawn while the map moves, and all once it stands still.
import { element } from "./dom.js";
import { Camera } from "./map_camera.js";
import { orderOf, paint, readColumn } from "./map_colours.js";
import { drawOverlay } from "./map_overlay.js";
import { COARSEST, Points } from "./map_points.js";

const DENSEST = 2; // pixels a CSS pixel: more are not seen, and cost
const BEHIND = 0.35,
  FAR_BEHIND = 0.08; // opacity of dots while others stand out, or another group
const SLOW_MS = 30,
  FAST_MS = 20; // from frame to frame
const SLOW_FRAMES = 2,
  FAST_FRAMES = 60; // that change how many dots are drawn
const STILL_MS = 150; // after the last move
const NOBODY = { ids: [], count: 0, x: [], y: [] };

export class Scene {
  /** Raises NoWebglError. */
  constructor({ ground, dots, overlay, name, view }, signal) {
    Object.assign(this, { ground, overlay, name, style: getComputedStyle(view) });
    this.points = new Points(dots);
    this.camera = new Camera(() => {
      this.isMoved = true;
      this.request();
    });
    this.places = NOBODY;
    this.column = readColumn([]);
    this.order = [];
    this.density = this.frame = 0;
    this.isMoved = this.isRepainted = false;
    this.isWhole = true; // whether all dots were drawn last
    this.level = this.slow = this.fast = this.movedAt = this.before = 0;
    this.only = null; // a group of the column, while the others step back
    this.shown = []; // numbers of tracks, as are all below; -1 is none
    this.path = [];
    this.selected = this.focused = this.hovered = -1;
    this.byKeys = false; // whether keys were used last, rather than a pointer: they mark the focused track
    this.forget();
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(ground);
    signal.addEventListener("abort", () => sizes.disconnect());
    this.followDensity(signal);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour(), { signal });
    // Without this it would not come back.
    dots.addEventListener("webglcontextlost", (event) => event.preventDefault(), { signal });
    dots.addEventListener(
      "webglcontextrestored",
      () => {
        this.points.build();
        this.points.place(this.places);
        this.recolour();
      },
      { signal },
    );
  }

  /** Windows move from one screen to another. */
  followDensity(signal) {
    const another = () => {
      this.resize();
      this.followDensity(signal);
    };
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", another, {
      once: true,
      signal,
    });
  }

  /** What was begun: a path, a lasso, picked tracks. */
  forget() {
    this.pathStart = -1;
    this.pathEnd = null; // a point of the screen
    this.lasso = []; // points of the screen
    this.picked = new Set();
  }

  setPlaces(places, column) {
    const isAnother =
      places.count !== this.places.count || places.ids.some((id, number) => id !== this.places.ids[number]);
    this.places = places;
    this.column = column;
    this.order = orderOf(column, places.count);
    this.only = null;
    this.points.place(places);
    if (!isAnother) return;
    this.selected = this.focused = this.hovered = -1;
    this.forget();
    this.resize();
    this.camera.show(places.halfWidth, places.halfHeight);
  }

  placeOf(number) {
    return [this.places.x[number], this.places.y[number]];
  }

  /** The track that is meant by a point of the screen. */
  trackAt([across, down], reach) {
    return this.places.count
      ? this.places.nearest(...this.camera.toPlace(across, down), reach / this.camera.scale)
      : -1;
  }

  /** The track whose name is shown. */
  get pointed() {
    return this.hovered < 0 && this.byKeys ? this.focused : this.hovered;
  }

  /** In CSS pixels: smaller the more there are, larger from near. */
  get diameter() {
    const usual = Math.min(Math.max(16 - 2.6 * Math.log10(this.places.count + 1), 3), 9);
    return Math.min(usual * Math.max(this.camera.closeness, 1) ** 0.3, Math.max(usual, 12));
  }

  /** Draw what lies over the dots, and the dots themselves where they moved or were repainted. */
  request() {
    this.isAsked = true;
    this.frame ||= requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    this.frame = 0;
    this.camera.step(now);
    this.keepPace(now);
    if (!this.density || !this.places.count) return;
    if (this.isMoved) this.movedAt = now;
    const isStill = now - this.movedAt > STILL_MS;
    if (this.isMoved || this.isRepainted || (isStill && !this.isWhole)) {
      const level = isStill || !this.isMoved ? 0 : this.level;
      this.points.draw(this.camera, this.diameter, this.density, level);
      this.isWhole = level === 0;
    }
    if (this.isAsked || this.isMoved) {
      const titles = drawOverlay(this.overlay, this, this.density);
      Object.assign(this.ground.dataset, { titles, closeness: this.camera.closeness.toFixed(2) });
      this.placeName();
    }
    this.isMoved = this.isRepainted = this.isAsked = false;
    if (isStill && this.isWhole) this.before = 0;
    else this.frame ||= requestAnimationFrame((later) => this.draw(later));
  }

  /** Half as many dots after slow frames, twice as many after fast ones. */
  keepPace(now) {
    const gap = this.before && now - this.before;
    this.before = now;
    this.slow = gap > SLOW_MS ? this.slow + 1 : 0;
    this.fast = gap && gap < FAST_MS ? this.fast + 1 : 0;
    if (this.slow >= SLOW_FRAMES) [this.level, this.slow] = [Math.min(this.level + 1, COARSEST), 0];
    if (this.fast >= FAST_FRAMES) [this.level, this.fast] = [Math.max(this.level - 1, 0), 0];
  }

  resize() {
    const [width, height] = [this.ground.clientWidth, this.ground.clientHeight];
    if (!width || !height) return;
    this.density = Math.min(devicePixelRatio || 1, DENSEST);
    for (const canvas of [this.points.canvas, this.overlay]) {
      canvas.width = Math.round(width * this.density);
      canvas.height = Math.round(height * this.density);
    }
    this.camera.resize(width, height);
  }

  recolour() {
    const { column, only } = this;
    const outstanding = new Set([...this.shown, ...this.path, this.selected].filter((number) => number >= 0));
    const isBehind =
      only === null
        ? (number) => outstanding.size > 0 && !outstanding.has(number)
        : (number) => column.group[number] !== only;
    const opacity = this.places.count > 20000 ? 0.6 : 0.85;
    const colours = paint(column, this.places.count, this.style, (number) =>
      isBehind(number) ? (only === null ? BEHIND : FAR_BEHIND) : opacity,
    );
    this.isRepainted = true;
    this.points.paint(
      colours,
      this.order.filter((number) => !outstanding.has(number)),
      [...outstanding],
    );
    this.request();
  }

  /** The name of the track that is pointed at, beside it. */
  placeName() {
    const { name, places, camera, pointed: number } = this;
    name.hidden = number < 0 || this.lasso.length > 0;
    if (name.hidden) return;
    const lines = [places.title(number), places.artist(number)].filter(Boolean);
    name.replaceChildren(
      ...lines.map((line, which) => element(which ? "span" : "b", {}, element("bdi", {}, line))),
    );
    const [across, down] = camera.toScreen(...this.placeOf(number));
    const gap = this.diameter / 2 + 12;
    const left = Math.min(Math.max(across - name.offsetWidth / 2, 4), camera.width - name.offsetWidth - 4);
    const top = down - gap - name.offsetHeight > 4 ? down - gap - name.offsetHeight : down + gap;
    name.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
