from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from melodies import RATE_HZ as RATE
from melodies import melody
from soundkin.audit.duplicates import KINDS, ROWS_SHOWN, Duplicates, Limits, Pair, find_duplicates, near_pairs
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import synthesise
from soundkin.errors import UsageError
from soundkin.evaluation.baselines import mfcc_statistics, mfccs
from soundkin.features.decode import open_audio
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.statistics.connected import connected


@dataclass
class Tracks:
    """Files by id, all alike to the embedding unless said otherwise."""

    folder: Path
    paths: dict[str, Path] = field(default_factory=dict)

    def add(self, track_id: str, samples: np.ndarray, suffix: str = "wav", rate: int = RATE) -> None:
        self.paths[track_id] = self.folder / f"{track_id}.{suffix}"
        soundfile.write(self.paths[track_id], samples, rate)

    def find(self, workers: int = 1, **limits: float) -> Duplicates:
        vectors = np.ones((len(self.paths), 4), np.float32)
        return find_duplicates(
            list(self.paths), list(self.paths.values()), vectors, workers=workers, limits=Limits(**limits)
        )


@pytest.fixture
def tracks(tmp_path: Path) -> Tracks:
    return Tracks(tmp_path)


def test_a_trimmed_copy_and_a_stranger(tracks: Tracks) -> None:
    samples = melody(9.0, 0)
    tracks.add("whole", samples)
    tracks.add("stranger", melody(9.0, 1))
    tracks.add("trimmed", 0.3 * samples[2 * RATE : 8 * RATE], "mp3")
    found = tracks.find()
    (pair,) = found.pairs
    assert (pair.track_id, pair.other_id, pair.kind, pair.certainty) == (
        "whole",
        "trimmed",
        "same recording",
        "sure",
    )
    assert pair.offset_seconds == pytest.approx(-2.0, abs=0.15)
    assert pair.similarity > 0.8
    assert pair.overlap > 0.9
    assert found.groups == [("trimmed", "whole")]
    assert found.linked() == [("whole", "trimmed")]
    assert found.compared == 3
    assert found.verdict.startswith(
        "1 of 3 tracks repeat a recording that another one holds (1 recording in all); 0 "
    )


def test_nothing_twice(tracks: Tracks) -> None:
    for number in range(3):
        tracks.add(str(number), melody(6.0, number))
    found = tracks.find()
    assert found.pairs == ()
    assert found.groups == found.table() == found.linked(KINDS) == []
    assert found.verdict == "No track was found twice among 3."


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_tracks_to_compare(count: int, tmp_path: Path) -> None:
    names = [str(number) for number in range(count)]
    found = find_duplicates(names, [tmp_path / name for name in names], np.ones((count, 3), np.float32))
    assert (found.tracks, found.compared, found.pairs, found.skipped) == (count, 0, (), ())


def test_only_what_is_near_is_compared(tracks: Tracks) -> None:
    samples = melody(6.0, 0)
    for name in ("one", "two"):
        tracks.add(name, samples)
    apart = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    found = find_duplicates(list(tracks.paths), list(tracks.paths.values()), apart)
    assert (found.compared, found.pairs) == (0, ())
    assert len(find_duplicates(list(tracks.paths), list(tracks.paths.values()), apart[[0, 0]]).pairs) == 1


def test_equal_hashes_are_the_same_file_unheard(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    paths = [tmp_path / name for name in names]  # none exists: a and d would be skipped if they were read
    vectors = np.eye(5, dtype=np.float32)
    found = find_duplicates(names, paths, vectors, ["x", "", "x", "", "x"])
    assert [(pair.track_id, pair.other_id, pair.kind) for pair in found.pairs] == [
        ("a", "c", "same file"),
        ("a", "e", "same file"),
    ]
    assert found.groups == [("a", "c", "e")]
    assert found.skipped == ()


def test_a_bad_file_is_recorded_and_the_rest_goes_on(tracks: Tracks) -> None:
    for name in ("one", "two"):
        tracks.add(name, melody(6.0, 0))
    tracks.paths["text"] = tracks.folder / "text.mp3"
    tracks.paths["text"].write_text("not music")
    tracks.paths["missing"] = tracks.folder / "missing.mp3"
    found = tracks.find()
    assert found.groups == [("one", "two")]
    assert [skipped.path for skipped in found.skipped] == [
        str(tracks.folder / "missing.mp3"),
        str(tracks.paths["text"]),
    ]
    assert found.skipped[0].reason.startswith("cannot be read")
    assert any("2 files could not be read" in note for note in found.notes)


def test_silent_and_short_files_are_like_nothing(tracks: Tracks) -> None:
    for name in ("silent", "also silent"):
        tracks.add(name, np.zeros(6 * RATE, np.float32))
    for name in ("short", "also short"):
        tracks.add(name, melody(1.2, 0))
    assert tracks.find().pairs == ()


def test_what_does_not_fit_is_explained(tmp_path: Path) -> None:
    vectors = np.ones((2, 3), np.float32)
    with pytest.raises(UsageError, match="audio_paths has 1 entries for 2 tracks"):
        find_duplicates(["a", "b"], [tmp_path], vectors)
    with pytest.raises(UsageError, match="audio_hashes has 3 entries for 2 tracks"):
        find_duplicates(["a", "b"], [tmp_path] * 2, vectors, ["x"] * 3)
    vectors[1, 0] = np.nan
    with pytest.raises(UsageError, match="the vector of track b is not finite"):
        find_duplicates(["a", "b"], [tmp_path] * 2, vectors)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.floats(-1, 1), st.integers(0, 1000))
