"""Robustness: does a track keep its vector and neighbours when its recording is distorted, cut or re-encoded?

A cosine between the vectors before and after says little by itself: where all tracks are alike it is near 1
whatever happens. So it is compared with that of different tracks, and with what a query would meet: whether
the distorted track finds its own original among all originals, and how many of the original's neighbours are
still its neighbours. All lists are of originals; a track's own is never counted among its neighbours.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.embedding.embedder import Embedder, Waveform
from soundkin.embedding.waveforms import stream_array
from soundkin.errors import AudioError, Skipped
from soundkin.evaluation.baselines import BASELINES, EXTERNAL, MFCC, TrackEmbedder, mfcc_statistics, mfccs
from soundkin.evaluation.label_questions import unit_of
from soundkin.features.decode import read_waveform
from soundkin.features.distortions import DISTORTIONS
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.shapes import Float, Float32, Int, typechecked
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.bootstrap import Compared, compare, interval_note, listed_means, not_shown_to_beat
from soundkin.statistics.measure import Measure
from soundkin.statistics.nearest_neighbours import largest
from soundkin.statistics.scaling import standardise, unit_length

COSINE, FOUND, RECIPROCAL_RANK, KEPT = (
    "cosine",
    "finds itself",
    "reciprocal rank of itself",
    "neighbours kept",
)
DIFFERENT, EVERY = "(a different track)", "(mean of all)"
NOTHING_MEASURED = "nothing measured: no track could be embedded, or nothing was done to any"
RESAMPLES = 2000
TRACKS = 100
SECONDS = 20.0
SAMPLE_RATE_HZ = 44_100  # what people's files have, and codecs are made for; a model resamples as it likes

Vectors = Float[np.ndarray, "tracks embedding"]
Distorted = Float[np.ndarray, "sampled embedding"]
Rows = Int[np.ndarray, " sampled"]
Scores = dict[str, Float[np.ndarray, " sampled"]]  # by metric
Job = tuple[str, Path, str]  # a track's id, its file, its lyrics
Versions = dict[str, Float32[np.ndarray, "versions _"]]  # by system: the original, then each distortion


class RobustnessRow(Compared, frozen=True):
    """One metric of all systems under one distortion."""

    distortion: str
    metric: str


class Robustness(BaseModel, frozen=True):
    """Systems compared under the same distortions of the same tracks; the first one is ours.

    `sampled` tracks were distorted; each looked for itself, and for `k` neighbours, among `tracks` originals.
    """

    title: ClassVar[str] = "Robustness"

    systems: tuple[str, ...]
    sampled: int
    tracks: int
    k: int
    rows: tuple[RobustnessRow, ...]
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def distortions(self) -> tuple[str, ...]:
        """What was done to the tracks, in order."""
        labels = dict.fromkeys(row.distortion for row in self.rows)
        return tuple(label for label in labels if label not in (DIFFERENT, EVERY))

    @property
    def weakest(self) -> str | None:
        """The distortion that costs ours most neighbours, or most tracks themselves where they have none."""
        rows = {label: self.row(label, KEPT) or self.row(label, FOUND) for label in self.distortions}
        means = {label: row.scores[0].mean for label, row in rows.items() if row}
        return min(means, key=lambda label: means[label], default=None)

    @property
    def verdict(self) -> str:
        """One line: what our lists keep on the whole, compared with the others', and what harms them most."""
        itself = self.row(self.weakest, FOUND) if self.weakest else None
        if itself is None:
            return NOTHING_MEASURED
        finding = f"{itself.scores[0]:.0%} of tracks find themselves"
        whole, least = self.row(EVERY, KEPT), self.row(itself.distortion, KEPT)
        if whole is None or least is None:
            few = f"{self.systems[0]}: too few tracks to have neighbours"
            return f"{few}; weakest under {itself.distortion}: {finding}"
        ours, *others = whole.scores
        against = f" ({listed_means(others, '.0%')})" if others else ""
        level = not_shown_to_beat(whole.unbeaten)
        result = f"; {whole.too_few}" if whole.too_few else level and f", {level}"
        return (
            f"{ours.system} keeps {ours:.0%} of {self.k} neighbours on "
            f"average{against}{result}; weakest under {least.distortion}: "
            f"{least.scores[0]:.0%}, and {finding}"
        )

    def row(self, distortion: str, metric: str) -> RobustnessRow | None:
        """The row of this distortion and metric, if it was measured."""
        rows = (row for row in self.rows if (row.distortion, row.metric) == (distortion, metric))
        return next(rows, None)

    def table(self) -> list[dict[str, str]]:
        """Rows to print, a distortion a row: ours with intervals, then what the others' lists keep."""
        table = []
        for label in (*self.distortions, EVERY, DIFFERENT):
            if rows := [row for metric in (COSINE, FOUND, KEPT) if (row := self.row(label, metric))]:
                size = {f"tracks ({rows[0].unit})": f"{self.sampled} ({rows[0].groups})"}
                ours = {f"{self.systems[0]}: {row.metric}": str(row.scores[0]) for row in rows}
                kept = [score for row in rows if row.metric == KEPT for score in row.scores[1:]]
                others = {f"{score.system}: {KEPT}": f"{score.mean:.2f}" for score in kept}
                table.append({"distortion": label, **size, **ours, **others})
        return table


