"""Lengths in headers are claims: what is decoded is what is there."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import encode, tune

from soundkin.errors import AudioError
from soundkin.features.decode import Waveform, open_audio, read_waveform

Audio = Callable[[str], Path]
RATE_HZ = 44_100
SAMPLES = 3 * RATE_HZ  # of the tune
Fields = list[
    tuple[bytes, int, str, int]
]  # a marker, how far behind it a number stands, its format, another value


def lying(path: Path, content: bytes, fields: Fields) -> Path:
    changed = bytearray(content)
    for marker, offset, layout, value in fields:
        struct.pack_into(layout, changed, content.index(marker) + offset, value)
    path.write_bytes(changed)
    return path


def with_subtype(path: Path, subtype: str, layout: str = "") -> bytes:
    soundfile.write(path, tune(RATE_HZ), RATE_HZ, subtype, format=layout or None)
    return path.read_bytes()


QUARTER = SAMPLES // 4 * 4  # bytes of 16-bit stereo


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("WAV", [(b"data", 4, "<I", 0)]),
        ("WAV", [(b"data", 4, "<I", 0), (b"RIFF", 4, "<I", 0)]),
        ("WAV", [(b"data", 4, "<I", 8)]),
        ("WAV", [(b"data", 4, "<I", QUARTER)]),
        ("WAV", [(b"data", 4, "<I", QUARTER), (b"RIFF", 4, "<I", QUARTER + 36)]),
        ("WAV", [(b"data", 4, "<I", 2**32 - 1), (b"RIFF", 4, "<I", 2**32 - 1)]),
        ("WAVEX", [(b"data", 4, "<I", QUARTER)]),
        ("RF64", [(b"ds64", 16, "<Q", 0)]),
        ("RF64", [(b"ds64", 16, "<Q", QUARTER)]),
        ("RF64", [(b"ds64", 16, "<Q", 100 * SAMPLES)]),
        ("AIFF", [(b"SSND", 4, ">I", 0), (b"FORM", 4, ">I", 0)]),
        ("AIFF", [(b"SSND", 4, ">I", QUARTER)]),
        ("AIFF", [(b"COMM", 10, ">I", 100)]),
        ("AU", [(b".snd", 8, ">I", 0)]),
        ("AU", [(b".snd", 8, ">I", QUARTER)]),
        ("AU", [(b".snd", 8, ">I", 2**32 - 1)]),
        ("CAF", [(b"data", 4, ">q", QUARTER)]),
        ("CAF", [(b"data", 4, ">q", -1)]),
        ("CAF", [(b"data", 4, ">q", 0)]),
        ("W64", [(b"data\xf3\xac", 16, "<q", QUARTER)]),
    ],
)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_sizes_of_chunks(tmp_path: Path, kind: str, fields: Fields, subtype: str) -> None:
    content = with_subtype(tmp_path / "whole", subtype, kind)
    whole = read_waveform(tmp_path / "whole", RATE_HZ).samples
    found = read_waveform(lying(tmp_path / "lying", content, fields), RATE_HZ)
    assert len(whole) == SAMPLES
    np.testing.assert_array_equal(found.samples[:SAMPLES], whole)
    assert len(found.samples) <= SAMPLES + 2
    assert all("cut short" in warning for warning in found.warnings)


@pytest.mark.parametrize("subtype", ["PCM_U8", "ULAW", "ALAW", "FLOAT", "DOUBLE"])
def test_sizes_of_chunks_of_other_samples(tmp_path: Path, subtype: str) -> None:
    content = with_subtype(tmp_path / "whole.wav", subtype)
    path = lying(tmp_path / "a.wav", content, [(b"data", 4, "<I", 4_000)])
    whole = read_waveform(tmp_path / "whole.wav", RATE_HZ).samples
    np.testing.assert_array_equal(read_waveform(path, RATE_HZ).samples, whole)


@pytest.mark.parametrize(
    "behind",
    [
        b"LIST" + struct.pack("<I", 10_000) + b"INFO" + bytes(9_996),
        b"abcd" + struct.pack("<I", 20_000) + np.random.default_rng(0).bytes(20_000),
        b"\0data" + struct.pack("<I", 8_000) + bytes(8_000),
        b"ID3\3\0\0\0\0\x10\0" + bytes(50_000),
        b"TAG" + bytes(125),
        b"LIST" + struct.pack("<I", 90_000) + b"INFO",  # itself cut short
    ],
)
def test_chunks_and_tags_behind_the_sound_are_no_sound(audio: Audio, tmp_path: Path, behind: bytes) -> None:
    content = audio("wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content + behind)
    found = read_waveform(tmp_path / "a.wav", RATE_HZ)
    np.testing.assert_array_equal(found.samples, read_waveform(audio("wav"), RATE_HZ).samples)
    assert found.warnings == ()


def vbr(path: Path, seconds: float = 6.0) -> bytes:
    """An mp3 whose first frames are its largest: a length guessed from them is too small."""
    samples = tune(RATE_HZ, seconds)
    samples[:RATE_HZ] += np.random.default_rng(0).normal(size=(RATE_HZ, 2)).astype(np.float32) * 0.2
    soundfile.write(path, samples, RATE_HZ, bitrate_mode="VARIABLE", compression_level=0.1)
    return path.read_bytes()


def test_mp3_of_variable_bit_rate_without_a_stated_length(tmp_path: Path) -> None:
    content = vbr(tmp_path / "whole.mp3")
    path = tmp_path / "a.mp3"
    path.write_bytes(content[content.index(content[:2], 4) :])  # its first frame is the note of the length
    assert soundfile.info(path).frames < 4 * RATE_HZ
    whole, found = read_waveform(tmp_path / "whole.mp3", RATE_HZ), read_waveform(path, RATE_HZ)
    assert len(found.samples) / RATE_HZ == pytest.approx(6, abs=0.1)
    assert found.warnings == ()
    assert power_of_seconds(found) == pytest.approx(power_of_seconds(whole), rel=0.1)


def power_of_seconds(waveform: Waveform) -> list[float]:
    samples = waveform.samples[: len(waveform.samples) // RATE_HZ * RATE_HZ]
    return [float(power) for power in np.square(samples.reshape(-1, RATE_HZ)).mean(axis=1)]


@pytest.mark.parametrize("share", [0, 0.1, 0.5])
def test_mp3_that_states_too_few_frames(tmp_path: Path, share: float) -> None:
    content = vbr(tmp_path / "whole.mp3")
    mark = b"Xing" if b"Xing" in content else b"Info"
    (frames,) = struct.unpack_from(">I", content, content.index(mark) + 8)
    path = lying(tmp_path / "a.mp3", content, [(mark, 8, ">I", int(share * frames))])
    found = read_waveform(path, RATE_HZ)
    assert len(found.samples) / RATE_HZ == pytest.approx(6, abs=0.1)
    assert found.warnings == ()


def test_two_mp3_files_in_one(tmp_path: Path) -> None:
    content = vbr(tmp_path / "a.mp3")
    (tmp_path / "b.mp3").write_bytes(content + content)
    assert len(read_waveform(tmp_path / "b.mp3", RATE_HZ).samples) / RATE_HZ == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("claimed", [0, 1_000, SAMPLES // 2])
def test_flac_that_states_too_few_samples(audio: Audio, tmp_path: Path, claimed: int) -> None:
    content = bytearray(audio("flac").read_bytes())
    content[21] &= 0xF0
    struct.pack_into(">I", content, 22, claimed)
    (tmp_path / "a.flac").write_bytes(content)
    found = read_waveform(tmp_path / "a.flac", RATE_HZ)
    np.testing.assert_array_equal(found.samples, read_waveform(audio("flac"), RATE_HZ).samples)
    assert found.warnings == ()


def ogg(
    path: Path, seconds: float, rate_hz: int = 48_000, channels: int = 2, subtype: str = "VORBIS"
) -> bytes:
    soundfile.write(path, tune(rate_hz, seconds, channels), rate_hz, subtype, format="OGG")
    return path.read_bytes()


@pytest.mark.parametrize(
    "others",
    [
        [{}],
        [{"subtype": "OPUS"}],
        [{"rate_hz": 24_000}],
        [{"channels": 1}],
        [{"rate_hz": 24_000, "channels": 1}, {}],
        pytest.param([{}] * 5, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("first", ["VORBIS", "OPUS"])
def test_ogg_files_in_a_row(tmp_path: Path, first: str, others: list[dict]) -> None:
    pieces = [ogg(tmp_path / "0", 2, subtype=first)]
    pieces += [ogg(tmp_path / str(i), 3, **{"subtype": first, **other}) for i, other in enumerate(others, 1)]
    (tmp_path / "a.ogg").write_bytes(b"".join(pieces))
    found = read_waveform(tmp_path / "a.ogg", 48_000)
    apart = [read_waveform(tmp_path / str(i), 48_000).samples for i in range(len(pieces))]
    assert found.warnings == ()
    np.testing.assert_allclose(found.samples, np.concatenate(apart), atol=1e-3)


def test_a_short_ogg_file_in_front(tmp_path: Path) -> None:
    pieces = [ogg(tmp_path / "0", 0.2), ogg(tmp_path / "1", 0.2)]
    (tmp_path / "a.ogg").write_bytes(b"".join(pieces))
    assert len(read_waveform(tmp_path / "a.ogg", 48_000).samples) == pytest.approx(0.4 * 48_000, abs=10)


def test_what_no_decoder_reaches_is_said(tmp_path: Path) -> None:
    pages = ogg(tmp_path / "1", 3)
    broken = pages.replace(b"vorbis", b"v\0rbis")
    (tmp_path / "a.ogg").write_bytes(ogg(tmp_path / "0", 2) + broken)
    found = read_waveform(tmp_path / "a.ogg", 48_000)
    assert len(found.samples) == 2 * 48_000
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("damaged at 2.0 s")


def ogg_checksum(page: bytes) -> int:
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (
                remainder << 1 ^ 0x04C11DB7 if remainder & 0x80000000 else remainder << 1
            ) & 0xFFFFFFFF
    return remainder


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_whose_last_page_claims_less(tmp_path: Path, subtype: str) -> None:
    content = bytearray(ogg(tmp_path / "whole", 10, subtype=subtype))
    last = content.rindex(b"OggS")
    struct.pack_into("<q", content, last + 6, 48_000)
    struct.pack_into("<I", content, last + 22, 0)
    struct.pack_into("<I", content, last + 22, ogg_checksum(content[last:]))
    (tmp_path / "a").write_bytes(content)
    assert len(read_waveform(tmp_path / "a", 48_000).samples) / 48_000 == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize("suffix", ["opus", "mka", "webm", "mp4"])
@pytest.mark.parametrize("milliseconds", ["20", "60", "120"])
@pytest.mark.parametrize("seconds", [0.3, 1.01, 3.0])
def test_opus_that_is_whole_is_not_called_damaged(
    tmp_path: Path, suffix: str, milliseconds: str, seconds: float
) -> None:
    """Its first samples are skipped and its last packet is cut: lengths in containers differ by that."""
    samples = tune(48_000, seconds)
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", 48_000, {"frame_duration": milliseconds}, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler("flt", "stereo", 48_000, 48 * int(milliseconds))
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    found = read_waveform(path, 48_000)
    assert found.warnings == ()
    assert len(found.samples) / 48_000 == pytest.approx(seconds, abs=0.13)


def test_damage_that_another_decoder_gets_past_is_no_damage(
    audio: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all that the header claims came out in the end, nothing was lost."""
    from soundkin.features import decode
    from soundkin.features.decoders import CannotDecodeError

    opened = decode.open_with_libsndfile

    def giving_up(path: Path):  # type: ignore[no-untyped-def]
        source = opened(path)
        blocks = source.blocks

        def one_block():  # type: ignore[no-untyped-def]
            yield next(blocks)
            raise CannotDecodeError("enough")

        source.blocks = one_block()
        return source

    monkeypatch.setattr(decode, "open_with_libsndfile", giving_up)
    found = read_waveform(audio("opus"), 48_000)
    assert len(found.samples) == pytest.approx(3 * 48_000, abs=100)
    assert found.warnings == ()


