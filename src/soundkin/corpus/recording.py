"""One track from plan to file: composed, performed, produced, encoded, tagged. Runs in worker processes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.corpus.composing import KEYS, LAYERS, Composer, Score, is_minor
from soundkin.corpus.drums import Drummer
from soundkin.corpus.encoding import write_audio
from soundkin.corpus.instruments import Player, Waveform
from soundkin.corpus.invented_artists import TrackPlan
from soundkin.corpus.invented_words import timed, write_lyrics
from soundkin.corpus.production import produce
from soundkin.files import replacing

LEVELS = {"bass": 0.35, "chords": 0.14, "melody": 0.22}  # of a loud note, against a drum's stroke
SUNG_SHARE = 0.8  # of a singing artist's tracks have lyrics
UNDATED_SHARE, UNLABELLED_SHARE = 0.06, 0.02  # real libraries are not complete either


def record(plan: TrackPlan, folder: Path) -> dict[str, Any]:
    """Make the track's file in `folder` unless it is there; returns the planted attributes of the track."""
    composing, studio, desk = (np.random.default_rng([*plan.random_seed, part]) for part in range(3))
    album, artist = plan.album, plan.album.artist
    score = Composer(artist.genre, plan.harmony, artist.style, plan.seconds, composing).score()
    lyrics = []
    if artist.sings and desk.random() <= SUNG_SHARE:
        minor, lines = is_minor(score.scale), int(desk.integers(4, 13))
        lyrics = write_lyrics(artist.genre.themes, minor, artist.language, lines, desk)
    name = f"{plan.number:02d} {plan.title}.{album.audio_format}"
    path = folder / artist.name / f"{album.year} {album.title}" / name
    if not path.exists():
        tags = _tags(plan, lyrics, desk)
        if lyrics and album.lyrics_as_files:
            with replacing(path.with_suffix(".lrc"), "w") as file:
                file.write(timed(lyrics, plan.seconds))
        beat_seconds, rate = 60 / score.tempo_bpm, album.sample_rate_hz
        layers = _perform(plan, score)
        samples = produce(layers, plan.production, beat_seconds, rate, album.channels, studio)
        write_audio(path, samples, rate, tags)
    return {"path": path.relative_to(folder).as_posix(), **_attributes(plan, score, bool(lyrics))}


def _perform(plan: TrackPlan, score: Score) -> Mapping[str, Waveform]:
    """Each layer of the score as float32 [samples]; notes that ring on beyond the end are cut."""
    artist, rate = plan.album.artist, plan.album.sample_rate_hz
    samples = round(plan.seconds * rate)
    layers = {layer: np.zeros(samples, dtype=np.float32) for layer in LAYERS}
    drummer = Drummer(artist.kit, rate)
    for hit in score.drums:
        _add(layers["drums"], drummer.stroke(hit.drum), hit.start_seconds * rate, hit.loudness)
    for layer, level in LEVELS.items():
        player = Player(plan.instruments[layer], rate, artist.genre.swell_seconds)
        for note in getattr(score, layer):
            sound = player.note(note.pitch, note.seconds)
            _add(layers[layer], sound, note.start_seconds * rate, level * note.loudness)
    return layers


def _add(layer: Waveform, sound: Waveform, start: float, gain: float) -> None:
    first = int(start)
    room = layer[first : first + len(sound)]
    room += np.float32(gain) * sound[: len(room)]


def _tags(plan: TrackPlan, lyrics: Sequence[str], rng: np.random.Generator) -> dict[str, Sequence[str]]:
    album = plan.album
    day = f"-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}" if rng.random() < 0.5 else ""
    return {
        "title": [plan.title],
        "artist": [album.artist.name],
        "album": [album.title],
        "tracknumber": [str(plan.number)],
        "date": [] if rng.random() < UNDATED_SHARE else [f"{album.year}{day}"],
        "genre": [] if rng.random() < UNLABELLED_SHARE else plan.genres,
        "lyrics": [] if album.lyrics_as_files else ["\n".join(lyrics)],
    }


def _attributes(plan: TrackPlan, score: Score, sung: bool) -> dict[str, Any]:
    """What is planted in a track, whatever its tags say."""
    album = plan.album
    sustained = [*score.chords, *score.melody]
    strokes = len(score.drums) + len(score.bass) + len(sustained)
    return {
        "genres": plan.genres,
        "artist": album.artist.name,
        "album": album.title,
        "year": album.year,
        "tempo_bpm": round(score.tempo_bpm, 2),
        "key": KEYS[score.key],
        "scale": score.scale,
        "minor": is_minor(score.scale),
        "swing": round(score.swing, 3),  # in steps
        "strokes_per_second": round(strokes / plan.seconds, 3),
        "drums_per_second": round(len(score.drums) / plan.seconds, 3),
        "sustain": round(_mean([note.seconds for note in sustained]), 3),
        "melody_pitch": round(_mean([note.pitch for note in score.melody]), 2),  # 0 without a melody
        "brightness": round(plan.production.tilt_db, 2),  # dB per octave
        "language": album.artist.language if sung else "",  # of the lyrics
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
