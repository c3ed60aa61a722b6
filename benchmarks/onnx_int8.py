"""What int8 weights cost: vectors of an exported model and its int8 variant, over files of music.

    python benchmarks/onnx_int8.py MUSIC [MODEL] [FILES]

Prints megabytes, seconds, the mean cosine to `Embedder`'s vectors of the same samples, and the mean share of
its ten nearest neighbours that each keeps.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

import soundkin
from soundkin.embedding.onnx_graph import INPUT, metadata, onnx_file, with_int8_weights
from soundkin.features.decode import read_waveform
from soundkin.statistics.scaling import unit_length

NEAREST = 10
SECONDS = 30


def main(music: Path, model: str = "default", files: int = 200) -> None:
    """Embed the first SECONDS of evenly chosen files three ways, and print a table."""
    embedder = soundkin.load(model)
    rate_hz = int(metadata(embedder.bundle)["sample_rate_hz"])
    paths = sorted(path for path in music.rglob("*") if path.suffix in {".ogg", ".mp3", ".flac", ".wav"})
    chosen = paths[:: max(1, len(paths) // files)][:files]
    songs = [read_waveform(path, rate_hz, SECONDS).samples for path in chosen]
    wanted = unit_length(np.stack([embedder.embed(song, sample_rate_hz=rate_hz) for song in songs]))
    whole = onnx_file(embedder.bundle)
    for name, content in (("float32", whole), ("int8", with_int8_weights(whole))):
        session, began = onnxruntime.InferenceSession(content), time.perf_counter()
        vectors = unit_length(np.stack([session.run(None, {INPUT: song[None]})[0][0] for song in songs]))
        seconds = time.perf_counter() - began
        cosine = float((vectors * wanted).sum(axis=1).mean())
        print(
            f"{name}: {len(content) / 1e6:.1f} MB, {1000 * seconds / len(songs):.0f} ms for {SECONDS} s, "
            f"cosine {cosine:.6f}, keeps {kept(vectors, wanted):.3f} of {NEAREST} neighbours, of {len(songs)}"
        )


def kept(vectors: np.ndarray, wanted: np.ndarray) -> float:
    """The mean share of the nearest neighbours by `wanted` that are so by `vectors`."""
    shares = [len(set(a) & set(b)) / NEAREST for a, b in zip(nearest(vectors), nearest(wanted), strict=True)]
    return float(np.mean(shares))


def nearest(vectors: np.ndarray) -> np.ndarray:
    """Rows of the nearest neighbours of each."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1)[:, :NEAREST]


if __name__ == "__main__":
    music, model, files = [*sys.argv[1:4], *("default", "200")[max(0, len(sys.argv) - 2) :]]
    main(Path(music), model, int(files))