def test_near_pairs_are_those_of_every_cosine(
    count: int, neighbours: int, least: float, random_seed: int
) -> None:
    vectors = np.random.default_rng(random_seed).normal(size=(count, 3)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected: dict[tuple[int, int], int] = {}
    for row in range(count):
        cosines = unit @ unit[row]
        others = sorted((other for other in range(count) if other != row), key=lambda other: -cosines[other])
        for rank, other in enumerate(others[:neighbours]):
            if cosines[other] >= least:
                ends = (min(row, other), max(row, other))
                expected[ends] = min(rank, expected.get(ends, rank))
    pairs, ranks = near_pairs(vectors, neighbours, least)
    assert {
        (int(first), int(second)): int(rank) for (first, second), rank in zip(pairs, ranks, strict=True)
    } == expected


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=15))
def test_groups_hold_who_is_linked_and_nobody_else(links: list[tuple[int, int]]) -> None:
    pairs = [(f"{first:02}", f"{second:02}") for first, second in links]
    groups = connected(pairs)
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted({name for pair in pairs for name in pair})
    group_of = {name: group for group in groups for name in group}
    assert all(group_of[first] is group_of[second] for first, second in pairs)
    for group in groups:  # walking the links from any one reaches all of its group
        reached = {group[0]}
        for _ in group:
            reached |= {name for pair in pairs if reached & set(pair) for name in pair}
        assert reached == set(group)
    assert [len(group) for group in groups] == sorted(map(len, groups), reverse=True)


def test_versions_join_only_the_wider_groups() -> None:
    pairs = (
        Pair(track_id="a", other_id="b", kind="same file"),
        Pair(track_id="b", other_id="c", kind="same recording", similarity=0.9),
        Pair(track_id="c", other_id="d", kind="another version", similarity=0.7, tempo_ratio=1.05),
    )
    found = Duplicates(tracks=9, compared=20, limits=Limits(), pairs=pairs)
    assert found.groups == [("a", "b", "c")]
    assert connected(found.linked(KINDS)) == [("a", "b", "c", "d")]
    assert found.linked(("another version",)) == [("c", "d")]
    assert [row["certainty"] for row in found.table()] == ["sure", "sure", "likely"]
    assert "2 of 9 tracks" in found.verdict
    assert "1 pair may be versions" in found.verdict
    assert Duplicates.model_validate(found.model_dump(mode="json")) == found


def test_a_long_table_says_that_it_is_cut() -> None:
    pairs = tuple(
        Pair(track_id="a", other_id=f"b{number}", kind="same file") for number in range(ROWS_SHOWN + 7)
    )
    found = Duplicates(tracks=99, compared=0, limits=Limits(), pairs=pairs)
    assert len(found.table()) == ROWS_SHOWN
    assert any(f"first {ROWS_SHOWN} of {ROWS_SHOWN + 7} pairs" in note for note in found.notes)


@pytest.mark.slow
def test_workers_change_nothing(tracks: Tracks) -> None:
    samples = melody(6.0, 0)
    tracks.add("one", samples)
    tracks.add("two", samples, "ogg")
    tracks.add("three", melody(6.0, 1))
    tracks.paths["missing"] = tracks.folder / "missing.wav"
    assert tracks.find(workers=2) == tracks.find(workers=1)


def write_mp3(path: Path, samples: np.ndarray, rate: int, kilobits: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate)
        stream.layout, stream.bit_rate = "mono", 1000 * kilobits
        container.mux([*stream.encode(mono_frame(samples, rate)), *stream.encode(None)])


