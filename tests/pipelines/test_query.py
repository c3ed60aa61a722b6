"""From audio to answers: embed, index, query, with a small untrained network over made-up songs."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch

from melodies import melody
from soundkin.embedding import default_model
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.store import Embeddings, read_embeddings
from soundkin.errors import ArtefactError, AudioError, CatalogError, UsageError
from soundkin.evaluation.systems import read_systems
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.answers import Answer
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import ask, query
from soundkin.search.edits import remove_tracks
from soundkin.search.query_description import QueryDescription
from soundkin.search.vector_index import build_index, open_index

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "query.py"
RATE_HZ = 22_050
SONGS = 12


def save_model(folder: Path, random_seed: int = 0) -> Path:
    torch.manual_seed(random_seed)
    front_end = LogMelFrontEnd(mel_bands=32)
    convolution = ConvConfig(filters=16, width=5, pool=2, padded=True)
    network_config = NetworkConfig(convolutions=(convolution,), dense=(24,), embedding_size=8)
    network = build_network(network_config, front_end.mel_bands)
    save_bundle(Bundle(front_end, PatchConfig(frames=50, hop_frames=50), network_config, network), folder)
    return folder


def write_song(path: Path, pitch_hz: float) -> Path:
    path.parent.mkdir(exist_ok=True)
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(int(pitch_hz)).uniform(-0.05, 0.05, len(seconds))
    soundfile.write(path, (0.4 * np.sin(2 * np.pi * pitch_hz * seconds) + noise).astype(np.float32), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model/, music/, catalog.csv, embeddings/ and index/; do not change it."""
    folder = tmp_path_factory.mktemp("library")
    lines = ["track_id,path,title,artist,genre,year,lyrics"]
    for n in range(SONGS):
        write_song(folder / "music" / f"{n}.wav", 200 * 1.2**n)
        lines.append(
            f"song-{n},music/{n}.wav,Title {n},Artist {n // 4},"
            f"{'pop; rock' if n % 2 else 'jazz'},{1990 + n},la"
        )
    (folder / "catalog.csv").write_text("\n".join(lines) + "\n")
    embed_catalog(save_model(folder / "model"), folder / "catalog.csv", folder / "embeddings")
    index_embeddings(folder / "embeddings", folder / "index")
    return folder


def ids(answers: list[Answer]) -> list[str]:
    return [answer.track_id for answer in answers]


def by_cosine(library: Path, *seeds: str) -> list[tuple[str, float]]:
    """All other tracks and their cosine with the mean direction of the seeds, by numpy."""
    embeddings = read_embeddings(library / "embeddings")
    vectors = embeddings.vectors / np.linalg.norm(embeddings.vectors, axis=1, keepdims=True)
    mean = vectors[[embeddings.track_ids.index(seed) for seed in seeds]].mean(axis=0)
    ranked = sorted(
        zip(vectors @ mean / np.linalg.norm(mean), embeddings.track_ids, strict=True), reverse=True
    )
    return [(track_id, score) for score, track_id in ranked if track_id not in seeds]


def test_by_track(library):
    answers = query(library / "index", ["song-5"], k=4, artist_cap=0)
    expected = by_cosine(library, "song-5")[:4]
    assert ids(answers) == [track_id for track_id, _ in expected]
    assert [answer.score for answer in answers] == pytest.approx([score for _, score in expected], abs=1e-5)
    n = int(answers[0].track_id.removeprefix("song-"))
    assert answers[0].rank == 1
    assert astuple(answers[0])[2:4] == (f"Title {n}", f"Artist {n // 4}")
    assert Path(answers[0].path).samefile(library / "music" / f"{n}.wav")


def test_by_several_tracks(library):
    answers = query(library / "index", ["song-1", "song-9", "song-1"], k=SONGS)
    assert (
        ids(answers)[:3] == [track_id for track_id, _ in by_cosine(library, "song-1", "song-9", "song-1")][:3]
    )
    assert len(answers) == SONGS - 2


