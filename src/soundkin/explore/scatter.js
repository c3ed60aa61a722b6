// Dots in a plane, of equal scale both ways: pointed at they say what they are, a click or Enter plays them.
const SHAPES = [ // as in pictures: circle, triangle, square, diamond, triangle on its tip
  (pen, x, y, r) => pen.arc(x, y, r, 0, 7),
  (pen, x, y, r) => corners(pen, [[x, y - 1.2 * r], [x + 1.1 * r, y + r], [x - 1.1 * r, y + r]]),
  (pen, x, y, r) => pen.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
  (pen, x, y, r) => corners(pen, [[x, y - 1.3 * r], [x + 1.3 * r, y], [x, y + 1.3 * r], [x - 1.3 * r, y]]),
  (pen, x, y, r) => corners(pen, [[x, y + 1.2 * r], [x + 1.1 * r, y - r], [x - 1.1 * r, y - r]]),
];

function corners(pen, points) {
  points.forEach((point) => pen.lineTo(...point));
  pen.closePath();
}

// `dots` are {x, y, kind, name, mark}, each with the clip of its number; `underneath(pen, places)` draws first; `colours` {light, dark} by kind.
function scatter(canvas, said, dots, colours, underneath) {
  const EDGE = 24, REACH = 16;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const [xs, ys] = [dots.map((dot) => dot.x), dots.map((dot) => dot.y)];
  const [left, bottom] = [Math.min(...xs), Math.min(...ys)];
  const [wide, high] = [Math.max(...xs) - left || 1, Math.max(...ys) - bottom || 1];
  let pointed = -1;

  function places(width, height) {
    const scale = Math.min((width - 2 * EDGE) / wide, (height - 2 * EDGE) / high);
    return dots.map(({ x, y }) => [width / 2 + (x - left - wide / 2) * scale, height / 2 - (y - bottom - high / 2) * scale]);
  }

  function draw() {
    const [pen, width, height] = prepared(canvas);
    const here = places(width, height);
    underneath?.(pen, here);
    dots.forEach((dot, number) => {
      const shades = colours[dark.matches ? "dark" : "light"];
      pen.fillStyle = shades[dot.kind % shades.length];
      pen.globalAlpha = clips[number].audio ? 0.9 : 0.5;
      pen.beginPath();
      SHAPES[dot.kind % SHAPES.length](pen, ...here[number], dots.length > 300 ? 4 : 6);
      pen.fill();
    });
    pen.globalAlpha = 1;
    pen.fillStyle = pen.strokeStyle = ink("--ink");
    pen.font = "12px system-ui, sans-serif";
    if (dots.length <= 40) dots.forEach((dot, number) => { if (dot.mark) pen.fillText(dot.mark, here[number][0] + 8, here[number][1] - 6); });
    if (pointed < 0) return;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(...here[pointed], 11, 0, 7);
    pen.stroke();
  }

  function point(number) {
    if (number === pointed) return;
    pointed = number;
    if (number >= 0) said.textContent = dots[number].name;
    draw();
  }
  const playPointed = () => { if (pointed >= 0) playClips([pointed]); };

  function nearest(event) {
    const { width, height } = canvas.getBoundingClientRect();
    const apart = places(width, height).map(([x, y]) => Math.hypot(x - event.offsetX, y - event.offsetY));
    const found = apart.indexOf(Math.min(...apart));
    return apart[found] <= REACH ? found : -1;
  }
  canvas.addEventListener("pointermove", (event) => point(nearest(event)));
  canvas.addEventListener("click", (event) => { point(nearest(event)); playPointed(); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) point((pointed + step + dots.length) % dots.length);
    else if (event.key === "Enter") playPointed();
    else return;
    event.preventDefault();
  });
  addEventListener("resize", draw);
  dark.addEventListener("change", draw);
  draw();
}
