"""Edits against a plain dict: ids, vectors, cells and neighbours on every kind, after any sequence."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundkin.embedding.store import Embeddings
from soundkin.errors import ArtefactError, CatalogError, OutputError, UsageError
from soundkin.files import locked
from soundkin.search.conditions import mask_where, parse_condition
from soundkin.search.edits import Edited, add_tracks, compact, edit_tracks, remove_tracks, update_tracks
from soundkin.search.kinds import KINDS
from soundkin.search.neighbours import find_neighbours
from soundkin.search.vector_index import build_index, open_index
from soundkin.statistics.scaling import unit_length

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
TRACKS, SIZE, ARTISTS = 1100, 16, 40
GENRES = ("Rock", "pop; rock", "Jazz", "ambient", None)


def sounds_of(numbers, seed=0):
    """A vector a track: those of one artist are alike."""
    artists = np.random.default_rng(0).standard_normal((ARTISTS, SIZE))
    own = [np.random.default_rng([seed, number]).standard_normal(SIZE) for number in numbers]
    return (artists[np.array(numbers, dtype=int) % ARTISTS] + 0.4 * np.array(own).reshape(-1, SIZE)).astype(
        np.float32
    )


def embeddings_of(ids, vectors, model="model-1"):
    count = len(ids)
    return Embeddings(
        ids, vectors, [30.0] * count, ["0"] * count, model, Path("/models/one"), Path("/catalog.csv")
    )


def ids_of(numbers):
    return [f"track-{number:05}" for number in numbers]


def table_of(numbers, title="Title"):
    return pa.table(
        {
            "track_id": pa.array(ids_of(numbers), pa.string()),
            "path": pa.array([f"{number}.ogg" for number in numbers], pa.string()),
            "title": pa.array([f"{title} {number}" for number in numbers], pa.string()),
            "artist": pa.array([f"Artist {number % ARTISTS}" for number in numbers], pa.string()),
            "genre": pa.array([GENRES[number % 5] for number in numbers], pa.string()),
            "year": pa.array([1950 + number % 70 if number % 11 else None for number in numbers], pa.int64()),
        }
    )


def build(folder, numbers, kind="exact", vectors=None):
    vectors = sounds_of(numbers) if vectors is None else vectors
    build_index(embeddings_of(ids_of(numbers), vectors), table_of(numbers), folder, folder, kind)


def add(folder, numbers, seed=0):
    return add_tracks(
        folder, embeddings_of(ids_of(numbers), sounds_of(numbers, seed)), table_of(numbers), folder
    )


def update(folder, numbers, seed=1, title="Anew"):
    vectors = sounds_of(numbers, seed)
    return update_tracks(folder, embeddings_of(ids_of(numbers), vectors), table_of(numbers, title), folder)


def contents(index):
    """Title and vector of each track, asked for in every way there is."""
    rows = range(len(index))
    ids = [index.tracks.label(row).track_id for row in rows]
    assert index.tracks.batch.column("track_id").to_pylist() == ids
    assert [index.tracks.row(track_id) for track_id in ids] == list(rows)
    assert index.tracks.batch.column("title").to_pylist() == [index.tracks.label(row).title for row in rows]
    np.testing.assert_array_equal(index.vectors(np.arange(len(index))), [index.vector(row) for row in rows])
    return {track_id: (index.tracks.label(row).title, index.vector(row)) for row, track_id in enumerate(ids)}


def check(index, expected, removed):
    """`expected`: title and unit vector by id."""
    found = contents(index)
    assert found.keys() == expected.keys() and len(index) == len(expected)
    for track_id, (title, vector) in expected.items():
        assert found[track_id][0] == title
        np.testing.assert_allclose(found[track_id][1], vector, atol=1e-6)
    for track_id in removed:
        assert index.tracks.row(track_id) is None
        assert track_id not in index.tracks.similar_ids(track_id)
        assert index.row_of_file(index.audio_folder / f"{int(track_id[6:])}.ogg") is None


def check_answers(index, expected, seed=0):
    """Searches find what comparing with every vector finds, filtered or not."""
    ids = [index.tracks.label(row).track_id for row in range(len(index))]
    vectors = np.array([expected[track_id][1] for track_id in ids], np.float32).reshape(-1, SIZE)
    random = np.random.default_rng(seed)
    queries = unit_length(sounds_of(random.integers(0, 10 * TRACKS, 20).tolist(), seed=2))
    for share in (1, 0.5, 0.02):
        allowed = random.random(len(index)) < share
        scores, rows = index.search(queries, 10, None if share == 1 else allowed)
        true = np.where(allowed, queries @ vectors.T, -np.inf)
        wanted = min(10, int(allowed.sum()))
        assert ((rows >= 0).sum(axis=1) == wanted).all() and rows.shape[1] == min(10, len(index))
        assert all(allowed[row] for row in rows[rows >= 0])
        assert all(len(set(some[some >= 0])) == wanted for some in rows)
        if wanted:
            best = np.sort(true, axis=1)[:, ::-1][:, :wanted]
            assert (scores[:, :wanted] >= best - 1e-5).mean() >= 0.99
            cosines = np.take_along_axis(true, rows[:, :wanted], 1)
            np.testing.assert_allclose(scores[:, :wanted], cosines, atol=1e-5)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An index of each kind; copy it."""
    folder = tmp_path_factory.mktemp("built")
    for kind in KINDS:
        build(folder / kind, range(TRACKS), kind)
    return folder