def robustness(
    embedder: TrackEmbedder,
    catalog: Catalog,
    vectors: Mapping[str, Vectors],
    tracks: int = TRACKS,
    workers: int = 1,
    random_seed: int = 0,
    seconds: float = SECONDS,
    distortions: Sequence[str] = tuple(DISTORTIONS),
    against: Mapping[str, Embedder] | None = None,
) -> Robustness:
    """Distort some tracks of a catalog, embed them by every system that takes audio, and score what they
    find.

    `vectors` are those of the whole catalog by system, ours first, as `TrackEmbedder` gives them: *not*
    standardised. Systems that are neither the embedder's nor in `against` (further models by name) are left
    out. The first `seconds` of a track are used, and its original is embedded of these too, so that it moves
    by nothing but the distortion. Baselines are standardised over the originals; lyrics stay as they are.
    Which tracks are drawn, and the noise they get, depend on their ids and `random_seed` alone.
    """
    drawn = drawn_rows(catalog.track_ids, tracks, random_seed)
    chosen = catalog.select([catalog.track_ids[row] for row in drawn])
    words = lyrics_of(chosen) if embedder.bundle.tokenizer else [""] * len(chosen)
    jobs = list(zip(chosen.track_ids, chosen.audio_paths(), words, strict=True))
    embed = partial(_embed_versions, embedder, dict(against or {}), tuple(distortions), seconds, random_seed)
    with closing(in_processes(embed, jobs, workers)) as results:
        outcomes = dict(sorted(progress(results, "distort", total=len(jobs)), key=itemgetter(0)))
    embedded = {job: outcome for job, outcome in outcomes.items() if not isinstance(outcome, Skipped)}
    skipped = tuple(outcome for outcome in outcomes.values() if isinstance(outcome, Skipped))
    rows, names = drawn[list(embedded)], next(iter(embedded.values()), {})
    labels = [DISTORTIONS[name].label for name in distortions]
    distorted, originals = {}, {}
    for name in (name for name in vectors if name in names):
        versions = np.stack([of_track[name] for of_track in embedded.values()])
        originals[name] = vectors[name].astype(np.float32)
        originals[name][rows] = versions[:, 0]
        by_label = dict(zip(labels, versions[:, 1:].swapaxes(0, 1), strict=True))
        if name in BASELINES:
            by_label = {label: standardise(moved, over=originals[name]) for label, moved in by_label.items()}
            originals[name] = standardise(originals[name])
        distorted[name] = by_label
    groups, unit = catalog.artists.groups, unit_of(catalog)
    section = score_distorted(distorted, originals, rows, groups, random_seed=random_seed, unit=unit)
    left_out = [name for name in vectors if names and name not in names]
    notes = (*_sampling_notes(embedder, distortions, seconds, len(rows), left_out), *section.notes)
    return section.model_copy(update={"notes": notes, "skipped": skipped})


