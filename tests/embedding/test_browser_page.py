"""docs/browser.html embeds as `Embedder` does: its functions in node, and the page itself in Chromium."""

import functools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

from soundkin.embedding.embedder import Embedder
from soundkin.embedding.onnx_graph import onnx_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOC, PAGE = ROOT / "docs/browser.md", ROOT / "docs/browser.html"
PACKAGE = ROOT / "node_modules/onnxruntime-web/dist"
NEEDS = "needs node and onnxruntime-web: npm install --no-save --prefix . onnxruntime-web"
SECONDS = (0.0001, 0.04, 0.5, 1.0, 1.02, 5.5, 20.0)  # a patch is a second

IN_NODE = """
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "./ort.wasm.min.mjs";
ort.env.wasm.numThreads = 1;
const model = new Uint8Array(readFileSync("soundkin.onnx"));
const session = await ort.InferenceSession.create(model);
const channels = process.argv.slice(2).map((name) => {
  const bytes = readFileSync(name);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
});
const vectors = [];
for (const samples of [...channels, mono(channels.slice(-2))]) {
  vectors.push(await embed(ort, session, samples));
}
console.log(JSON.stringify({
  rateHz: rateOf(model),
  vectors: vectors.map((vector) => [...vector]),
  cosine: cosine(vectors[0], vectors[1]),
}));
"""


@pytest.fixture
def site(make, tmp_path: Path) -> Path:
    """A folder as the docs have it put together, with a small model."""
    if shutil.which("node") is None or not PACKAGE.exists():
        pytest.skip(NEEDS)
    [copying] = re.findall(r"^    (D=.*\n    cp .*) site$", DOC.read_text("utf-8"), flags=re.MULTILINE)
    subprocess.run(["sh", "-c", f"{copying} '{tmp_path}'"], cwd=ROOT, check=True)
    (tmp_path / "soundkin.onnx").write_bytes(onnx_file(make.bundle()))
    return tmp_path


def test_the_functions_of_the_docs_give_the_embedders_vectors(site: Path, make, embedder: Embedder) -> None:
    [functions] = re.findall(r"```js\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    assert functions in PAGE.read_text("utf-8")
    (site / "embed.mjs").write_text(IN_NODE + functions, "utf-8")
    songs = [make.noise(seconds, seed) for seed, seconds in enumerate((*SECONDS, SECONDS[-1]))]
    names = [f"{number}.f32" for number in range(len(songs))]
    for name, song in zip(names, songs, strict=True):
        song.tofile(site / name)
    done = subprocess.run(
        ["node", "embed.mjs", *names], cwd=site, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wanted = [
        embedder.embed(song, sample_rate_hz=make.rate_hz, normalise=True)
        for song in (*songs, (songs[-2] + songs[-1]) / 2)
    ]
    assert found["rateHz"] == make.rate_hz
    assert np.allclose(found["vectors"], wanted, rtol=0, atol=1e-4)
    assert found["cosine"] == pytest.approx(float(wanted[0] @ wanted[1]), abs=1e-4)


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Of the page, served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/browser.html"
        server.shutdown()


def loaded(browser: Any, address: str) -> Any:
    """The page when its model is there, or could not be."""
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.requested = []
    page.on("request", lambda request: page.requested.append(request.url))
    page.goto(address)
    page.wait_for_function("!document.querySelector('[role=status]').textContent.startsWith('Loading')")
    return page


def said(page: Any) -> str:
    return str(page.text_content("[role=status]"))


def test_the_page_says_which_songs_are_alike(
    browser: Any, address: str, site: Path, make, embedder: Embedder
) -> None:
    page, songs = loaded(browser, address), [make.noise(3.0, seed) for seed in range(2)]
    beside = np.stack([songs[0], 0.3 * songs[1]], axis=1)
    for name, samples in {"one": songs[0], "copy": songs[0], "two": songs[1], "stereo": beside}.items():
        soundfile.write(site / f"{name}.wav", samples, make.rate_hz, subtype="FLOAT")
    (site / "none.wav").write_text("no sound")
    assert said(page) == "Choose two songs or more."
    page.set_input_files("input", [site / f"{name}.wav" for name in ("one", "copy", "two")])
    page.wait_for_selector("tbody tr")
    page.set_input_files("input", [site / "stereo.wav", site / "none.wav"])
    page.wait_for_selector("tbody tr:nth-child(4)")
    assert said(page).startswith("4 songs. none.wav: ")
    rows = page.locator("tbody tr").all()
    found = {row.locator("th").text_content(): row.locator("li").all_text_contents() for row in rows}
    assert found["one.wav"][0] == "copy.wav 1.0000" and len(found["one.wav"]) == 3
    one, two, stereo = (
        embedder.embed(samples, sample_rate_hz=make.rate_hz, normalise=True)
        for samples in (*songs, beside.mean(axis=1))
    )
    for name, wanted in {"two.wav": one @ two, "stereo.wav": one @ stereo}.items():
        [cosine] = [line.split()[1] for line in found["one.wav"] if line.startswith(name)]
        assert float(cosine) == pytest.approx(float(wanted), abs=1e-3)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert {url.rpartition("/")[0] for url in page.requested} == {address.rpartition("/")[0]}
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    assert axe.Axe().run(page).response["violations"] == []
    page.close()


def test_what_cannot_be_loaded_is_shown(browser: Any, address: str, site: Path) -> None:
    path = site / "soundkin.onnx"
    model = onnx.load(path)
    model.graph.node[0].op_type = "Unheard"
    onnx.save(model, path)
    page = loaded(browser, address)
    assert "The model cannot be loaded" in said(page) and "Unheard" in said(page)
    path.unlink()
    page.reload()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('HTTP 404')")
    assert page.is_disabled("input")
    page.close()
