// An album: tracks beside each other, in order or by likeness, and joined in a plane; what is clicked is heard.
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const matrix = document.getElementById("matrix");
  const pointed = document.getElementById("pointed");
  const count = data.likeness.length;
  const inOrder = [...data.likeness.keys()];
  const others = data.likeness.flatMap((row, track) => row.filter((_, other) => other !== track));
  const [low, high] = [Math.min(...others), Math.max(...others)];
  let order = inOrder;
  let cell = null; // places of a row and a column

  function margin() { return count <= 40 ? 22 : 0; }

  function draw() {
    const [pen, size] = prepared(matrix);
    const side = (size - margin()) / count;
    order.forEach((track, row) => order.forEach((other, column) => {
      pen.fillStyle = `rgb(${colour((data.likeness[track][other] - low) / (high - low || 1))})`;
      pen.fillRect(margin() + column * side, margin() + row * side, side + 0.5, side + 0.5);
    }));
    pen.fillStyle = ink("--quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const every = Math.ceil(14 / side);
    if (margin()) order.forEach((track, place) => {
      if (place % every) return;
      pen.fillText(track + 1, margin() + (place + 0.5) * side, margin() / 2);
      pen.fillText(track + 1, margin() / 2, margin() + (place + 0.5) * side);
    });
    if (!cell) return;
    for (const [shade, width] of [["#000", 4], ["#fff", 2]]) {
      pen.strokeStyle = shade;
      pen.lineWidth = width;
      pen.strokeRect(margin() + cell[1] * side, margin() + cell[0] * side, side, side);
    }
  }

  function point(row, column) {
    cell = [row, column].map((place) => Math.min(Math.max(place, 0), count - 1));
    const [track, other] = cell.map((place) => order[place]);
    pointed.textContent = track === other ? clips[track].name : `${clips[track].name} beside ${clips[other].name}: cosine ${data.likeness[track][other].toFixed(2)}`;
    draw();
  }
  function pointAt(event) {
    const side = (matrix.getBoundingClientRect().width - margin()) / count;
    point(Math.floor((event.offsetY - margin()) / side), Math.floor((event.offsetX - margin()) / side));
  }
  function playCell() { if (cell) playClips([...new Set(cell.map((place) => order[place]))]); }

  matrix.addEventListener("pointermove", pointAt);
  matrix.addEventListener("click", (event) => { pointAt(event); playCell(); });
  matrix.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) point(...(cell ? [cell[0] + step[0], cell[1] + step[1]] : [0, 0]));
    else if (event.key === "Enter") playCell();
    else return;
    event.preventDefault();
  });
  const toggles = [...document.querySelectorAll("[data-order]")];
  for (const toggle of toggles) toggle.addEventListener("click", () => {
    order = toggle.dataset.order === "group" ? data.byGroup : inOrder;
    cell = null;
    for (const each of toggles) each.setAttribute("aria-pressed", String(each === toggle));
    draw();
  });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();

  const dots = data.places.map(([x, y], track) => ({ x, y, kind: data.kinds[track], name: clips[track].name, mark: String(track + 1) }));
  scatter(document.getElementById("way"), document.getElementById("near"), dots, data.colours, (pen, places) => {
    for (let track = 1; track < count; track++) {
      const jars = data.jarring.includes(track - 1);
      pen.strokeStyle = ink(jars ? "--ink" : "--other");
      pen.lineWidth = jars ? 2 : 1;
      pen.setLineDash(jars ? [6, 4] : []);
      pen.beginPath();
      pen.moveTo(...places[track - 1]);
      pen.lineTo(...places[track]);
      pen.stroke();
    }
    pen.setLineDash([]);
  });
}
