"""One level for a track however loud its copy is, and no weight for silence."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from audio_files import tune
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.levels import LevelRule, Powers, WithoutSilence

RATE_HZ = 44_100
DEFAULT = LogMelFrontEnd()
MUSIC = tune(RATE_HZ, 6.0).mean(1)


def written(path: Path, samples: np.ndarray, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, RATE_HZ, subtype)
    return path


def frames(
    path: Path, samples: np.ndarray, front_end: LogMelFrontEnd = DEFAULT, subtype: str = "FLOAT"
) -> torch.Tensor:
    return front_end.frames(written(path, samples, subtype))


@pytest.mark.parametrize("chroma_bands", [0, 24])
@pytest.mark.parametrize("gain_db", [-60, -40, -20, 6, 90])
def test_a_softer_copy_has_the_same_frames(tmp_path: Path, gain_db: float, chroma_bands: int) -> None:
    front_end = LogMelFrontEnd(chroma_bands=chroma_bands)
    expected = frames(tmp_path / "a.wav", MUSIC, front_end)
    found = frames(tmp_path / "b.wav", MUSIC * 10 ** (gain_db / 20), front_end)
    assert (found - expected).abs().max() < 0.01


def test_sixteen_bits_30_db_down(tmp_path: Path) -> None:
    expected = frames(tmp_path / "a.wav", MUSIC)
    found = frames(tmp_path / "b.wav", MUSIC * 10 ** (-30 / 20), subtype="PCM_16")
    assert torch.nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.99


def test_the_level_that_is_asked_for(tmp_path: Path) -> None:
    for level_db in (-20.0, -10.0):
        found = frames(tmp_path / "a.wav", 0.01 * MUSIC, LogMelFrontEnd(level_db=level_db))
        power = (torch.expm1(found.double()) * 1e-8).sum(1)
        assert 10 * torch.log10(torch.quantile(power, 0.95)) == pytest.approx(level_db, abs=0.01)


def test_floats_that_hold_integers_are_said(tmp_path: Path) -> None:
    expected = frames(tmp_path / "a.wav", MUSIC)
    for largest in (2**15, 2**23, 2**31):
        stream = LogMelFrontEnd().stream(written(tmp_path / "b.wav", MUSIC * largest))
        assert (torch.cat(list(stream)) - expected).abs().max() < 0.01
        assert "above full scale" in stream.warnings[0]
    stream = LogMelFrontEnd().stream(written(tmp_path / "c.wav", MUSIC * 1.5))
    assert list(stream) and stream.warnings == ()


SILENCES = {
    "digital": np.zeros(20 * RATE_HZ, np.float32),
    "dither": np.random.default_rng(0).normal(size=20 * RATE_HZ).astype(np.float32) * 10 ** (-90 / 20),
}


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("parts", ["sm", "ms", "sms", "msm"])
def test_silence_around_and_within_is_left_out(tmp_path: Path, silence: str, parts: str) -> None:
    pieces = [SILENCES[silence] if part == "s" else MUSIC for part in parts]
    found = LogMelFrontEnd().stream(written(tmp_path / "a.wav", np.concatenate(pieces)))
    count = sum(map(len, found))
    of_music = parts.count("m") * len(LogMelFrontEnd().frames(written(tmp_path / "b.wav", MUSIC)))
    assert count == pytest.approx(of_music, abs=3 * len(parts))
    assert found.duration_seconds == sum(map(len, pieces)) / RATE_HZ
    music_at = [sum(map(len, pieces[:i])) / RATE_HZ for i, part in enumerate(parts) if part == "m"]
    assert found.start_seconds(0) == pytest.approx(music_at[0], abs=0.1)
    assert found.start_seconds(count - 1) == pytest.approx(music_at[-1] + 6, abs=0.2)


def test_silence_does_not_change_the_level(tmp_path: Path) -> None:
    expected = frames(tmp_path / "a.wav", MUSIC)
    found = frames(tmp_path / "b.wav", np.concatenate([MUSIC, SILENCES["dither"], SILENCES["digital"]]))
    assert (found[: len(expected) - 2] - expected[:-2]).abs().max() < 0.05


def test_rests_stay(tmp_path: Path) -> None:
    rest = np.zeros(RATE_HZ * 8 // 10, np.float32)
    found = frames(tmp_path / "a.wav", np.concatenate([MUSIC, rest, MUSIC]))
    assert len(found) == (len(MUSIC) * 2 + len(rest) - 2_048) // 1_470 + 1


def test_quiet_music_stays(tmp_path: Path) -> None:
    """A piece from -70 to -30 dB, as classical music has it, and one 55 dB below another."""
    swell = np.concatenate([MUSIC * 10 ** (level / 20) for level in range(-55, -19, 5)])
    assert len(frames(tmp_path / "a.wav", swell)) == (len(swell) - 2_048) // 1_470 + 1
    both = np.concatenate([MUSIC, 10 ** (-50 / 20) * MUSIC])
    assert len(frames(tmp_path / "b.wav", both)) == (len(both) - 2_048) // 1_470 + 1


@pytest.mark.parametrize("silence", SILENCES)
def test_nothing_but_silence_is_silence(tmp_path: Path, silence: str) -> None:
    stream = LogMelFrontEnd().stream(written(tmp_path / "a.wav", SILENCES[silence]))
    found = torch.cat(list(stream))
    assert len(found) == 30  # a second
    assert found.max() < 0.2
    assert stream.warnings == ("silent from start to end",)


def test_silence_may_stay(tmp_path: Path) -> None:
    front_end = LogMelFrontEnd(silence_db=None)
    samples = np.concatenate([SILENCES["digital"], MUSIC])
    assert len(frames(tmp_path / "a.wav", samples, front_end)) == (len(samples) - 2_048) // 1_470 + 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), min_size=1, max_size=12), st.integers(1, 60))
def test_runs_are_left_out_as_by_hand(runs: list[tuple[bool, int]], block: int) -> None:
    silent = torch.tensor([quiet for quiet, length in runs for _ in range(length)])
    numbered = torch.arange(float(len(silent)))[:, None]
    without = WithoutSilence(frames_per_second=10.0)
    found = (
        torch.cat(list(without(zip(numbered.split(block), silent.split(block), strict=True))))[:, 0]
        .int()
        .tolist()
    )
    kept = [
        place
        for start, stop in run_bounds(silent)
        if not silent[start] or stop - start <= 10
        for place in range(start, stop)
    ]
    assert found == (kept if not silent.all() else list(range(min(10, len(silent)))))
    assert [without.place(frame) for frame in range(len(found))] == found


def run_bounds(silent: torch.Tensor) -> list[tuple[int, int]]:
    bounds = [0, *(1 + np.flatnonzero(np.diff(silent.int()))), len(silent)]
    return list(pairwise(bounds))


def test_no_more_than_five_minutes_are_held() -> None:
    """The level is that of the first five minutes from the first sound on; what comes later does not change
    it.
    """
    taken = 0

    def blocks():  # type: ignore[no-untyped-def]
        nonlocal taken
        for number in range(20):
            taken += 1
            yield Powers(torch.full((1_800, 4), 0.0 if number < 3 else 1e4 if number < 10 else 1e6), None)

    rule = LevelRule(-20.0, -60.0, -80.0, 30.0)(blocks())
    assert [bool(next(rule).silent.all()) for _ in range(3)] == [True] * 3
    assert taken == 3, "leading silence is passed on at once"
    first = next(rule)
    assert taken == 3 + 5
    assert {round(block.gain, 6) for block in [first, *rule]} == {round(1e6 / 4e4, 6)}
