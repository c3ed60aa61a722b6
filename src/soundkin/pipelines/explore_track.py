"""Explore a track: the form of a song, from its sound alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument
from soundkin.pipelines.pictures import PAGE, PAGE_KINDS, picture_place

if TYPE_CHECKING:
    import numpy as np

    from soundkin.explore.song_structure import SongStructure
    from soundkin.shapes import Float32

LONGEST_SECONDS = 3_600.0
HOP_SECONDS = 0.5  # from one of the model's patches to the next


def explore_track(
    audio: Annotated[Path | str, argument("FILE")],
    output: Annotated[Path | None, PAGE] = None,
    sections: Annotated[
        int | None, Option("How many kinds of sections; default: as it sounds.", minimum=1)
    ] = None,
    smooth: Annotated[
        int, Option("Beats over which likeness is smoothed; 8 brings out what comes again.", minimum=1)
    ] = 1,
    model: Annotated[Path | str, Option("Model bundle that hears it.", metavar="MODEL")] = "default",
    start: Annotated[float, Option("Second to begin at.")] = 0.0,
    seconds: Annotated[float | None, Option("How much of it; at most an hour.", metavar="SECONDS")] = None,
) -> "SongStructure":
    """How a song goes: beats, sections that change or come again, its likeness to itself, its way.

    The page shows it all on one time axis and plays what is clicked; it opens offline and holds the sound.
    Sections of one letter sound alike. From Python all arrays are in what is returned, and `draw_song` makes
    the figure.

    Examples:
      soundkin explore track song.mp3
      soundkin explore track song.mp3 -o song.html
      soundkin explore track mix.flac --start 3600 --seconds 1200 --sections 4 -o mix.png

    Raises:
        UsageError: the output is of no known kind, or nothing or over an hour would be explored.
        AudioError: the file cannot be decoded, or ends before `start`.
        MissingExtraError: a picture is asked for, and soundkin[pictures] is not installed.
    """
    import numpy as np

    from soundkin.embedding.embedder import load
    from soundkin.explore.song_course import song_course
    from soundkin.explore.song_spectra import RATE_HZ
    from soundkin.explore.song_structure import song_structure

    audio = Path(audio)
    output = picture_place(output, PAGE_KINDS)
    samples = _read(audio, start, seconds)
    embedder = load(model)
    patch_seconds = embedder.patch_seconds
    if patch_seconds is None:
        raise UsageError(f"model {model} makes no patches at a fixed rate. Take another: --model default.")
    vectors, starts = embedder.embed_patches((samples, RATE_HZ), HOP_SECONDS)
    course = song_course(samples, vectors, np.array(starts) + patch_seconds / 2)
    found = song_structure(audio.name, course, sections, smooth)
    if output is not None:
        _write(found, output)
    return found


def _read(audio: Path, start: float, seconds: float | None) -> "Float32[np.ndarray, ' samples']":
    """The wanted stretch as mono at RATE_HZ; what lies before it is decoded and not kept."""
    import numpy as np

    from soundkin.errors import AudioError
    from soundkin.explore.song_spectra import RATE_HZ
    from soundkin.features.decode import open_audio
    from soundkin.features.resampling import resample
    from soundkin.units import seconds_to_samples

    if start < 0 or (seconds is not None and seconds <= 0):
        raise UsageError(f"start={start:g}, seconds={seconds}: give a start from 0 on, and more than 0 s.")
    if seconds is not None and seconds > LONGEST_SECONDS:
        raise UsageError(f"seconds={seconds:g}: at most {LONGEST_SECONDS:g}, an hour, is explored at once.")
    wanted = seconds or LONGEST_SECONDS + 1
    first, left = (seconds_to_samples(each, RATE_HZ) for each in (start, wanted))
    stream, kept = open_audio(audio, start + wanted), []
    for block in resample(iter(stream), stream.sample_rate_hz, RATE_HZ):
        kept.append(block[first : first + left])
        first, left = max(0, first - len(block)), left - len(kept[-1])
    samples = np.concatenate(kept) if kept else np.empty(0, np.float32)
    if not len(samples):
        raise AudioError(f"{audio} ends before second {start:g}. Begin earlier.")
    if seconds is None and len(samples) > seconds_to_samples(LONGEST_SECONDS, RATE_HZ):
        raise UsageError(f"{audio} is longer than an hour. Take a part of it: --start 0 --seconds 3600")
    return samples


def _write(found: "SongStructure", output: Path) -> None:
    from soundkin.files import replacing

    if output.suffix.lower() == ".html":
        from soundkin.explore.song_page import render_song_page

        with replacing(output, "w") as file:
            file.write(render_song_page(found))
        return
    from soundkin.explore.palette import draw_twins
    from soundkin.explore.song_picture import draw_song

    draw_twins(lambda theme: draw_song(found, theme), output)
