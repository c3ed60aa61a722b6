// Where tracks are on the map, and which of them is where. Tracks are numbers from 0; x goes right, y goes
// up, and the middle of the map is 0, 0. All tracks are gone through each time:
// 100,000 take about a millisecond.

/** Places of `GET /map`, scaled so that the longer side of the map goes from -1 to 1. */
export class Places {
  constructor({ track_id, x, y, columns }) {
    this.ids = track_id;
    this.count = track_id.length;
    this.columns = columns;
    const [across, up] = [extent(x), extent(y)];
    const half = Math.max(across.half, up.half) || 1;
    this.halfWidth = across.half / half;
    this.halfHeight = up.half / half;
    this.x = Float32Array.from(x, (each) => (each - across.middle) / half);
    this.y = Float32Array.from(y, (each) => (each - up.middle) / half);
    this.numbers = new Map(track_id.map((id, number) => [id, number]));
  }

  /** Numbers of the tracks that are on the map, in their order. */
  numbersOf(ids) {
    return ids.map((id) => this.numbers.get(id)).filter((number) => number !== undefined);
  }

  title(number) {
    return this.columns.title?.[number] || this.ids[number];
  }

  artist(number) {
    return this.columns.artist?.[number] || "";
  }

  /** The track nearest to a place, and within `reach` of it; -1 if there is none. */
  nearest(x, y, reach = Infinity) {
    let [found, least] = [-1, reach * reach];
    for (let number = 0; number < this.count; number += 1) {
      const [across, up] = [this.x[number] - x, this.y[number] - y];
      const distance = across * across + up * up;
      if (distance <= least) [found, least] = [number, distance];
    }
    return found;
  }

  /** The track next to one in a direction, of those that lie rather there than aside; -1 if there is none. */
  next(from, right, up) {
    let [found, least] = [-1, Infinity];
    for (let number = 0; number < this.count; number += 1) {
      const [dx, dy] = [this.x[number] - this.x[from], this.y[number] - this.y[from]];
      const ahead = dx * right + dy * up;
      const aside = Math.abs(dx * up - dy * right);
      if (ahead > 0 && aside <= ahead && ahead + 2 * aside < least)
        [found, least] = [number, ahead + 2 * aside];
    }
    return found;
  }

  /** The tracks in a rectangle. */
  between(left, bottom, right, top) {
    const found = [];
    for (let number = 0; number < this.count; number += 1) {
      const [x, y] = [this.x[number], this.y[number]];
      if (x >= left && x <= right && y >= bottom && y <= top) found.push(number);
    }
    return found;
  }

  /** The tracks inside a closed line: those that it goes round an odd number of times. */
  inside(corners) {
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    return this.between(...box).filter((number) => isInside(xs, ys, this.x[number], this.y[number]));
  }
}

function extent(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return values.length ? { middle: (least + most) / 2, half: (most - least) / 2 } : { middle: 0, half: 0 };
}

/** Whether a ray to the right crosses the line an odd number of times. */
function isInside(xs, ys, x, y) {
  let odd = false;
  for (let here = 0, before = xs.length - 1; here < xs.length; before = here, here += 1) {
    const crosses = ys[here] > y !== ys[before] > y;
    if (crosses && x < ((xs[before] - xs[here]) * (y - ys[here])) / (ys[before] - ys[here]) + xs[here])
      odd = !odd;
  }
  return odd;
}