def test_by_file_is_the_same_as_by_track(library):
    """The file of an indexed track is not among the answers either."""
    by_file = query(library / "index", [str(library / "music" / "5.wav")], k=4)
    assert ids(by_file) == ids(query(library / "index", ["song-5"], k=4))


def test_by_a_file_from_elsewhere_and_a_track_at_once(library, tmp_path):
    copy = shutil.copy(library / "music" / "5.wav", tmp_path / "copy.wav")
    nearest, *_ = query(library / "index", [str(copy)], k=1)
    assert nearest.track_id == "song-5" and nearest.score == pytest.approx(1)
    both = query(library / "index", [str(copy), "song-9"], k=SONGS)
    assert len(both) == SONGS - 1 and "song-9" not in ids(both)


def test_conditions_and_artist_cap(library):
    answers = query(library / "index", ["song-5"], k=SONGS, where=["genre=rock", "year>=1993"])
    assert ids(answers) == [x for x, _ in by_cosine(library, "song-5") if int(x[5:]) % 2 and int(x[5:]) >= 3]
    capped = query(library / "index", ["song-5"], k=SONGS, artist_cap=2)
    assert Counter(answer.artist for answer in capped) == {"Artist 0": 2, "Artist 1": 2, "Artist 2": 2}


def test_lyrics_stay_out_of_the_index(library):
    columns = open_index(library / "index").tracks.columns
    assert "genre" in columns and "lyrics" not in columns


def test_an_open_index_answers_often(library):
    index = open_index(library / "index")
    assert query(index, ["song-5"]) == query(index, ["song-5"]) == query(library / "index", ["song-5"])


def test_by_vector(library):
    embeddings = read_embeddings(library / "embeddings")
    vector = embeddings.vectors[embeddings.track_ids.index("song-5")]
    index = open_index(library / "index")
    assert ids(query(index, vector=vector, k=4)) == ["song-5", *ids(query(index, "song-5", k=3))]
    assert ids(query(index, vector=vector * 9, k=4)) == ids(query(index, vector=vector.tolist(), k=4))
    both = embeddings.vectors[[embeddings.track_ids.index(name) for name in ("song-1", "song-9")]]
    either = [name for name in ids(query(index, vector=both, k=SONGS)) if name not in ("song-1", "song-9")]
    assert either == ids(query(index, ["song-1", "song-9"], k=SONGS))
    assert "song-9" not in ids(query(index, ["song-9"], vector=vector, k=SONGS))


@pytest.mark.parametrize(
    "vector", [np.zeros(7), np.zeros((2, 2, 8)), np.full(8, np.nan), ["a"] * 8, np.zeros(8)]
)
def test_a_vector_that_makes_no_sense(library, vector):
    with pytest.raises(UsageError, match="vector"):
        query(library / "index", vector=vector)


@pytest.mark.slow
def test_an_open_index_reads_nothing_again(library):
    """By a file too: the model is loaded once. Python says of each file that it opens."""
    code = """
import sys, numpy as np, soundkin
index, song, vector = soundkin.open_index(sys.argv[1]), sys.argv[2], np.ones(8, np.float32)
by_vector = lambda: soundkin.query(index, "song-3", vector=vector, where=["year>1992"])
ask = lambda: (soundkin.query(index, like=[song]), by_vector())
first, opened = ask(), []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
assert ask() == first
print(*{name for name in opened if not name.endswith((".py", ".pyc"))}, sep="\\n")
"""
    words = [sys.executable, "-c", code, str(library / "index"), str(library / "music/5.wav")]
    opened = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\n")
    assert {name for name in opened if name} <= {str(library / "music/5.wav")}


def test_cells_of_the_catalog_come_with_the_answers(library):
    (answer,) = query(library / "index", "song-5", k=1, columns=["year", "path"])
    n = int(answer.track_id.removeprefix("song-"))
    assert answer.catalog == {"year": 1990 + n, "path": f"music/{n}.wav"}
    assert answer.path == str(library / "music" / f"{n}.wav")
    (answer,) = query(library / "index", "song-5", k=1, columns=None)
    assert set(answer.catalog) == {
        *("track_id", "path", "title", "artist", "genre", "year"),
        *("recording", "warnings"),
    }
    with pytest.raises(UsageError, match=r"no column gnere. Did you mean genre\?"):
        query(library / "index", "song-5", columns=["gnere"])