def test_lost_packets_are_said_in_seconds(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", tune(44_100, 10.0), 44_100, "aac")
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    random = np.random.default_rng(0).bytes(20_000)
    content[start + 30_000 : start + 50_000] = random
    path.write_bytes(content)
    stream = open_audio(path)
    decoded = sum(map(len, stream)) / 44_100
    assert decoded < 10
    assert any(" s " in warning for warning in stream.warnings)


@pytest.mark.parametrize("size", [0, 12])
def test_a_wav_with_nothing_in_it_is_still_refused(tmp_path: Path, size: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 44_100)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes() + bytes(size))
    with pytest.raises(AudioError, match="0 samples"):
        read_waveform(tmp_path / "a.wav", 44_100)


# The stream that is meant


@pytest.mark.parametrize("suffix", ["mp4", "mka"])
@pytest.mark.parametrize(
    ("dispositions", "chosen"),
    [
        (["", "default"], 1),
        (["default", ""], 0),
        (["default", "default"], 0),
        (["comment", ""], 1),
        (["comment", "visual_impaired", "default"], 2),
        (["", ""], 0),
    ],
)
def test_the_default_stream_is_the_one_that_is_decoded(
    tmp_path: Path, suffix: str, dispositions: list[str], chosen: int
) -> None:
    from av.stream import Disposition

    path = tmp_path / f"a.{suffix}"
    tones = [440.0, 880.0, 1_760.0]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=44_100, layout="mono") for _ in dispositions]
        for stream, disposition, hz in zip(streams, dispositions, tones, strict=False):
            stream.disposition = Disposition[disposition] if disposition else Disposition(0)
            sine = 0.3 * np.sin(2 * np.pi * hz * np.arange(44_100) / 44_100).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(sine, format="fltp", layout="mono")
            frame.sample_rate = 44_100
            container.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(path)) as container:
        written = [stream.disposition for stream in container.streams.audio]
    if not any(disposition & Disposition.default for disposition in written) and "default" in dispositions:
        pytest.skip("this muxer keeps no dispositions")
    samples = read_waveform(path, 44_100).samples[8_192:40_960]
    loudest = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * 44_100 / len(samples)
    expected = next((i for i, one in enumerate(written) if one & Disposition.default), chosen)
    assert loudest == pytest.approx(tones[expected], abs=3)
