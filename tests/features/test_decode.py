import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import SECONDS, TONES_HZ, tune
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import AudioError
from soundkin.features.decode import audio_hash, open_audio, read_waveform
from soundkin.features.resampling import resample

Audio = Callable[[str], Path]


def loudest_hz(samples: np.ndarray, sample_rate_hz: int) -> list[float]:
    """The frequencies of the strongest spectral lines, one per tone of the tune."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    hz = np.fft.rfftfreq(len(samples), 1 / sample_rate_hz)
    return [float(hz[np.where(np.abs(hz - tone) < 60, spectrum, 0).argmax()]) for tone in TONES_HZ]


# What is decoded


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3", "aiff", "caf", "m4a", "mov", "wma"])
def test_every_format_gives_the_tune(audio: Audio, kind: str) -> None:
    waveform = read_waveform(audio(kind), 22_050)
    assert waveform.warnings == ()
    assert waveform.samples.dtype == np.float32
    assert len(waveform.samples) / 22_050 == pytest.approx(SECONDS, abs=0.12)
    assert loudest_hz(waveform.samples, 22_050) == pytest.approx(TONES_HZ, abs=2)
    middle = slice(22_050, 44_100)
    expected = tune(22_050)[middle].mean(1).std()
    assert waveform.samples[middle].std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("sample_rate_hz", [8_000, 11_025, 22_050, 44_056, 48_000, 96_000, 192_000, 384_000])
def test_every_sample_rate_keeps_time_and_pitch(tmp_path: Path, sample_rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", tune(sample_rate_hz), sample_rate_hz, "FLOAT")
    samples = read_waveform(tmp_path / "a.wav", 22_050).samples
    assert len(samples) == pytest.approx(SECONDS * 22_050, abs=2)
    expected = tune(22_050).mean(1)
    assert np.corrcoef(samples[1_000:60_000], expected[1_000:60_000])[0, 1] > 0.99


def test_samples_of_a_wav_come_back_unchanged(tmp_path: Path) -> None:
    whole = (np.random.default_rng(0).integers(-(2**15), 2**15, size=200_000) / 2**15).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", whole, 44_100, "PCM_16")
    np.testing.assert_array_equal(read_waveform(tmp_path / "a.wav", 44_100).samples, whole)


@pytest.mark.parametrize("channels", [1, 3, 8, 32])
def test_many_channels(tmp_path: Path, channels: int) -> None:
    block = np.random.default_rng(0).uniform(-1, 1, size=(70_000, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", block, 44_100, "FLOAT")
    np.testing.assert_allclose(read_waveform(tmp_path / "a.wav", 44_100).samples, block.mean(1), atol=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=8), st.sampled_from([8_000, 44_056, 11_025]))
def test_resampling_does_not_depend_on_block_sizes(sizes: list[int], sample_rate_hz: int) -> None:
    samples = np.random.default_rng(0).normal(size=sum(sizes)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1])
    whole = np.concatenate(list(resample(iter([samples]), sample_rate_hz, 22_050)))
    np.testing.assert_array_equal(np.concatenate(list(resample(iter(blocks), sample_rate_hz, 22_050))), whole)


def test_streamed_blocks_are_the_whole(audio: Audio) -> None:
    blocks = list(resample(iter(open_audio(audio("mp3"))), 44_100, 22_050))
    np.testing.assert_array_equal(np.concatenate(blocks), read_waveform(audio("mp3"), 22_050).samples)


def test_reading_stops_at_the_cap(audio: Audio) -> None:
    stream = open_audio(audio("mp3"), seconds=1.5)
    assert sum(map(len, stream)) == 66_150
    assert stream.duration_seconds == 1.5
    assert stream.warnings == []


@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a"])
def test_content_decides_not_the_name(audio: Audio, tmp_path: Path, kind: str) -> None:
    for name in ("a.wav", "b.raw", "c.vox", "d.txt", "no_extension"):
        mislabelled = tmp_path / name
        mislabelled.write_bytes(audio(kind).read_bytes())
        np.testing.assert_array_equal(
            read_waveform(mislabelled, 22_050).samples, read_waveform(audio(kind), 22_050).samples
        )


def test_odd_names(audio: Audio, tmp_path: Path) -> None:
    for name in (
        b"http:__x.m4a",
        b"concat:a|b",
        "\u4f60 \u00e9.m4a".encode(),
        b"latin\xe9.m4a",
        b"-i.m4a",
        b"%03d.m4a",
    ):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(audio("m4a").read_bytes())
        assert len(read_waveform(path, 22_050).samples) > 22_050


def test_ogg_with_a_cover_picture_stream(tmp_path: Path) -> None:
    path = tmp_path / "cover.ogg"
    with av.open(
        str(path), "w", format="matroska"
    ) as container:  # no Theora encoder here; the same fallback is taken
        sound = container.add_stream("libopus", rate=48_000, layout="stereo")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "yuvj420p"
        container.mux(cover.encode(av.VideoFrame(16, 16, "yuvj420p")))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(tune(48_000, 1.0).T), format="fltp", layout="stereo"
        )
        frame.sample_rate = 48_000
        for piece in av.AudioResampler("flt", "stereo", 48_000, 960).resample(frame):
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    assert len(read_waveform(path, 48_000).samples) == pytest.approx(48_000, abs=2_000)


# What cannot be used


def refuse(path: Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_waveform(path, 22_050)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am a text\n" * 500, "cannot be decoded"),
        (bytes(50_000), "cannot be decoded"),
        (np.random.default_rng(0).bytes(50_000), "cannot be decoded"),
        (
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://localhost/a.mp3\n#EXT-X-ENDLIST\n",
            "cannot be decoded",
        ),
        (b"ffconcat version 1.0\nfile tune.mp3\n", "cannot be decoded"),
    ],
)
@pytest.mark.parametrize("extension", ["mp3", "wav", "ogg", "flac", "m4a", "raw"])
def test_what_is_not_audio(tmp_path: Path, content: bytes, reason: str, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content)
    message = refuse(path)
    assert reason in message
    assert "does not exist" not in message


def test_damaged_mp3_is_not_said_to_be_missing(audio: Audio, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(audio("mp3").read_bytes()[:300])
    with pytest.raises(soundfile.SoundFileError, match="does not exist"):
        soundfile.SoundFile(path)
    assert "damaged, or not audio" in refuse(path)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    assert "pipe" in refuse(tmp_path / "pipe.mp3")
    assert "folder" in refuse(tmp_path)
    assert "No such file" in refuse(tmp_path / "missing.mp3")
    assert "device" in refuse(Path("/dev/zero"))
    (tmp_path / "loop.mp3").symlink_to(tmp_path / "loop.mp3")
    assert "cannot be read" in refuse(tmp_path / "loop.mp3")
    with pytest.raises(AudioError, match="pipe"):
        audio_hash(tmp_path / "pipe.mp3")


@pytest.mark.parametrize(("kind", "samples"), [("wav", 0), ("wav", 1), ("flac", 1)])
def test_no_sound_in_it(tmp_path: Path, kind: str, samples: int) -> None:
    soundfile.write(tmp_path / f"a.{kind}", np.ones(samples), 44_100)
    assert f"{samples} samples" in refuse(tmp_path / f"a.{kind}")


@pytest.mark.parametrize("sample_rate_hz", [1, 3_999, 384_001, 2**31 - 1])
def test_absurd_sample_rates(tmp_path: Path, sample_rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), sample_rate_hz)
    assert f"{sample_rate_hz} Hz" in refuse(tmp_path / "a.wav")


def test_too_many_channels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 33)), 44_100)
    assert "33 channels" in refuse(tmp_path / "a.wav")


# What can be lived with


def test_samples_that_are_no_numbers_count_as_silence(tmp_path: Path) -> None:
    samples = tune(44_100)
    samples[[10, 70_000, 100_000], 0] = np.nan, np.inf, 1e30
    soundfile.write(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    waveform = read_waveform(tmp_path / "a.wav", 44_100)
    expected = samples.mean(1)
    expected[[10, 70_000, 100_000]] = 0
    np.testing.assert_allclose(waveform.samples, expected, atol=1e-7)
    assert waveform.warnings == ("3 samples were not finite numbers and count as silence",)


def test_nothing_but_nan_is_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(100_000, np.nan), 44_100, "FLOAT")
    waveform = read_waveform(tmp_path / "a.wav", 44_100)
    assert not waveform.samples.any()
    assert "silent" in waveform.warnings[1]


def test_silence_is_allowed_with_a_warning(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(44_100), 44_100)
    assert read_waveform(tmp_path / "a.flac", 22_050).warnings == ("silent from start to end",)


@pytest.mark.parametrize("kind", ["mp3", "flac", "wav", "aiff"])
def test_cut_short(audio: Audio, tmp_path: Path, kind: str) -> None:
    content = audio(kind).read_bytes()
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[: len(content) // 2])
    waveform = read_waveform(path, 22_050)
    assert 0.5 < len(waveform.samples) / 22_050 < 2
    assert "cut short" in waveform.warnings[-1]
    assert "3.0 s" in waveform.warnings[-1]


def test_mp3_without_a_stated_length_is_not_called_short(tmp_path: Path) -> None:
    silence_then_noise = tune(44_100, 5.0) * np.linspace(2, 0, 5 * 44_100)[:, None].astype(np.float32) ** 4
    soundfile.write(
        tmp_path / "vbr.mp3", silence_then_noise, 44_100, bitrate_mode="VARIABLE", compression_level=0.1
    )
    content = (tmp_path / "vbr.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content.replace(b"Xing", b"\0\0\0\0").replace(b"Info", b"\0\0\0\0"))
    guessed = soundfile.info(tmp_path / "a.mp3").frames
    waveform = read_waveform(tmp_path / "a.mp3", 44_100)
    assert guessed != pytest.approx(len(waveform.samples), rel=0.1)
    assert waveform.warnings == ()


def test_wav_from_a_pipe_states_no_length(audio: Audio, tmp_path: Path) -> None:
    content = bytearray(audio("wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(content)
    waveform = read_waveform(tmp_path / "a.wav", 22_050)
    assert waveform.warnings == ()
    assert len(waveform.samples) == SECONDS * 22_050


def lying_flac(path: Path, content: bytes) -> Path:
    """A FLAC whose header claims 2**36 - 1 samples."""
    header = bytearray(content)
    header[21] |= 0x0F
    header[22:26] = b"\xff" * 4
    path.write_bytes(header)
    return path


def test_a_lying_header_allocates_nothing(audio: Audio, tmp_path: Path) -> None:
    path = lying_flac(tmp_path / "a.flac", audio("flac").read_bytes())
    assert soundfile.info(path).frames == 2**36 - 1
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (64 * 2**30, limit[1]))
    try:
        waveform = read_waveform(path, 22_050)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    assert len(waveform.samples) == SECONDS * 22_050
    assert "cut short: 3.0 of the 1558264.8 s" in waveform.warnings[-1]


def test_decoding_goes_on_after_damage(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.mp3", tune(44_100, 10.0), 44_100)
    content = (tmp_path / "whole.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content[:40_000] + bytes(20_000) + content[60_000:])
    with pytest.raises(soundfile.SoundFileError):
        soundfile.read(tmp_path / "a.mp3")
    waveform = read_waveform(tmp_path / "a.mp3", 22_050)
    assert 8 < len(waveform.samples) / 22_050 < 10
    assert waveform.warnings[0].startswith("damaged at ")


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "wav", "m4a", "opus"])
def test_mutated_files_are_refused_or_finite(audio: Audio, tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / f"a.{kind}"
    for round_number in range(12):
        content = bytearray(audio(kind).read_bytes())
        for place in random.integers(0, len(content), 4 ** (round_number % 5)):
            content[place] = random.integers(256)
        path.write_bytes(content[: random.integers(100, len(content))] if round_number % 2 else content)
        try:
            waveform = read_waveform(path, 22_050, seconds=60)
        except AudioError:
            continue
        assert np.isfinite(waveform.samples).all()
        assert len(waveform.samples) <= 60 * 22_050 + 2


# What must not happen on the side


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(audio: Audio, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"no" * 5_000)
    read_waveform(audio("mp3"), 22_050)
    gc.collect()  # what earlier tests left to the collector is not ours
    before = open_descriptors()
    for _ in range(5):
        read_waveform(audio("mp3"), 22_050, seconds=0.1)
        read_waveform(audio("m4a"), 22_050, seconds=0.1)
        refuse(tmp_path / "bad.mp3")
    assert open_descriptors() == before


def test_nothing_reaches_the_terminal(
    audio: Audio, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(audio("mp3").read_bytes())
    for place in range(2_000, len(content), 150):
        content[place] ^= 0xFF
    noisy = tmp_path / "noisy.mp3"
    noisy.write_bytes(content)
    soundfile.read(noisy, always_2d=True)
    assert "Illegal Audio-MPEG-Header" in capfd.readouterr().err
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read_waveform(noisy, 22_050), range(8)))
    sys.stderr.write("our own words\n")
    sys.stderr.flush()
    assert capfd.readouterr().err == "our own words\n"
    assert all(np.array_equal(waveform.samples, found[0].samples) for waveform in found)


@pytest.mark.slow
def test_a_long_file_streams_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 44_100, 2) as file:
        minute = np.tile(tune(44_100), (20, 1))
        for _ in range(20):
            file.write(minute)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from soundkin.features.frontends.log_mel import LogMelFrontEnd\n"
        "first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "stream = LogMelFrontEnd().stream(Path(sys.argv[1]))\n"
        "print(sum(map(len, stream)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first)"
    )
    answer = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    frames, grown_kib = map(int, answer.stdout.split())
    assert frames == (1_200 * 44_100 - 2_048) // 1_470 + 1
    assert grown_kib < 100 * 1024  # the decoded file alone would be 423 MB, its mean over channels 212


@pytest.mark.parametrize("cuts", [(3_000, 9_000), (1, 2), (5_000, 5_001)])
def test_a_part_that_comes_late_or_goes_is_silent_elsewhere_when_resampled(cuts: tuple[int, int]) -> None:
    samples = np.random.default_rng(0).standard_normal((2, 12_000)).astype(np.float32)
    first, second = cuts
    samples[1, :first] = samples[1, second:] = 0
    blocks = [samples[:1, :first], samples[:, first:second], samples[:1, second:]]
    found = list(resample(iter(blocks), 48_000, 22_050))
    whole = list(resample(iter([samples]), 48_000, 22_050))
    mean = np.concatenate([block[0] for block in found])
    late = np.concatenate(
        [block[1] if len(block) > 1 else np.zeros(block.shape[1], np.float32) for block in found]
    )
    np.testing.assert_array_equal(mean, np.concatenate([block[0] for block in whole]))
    np.testing.assert_allclose(late, np.concatenate([block[1] for block in whole]), atol=0.05)
    np.testing.assert_array_equal(late[-3_000:], np.concatenate([block[1] for block in whole])[-3_000:])