def drawn_rows(track_ids: Sequence[str], tracks: int, random_seed: int) -> Rows:
    """Rows of the tracks whose hashes come first, in catalog order: a larger catalog keeps most of them."""
    hashes = [_hash_number(f"{random_seed}\n{track_id}") for track_id in track_ids]
    return np.sort(np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")[:tracks])


def _embed_versions(
    embedder: TrackEmbedder,
    against: Mapping[str, Embedder],
    distortions: Sequence[str],
    seconds: float,
    random_seed: int,
    job: Job,
) -> Versions | Skipped:
    track_id, path, lyrics = job
    try:
        samples = read_waveform(path, SAMPLE_RATE_HZ, seconds).samples
        waveforms = [(samples, SAMPLE_RATE_HZ)]
        for name in distortions:
            rng = np.random.default_rng(_hash_number(f"{random_seed}\n{name}\n{track_id}"))
            waveforms.append(DISTORTIONS[name](samples, SAMPLE_RATE_HZ, rng))
        versions = [vectors_of_waveform(embedder, against, waveform, lyrics) for waveform in waveforms]
    except AudioError as error:
        return Skipped.because(path, error)
    return {name: np.stack([vectors[name] for vectors in versions]) for name in versions[0]}


def vectors_of_waveform(
    embedder: TrackEmbedder, against: Mapping[str, Embedder], waveform: Waveform, lyrics: str = ""
) -> dict[str, Float32[np.ndarray, " _"]]:
    """What `TrackEmbedder.vectors` gives of a file with this waveform, and the vectors by `against`.

    Raises:
        AudioError: there is at most one sample, or a network answers with numbers that are not finite.
    """
    front_end, embedders = embedder.bundle.front_end, {**embedder.embedders, **against}
    vectors = {name: model.embed(waveform, lyrics) for name, model in embedders.items()}
    frames = torch.cat(list(front_end.stream_audio(stream_array(*waveform)))).numpy()
    if front_end.makes_log_mels:
        return vectors | {MFCC: mfcc_statistics(mfccs(frames, front_end.mel_bands))}
    return vectors | {EXTERNAL: frames.mean(axis=0)}


def score_distorted(
    distorted: Mapping[str, Mapping[str, Distorted]],
    originals: Mapping[str, Vectors],
    rows: Rows,
    groups: Int[np.ndarray, " tracks"],
    k: int = 10,
    resamples: int = RESAMPLES,
    random_seed: int = 0,
    unit: str = "artists",
) -> Robustness:
    """Compare the vectors of distorted tracks with those of all originals.

    `originals` are by system and in catalog order, the first system ours. `distorted` holds, by system and by
    distortion (the same of each), the vectors of the tracks in `rows` of the catalog. `groups` number the
    tracks' artists (`unit`). Of few tracks, at most half of the others are looked at as neighbours: lists
    that hold every track lose nothing.
    """
    k = min(k, max(0, len(groups) - 1) // 2)
    scores = {name: _scores_by_label(distorted[name], originals[name], rows, k) for name in originals}
    table: list[RobustnessRow] = []
    for label, metrics in next(iter(scores.values()), {}).items():
        for metric in metrics:
            by_system = {name: by_label[label][metric] for name, by_label in scores.items()}
            measure = Measure("robustness", label, metric, None, by_system, groups[rows], unit=unit)
            if measure.asked.any():
                compared = compare(measure, resamples, random_seed)
                table.append(RobustnessRow(distortion=label, metric=metric, **dict(compared)))
    return Robustness(
        systems=tuple(originals),
        sampled=len(rows),
        tracks=len(groups),
        k=k,
        rows=tuple(table),
        notes=tuple(_notes(table, len(groups), k, resamples)) if table else (),
    )


def _scores_by_label(
    distorted: Mapping[str, Distorted], originals: Vectors, rows: Rows, k: int
) -> dict[str, Scores]:
    """Every sampled track's scores under each distortion, their mean, and the cosine of different tracks."""
    if not distorted:
        return {}
    unit = unit_length(originals.astype(np.float64))
    before = unit[rows] @ unit.T
    scores = {label: _scores(vectors, unit, before, rows, k) for label, vectors in distorted.items()}
    metrics = next(iter(scores.values()))
    mean = {
        metric: np.mean([by_metric[metric] for by_metric in scores.values()], axis=0) for metric in metrics
    }
    others = before.sum(axis=1) - before[np.arange(len(rows)), rows]
    different = others / (len(unit) - 1) if len(unit) > 1 else np.full(len(rows), np.nan)
    return {**scores, EVERY: mean, DIFFERENT: {COSINE: different}}


@typechecked
def _scores(
    vectors: Distorted, originals: Vectors, before: Float[np.ndarray, "sampled tracks"], rows: Rows, k: int
) -> Scores:
    """Each metric for each distorted track; `originals` have unit length, `before` their cosines to sampled
    ones.

    Ties count as their expectation over all orders. `neighbours kept` is there where `k` is not 0.
    """
    after = unit_length(vectors.astype(np.float64)) @ originals.T
    items, ones = np.arange(len(rows)), np.ones(len(rows), dtype=int)
    runs = ranking.runs_of(after, csr_matrix((ones, (items, rows)), shape=after.shape))
    scores = {
        COSINE: after[items, rows],
        FOUND: ranking.recall(runs, ones, 1),
        RECIPROCAL_RANK: ranking.average_precision(runs, ones, len(originals)),
    }
    if k:
        nearest_before, nearest_after = (_nearest_others(cosines, rows, k) for cosines in (before, after))
        in_both = (nearest_before[:, :, None] == nearest_after[:, None]).any(axis=2)
        scores[KEPT] = in_both.sum(axis=1) / k
    return scores


def _nearest_others(
    similarity: Float[np.ndarray, "sampled tracks"], rows: Rows, k: int
) -> Int[np.ndarray, "sampled k"]:
    own = rows[:, None] == np.arange(similarity.shape[1])
    return largest(np.where(own, -np.inf, similarity), k)


def _sampling_notes(
    embedder: TrackEmbedder, distortions: Sequence[str], seconds: float, sampled: int, left_out: Sequence[str]
) -> Iterator[str]:
    yield f"Embedded: the first {seconds:g} s, in mono, of {sampled} tracks drawn by a hash of their ids."
    if {"pitch", "tempo"} & set(distortions):
        yield "Pitch and tempo are changed by WSOLA: a little of what they cost is traces of that."
    if embedder.bundle.tokenizer:
        yield "Lyrics were left as they are, which holds a track in its place however its recording sounds."
    if left_out:
        yield f"Left out, for want of a model that takes audio: {', '.join(left_out)}."


def _notes(rows: Sequence[RobustnessRow], tracks: int, k: int, resamples: int) -> Iterator[str]:
    kept = f"; of {k} neighbours {k / (tracks - 1):.1%} are kept" if k else ""
    yield f"By chance a track is the first of all {tracks} originals in {1 / tracks:.1%} of cases{kept}."
    yield (
        "A system to which all tracks are alike has cosines of 1 and is none the better for it: compare a "
        "cosine with that of different tracks, and systems by what they find."
    )
    beaten = [
        f"{row.distortion} ({', '.join(row.better)})" for row in rows if row.metric == KEPT and row.better
    ]
    if beaten:
        ours = rows[0].scores[0].system
        yield f"Other systems keep more of their neighbours than {ours} under {'; '.join(beaten)}."
    yield interval_note(rows[0].groups, rows[0].unit, resamples)


def _hash_number(text: str) -> int:
    """64 bits of a hash, the same on any machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