def test_fewer_answers_are_explained(library, caplog):
    query(library / "index", "song-5", k=9, where=["genre=rock"], artist_cap=1)
    assert "3 of 9 answers: 6 of 12 tracks match genre=rock, 1 of them left out" in caplog.text
    assert "artist_cap=1 admits no more" in caplog.text
    caplog.clear()
    query(library / "index", "song-5", k=3)
    assert not caplog.text


def test_a_file_needs_the_model_that_made_the_index(library, tmp_path):
    other = save_model(tmp_path / "other", random_seed=1)
    song = str(library / "music" / "5.wav")
    with pytest.raises(
        ArtefactError, match=r"was made with model .*, and .*other is model .*: their vectors cannot be"
    ):
        query(library / "index", [song], model=other)
    with pytest.raises(UsageError, match=r"there is no model at .*nowhere. Say where it is: --model"):
        query(library / "index", [song], model=tmp_path / "nowhere")


def test_a_file_that_is_no_audio(library, tmp_path):
    (tmp_path / "song.mp3").write_text("no audio")
    with pytest.raises(AudioError, match=r"song\.mp3"):
        query(library / "index", [str(tmp_path / "song.mp3")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": []}, "nothing to be like"),
        ({"like": ["song-55"]}, r"song-55 is neither a file nor a track_id .* Did you mean song-5"),
        ({"like": ["no/such.mp3"]}, "neither a file nor a track_id"),
        ({"k": 0}, "query k=0 should be greater than 0"),
        ({"artist_cap": -1}, "artist_cap=-1 should be"),
        ({"diversity": 1.5}, "diversity=1.5 should be"),
        ({"unlike": ["song-5"]}, "song-5 is both liked and unliked"),
        ({"unlike": ["song-77"]}, "song-77 is neither a file"),
        ({"where": ["genres=rock"]}, r"no column genres. Did you mean genre\?"),
        ({"where": ["rock"]}, "'rock' is not a condition"),
    ],
)
def test_misuse(library, options, message):
    with pytest.raises(UsageError, match=message):
        query(library / "index", **{"like": ["song-5"], **options})


def test_no_index(tmp_path):
    with pytest.raises(UsageError, match=r"is not an index\. Make one"):
        query(tmp_path, ["song-5"])


def test_no_artists_to_cap(tmp_path):
    vectors = np.eye(2, dtype=np.float32)
    embeddings = Embeddings(["a", "b"], vectors, [], [], "m", tmp_path / "m", tmp_path / "c")
    build_index(
        embeddings, pa.table({"track_id": ["a", "b"], "path": ["a", "b"]}), tmp_path, tmp_path / "index"
    )
    with pytest.raises(UsageError, match="have no artist column"):
        query(tmp_path / "index", ["a"], artist_cap=1)
    assert query(tmp_path / "index", ["a"]) == [
        Answer(1, "b", "", "", 0.0, str(tmp_path / "b"), closer_than=0.0)
    ]


def test_index_of_another_catalog(library, tmp_path):
    (tmp_path / "catalog.csv").write_text("track_id,path\nsong-0,music/0.wav\n")
    with pytest.raises(CatalogError, match=r"is embedded but not in the catalog \(11 such tracks\)"):
        index_embeddings(library / "embeddings", tmp_path / "index", catalog=tmp_path / "catalog.csv")
    assert not (tmp_path / "index").exists()


def test_index_says_what_it_made(library, tmp_path):
    result = index_embeddings(library / "embeddings", tmp_path / "index", kind="exact")
    assert (result.output, result.count, result.kind) == (tmp_path / "index", SONGS, "exact")
    assert result.reason.startswith("asked for; every query is compared with all tracks")


