// Dots on a canvas: pointed at they say what they are; typing, or a click on the legend, marks some of them.
// Where the page has players of tracks, a click plays; where it has views, dots are coloured by their values.
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const [dots, groups, views] = [read("dots"), read("groups"), read("views")];
  const canvas = document.getElementById("map");
  const said = document.getElementById("said");
  const find = document.getElementById("find");
  const chooser = document.getElementById("view");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const players = new Map([...document.querySelectorAll("[data-dot] audio")].map((player) => [Number(player.closest("[data-dot]").dataset.dot), player]));
  const EDGE = 12, REACH = 14;
  let chosen = null; // a group
  let pointed = -1; // a dot

  const place = ([x, y]) => [EDGE + x * (canvas.clientWidth - 2 * EDGE), EDGE + (1 - y) * (canvas.clientHeight - 2 * EDGE)];
  const theme = () => dark.matches ? "dark" : "light";
  const view = () => chooser?.value ? views[Number(chooser.value)] : null;
  const colourOf = (token) => getComputedStyle(document.documentElement).getPropertyValue(token);

  function isMarked([, , group, name]) {
    const wanted = find.value.trim().toLowerCase();
    return (chosen === null || group === chosen) && (!wanted || name.toLowerCase().includes(wanted));
  }

  function range(shown) {
    const known = shown.values.filter((value) => value !== null);
    return [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  }

  function shader() {
    const shown = view();
    if (!shown) return (number) => groups[dots[number][2]][theme()];
    const [low, high] = range(shown), shades = shown[theme()], unknown = colourOf("--line");
    return (number) => {
      const value = shown.values[number];
      return value === null ? unknown : shades[Math.round((shades.length - 1) * (value - low) / (high - low))];
    };
  }

  function draw() {
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const radius = dots.length > 3000 ? 2 : dots.length > 500 ? 3 : 5;
    const marked = dots.map(isMarked), shade = shader();
    for (const now of [false, true]) dots.forEach((dot, number) => {
      if (marked[number] !== now) return;
      pen.globalAlpha = now ? 0.85 : 0.12;
      pen.fillStyle = shade(number);
      pen.beginPath();
      pen.arc(...place(dot), number === pointed ? radius + 3 : radius, 0, 7);
      pen.fill();
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = colourOf("--ink");
    pen.lineWidth = 1.5;
    groups.forEach((group, number) => {
      const shown = group.at && groups.length > 1 && !view() && (chosen === null || chosen === number);
      if (shown) writeNumber(pen, group, number + 1);
    });
    for (const number of players.keys()) {
      if (!marked[number]) continue;
      pen.beginPath();
      pen.arc(...place(dots[number]), radius + 3, 0, 7);
      pen.stroke();
    }
    const count = marked.filter(Boolean).length;
    said.textContent = pointed >= 0 ? sayDot(pointed) : (count === dots.length ? `${count} tracks` : `${count} of ${dots.length} tracks`) + sayRange();
  }

  function writeNumber(pen, group, number) {
    const [x, y] = place(group.at);
    pen.beginPath();
    pen.arc(x, y, 10, 0, 7);
    pen.fillStyle = colourOf("--paper");
    pen.fill();
    pen.stroke();
    pen.fillStyle = colourOf("--ink");
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(number, x, y + 1);
  }

  function sayRange() {
    const shown = view();
    if (!shown) return "";
    const [low, high] = range(shown);
    return `; ${shown.name} from ${low} (dark) to ${high} (bright)`;
  }

  function sayDot(number) {
    const shown = view(), value = shown?.values[number];
    if (shown) return `${dots[number][3]}: ${value === null ? "not known" : value}`;
    return chooser ? `${dots[number][3]}, in ${groups[dots[number][2]].name}` : dots[number][3];
  }

  function point(event) {
    let nearest = REACH, found = -1;
    dots.forEach((dot, number) => {
      const [x, y] = place(dot);
      const distance = Math.hypot(x - event.offsetX, y - event.offsetY);
      if (distance < nearest && isMarked(dot)) [nearest, found] = [distance, number];
    });
    if (found !== pointed) { pointed = found; draw(); }
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerleave", () => { pointed = -1; draw(); });
  canvas.addEventListener("click", (event) => { point(event); play(players.get(pointed)); });
  find.addEventListener("input", draw);
  chooser?.addEventListener("change", draw);
  for (const button of document.querySelectorAll("[data-group]")) button.addEventListener("click", () => {
    const group = Number(button.dataset.group);
    chosen = chosen === group ? null : group;
    for (const other of document.querySelectorAll("[data-group]")) other.setAttribute("aria-pressed", String(Number(other.dataset.group) === chosen));
    draw();
  });
  addEventListener("resize", draw);
  dark.addEventListener("change", draw);
  draw();
}
