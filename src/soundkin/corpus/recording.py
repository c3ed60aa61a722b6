"""One track from plan to file: composed, performed, produced, encoded, tagged. Runs in worker processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.corpus.composing import Score, compose
from soundkin.corpus.encoding import Tags, write_audio
from soundkin.corpus.invented_artists import TrackPlan
from soundkin.corpus.performing import perform
from soundkin.corpus.production import produce
from soundkin.corpus.song_words import timed, write_lyrics
from soundkin.corpus.theory import KEYS, is_minor
from soundkin.files import replacing
from soundkin.shapes import Float32, typechecked

SUNG_SHARE = 0.8  # of a singing artist's tracks have lyrics
UNDATED_SHARE, UNLABELLED_SHARE = 0.06, 0.02  # real libraries are not complete either


@dataclass(frozen=True)
class TrackTruth:
    """What is planted in a track, whatever its tags say."""

    path: str  # relative to the folder of music
    genres: tuple[str, ...]
    artist: str
    album: str
    year: int
    tempo_bpm: float
    key: str
    scale: str
    minor: bool
    swing: float  # in steps
    strokes_per_second: float  # all layers
    drums_per_second: float
    sustain: float  # mean length of chord and melody notes, in seconds
    melody_pitch: float  # mean MIDI number; 0 where nobody plays a melody
    brightness: float  # of the production, in dB per octave
    language: str  # of the lyrics; empty where there are none


def track_path(plan: TrackPlan) -> str:
    """Where the track's file goes, relative to the folder of music."""
    album = plan.album
    return (
        f"{album.artist.name}/{album.year} {album.title}/{plan.number:02d} {plan.title}.{album.audio_format}"
    )


def record(plan: TrackPlan, folder: Path) -> TrackTruth:
    """Make the track's file in `folder` unless it is there, and tell the truth about it."""
    composing, studio, desk = (np.random.default_rng([*plan.random_seed, part]) for part in range(3))
    artist = plan.album.artist
    score = compose(artist.genre, plan.harmony, artist.habits, plan.seconds, composing)
    lyrics = _lyrics(plan, score, desk)
    path = folder / track_path(plan)
    if not path.exists():
        tags = _tags(plan, lyrics, desk)
        if lyrics and plan.album.lyrics_beside:
            with replacing(path.with_suffix(".lrc"), "w") as file:
                file.write(timed(lyrics, plan.seconds))
        write_audio(path, render(plan, score, studio), plan.album.sample_rate_hz, tags)
    return _truth(plan, score, bool(lyrics))


@typechecked
def render(
    plan: TrackPlan, score: Score, rng: np.random.Generator
) -> Float32[np.ndarray, "samples channels"]:
    """The track's samples at its album's sample rate."""
    album = plan.album
    samples = round(plan.seconds * album.sample_rate_hz)
    layers = perform(score, plan.band, samples, album.sample_rate_hz, album.artist.genre.swell_seconds)
    return produce(layers, plan.production, 60 / score.tempo_bpm, album.sample_rate_hz, album.channels, rng)


def _lyrics(plan: TrackPlan, score: Score, rng: np.random.Generator) -> list[str]:
    artist = plan.album.artist
    if not artist.sings or rng.random() > SUNG_SHARE:
        return []
    return write_lyrics(
        artist.genre.themes, is_minor(score.scale), artist.language, int(rng.integers(4, 13)), rng
    )


def _tags(plan: TrackPlan, lyrics: Sequence[str], rng: np.random.Generator) -> Tags:
    album = plan.album
    day = f"-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}" if rng.random() < 0.5 else ""
    return Tags(
        title=plan.title,
        artist=album.artist.name,
        album=album.title,
        number=plan.number,
        date="" if rng.random() < UNDATED_SHARE else f"{album.year}{day}",
        genres=() if rng.random() < UNLABELLED_SHARE else plan.genres,
        lyrics="" if album.lyrics_beside else "\n".join(lyrics),
    )


def _truth(plan: TrackPlan, score: Score, sung: bool) -> TrackTruth:
    album = plan.album
    notes = (*score.bass, *score.chords, *score.melody)
    return TrackTruth(
        path=track_path(plan),
        genres=plan.genres,
        artist=album.artist.name,
        album=album.title,
        year=album.year,
        tempo_bpm=round(score.tempo_bpm, 2),
        key=KEYS[score.key],
        scale=score.scale,
        minor=is_minor(score.scale),
        swing=round(score.swing, 3),
        strokes_per_second=round((len(notes) + len(score.drums)) / plan.seconds, 3),
        drums_per_second=round(len(score.drums) / plan.seconds, 3),
        sustain=round(_mean([note.seconds for note in (*score.chords, *score.melody)]), 3),
        melody_pitch=round(_mean([note.pitch for note in score.melody]), 2),
        brightness=round(plan.production.tilt_db, 2),
        language=album.artist.language if sung else "",
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
