"""The page of `soundkin why`: both moments as audio, and what else two tracks share."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.errors import AudioError
from soundkin.explore.page_template import TrackCard
from soundkin.explore.snippets import SNIPPET_RATE_HZ, data_uri, encode_mp3, faded
from soundkin.explore.why_page import Side, WhyPage, render_why_page
from soundkin.features.decode import read_waveform
from soundkin.files import replacing
from soundkin.pipelines.why import ExplainedTrack, Why
from soundkin.units import clock, samples_to_seconds, seconds_to_samples

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index

SHORTEST_SECONDS, LONGEST_SECONDS = 4.0, 20.0  # of what a player holds
NOTES = (
    "The moment is the pair of passages, side by side, that the model finds most alike beyond what the "
    "two have in common throughout. The rest of the tracks counts for the score as well.",
    "The score is the cosine of the two tracks' vectors. What it would be without the moment says how much "
    "the moment carries: close to the score, the tracks are alike throughout.",
    "What the model thinks both tracks are is a probability that held both labels on tracks which it was "
    "not fitted to; what the catalog says may be wrong.",
)


def write_why_page(
    why: Why, here: ExplainedTrack, there: ExplainedTrack, index: "Index", output: Path
) -> None:
    """Write the page; a track that cannot be played says why."""
    starts = (why.moment.here_seconds, why.moment.there_seconds) if why.moment else (None, None)
    seconds = why.moment.seconds if why.moment else 0.0
    sides = [_side(track, start, seconds, index) for track, start in zip((here, there), starts, strict=True)]
    headline, *_ = [*why.reasons(), "They are alike throughout, or nothing can be told."]
    page = WhyPage(
        title=f"Why {why.here} and {why.there} are alike",
        headline=f"Score {why.score:.3f}. {headline}",
        sides=sides,
        reasons=why.reasons()[1:] if why.moment else why.reasons(),
        notes=NOTES,
    )
    with replacing(output, "w") as file:
        file.write(render_why_page(page))


def _side(track: ExplainedTrack, start: float | None, seconds: float, index: "Index") -> Side:
    genre = ""
    if track.row is not None and "genre" in index.tracks.columns:
        genre = index.tracks.batch.column("genre")[track.row].as_py() or ""
    card = TrackCard(track.name, track.artist or "unknown artist", genre)
    if start is None:
        return Side(card)
    at = f"{clock(start)} to {clock(start + seconds)}"
    try:
        waveform = read_waveform(track.path, SNIPPET_RATE_HZ)
    except AudioError as error:
        return Side(replace(card, silence=f"no sound: {error}"), at)
    length = samples_to_seconds(len(waveform.samples), SNIPPET_RATE_HZ)
    played = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
    first = seconds_to_samples(start, SNIPPET_RATE_HZ)
    excerpt = waveform.samples[first : first + seconds_to_samples(played, SNIPPET_RATE_HZ)]
    audio = data_uri(encode_mp3(faded(excerpt, SNIPPET_RATE_HZ), SNIPPET_RATE_HZ), "audio/mpeg")
    return Side(replace(card, audio=audio), at, 100 * start / length, 100 * seconds / length)
