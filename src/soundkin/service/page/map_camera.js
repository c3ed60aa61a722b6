// Which part of the map is seen: the place in the middle, and how many pixels a unit of the map takes.

const CLOSEST = 500; // times as close as where all of the map is seen
const EDGE = 24; // pixels around all of it
const GLIDE_MS = 200;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Camera {
  /** `moved` is called whenever another part is to be drawn. */
  constructor(moved) {
    this.moved = moved;
    [this.x, this.y, this.scale] = [0, 0, 1];
    [this.width, this.height] = [1, 1];
    [this.halfWidth, this.halfHeight] = [1, 1];
    this.glide = null;
  }

  /** Pixels a unit takes where all of the map is seen. */
  get whole() {
    const [width, height] = [Math.max(this.width - 2 * EDGE, 20), Math.max(this.height - 2 * EDGE, 20)];
    return Math.min(width / (2 * this.halfWidth || 1e-9), height / (2 * this.halfHeight || 1e-9), width);
  }

  /** How many times closer than that. */
  get closeness() {
    return this.scale / this.whole;
  }

  toScreen(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toPlace(across, down) {
    return [this.x + (across - this.width / 2) / this.scale, this.y - (down - this.height / 2) / this.scale];
  }

  /** Left, bottom, right and top of what is seen. */
  get seen() {
    const [left, top] = this.toPlace(0, 0);
    const [right, bottom] = this.toPlace(this.width, this.height);
    return [left, bottom, right, top];
  }

  /** The same part, as close as before, on a canvas of another size. */
  resize(width, height) {
    const { closeness } = this;
    [this.width, this.height] = [width, height];
    this.set(this.x, this.y, closeness * this.whole);
  }

  /** A map of another size; all of it is seen. */
  show(halfWidth, halfHeight) {
    [this.halfWidth, this.halfHeight] = [halfWidth, halfHeight];
    this.set(0, 0, this.whole);
  }

  panBy(across, down) {
    this.set(this.x - across / this.scale, this.y + down / this.scale, this.scale);
  }

  /** Closer by a factor; what is at a point of the screen stays there. A glide is taken to its end first. */
  zoomBy(factor, [across, down] = [this.width / 2, this.height / 2], glides = false) {
    const [x, y, scale] = this.glide?.to || [this.x, this.y, this.scale];
    const closer = this.limited(scale * factor);
    const [right, up] = [across - this.width / 2, this.height / 2 - down];
    const end = [x + right / scale - right / closer, y + up / scale - up / closer, closer];
    if (glides) this.glideTo(...end);
    else this.set(...end);
  }

  /** All of these places in the middle, no closer than `closeness`; all of the map where there are none. */
  fit(places, closeness = 8) {
    if (!places.length) return this.glideTo(0, 0, this.whole);
    const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
    const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const across = (this.width - 4 * EDGE) / (right - left);
    const down = (this.height - 4 * EDGE) / (top - bottom);
    const scale = Math.max(Math.min(across, down, closeness * this.whole), this.whole);
    return this.glideTo((left + right) / 2, (bottom + top) / 2, scale);
  }

  /** Move as far as it takes for a place to be well in sight. */
  reveal(x, y) {
    const [across, down] = this.toScreen(x, y);
    const [far, low] = [this.width - 2 * EDGE, this.height - 2 * EDGE];
    if (across < 2 * EDGE || down < 2 * EDGE || across > far || down > low) this.glideTo(x, y, this.scale);
  }

  /** At once for those who want no motion. */
  glideTo(x, y, scale) {
    if (stillness.matches) return this.set(x, y, scale);
    const start = performance.now();
    this.glide = { from: [this.x, this.y, this.scale], to: [x, y, this.limited(scale)], start };
    return this.moved();
  }

  /** To where a glide is at this time; before each frame. */
  step(now) {
    if (!this.glide) return;
    const { from, to, start } = this.glide;
    const done = Math.min((now - start) / GLIDE_MS, 1);
    const eased = 1 - (1 - Math.max(done, 0)) ** 3;
    const between = (one, other) => one + (other - one) * eased;
    const [x, y] = [between(from[0], to[0]), between(from[1], to[1])];
    const { glide } = this;
    this.set(x, y, Math.exp(between(Math.log(from[2]), Math.log(to[2]))));
    if (done < 1) this.glide = glide;
  }

  set(x, y, scale) {
    this.glide = null;
    this.scale = this.limited(scale);
    this.x = Math.min(Math.max(x, -this.halfWidth), this.halfWidth);
    this.y = Math.min(Math.max(y, -this.halfHeight), this.halfHeight);
    this.moved();
  }

  limited(scale) {
    return Math.min(Math.max(scale, this.whole / 2), this.whole * CLOSEST);
  }
}
