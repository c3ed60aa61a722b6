# mypy: disable-error-code="no-untyped-call"
"""How surely copies and other versions of a track are found, and what limits tell them from different music.

    python benchmarks/duplicates.py RUN [--list CATALOG]

RUN is a folder of `soundkin demo`: catalog.csv, model and embeddings, all of different tracks. One track an
artist is copied in eight ways. Limits are chosen on every second artist, and the defaults judged on the
others. With --list, the pairs found in another catalog are printed too, for people to judge: nobody knows the
truth there.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

from soundkin.audit.duplicates import KINDS, Duplicates, Limits, Pair, find_duplicates
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.embedder import Embedder, load
from soundkin.embedding.store import read_embeddings
from soundkin.features.decode import audio_hash, open_audio
from soundkin.progress import progress
from soundkin.statistics.connected import connected

Samples = np.ndarray  # float32 [samples]
COPY = " copied: "


@dataclass(frozen=True)
class Music:
    """Files with ids and vectors; a copy's id names its original."""

    ids: list[str]
    paths: list[Path]
    vectors: np.ndarray

    def find(self, limits: Limits) -> Duplicates:
        """Duplicates, without help from hashes."""
        return find_duplicates(self.ids, self.paths, self.vectors, limits=limits)


def main() -> None:
    """Print what is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--list", type=Path, metavar="CATALOG")
    given = parser.parse_args()
    embedder = load(given.run / "model")
    with tempfile.TemporaryDirectory() as folder:
        chosen_on, judged_on = halves(given.run, embedder, Path(folder))
        choose(chosen_on)
        judge(judged_on)
    if given.list:
        list_pairs(read_catalog(given.list), embedder)


def halves(run: Path, embedder: Embedder, folder: Path) -> list[Music]:
    """The tracks of every second artist, and of the others, with copies of the first track of each."""
    catalog, embeddings = read_catalog(run / "catalog.csv"), read_embeddings(run / "embeddings")
    vector_of = dict(zip(embeddings.track_ids, embeddings.vectors, strict=True))
    path_of = dict(zip(catalog.track_ids, catalog.audio_paths(), strict=True))
    tracks_of: dict[str, list[str]] = {}
    for track_id, names in zip(catalog.track_ids, catalog.artists.keys, strict=True):
        tracks_of.setdefault(names[0], []).append(track_id)
    artists = sorted(tracks_of)
    made = []
    for half in (artists[::2], artists[1::2]):
        ids = [track_id for artist in half for track_id in tracks_of[artist]]
        paths, vectors = [path_of[track_id] for track_id in ids], [vector_of[track_id] for track_id in ids]
        for artist in progress(half, "copy", unit="artist"):
            original = tracks_of[artist][0]
            for way, path in copies(path_of[original], folder):
                ids.append(f"{original}{COPY}{way}")
                paths.append(path)
                vectors.append(embedder.embed(path))
        made.append(Music(ids, paths, np.stack(vectors)))
    return made


def copies(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """(way, file) of each copy of the file at `path`."""
    audio = open_audio(path)
    samples, rate = np.concatenate(list(audio)), audio.sample_rate_hz
    random = np.random.default_rng(len(samples))
    for way, (suffix, change) in WAYS.items():
        copy = folder / f"{path.parent.parent.name} {way.replace('/', ' per ')}.{suffix}"
        changed, changed_rate = change(samples, rate, random)
        if suffix == "mp3":
            write_mp3(copy, changed, changed_rate, kilobits=int(way.split()[1]))
        else:
            soundfile.write(copy, changed, changed_rate)
        yield way, copy


Change = Callable[[Samples, int, np.random.Generator], tuple[Samples, int]]


def as_it_is(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """Only the encoding differs."""
    return samples, rate


def trimmed(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """Up to 2.5 s less at either end."""
    start, end = (round(seconds * rate) for seconds in random.uniform(0.5, 2.5, 2))
    return samples[start : len(samples) - end], rate


def softer_and_dull(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """10 dB less, at 16 kHz."""
    return soxr.resample(samples * 10**-0.5, rate, 16_000), 16_000


def equalised(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """6 dB an octave less below 300 Hz and above 3 kHz, and 6 dB louder, clipped: another mastering."""
    bands = butter(1, [300, 3_000], "band", fs=rate, output="sos")
    return np.clip(2 * sosfilt(bands, samples), -1, 1).astype(np.float32), rate


def led_in(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """Up to 4 s of silence before."""
    return np.concatenate([np.zeros(round(random.uniform(0.5, 4) * rate), np.float32), samples]), rate


def at_other_tempo(samples: Samples, rate: int, random: np.random.Generator) -> tuple[Samples, int]:
    """2 to 9% faster or slower at the same pitch."""
    ratio = 1 + random.choice([-1, 1]) * random.uniform(0.02, 0.09)
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate))
    tempo, sink = graph.add("atempo", f"{ratio:.6f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    graph.push(mono_frame(samples, rate))
    graph.push(None)
    found = []
    while True:
        try:
            found.append(graph.pull().to_ndarray()[0])
        except (av.error.EOFError, av.error.BlockingIOError):
            return np.concatenate(found), rate


WAYS: dict[str, tuple[str, Change]] = {
    "mp3 64 kbit/s": ("mp3", as_it_is),
    "mp3 128 kbit/s": ("mp3", as_it_is),
    "ogg": ("ogg", as_it_is),
    "trimmed": ("wav", trimmed),
    "-10 dB, 16 kHz": ("wav", softer_and_dull),
    "equalised": ("wav", equalised),
    "lead-in silence": ("wav", led_in),
    "other tempo": ("wav", at_other_tempo),
}


def write_mp3(path: Path, samples: Samples, rate: int, kilobits: int) -> None:
    """Mono, at a constant bit rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate)
        stream.layout = "mono"
        stream.bit_rate = 1000 * kilobits
        for packet in (*stream.encode(mono_frame(samples, rate)), *stream.encode(None)):
            container.mux(packet)


