// A song: every picture has its time, and a click plays it.
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const song = document.getElementById("song");
  const HUES = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7a6f9b"];
  const letters = [...new Set(data.sections.map((section) => section.letter))];
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  const TABLE = Array.from({ length: 256 }, (_, level) => colour(level / 255));
  const decoded = new Map();
  const levels = (image) => {
    if (!decoded.has(image)) decoded.set(image, Uint8Array.from(atob(image.pixels), (letter) => letter.charCodeAt(0)));
    return decoded.get(image);
  };

  function bitmap(image) {
    const canvas = document.createElement("canvas");
    canvas.width = image.columns;
    canvas.height = image.rows;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(image.columns, image.rows);
    levels(image).forEach((level, place) => {
      const row = image.rows - 1 - Math.floor(place / image.columns);
      const at = 4 * (row * image.columns + (place % image.columns));
      pixels.data.set([...TABLE[level], 255], at);
    });
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  const x = (seconds, width) => (seconds / data.seconds) * width;
  const bitmaps = {};
  // The columns of an image are as wide as their beats are long.
  function stretched(context, name, starts, width, height) {
    const picture = (bitmaps[name] ??= bitmap(data[name]));
    context.imageSmoothingEnabled = false;
    for (let at = 0; at < picture.width; at++) {
      const left = x(starts[at], width);
      context.drawImage(picture, at, 0, 1, picture.height, left, 0, x(starts[at + 1], width) - left + 0.5, height);
    }
  }

  const ROWS = {
    sections(context, width, height) {
      context.font = "bold 13px system-ui, sans-serif";
      context.textAlign = "center";
      for (const { start, end, letter } of data.sections) {
        context.fillStyle = HUES[letters.indexOf(letter) % HUES.length];
        context.fillRect(x(start, width) + 0.5, 0, x(end - start, width) - 1, height - 8);
        context.fillStyle = "#fff";
        context.strokeStyle = "#0009";
        context.lineWidth = 2;
        context.strokeText(letter, x((start + end) / 2, width), height / 2 + 1);
        context.fillText(letter, x((start + end) / 2, width), height / 2 + 1);
      }
      context.fillStyle = ink("--quiet");
      for (const bar of data.bars) context.fillRect(x(bar, width), height - 6, 1, 6);
    },
    envelope(context, width, height) {
      context.fillStyle = ink("--ours");
      data.envelope.forEach(([low, high], place) => {
        context.fillRect((place / data.envelope.length) * width, (height / 2) * (1 - high), width / data.envelope.length + 0.3, Math.max((height / 2) * (high - low), 0.5));
      });
    },
    mel(context, width, height) {
      const picture = (bitmaps.mel ??= bitmap(data.mel));
      context.drawImage(picture, 0, 0, x(data.mel.end, width), height);
    },
    chroma(context, width, height) { stretched(context, "chroma", data.starts, width, height); },
    timbre(context, width, height) { stretched(context, "timbre", data.starts, width, height); },
    change(context, width, height) {
      context.fillStyle = ink("--other");
      data.novelty.forEach((value, beat) => {
        context.fillRect(x(data.starts[beat], width), height * (1 - value), x(data.starts[beat + 1] - data.starts[beat], width) + 0.5, height * value);
      });
      const top = Math.max(...data.level), bottom = Math.max(Math.min(...data.level), top - 60) - 1;
      context.strokeStyle = ink("--ours");
      context.lineWidth = 1.5;
      context.beginPath();
      data.level.forEach((level, beat) => {
        const y = height * (1 - Math.max(level - bottom, 0) / (top - bottom + 1));
        context.lineTo(x((data.starts[beat] + data.starts[beat + 1]) / 2, width), y);
      });
      context.stroke();
    },
  };

  function cursor(context, width, height) {
    context.fillStyle = ink("--ink");
    context.fillRect(x(song.currentTime, width) - 0.75, 0, 1.5, height);
  }

  const pictures = new Map(); // what does not change between frames
  function paint(canvas, draw, overlay) {
    const [context, width, height] = prepared(canvas);
    const size = `${canvas.width} ${canvas.height} ${matchMedia("(prefers-color-scheme: dark)").matches}`;
    if (pictures.get(canvas)?.size !== size) {
      draw(context, width, height);
      const kept = document.createElement("canvas");
      kept.width = canvas.width;
      kept.height = canvas.height;
      if (canvas.width && canvas.height) kept.getContext("2d").drawImage(canvas, 0, 0);
      pictures.set(canvas, { size, kept });
    } else if (canvas.width && canvas.height) context.drawImage(pictures.get(canvas).kept, 0, 0, width, height);
    overlay(context, width, height);
  }

  const rows = [...document.querySelectorAll("canvas[data-row]")];
  const squares = [...document.querySelectorAll("canvas[data-square]")];
  const space = document.getElementById("space");
  function paintAll() {
    for (const canvas of rows) paint(canvas, ROWS[canvas.dataset.row], cursor);
    for (const canvas of squares) {
      paint(canvas, (context, width, height) => {
        const image = data.squares[canvas.dataset.square];
        const picture = bitmap(image);
        const starts = data.squareStarts;
        context.imageSmoothingEnabled = false;
        const flat = document.createElement("canvas"); // first its columns, then its rows, as wide as their beats
        flat.width = Math.max(1, Math.round(width));
        flat.height = picture.height;
        const wide = flat.getContext("2d");
        wide.imageSmoothingEnabled = false;
        for (let at = 0; at < picture.width; at++) wide.drawImage(picture, at, 0, 1, picture.height, x(starts[at], flat.width), 0, x(starts[at + 1] - starts[at], flat.width) + 0.5, picture.height);
        for (let at = 0; at < picture.height; at++) {
          const top = height - x(starts[at + 1], height);
          context.drawImage(flat, 0, picture.height - 1 - at, flat.width, 1, 0, top, width, x(starts[at + 1] - starts[at], height) + 0.5);
        }
      }, (context, width, height) => {
        cursor(context, width, height);
        context.fillRect(0, height - x(song.currentTime, height) - 0.75, width, 1.5);
      });
    }
    paintSpace();
  }

  let turn = 0.6, tilt = 0.4;
  function placed([a, b, c], size) {
    const [across, back] = [a * Math.cos(turn) + c * Math.sin(turn), c * Math.cos(turn) - a * Math.sin(turn)];
    const up = b * Math.cos(tilt) - back * Math.sin(tilt);
    return [size[0] / 2 + across * Math.min(...size) * 0.42, size[1] / 2 - up * Math.min(...size) * 0.42];
  }
  function paintSpace() {
    const [context, width, height] = prepared(space);
    const points = data.way.map((place) => placed(place, [width, height]));
    context.lineWidth = 1;
    points.forEach((point, beat) => {
      context.strokeStyle = context.fillStyle = `rgb(${colour(beat / points.length)})`;
      if (beat) { context.beginPath(); context.moveTo(...points[beat - 1]); context.lineTo(...point); context.stroke(); }
      context.beginPath();
      context.arc(...point, 2.5, 0, 7);
      context.fill();
    });
    const here = data.starts.findLastIndex((start) => start <= song.currentTime);
    context.strokeStyle = ink("--ink");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(...points[Math.min(here, points.length - 1)], 7, 0, 7);
    context.stroke();
    context.fillStyle = ink("--quiet");
    context.font = "12px system-ui, sans-serif";
    context.fillText("start", points[0][0] + 8, points[0][1] - 6);
  }

  function playFrom(seconds) {
    song.currentTime = Math.min(seconds, data.seconds - 0.05);
    song.play().catch(() => {});
    paintAll();
  }
  const share = (event) => Math.min(Math.max((event.clientX - event.target.getBoundingClientRect().left) / event.target.getBoundingClientRect().width, 0), 1);
  const rise = (event) => Math.min(Math.max(1 - (event.clientY - event.target.getBoundingClientRect().top) / event.target.getBoundingClientRect().height, 0), 1);
  for (const canvas of [...rows, ...squares]) canvas.addEventListener("click", (event) => playFrom(share(event) * data.seconds));
  for (const canvas of squares) {
    canvas.addEventListener("pointermove", (event) => {
      const [here, there] = [share(event), rise(event)].map((part) => part * data.seconds);
      const image = data.squares[canvas.dataset.square];
      const beat = (seconds) => Math.max(0, Math.min(data.squareStarts.findLastIndex((start) => start <= seconds), image.columns - 1));
      const value = levels(image)[beat(there) * image.columns + beat(here)] / 127.5 - 1;
      document.getElementById("pointed").textContent = `${clock(here)} beside ${clock(there)}: cosine ${value.toFixed(2)}`;
    });
  }
  for (const button of document.querySelectorAll("button[data-at]")) button.addEventListener("click", () => playFrom(Number(button.dataset.at)));

  let dragged = null;
  space.addEventListener("pointerdown", (event) => { dragged = [event.clientX, event.clientY]; space.setPointerCapture(event.pointerId); });
  space.addEventListener("pointerup", () => { dragged = null; });
  space.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    turn += (event.clientX - dragged[0]) / 120;
    tilt = Math.min(Math.max(tilt + (event.clientY - dragged[1]) / 120, -1.5), 1.5);
    dragged = [event.clientX, event.clientY];
    paintSpace();
  });
  const TURNS = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === space && TURNS[event.key]) {
      turn += TURNS[event.key][0];
      tilt = Math.min(Math.max(tilt + TURNS[event.key][1], -1.5), 1.5);
      paintSpace();
    } else if (event.target.matches("button, audio")) return;
    else if (event.key === " ") play(song);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") song.currentTime = Math.max(0, song.currentTime + (event.key === "ArrowLeft" ? -5 : 5));
    else return;
    event.preventDefault();
  });

  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 1200].find((step) => data.seconds / step <= 8) ?? 3600;
  const axis = document.querySelector(".song-axis");
  for (let at = 0; at <= data.seconds; at += steps) {
    const mark = document.createElement("span");
    mark.textContent = clock(at);
    mark.style.left = `${(at / data.seconds) * 100}%`;
    axis.append(mark);
  }
  song.addEventListener("seeked", paintAll);
  song.addEventListener("play", function follow() { paintAll(); if (!song.paused) requestAnimationFrame(follow); });
  addEventListener("resize", paintAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintAll);
  paintAll();
}