@pytest.mark.slow
def test_by_track_imports_nothing_slow(library):
    program = (
        "import sys, soundkin; soundkin.query(sys.argv[1], 'song-5', artist_cap=1, where=['genre=pop']); "
    )
    words = [sys.executable, "-c", program + "print(*sys.modules)", str(library / "index")]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert not {"torch", "pandas", "sklearn", "scipy", "pyarrow.parquet", "librosa"} & set(printed.split())


@pytest.mark.slow
def test_script(library):
    command = [sys.executable, SCRIPT, library / "index"]
    script = subprocess.run(
        [*command, "song-5", "-k", "2", "--where", "genre=rock"], capture_output=True, text=True
    )
    assert (script.returncode, script.stderr) == (0, "")
    lines = script.stdout.splitlines()
    assert len(lines) == 2 and lines[0].startswith("  1  0.9") and "Title" in lines[0]
    wrong = subprocess.run([*command, "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "neither a file nor a track_id" in wrong.stderr


def test_an_index_of_the_default_model_finds_it_by_its_name_on_any_machine(library, tmp_path, monkeypatch):
    """Embedded here, asked there: the package lies elsewhere, and later holds another default."""
    here, there, song = tmp_path / "here", tmp_path / "there" / "package", str(library / "music" / "5.wav")
    monkeypatch.setattr(default_model, "FOLDER", save_model(here))
    embed_catalog("default", library / "catalog.csv", tmp_path / "embeddings")
    index_embeddings(tmp_path / "embeddings", tmp_path / "index")
    assert query(tmp_path / "index", [song], k=3) == query(tmp_path / "index", [song], k=3, model="default")
    shutil.move(here, there)
    monkeypatch.setattr(default_model, "FOLDER", there)
    assert query(tmp_path / "index", [song], k=3)
    [system] = read_systems(tmp_path / "embeddings", model="default")
    assert system.bundle is not None and [one.name for one in read_systems("default")] == ["default"]
    monkeypatch.setattr(default_model, "FOLDER", save_model(tmp_path / "later", random_seed=1))
    problem = r"index .* was made with model .*, and the default model of this soundkin .* is model .*--model"
    with pytest.raises(ArtefactError, match=problem):
        query(tmp_path / "index", [song])
    assert query(tmp_path / "index", [song], model=there), "a copy of the one that made it"
    monkeypatch.setattr(default_model, "FOLDER", tmp_path / "nothing")
    with pytest.raises(ArtefactError, match=r"the default model cannot be used: .*Install soundkin again"):
        query(tmp_path / "index", [song])


def small_index(folder: Path, artists: list[str], removed: int = 0) -> Path:
    """Tracks a, b, ... ever farther from the first; the last ones removed again."""
    ids = [chr(ord("a") + row) for row in range(len(artists))]
    angles = np.arange(len(ids)) * 0.1
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    embeddings = Embeddings(ids, vectors, [1.0] * len(ids), [""] * len(ids), "m", folder / "m", folder / "c")
    table = pa.table(
        {"track_id": ids, "path": ids, "title": [f"Title {name}" for name in ids], "artist": artists}
    )
    build_index(embeddings, table, folder, folder / "index")
    if removed:
        remove_tracks(folder / "index", ids[-removed:])
    return folder / "index"


def test_libraries_of_hardly_any_tracks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = small_index(tmp_path, ["Ann", "Bob"])
    assert [(answer.track_id, answer.closer_than) for answer in query(index, "a")] == [("b", 0.0)]
    remove_tracks(index, ["b"])
    assert query(index, "title a") == []
    assert "no answer: the index holds 1 track, 1 of them left out because they are asked" in caplog.text
    remove_tracks(index, ["a"])
    with pytest.raises(UsageError, match=r"holds no track\. Add some"):
        query(index, "a")


def test_the_cap_gives_way_only_by_default(tmp_path: Path) -> None:
    index = small_index(tmp_path, ["Ann"] * 6 + ["Bob"] * 2)
    assert ids(query(index, "a", k=4)) == ["b", "c", "g", "h"]
    assert ids(query(index, "a", k=6)) == ["b", "c", "d", "e", "g", "h"]
    assert ids(query(index, "a", k=6, artist_cap=2)) == ["b", "c", "g", "h"]
    assert ids(query(index, "a", k=4, artist_cap=0)) == ["b", "c", "d", "e"]
    assert ids(query(index, "a", own_artist=False)) == ["g", "h"]
    assert ids(query(index, "artist:ann")) == ["g", "h"]


def test_own_artists_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert query(small_index(tmp_path, ["Ann"] * 3), "a", own_artist=False) == []
    assert "3 of them left out because they are asked about or by an artist who is" in caplog.text


def test_own_artists_who_are_not_known_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(query(small_index(tmp_path, ["", "Ann", "Bob"]), "a", k=2, own_artist=False)) == 2
    assert "own_artist: whose a is is not known, so no artist is left out for it" in caplog.text


@pytest.mark.parametrize("sound", ["zeros", "constant", "nearly nothing", "music"])
def test_a_seed_without_sound_is_told(
    library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, sound: str
) -> None:
    samples = {
        "zeros": np.zeros(RATE_HZ * 3),
        "constant": np.full(RATE_HZ * 3, 0.5),
        "nearly nothing": np.random.default_rng(0).normal(0, 1e-6, RATE_HZ * 3),
        "music": np.sin(np.arange(RATE_HZ * 3) / 20),
    }[sound]
    soundfile.write(tmp_path / "seed.wav", samples, RATE_HZ, "FLOAT")
    assert query(library / "index", tmp_path / "seed.wav", k=2)
    told = f"seed {tmp_path / 'seed.wav'}: silent from start to end. Answers may say little" in caplog.text
    assert told == (sound != "music")


def test_copies_are_one_answer_and_a_silent_track_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under other names and by nobody in common, as untagged files are."""
    samples = {"first": melody(6, 1), "second": 0.9 * melody(6, 1), "third": melody(6, 2)}
    for name, sound in {**samples, "nothing": np.zeros(RATE_HZ * 2)}.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE_HZ)
    artists = {"first": "Ann", "second": "", "third": "Bob", "nothing": "Cy"}
    lines = [f"{name},{name}.wav,{artist}" for name, artist in artists.items()]
    (tmp_path / "catalog.csv").write_text("\n".join(["track_id,path,artist", *lines]) + "\n")
    embed_catalog(save_model(tmp_path / "model"), tmp_path / "catalog.csv", tmp_path / "embeddings")
    index_embeddings(tmp_path / "embeddings", tmp_path / "index")
    caplog.clear()
    answers = query(tmp_path / "index", "third")
    assert sorted(ids(answers)) in (["first", "nothing"], ["nothing", "second"])
    assert "silent" not in caplog.text
    assert "second" not in ids(query(tmp_path / "index", "first"))
    query(tmp_path / "index", "nothing")
    assert "seed nothing (Cy): silent from start to end. Answers may say little" in caplog.text


def test_the_unliked_is_no_answer_and_a_description_says_the_same(tmp_path: Path) -> None:
    index = small_index(tmp_path, list("ABCDEFGH"))
    answers = query(index, ["a", "title c^2"], unlike="d", k=9, diversity=0.1)
    assert set(ids(answers)) == set("befgh")
    asked = {"like": ["a", "title c^2"], "unlike": ["d"], "k": 9, "diversity": 0.1}
    (tmp_path / "query.json").write_text(json.dumps(asked))
    assert query(index, description=tmp_path / "query.json") == answers
    assert ask(index, QueryDescription.model_validate(asked)) == answers
    for also in ({"like": "a"}, {"k": 3}, {"where": ["year>=1990"]}):
        with pytest.raises(UsageError, match="says all of the query"):
            query(index, description=tmp_path / "query.json", **also)
    with pytest.raises(UsageError, match=r"cannot be read: No such file or directory\."):
        query(index, description=tmp_path / "none.json")