def mono_frame(samples: Samples, rate: int) -> av.AudioFrame:
    """All samples in one frame of FFmpeg's."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    return frame


def original(track_id: str) -> str:
    """The track that this is a copy of, or itself."""
    return track_id.split(COPY)[0]


def is_true(pair: Pair) -> bool:
    """Whether both are one track."""
    return original(pair.track_id) == original(pair.other_id)


def at_other_tempos(pair: Pair) -> bool:
    """Whether one of two was played at another tempo."""
    return ("other tempo" in pair.track_id) != ("other tempo" in pair.other_id)


def choose(music: Music) -> None:
    """Print how alike true and false pairs are, and the limits midway between."""
    print(f"\nLimits, chosen on every second artist, {len(music.ids)} files; fingerprints of near pairs")
    every_tempo = Limits(same_recording=1, another_version=1e-3, version_neighbours=Limits().neighbours)
    everything = {
        "same_recording": (
            Limits(same_recording=1e-3, another_version=1),
            lambda pair: not at_other_tempos(pair),
        ),
        "another_version": (every_tempo, at_other_tempos),
    }
    for name, (limits, counts) in everything.items():
        pairs = music.find(limits).pairs
        true = np.sort([pair.similarity for pair in pairs if is_true(pair) and counts(pair)])
        false = np.sort([pair.similarity for pair in pairs if not is_true(pair)])
        middle = (true[0] + false[-1]) / 2
        print(f"  {name:<16} {len(true):5} true pairs from {true[0]:.3f} (5%: {np.quantile(true, 0.05):.3f})")
        print(
            f"  {'':<16} {len(false):5} false pairs to {false[-1]:.3f} (99%: {np.quantile(false, 0.99):.3f})"
        )
        print(f"  {'':<16} midway {middle:.2f}; the default is {getattr(Limits(), name):g}")
    lowest = min(cosine_with_original(music).values())
    default = Limits().least_cosine
    print(f"  {'least_cosine':<16} copy and original have at least {lowest:.3f}; the default is {default:g}")


def judge(music: Music) -> None:
    """Print what the default limits find."""
    began = time.process_time()
    found = music.find(Limits())
    seconds = time.process_time() - began
    print(f"\nJudged on the other artists, {len(music.ids)} files: {found.verdict}")
    print(f"  {found.compared} pairs compared; {seconds:.0f} s of processor time, decoding included")
    cosines = cosine_with_original(music)
    print(f"  {'copies':<18}{'files':>6}{'same recording':>16}{'or a version':>14}{'lowest cosine':>15}")
    for way in WAYS:
        copied = [name for name in music.ids if name.endswith(COPY + way)]
        recording, version = (
            np.mean([together(name, original(name), groups) for name in copied])
            for groups in (found.groups, connected(found.linked(KINDS)))
        )
        lowest = min(cosines[name] for name in copied)
        print(f"  {way:<18}{len(copied):>6}{recording:>16.1%}{version:>14.1%}{lowest:>15.3f}")
    wrong = [pair for pair in found.pairs if not is_true(pair)]
    print(f"  pairs of different tracks: {len(wrong)} of {len(found.pairs)} found")
    for pair in wrong:
        print(f"    {pair}")


def together(first: str, second: str, groups: list[tuple[str, ...]]) -> bool:
    """Whether two tracks stand in one group."""
    return any(first in group and second in group for group in groups)


def cosine_with_original(music: Music) -> dict[str, float]:
    """How near the embedding puts each copy to its original."""
    unit = music.vectors / np.linalg.norm(music.vectors, axis=1, keepdims=True)
    row = {name: number for number, name in enumerate(music.ids)}
    return {name: float(unit[row[name]] @ unit[row[original(name)]]) for name in music.ids if COPY in name}


def list_pairs(catalog: Catalog, embedder: Embedder) -> None:
    """Print the pairs found in a catalog whose duplicates nobody knows."""
    paths = catalog.audio_paths()
    vectors = np.stack([embedder.embed(path) for path in progress(paths, "embed", total=len(paths))])
    began = time.process_time()
    found = find_duplicates(catalog.track_ids, paths, vectors, [audio_hash(path) for path in paths])
    print(f"\n{catalog.source}: {found.verdict}")
    print(f"  {found.compared} pairs compared in {time.process_time() - began:.0f} s, decoding included")
    titles = dict(
        zip(catalog.track_ids, zip(*map(catalog.values, ("artist", "title")), strict=True), strict=True)
    )
    for pair in found.pairs:
        names = [
            " / ".join(["; ".join(held) for held in titles[name]]) for name in (pair.track_id, pair.other_id)
        ]
        how = (
            f"{pair.similarity:.2f} {pair.offset_seconds:+7.1f} s x{pair.tempo_ratio:.3f} {pair.overlap:4.0%}"
        )
        print(f"  {pair.kind:<16} {how}  {pair.track_id} {names[0]}  |  {pair.other_id} {names[1]}")


if __name__ == "__main__":
    main()
