// What colours the dots: the groups of a column of text, or the range of a column of numbers. The colours
// themselves are the stylesheet's (map_style.css), so that they fit a light and a dark ground.

export const GROUPS = 7; // that have a colour of their own; colour-blind readers tell no more apart
const REST = "--group-rest";
const STOPS = 5; // of the range
const FEWEST_NUMBERS = 13; // different ones, that make a range
const OUTLIERS = 0.01; // at each end of a range, which take the colour of that end

const isKnown = (cell) => cell !== null && cell !== undefined && cell !== "";

/** What a column says of each track: a `range` and `shares` of it, or `groups` and the `group` of each. */
export function readColumn(cells) {
  const known = cells.filter(isKnown);
  if (!known.length) return allAlike(cells.length);
  const areNumbers = known.every((cell) => Number.isFinite(Number(cell)));
  const isRange = areNumbers && new Set(known).size >= FEWEST_NUMBERS;
  return isRange ? rangeOf(cells, known) : groupsOf(cells);
}

const allAlike = (count) => ({
  groups: [{ name: "tracks", count, colour: "--group-1" }],
  group: new Uint8Array(count),
});

function rangeOf(cells, known) {
  const sorted = Float64Array.from(known, Number).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [least, most] = [at(OUTLIERS), at(1 - OUTLIERS)];
  const share = (cell) => Math.min(Math.max((Number(cell) - least) / (most - least || 1), 0), 1);
  return {
    range: [least, (least + most) / 2, most],
    unknown: cells.length - known.length,
    shares: Float32Array.from(cells, (cell) => (isKnown(cell) ? share(cell) : -1)),
  };
}

/** The commonest values, then the others as one group, then the tracks of which nothing is known. */
function groupsOf(cells) {
  const values = cells.map((cell) => (isKnown(cell) ? String(cell).split(";")[0].trim() : ""));
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
  const unknown = counts.get("") || 0;
  counts.delete("");
  const sorted = [...counts].sort((one, two) => two[1] - one[1] || (one[0] < two[0] ? -1 : 1));
  const own = sorted.slice(0, GROUPS);
  const rest = sorted.slice(GROUPS);
  const groups = own.map(([name, count], group) => ({ name, count, colour: `--group-${group + 1}` }));
  const others = rest.reduce((sum, [, count]) => sum + count, 0);
  const numbers = new Map(own.map(([name], group) => [name, group]));
  if (rest.length) {
    for (const [name] of rest) numbers.set(name, groups.length);
    groups.push({ name: `${rest.length.toLocaleString()} others`, count: others, colour: REST });
  }
  if (unknown) {
    numbers.set("", groups.length);
    groups.push({ name: "not known", count: unknown, colour: REST });
  }
  return { groups, group: Uint8Array.from(values, (value) => numbers.get(value)) };
}

/** Whether a track is in no group of its own, or of no known number: it is grey. */
function isRest({ groups, group, shares }, number) {
  return groups ? groups[group[number]].colour === REST : shares[number] < 0;
}

/** Numbers of the dots in the order of drawing: grey ones lie below. */
export function orderOf(column, count) {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return [
    ...numbers.filter((number) => isRest(column, number)),
    ...numbers.filter((number) => !isRest(column, number)),
  ];
}

/** Four bytes a dot, in the colours of `style`; `opacity` gives that of a number. */
export function paint(column, count, style, opacity) {
  const read = (name) => bytesOf(style.getPropertyValue(name));
  const rest = read(REST);
  const groups = column.groups?.map(({ colour }) => read(colour));
  const stops = column.range && Array.from({ length: STOPS }, (_, stop) => read(`--range-${stop + 1}`));
  const bytes = new Uint8Array(4 * count);
  for (let number = 0; number < count; number += 1) {
    let colour = rest;
    if (groups) colour = groups[column.group[number]];
    else if (column.shares[number] >= 0) colour = between(stops, column.shares[number]);
    bytes.set(colour, 4 * number);
    bytes[4 * number + 3] = 255 * opacity(number);
  }
  return bytes;
}

function between(stops, share) {
  const at = share * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  return stops[first].map((byte, which) => byte + (stops[first + 1][which] - byte) * (at - first));
}

/** The three bytes of `#rrggbb`. */
const bytesOf = (text) => [1, 3, 5].map((at) => parseInt(text.trim().slice(at, at + 2), 16) || 0);
