// What lies over the dots: titles, rings, the path and the lasso.

const LABEL_AREA = 1500; // pixels for each track in sight, at least, before all get titles
const LONGEST_LABEL = 30; // characters
const FONT = "12px system-ui, sans-serif",
  NUMBER_FONT = "600 10px system-ui, sans-serif";
const HEIGHT = 16; // of a title, in pixels
const STOP = 9; // radius of a stop of the path
const MOST_RINGS = 500;

function shorten(text) {
  const letters = [...text];
  return letters.length > LONGEST_LABEL
    ? `${letters
        .slice(0, LONGEST_LABEL - 1)
        .join("")
        .trimEnd()}…`
    : text;
}

/** Draw `scene` on a canvas of `density` pixels a CSS pixel; gives how many titles there were room for. */
export function drawOverlay(canvas, scene, density) {
  const { camera, style } = scene;
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, camera.width, camera.height);
  const colours = Object.fromEntries(
    ["ink", "card", "ours"].map((name) => [name, style.getPropertyValue(`--${name}`)]),
  );
  const at = (number) => camera.toScreen(scene.places.x[number], scene.places.y[number]);
  drawPath(pen, scene, colours, at);
  const titles = drawTitles(pen, scene, colours, at);
  drawRings(pen, scene, colours, at);
  drawLasso(pen, scene, colours);
  return titles;
}

/** Tracks that may get a title, those that matter most first; the one pointed at has its name beside it. */
function wanted({ camera, places, shown, path, selected, pointed }) {
  const seen = places.between(...camera.seen);
  const all = seen.length * LABEL_AREA <= camera.width * camera.height ? seen : [];
  return [...new Set([selected, ...path, ...shown, ...all])].filter(
    (number) => number >= 0 && number !== pointed,
  );
}

function drawTitles(pen, scene, { ink, card }, at) {
  const taken = scene.path
    .map(at)
    .map(([across, down]) => [across - STOP, down - STOP, across + STOP, down + STOP]);
  let written = 0;
  const stops = new Set(scene.path);
  const isFree = (box) =>
    taken.every((other) => box[0] > other[2] || box[2] < other[0] || box[1] > other[3] || box[3] < other[1]);
  pen.font = FONT;
  pen.textBaseline = "middle";
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = card;
  pen.fillStyle = ink;
  for (const number of wanted(scene)) {
    const [across, down] = at(number);
    if (across < 0 || down < 0 || across > scene.camera.width || down > scene.camera.height) continue;
    const text = shorten(scene.places.title(number));
    const width = pen.measureText(text).width;
    const gap = stops.has(number) || number === scene.selected ? 14 : scene.diameter / 2 + 6;
    const left = across + gap + width < scene.camera.width ? across + gap : across - gap - width;
    const box = [left - 2, down - HEIGHT / 2, left + width + 2, down + HEIGHT / 2];
    if (left < 0 || box[1] < 0 || box[3] > scene.camera.height || !isFree(box)) continue;
    taken.push(box);
    written += 1;
    pen.strokeText(text, left, down);
    pen.fillText(text, left, down);
  }
  return written;
}

function drawRings(
  pen,
  { shown, picked, selected, byKeys, focused, pathStart, diameter },
  { ink, ours },
  at,
) {
  const ring = (number, radius, width, colour) => {
    if (number < 0) return;
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.arc(...at(number), radius, 0, 2 * Math.PI);
    pen.stroke();
  };
  for (const number of shown.slice(0, MOST_RINGS)) ring(number, diameter / 2 + 2, 1, ink);
  for (const number of picked) ring(number, diameter / 2 + 4, 2, ours);
  ring(selected, diameter / 2 + 5, 3, ours);
  ring(pathStart, diameter / 2 + 5, 3, ours);
  if (byKeys) ring(focused, diameter / 2 + 8, 2, ink);
}

/** A line from stop to stop, each with its number. */
function drawPath(pen, { path, pathStart, pathEnd }, { ink, card }, at) {
  pen.lineJoin = "round";
  const line = (points, dashes) => {
    pen.setLineDash(dashes);
    for (const [width, colour] of [
      [6, card],
      [2, ink],
    ]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.beginPath();
      for (const point of points) pen.lineTo(...point);
      pen.stroke();
    }
    pen.setLineDash([]);
  };
  if (pathStart >= 0 && pathEnd) line([at(pathStart), pathEnd], [6, 5]);
  if (!path.length) return;
  line(path.map(at), []);
  pen.font = NUMBER_FONT;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  path.forEach((number, stop) => {
    const [across, down] = at(number);
    pen.lineWidth = 2;
    pen.strokeStyle = card;
    pen.fillStyle = ink;
    pen.beginPath();
    pen.arc(across, down, STOP, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
    pen.fillStyle = card;
    pen.fillText(stop + 1, across, down + 0.5);
  });
  pen.textAlign = "start";
}

function drawLasso(pen, { lasso }, { ours }) {
  if (!lasso.length) return;
  pen.beginPath();
  for (const point of lasso) pen.lineTo(...point);
  pen.closePath();
  pen.globalAlpha = 0.15;
  pen.fillStyle = ours;
  pen.fill("evenodd");
  pen.globalAlpha = 1;
  pen.lineWidth = 2;
  pen.strokeStyle = ours;
  pen.stroke();
}