def mono_frame(samples: np.ndarray, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    return frame


def at_tempo(samples: np.ndarray, rate: int, ratio: float) -> np.ndarray:
    """Faster by `ratio` at the same pitch, by FFmpeg."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate))
    tempo, sink = graph.add("atempo", str(ratio)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    graph.push(mono_frame(samples, rate))
    graph.push(None)
    found = []
    while True:
        try:
            found.append(graph.pull().to_ndarray()[0])
        except (av.error.EOFError, av.error.BlockingIOError):
            return np.concatenate(found)


REENCODED = ("mp3 64", "mp3 128", "ogg", "trimmed", "softer", "16 kHz", "led in")
PLAYED = {"slower": 0.94, "faster": 1.07}


def write_copies(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """(way, file) of every copy of the file at `path`."""
    audio = open_audio(path)
    samples, rate = np.concatenate(list(audio)), audio.sample_rate_hz
    for kilobits in (64, 128):
        copy = folder / f"{path.stem} {kilobits}.mp3"
        write_mp3(copy, samples, rate, kilobits)
        yield f"mp3 {kilobits}", copy
    silence = np.zeros(2 * rate, np.float32)
    changed = {
        "trimmed": (samples[round(1.1 * rate) : -round(0.8 * rate)], rate),
        "softer": (0.3 * samples, rate),
        "16 kHz": (soxr.resample(samples, rate, 16_000), 16_000),
        "led in": (np.concatenate([silence, samples]), rate),
        **{name: (at_tempo(samples, rate, ratio), rate) for name, ratio in PLAYED.items()},
    }
    for way, (copied, copied_rate) in {"ogg": (samples, rate), **changed}.items():
        copy = folder / f"{path.stem} {way}.{'ogg' if way == 'ogg' else 'wav'}"
        soundfile.write(copy, copied, copied_rate)
        yield way, copy


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Duplicates:
    """What is found among 24 different tracks of six artists and nine copies of each artist's first; ids tell
    which.
    """
    folder = tmp_path_factory.mktemp("planted")
    config = CorpusConfig(
        genres=3, artists_per_genre=2, tracks_per_artist=4, seconds=8.0, users=0, triplets=0
    )
    corpus = synthesise(folder / "corpus", config)
    files = {
        path.stem: path
        for path in sorted(corpus.music.rglob("*"))
        if path.suffix in {".ogg", ".flac", ".mp3"}
    }
    assert len(files) == 24
    firsts = {path.parent.parent.name: name for name, path in reversed(files.items())}
    for name in firsts.values():
        for way, copy in write_copies(files[name], folder):
            files[f"{name}: {way}"] = copy
    log_mels = [LogMelFrontEnd().frames(path).numpy() for path in files.values()]
    vectors = np.stack([mfcc_statistics(mfccs(log_mel)) for log_mel in log_mels])
    return find_duplicates(list(files), list(files.values()), vectors)


@pytest.mark.slow
def test_planted_copies_are_the_same_recording(planted: Duplicates) -> None:
    group_of = {name: group for group in planted.groups for name in group}
    copies = [(first, way) for first in originals(planted) for way in REENCODED]
    assert len(copies) == 6 * len(REENCODED)
    missed = [copy for copy in copies if f"{copy[0]}: {copy[1]}" not in group_of.get(copy[0], ())]
    assert len(missed) <= 0.01 * len(copies), missed


@pytest.mark.slow
def test_planted_copies_at_another_tempo_are_versions(planted: Duplicates) -> None:
    group_of = {name: group for group in connected(planted.linked(KINDS)) for name in group}
    for first in originals(planted):
        for way in PLAYED:
            assert f"{first}: {way}" in group_of[first]
    versions = [pair for pair in planted.pairs if pair.kind == "another version"]
    assert all(any(f": {way}" in pair.track_id + pair.other_id for way in PLAYED) for pair in versions)
    for pair in versions:
        _, _, way = pair.other_id.partition(": ")
        if ": " not in pair.track_id and way in PLAYED:
            assert pair.tempo_ratio == pytest.approx(PLAYED[way], abs=0.006)


@pytest.mark.slow
def test_different_tracks_are_never_merged(planted: Duplicates) -> None:
    for group in connected(planted.linked(KINDS)):
        assert len({name.partition(":")[0] for name in group}) == 1, group


def originals(found: Duplicates) -> list[str]:
    return sorted({name.partition(":")[0] for group in connected(found.linked(KINDS)) for name in group})
