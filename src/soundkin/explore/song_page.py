"""The page of a song: rows over one time axis, the song beside itself, its way; a click plays a place."""

import base64
from collections.abc import Mapping

import numpy as np

from soundkin.explore.page_template import render_page
from soundkin.explore.snippets import data_uri, encode_mp3
from soundkin.explore.song_course import PITCH_CLASSES
from soundkin.explore.song_spectra import HOP_SAMPLES, RATE_HZ
from soundkin.explore.song_structure import SongStructure
from soundkin.shapes import Float
from soundkin.statistics.scaling import standardise
from soundkin.units import clock

MOST_BEATS = 400  # of a square: more are finer than a screen shows
MOST_FRAMES = 1_200
DIGITS = 4


def render_song_page(song: SongStructure) -> str:
    """The page as HTML text, the sound inside it as mono mp3."""
    course = song.course
    sections = [
        {**section._asdict(), "at": f"{clock(section.start)} to {clock(section.end)}"}
        for section in song.sections
    ]
    page = {
        "title": f"How {song.name} goes",
        "headline": song.finding,
        "sections": sections,
        "typical": {"seconds": song.typical.seconds, "at": clock(song.typical.seconds)},
        "unlike": {"seconds": song.unlike.seconds, "at": clock(song.unlike.seconds)},
        "views": list(song.similarities),
        "shares": f"{song.shares.sum():.0%}",
        "audio": data_uri(encode_mp3(course.samples, RATE_HZ), "audio/mpeg"),
        "data": _data(song),
    }
    return render_page("song.html.jinja", "canvas.js", "song.js", page=page)


def _data(song: SongStructure) -> Mapping[str, object]:
    """What the script draws: bytes of pictures from 0 to 255, and numbers."""
    course = song.course
    mel = course.log_mel[:, :: max(1, course.log_mel.shape[1] // MOST_FRAMES)]
    mel_end = course.log_mel.shape[1] * HOP_SAMPLES / RATE_HZ
    every = -(-len(course.middles) // MOST_BEATS)
    places = song.way / max(float(np.abs(song.way).max()), 1e-9)
    envelope = course.envelope()
    return {
        "seconds": course.seconds,
        "starts": course.starts.round(3).tolist(),
        "bars": course.starts[course.bars].round(3).tolist(),
        "sections": [section._asdict() for section in song.sections],
        "envelope": (envelope / max(float(np.abs(envelope).max()), 1e-9)).round(3).tolist(),
        "level": course.level_db.round(1).tolist(),
        "novelty": song.novelty.round(3).tolist(),
        "pitchClasses": PITCH_CLASSES,
        "mel": _image(mel, float(mel.min()), float(mel.max())) | {"end": mel_end},
        "chroma": _image(course.chroma.T, 0.0, 1.0),
        "timbre": _image(standardise(course.timbre)[:, 1:13].T, -2.5, 2.5),
        "squares": [_image(each[::every, ::every], -1.0, 1.0) for each in song.similarities.values()],
        "squareStarts": [*course.starts[:-1:every].round(3).tolist(), course.seconds],
        "way": places.round(DIGITS).tolist(),
    }


def _image(values: Float[np.ndarray, "rows columns"], low: float, high: float) -> dict[str, object]:
    """Rows from the bottom up, as bytes in base64."""
    scaled = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    pixels = base64.b64encode(scaled.astype(np.uint8).tobytes()).decode()
    return {"rows": values.shape[0], "columns": values.shape[1], "pixels": pixels}
