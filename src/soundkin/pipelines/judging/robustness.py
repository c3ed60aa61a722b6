"""Robustness: are a track's vector and neighbours still the same once its recording is noisy, re-encoded or
cut?
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.config import nearest
from soundkin.embedding.embedder import Embedder, stream_array
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.evaluation.baselines import mfcc_statistics, mfccs
from soundkin.evaluation.label_questions import unit_of
from soundkin.evaluation.robustness import Robustness, robustness
from soundkin.evaluation.systems import BASELINES, EXTERNAL, MFCC, TrackEmbedder
from soundkin.features.decode import read_waveform
from soundkin.features.distortions import DISTORTIONS
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.shapes import Float, Float32, Int

TRACKS = 100
SECONDS = 20.0
SAMPLE_RATE_HZ = 44_100  # what people's files have, and codecs are made for; a model resamples as it likes

Job = tuple[str, Path, str]  # a track's id, its file, its lyrics
Vectors = Float[np.ndarray, "tracks _"]
Heard = dict[str, Float32[np.ndarray, "sounds _"]]  # by system: the original's vector, then each distortion's
Sounds = dict[str, Float32[np.ndarray, "sampled sounds _"]]


def robustness_of(
    listener: TrackEmbedder,
    catalog: Catalog,
    vectors: Mapping[str, Vectors],
    tracks: int = TRACKS,
    workers: int = 1,
    random_seed: int = 0,
    seconds: float = SECONDS,
    distortions: Sequence[str] = tuple(DISTORTIONS),
    against: Mapping[str, Embedder] | None = None,
) -> Robustness:
    """Distort some tracks of a catalog, embed them by every system that can hear, and see what they find.

    `vectors` are those of the whole catalog by system, ours first, as `TrackEmbedder` gives them: *not*
    standardised. Systems that are neither the listener's nor in `against` (further models by name) cannot
    hear, and are left out. The first `seconds` of a track are heard, and its original is embedded of these
    too, so that it moves by nothing but the distortion. Baselines are standardised over the originals; lyrics
    stay as they are. Which tracks are drawn, and the noise they get, depend on their ids and `random_seed`
    alone.

    Raises:
        UsageError: a distortion is unknown, there are no tracks to draw, or the model cannot hear audio.
    """
    _check(listener, distortions, tracks)
    hears = partial(_heard_distorted, listener, dict(against or {}), tuple(distortions), seconds, random_seed)
    rows = drawn(catalog.track_ids, tracks, random_seed)
    chosen = catalog.select([catalog.track_ids[row] for row in rows])
    words = lyrics_of(chosen) if listener.bundle.tokenizer else [""] * len(chosen)
    jobs = list(zip(chosen.track_ids, chosen.audio_paths(), words, strict=True))
    known, heard, skipped = _hear(hears, jobs, workers)
    rows = rows[known]
    systems, originals = _as_judged(heard, vectors, rows, [DISTORTIONS[name].label for name in distortions])
    groups, unit = catalog.artists.groups, unit_of(catalog)
    found = robustness(systems, originals, rows, groups, random_seed=random_seed, unit=unit)
    deaf = [name for name in vectors if heard and name not in heard]
    notes = (*_notes(listener, distortions, seconds, len(rows), deaf), *found.notes)
    return found.model_copy(update={"notes": notes, "skipped": tuple(skipped)})


def drawn(track_ids: Sequence[str], tracks: int, random_seed: int) -> Int[np.ndarray, " sampled"]:
    """Rows of the tracks whose hashes come first, in catalog order: a larger catalog keeps most of them."""
    hashes = [_number(f"{random_seed}\n{track_id}") for track_id in track_ids]
    return np.sort(np.array(sorted(range(len(hashes)), key=hashes.__getitem__)[:tracks], dtype=int))


def _as_judged(
    heard: Sounds, vectors: Mapping[str, Vectors], rows: Int[np.ndarray, " sampled"], labels: Sequence[str]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """What `robustness` is asked about: distorted tracks by system and distortion, and all originals by
    system.
    """
    systems, originals = {}, {}
    for name in (name for name in vectors if name in heard):
        distorted, originals[name] = heard[name][:, 1:], vectors[name].astype(np.float32)
        originals[name][rows] = heard[name][:, 0]
        if name in BASELINES:
            originals[name], distorted = standardised_alike(originals[name], distorted)
        systems[name] = dict(zip(labels, distorted.swapaxes(0, 1), strict=True))
    return systems, originals


def standardised_alike(
    originals: Float[np.ndarray, "tracks embedding"],
    distorted: Float[np.ndarray, "sampled distortions embedding"],
) -> tuple[Float[np.ndarray, "tracks embedding"], Float[np.ndarray, "sampled distortions embedding"]]:
    """Both by the mean and the deviation of the originals, as `baselines.standardised` has it."""
    mean, spread = originals.mean(axis=0), originals.std(axis=0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    return (originals - mean) * scale, (distorted - mean) * scale


def _hear(
    hears: Callable[[Job], Heard | Skipped], jobs: Sequence[Job], workers: int
) -> tuple[list[int], Sounds, list[Skipped]]:
    """The numbers of the jobs that could be done, their tracks' vectors by system, and the files that could
    not.
    """
    with closing(in_processes(hears, jobs, workers)) as results:
        outcomes = dict(sorted(progress(results, "distort", total=len(jobs)), key=itemgetter(0)))
    heard = {job: outcome for job, outcome in outcomes.items() if not isinstance(outcome, Skipped)}
    skipped = [outcome for outcome in outcomes.values() if isinstance(outcome, Skipped)]
    names = next(iter(heard.values()), {})
    return (
        list(heard),
        {name: np.stack([vectors[name] for vectors in heard.values()]) for name in names},
        skipped,
    )


def _heard_distorted(
    listener: TrackEmbedder,
    against: Mapping[str, Embedder],
    distortions: Sequence[str],
    seconds: float,
    random_seed: int,
    job: Job,
) -> Heard | Skipped:
    track_id, path, lyrics = job
    try:
        samples = read_waveform(path, SAMPLE_RATE_HZ, seconds).samples
        sounds = [(samples, SAMPLE_RATE_HZ)]
        for name in distortions:
            rng = np.random.default_rng(_number(f"{random_seed}\n{name}\n{track_id}"))
            sounds.append(DISTORTIONS[name](samples, SAMPLE_RATE_HZ, rng))
        heard = [vectors_of_waveform(listener, against, *sound, lyrics) for sound in sounds]
    except AudioError as error:
        return Skipped.because(path, error)
    return {name: np.stack([vectors[name] for vectors in heard]) for name in heard[0]}


def vectors_of_waveform(
    listener: TrackEmbedder,
    against: Mapping[str, Embedder],
    samples: Float32[np.ndarray, " samples"],
    sample_rate_hz: int,
    lyrics: str = "",
) -> dict[str, Float32[np.ndarray, " _"]]:
    """What `TrackEmbedder.vectors` gives of a file with these samples, and the vectors by the models in
    `against`.

    Raises:
        AudioError: there is at most one sample, or a network answers with numbers that are not finite.
    """
    sound, front_end = (samples, sample_rate_hz), listener.bundle.front_end
    embedders = {**listener.embedders, **against}
    vectors = {name: embedder.embed(sound, lyrics) for name, embedder in embedders.items()}
    frames = torch.cat(list(front_end.stream_audio(stream_array(*sound)))).numpy()
    if front_end.makes_log_mels:
        return vectors | {MFCC: mfcc_statistics(mfccs(frames, front_end.mel_bands))}
    return vectors | {EXTERNAL: frames.mean(axis=0)}


def _check(listener: TrackEmbedder, distortions: Sequence[str], tracks: int) -> None:
    if tracks < 1:
        raise UsageError(f"tracks={tracks}: give at least 1.")
    for name in distortions:
        if name not in DISTORTIONS:
            raise UsageError(f"distortion={name} is unknown.{nearest(name, DISTORTIONS)}")
    if not listener.bundle.front_end.takes_audio:
        raise UsageError("this model learnt from a table of vectors and cannot hear audio, distorted or not.")


def _notes(
    listener: TrackEmbedder, distortions: Sequence[str], seconds: float, sampled: int, deaf: Sequence[str]
) -> Iterator[str]:
    yield f"Heard: the first {seconds:g} s, mixed to mono, of {sampled} tracks drawn by a hash of their ids."
    if {"pitch", "tempo"} & set(distortions):
        yield "Pitch and tempo are changed by joining pieces anew (WSOLA): a little of what they cost is its traces."
    if listener.bundle.tokenizer:
        yield "Lyrics were left as they are, which holds a track in its place however its recording sounds."
    if deaf:
        yield f"Left out, for want of something that hears audio: {', '.join(deaf)}."


def _number(text: str) -> int:
    """64 bits of a hash, the same on any machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
