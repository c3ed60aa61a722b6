"""The sound of indexed tracks: a stretch of a minute to measure, ten seconds and transitions to listen to."""

from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import AudioError
from soundkin.explore.page_template import TrackCard
from soundkin.explore.snippets import SNIPPET_RATE_HZ, data_uri, encode_mp3, faded, middle
from soundkin.features.decode import open_audio, read_waveform
from soundkin.features.resampling import resample
from soundkin.progress import progress
from soundkin.units import seconds_to_samples

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float32

    Samples = Float32[np.ndarray, " samples"]

STRETCH_SECONDS = 60.0
BEFORE_SECONDS = 30.0  # openings are often unlike the rest
END_SECONDS = 8.0  # of each of two tracks, at their transition
MOST_PLAYED = 100  # tracks in a page, 40 kB each
NOT_IN_PAGE = f"without sound: a page plays {MOST_PLAYED} tracks"


def read_stretch(index: "Index", row: int) -> "Samples | str":
    """A minute of a track from its 31st second on, or all there is of a shorter one; or why there is none.

    Mono at SNIPPET_RATE_HZ.
    """
    try:
        heard = read_waveform(_path(index, row), SNIPPET_RATE_HZ, BEFORE_SECONDS + STRETCH_SECONDS).samples
    except AudioError as error:
        return f"no sound: {error}"
    return heard[-seconds_to_samples(STRETCH_SECONDS, SNIPPET_RATE_HZ) :]


def card(index: "Index", row: int, stretch: "Samples | str") -> TrackCard:
    """A track as pages show it, with ten seconds of its stretch."""
    label = index.tracks.label(row)
    title, artist = label.title or label.track_id, label.artist
    if isinstance(stretch, str):
        return TrackCard(title, artist, "", silence=stretch)
    return TrackCard(title, artist, "", audio=_playable(middle(stretch, SNIPPET_RATE_HZ)))


def track_cards(index: "Index", rows: Sequence[int], played: Collection[int]) -> list[TrackCard]:
    """The tracks in these rows as a page shows them, those in the places `played` with their sound."""
    places = progress(range(len(rows)), "reading sound", len(rows))
    return [
        card(index, rows[at], read_stretch(index, rows[at]) if at in played else NOT_IN_PAGE) for at in places
    ]


def spread(count: int) -> list[int]:
    """The places of at most MOST_PLAYED tracks of so many, evenly spread."""
    places = np.linspace(0, count - 1, min(count, MOST_PLAYED))
    return sorted({round(place) for place in places.tolist()})


def transition(index: "Index", row: int, following: int) -> TrackCard:
    """The last seconds of a track, and the first of the following one."""
    names = [index.tracks.label(each) for each in (row, following)]
    title = " to ".join(label.title or label.track_id for label in names)
    try:
        parts = [_ending(_path(index, row)), _beginning(_path(index, following))]
    except AudioError as error:
        return TrackCard(title, "", "", silence=f"no sound: {error}")
    return TrackCard(title, "", "", audio=_playable(np.concatenate(parts)))


def _path(index: "Index", row: int) -> Path:
    return Path(index.audio_path(index.tracks.label(row).path))


def _playable(samples: "Samples") -> str:
    return data_uri(encode_mp3(faded(samples, SNIPPET_RATE_HZ), SNIPPET_RATE_HZ), "audio/mpeg")


def _beginning(path: Path) -> "Samples":
    return read_waveform(path, SNIPPET_RATE_HZ, END_SECONDS).samples


def _ending(path: Path) -> "Samples":
    """The last END_SECONDS; no more than that is kept of a long mix."""
    wanted = seconds_to_samples(END_SECONDS, SNIPPET_RATE_HZ)
    stream, kept = open_audio(path), deque[np.ndarray]()
    for block in resample(iter(stream), stream.sample_rate_hz, SNIPPET_RATE_HZ):
        kept.append(block.copy())
        while sum(map(len, kept)) - len(kept[0]) >= wanted:
            kept.popleft()
    return np.concatenate(kept)[-wanted:]