numbers = st.integers(0, TRACKS + 400)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(numbers, max_size=30)),
        st.tuples(st.just("update"), st.lists(numbers, max_size=30)),
        st.tuples(st.just("remove"), st.lists(numbers, max_size=30)),
        st.tuples(st.just("remove artists"), st.lists(st.integers(0, ARTISTS - 1), max_size=15)),
        st.tuples(st.just("compact"), st.none()),
    ),
    max_size=8,
)


@EVERY_KIND
@given(steps=steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_edits_is_what_it_does_to_a_dict(built, tmp_path_factory, kind, steps):
    folder = tmp_path_factory.mktemp("edited") / "index"
    shutil.copytree(built / kind, folder)
    unit = unit_length(sounds_of(range(TRACKS)))
    expected = {f"track-{n:05}": (f"Title {n}", unit[n]) for n in range(TRACKS)}
    removed = set()
    for number, (step, chosen) in enumerate(steps, start=3):
        known = [n for n in range(TRACKS + 401) if f"track-{n:05}" in expected]
        if step == "add":
            chosen = sorted(set(chosen) - set(known))
            add(folder, chosen, seed=number)
            expected |= dict(zip(ids_of(chosen), entries(chosen, "Title", number), strict=True))
        if step == "update":
            chosen = sorted(set(chosen) & set(known))
            update(folder, chosen, seed=number, title=f"Title {number}")
            expected |= dict(zip(ids_of(chosen), entries(chosen, f"Title {number}", number), strict=True))
        if step.startswith("remove"):
            by_artist = [n for n in known if n % ARTISTS in chosen]
            chosen = by_artist if step == "remove artists" else sorted(set(chosen) & set(known))
            remove_tracks(folder, ids_of(chosen))
            removed |= set(ids_of(chosen))
            for track_id in ids_of(chosen):
                del expected[track_id]
        if step == "compact":
            compact(folder)
    index = open_index(folder)
    check(index, expected, removed - expected.keys())
    check_answers(index, expected)


def entries(chosen, title, seed):
    return [
        (f"{title} {n}", vector)
        for n, vector in zip(chosen, unit_length(sounds_of(chosen, seed)), strict=True)
    ]


def base_files(folder):
    [version] = [folder / open_index(folder).version]
    return {path.name: path.read_bytes() for path in version.iterdir()}


@EVERY_KIND
def test_compaction_gives_what_a_build_of_the_same_tracks_gives(built, tmp_path, kind):
    """Byte for byte, whatever came before: that is why recall is that of a fresh build."""
    folder = tmp_path / "index"
    shutil.copytree(built / kind, folder)
    remove_tracks(folder, ids_of(range(0, 90)))
    add(folder, range(TRACKS, TRACKS + 50))
    update(folder, [*range(100, 120), TRACKS + 3], title="Title", seed=0)
    assert compact(folder).count == TRACKS - 40
    build(tmp_path / "fresh", range(90, TRACKS + 50), kind)
    # The reason says of a kind that was asked for before that it still is.
    assert base_files(folder) == base_files(tmp_path / "fresh")
    assert compact(folder) is None


@pytest.fixture
def small(tmp_path):
    build(tmp_path / "index", range(20))
    return tmp_path / "index"


def test_what_an_edit_says_it_did(small):
    assert add(small, [30, 31]) == Edited(added=2, updated=0, removed=0, count=22)
    assert update(small, [1, 30, 2]) == Edited(added=0, updated=3, removed=0, count=22)
    assert remove_tracks(small, ids_of([1, 31])) == Edited(added=0, updated=0, removed=2, count=20)
    both = edit_tracks(
        small, embeddings_of(ids_of([2, 40]), sounds_of([2, 40])), table_of([2, 40]), small, ids_of([3])
    )
    assert both == Edited(added=1, updated=1, removed=1, count=20)
    assert remove_tracks(small, []) == Edited(added=0, updated=0, removed=0, count=20)


def test_new_tracks_are_found_at_once_and_an_opened_index_stays_as_it_was(small):
    before = open_index(small)
    vector = sounds_of([50])[0]
    for number in range(50, 60):  # more versions than are kept
        add_tracks(small, embeddings_of(ids_of([number]), vector[None]), table_of([number]), small)
        remove_tracks(small, ids_of([number - 50]))
    after = open_index(small)
    rows = {row for row, _ in find_neighbours(after, vector[None], 10)}
    assert {after.tracks.label(row).track_id for row in rows} == set(ids_of(range(50, 60)))
    assert contents(before).keys() == set(ids_of(range(20)))


def test_an_edit_writes_little(small):
    """The base is the same file, not a copy."""
    before = (small / "v1/vectors.faiss").stat().st_ino
    add(small, [30])
    assert (small / "v2/vectors.faiss").stat().st_ino == before


def test_without_hard_links_an_edit_copies(small, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    add(small, [30])
    assert len(open_index(small)) == 21


def test_cells_alone_keep_the_vector(small):
    before = open_index(small).vector(3)
    update_tracks(small, None, table_of([3], "Retagged"), small)
    index = open_index(small)
    row = index.row("track-00003")
    assert index.tracks.label(row).title == "Retagged 3"
    np.testing.assert_array_equal(index.vector(row), before)


def test_a_vector_of_a_corrupt_base_is_not_copied(small):
    vectors = small / "v1/vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtefactError, match=r"vectors\.faiss does not have the checksum"):
        update_tracks(small, None, table_of([3], "Retagged"), small)


def test_columns_of_all_are_there_and_filters_see_them(small):
    table = table_of([30]).append_column("mood", pa.array(["calm"])).drop_columns("genre")
    table = table.set_column(table.column_names.index("year"), "year", pa.array(["unknown"]))
    add_tracks(small, embeddings_of(ids_of([30]), sounds_of([30])), table, small)
    remove_tracks(small, ids_of([1]))
    for index in (open_index(small), compact(small) and open_index(small)):
        assert index.tracks.columns == ["track_id", "path", "title", "artist", "genre", "year", "mood"]

        def matching(condition, index=index):
            rows = np.flatnonzero(mask_where(index.tracks.batch, [parse_condition(condition)]))
            return [index.tracks.label(row).track_id for row in rows]

        assert matching("mood=calm") == ids_of([30])
        assert matching("genre=") == ids_of([4, 9, 14, 19, 30])
        assert matching("genre=pop") == ids_of([6, 11, 16])
        assert matching("year=1952") == ids_of([2])
        assert matching("year=unknown") == ids_of([30])


def test_values_that_only_removed_tracks_had_are_gone(small):
    add(small, [30])
    remove_tracks(small, ids_of([0, 5, 10, 15, 30]))
    genres = open_index(small).tracks.batch.column("genre")
    assert set(genres.unique().to_pylist()) == {"pop; rock", "Jazz", "ambient", ""}
    assert "Rock" not in genres.dictionary.to_pylist()


def test_the_cap_counts_artists_of_old_and_new_tracks_together(small):
    """Tracks n and n + ARTISTS are by one artist; the credit of a new one names two who are known already."""
    table = table_of([ARTISTS + 1, ARTISTS + 2])
    credits = pa.array(["ARTIST 1", "Artist 1, Artist 2"])
    table = table.set_column(table.column_names.index("artist"), "artist", credits)
    add_tracks(small, embeddings_of(table["track_id"].to_pylist(), sounds_of([1, 2])), table, small)
    index = open_index(small)
    assert index.tracks.artists(index.row(f"track-{ARTISTS + 2:05}")) == ("artist 1", "artist 2")
    answers = find_neighbours(index, index.vector(1)[None], 22, artist_cap=1)
    artists = [artist for row, _ in answers for artist in index.tracks.artists(row)]
    assert len(artists) == len(set(artists)) == 20


def test_paths_from_another_audio_folder(small, tmp_path):
    for audio_folder, number in ((small / "more", 30), (tmp_path / "other", 31)):
        add_tracks(
            small, embeddings_of(ids_of([number]), sounds_of([number])), table_of([number]), audio_folder
        )
        index = open_index(small)
        assert index.row_of_file(audio_folder / f"{number}.ogg") == index.row(f"track-{number:05}")
    path = index.tracks.label(index.row("track-00031")).path
    assert index.audio_path(path) == str(tmp_path / "other/31.ogg")


@pytest.mark.parametrize("left", [0, 1, 2])
def test_few_tracks_left(small, left):
    remove_tracks(small, ids_of(range(left, 20)))
    for _ in ("edited", "compacted"):
        index = open_index(small)
        assert len(index) == left and len(index.tracks.batch) == left
        for allowed in (None, np.ones(left, dtype=bool)):
            _, rows = index.search(sounds_of([3]), 10, allowed)
            assert sorted(rows[0]) == list(range(left))
        assert len(find_neighbours(index, sounds_of([3]), 10, artist_cap=1)) == left
        with pytest.raises(UsageError, match="track-00007"):
            index.row("track-00007")
        compact(small)
    add(small, [7])
    assert len(open_index(small)) == left + 1


def test_a_library_is_edited_as_its_index(tmp_path):
    build(tmp_path / "index", range(20))
    add(tmp_path, [30])
    assert len(open_index(tmp_path)) == 21


def test_bad_input(small):
    here = {path.name for path in small.iterdir()}
    with pytest.raises(
        UsageError, match=r"track-00003 is in index .* already \(2 such tracks\).*index update"
    ):
        add(small, [3, 4, 30])
    with pytest.raises(UsageError, match=r"track-00099 is neither .* Did you mean track-"):
        update(small, [3, 99])
    with pytest.raises(UsageError, match=r"track-00099 is neither .* Did you mean track-"):
        remove_tracks(small, ids_of([3, 99]))
    with pytest.raises(ArtefactError, match="was made with model model-1, and /models/one is model other"):
        add_tracks(small, embeddings_of(ids_of([30]), sounds_of([30]), "other"), table_of([30]), small)
    with pytest.raises(ArtefactError, match="track-00030 is not finite"):
        add_tracks(
            small, embeddings_of(ids_of([30]), np.full((1, SIZE), np.nan, np.float32)), table_of([30]), small
        )
    with pytest.raises(CatalogError, match=r"track-00031 has no vector \(1 such tracks\)"):
        add_tracks(small, embeddings_of(ids_of([30]), sounds_of([30])), table_of([30, 31]), small)
    with pytest.raises(CatalogError, match="track-00030 stands twice"):
        add_tracks(small, embeddings_of(ids_of([30]), sounds_of([30])), table_of([30, 30]), small)
    with pytest.raises(UsageError, match="track-00003 is to be removed and updated at once"):
        edit_tracks(small, None, table_of([3]), small, remove=ids_of([3]))
    with locked(small), pytest.raises(OutputError, match="another run is writing"):
        remove_tracks(small, ids_of([3]))
    with pytest.raises(UsageError, match="is not an index"):
        remove_tracks(small / "absent", ids_of([3]))
    assert {path.name for path in small.iterdir()} == here
    assert not (small / "absent").exists()
    assert contents(open_index(small)).keys() == set(ids_of(range(20)))
