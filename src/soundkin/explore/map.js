// Dots on a canvas: pointed at they say what they are; typing, or a click on the legend, marks some of them.
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const [dots, groups] = [read("dots"), read("groups")];
  const canvas = document.getElementById("map");
  const said = document.getElementById("said");
  const find = document.getElementById("find");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const EDGE = 12, REACH = 14;
  let chosen = null; // a group
  let pointed = -1; // a dot

  const place = ([x, y]) => [EDGE + x * (canvas.clientWidth - 2 * EDGE), EDGE + (1 - y) * (canvas.clientHeight - 2 * EDGE)];

  function isMarked([, , group, name]) {
    const wanted = find.value.trim().toLowerCase();
    return (chosen === null || group === chosen) && (!wanted || name.toLowerCase().includes(wanted));
  }

  function draw() {
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const radius = dots.length > 3000 ? 2 : dots.length > 500 ? 3 : 5;
    const marked = dots.map(isMarked);
    for (const now of [false, true]) dots.forEach((dot, number) => {
      if (marked[number] !== now) return;
      pen.globalAlpha = now ? 0.85 : 0.12;
      pen.fillStyle = groups[dot[2]][dark.matches ? "dark" : "light"];
      pen.beginPath();
      pen.arc(...place(dot), number === pointed ? radius + 3 : radius, 0, 7);
      pen.fill();
    });
    const count = marked.filter(Boolean).length;
    said.textContent = pointed >= 0 ? dots[pointed][3] : count === dots.length ? `${count} tracks` : `${count} of ${dots.length} tracks`;
  }

  canvas.addEventListener("pointermove", (event) => {
    let nearest = REACH, found = -1;
    dots.forEach((dot, number) => {
      const [x, y] = place(dot);
      const distance = Math.hypot(x - event.offsetX, y - event.offsetY);
      if (distance < nearest && isMarked(dot)) [nearest, found] = [distance, number];
    });
    if (found !== pointed) { pointed = found; draw(); }
  });
  canvas.addEventListener("pointerleave", () => { pointed = -1; draw(); });
  find.addEventListener("input", draw);
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
