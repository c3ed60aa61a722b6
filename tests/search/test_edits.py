"""Edits against a plain dict: ids, vectors, cells and neighbours on every kind, after any sequence."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edited_index import (
    ARTISTS,
    SIZE,
    TRACKS,
    add,
    build,
    contents,
    embeddings_of,
    ids_of,
    sounds_of,
    table_of,
    update,
)
from soundkin.errors import ArtefactError, CatalogError, OutputError, UsageError
from soundkin.files import locked
from soundkin.search.edits import (
    Edited,
    add_tracks,
    compact,
    edit_tracks,
    remove_tracks,
    rollback,
    snapshot,
    update_tracks,
)
from soundkin.search.kinds import KINDS
from soundkin.search.neighbours import find_neighbours
from soundkin.search.vector_index import open_index
from soundkin.statistics.scaling import unit_length

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


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


def check_answers(index, vectors, fresh, numbers):
    """Searches find what comparing with every vector finds; as much of it as the index `fresh` does.

    Asked is for songs like those of the tracks `numbers`: how much lists find of others is for each build to
    draw.
    """
    random = np.random.default_rng(0)
    queries = unit_length(sounds_of(random.choice(numbers or [0], 100).tolist(), seed=2))
    for share in (1, 0.5, 0.02):
        allowed = random.random(len(index)) < share
        mask = None if share == 1 else allowed
        scores, rows = index.search(queries, 10, mask)
        true = np.where(allowed, queries @ vectors.T, -np.inf)
        wanted = min(10, int(allowed.sum()))
        assert ((rows >= 0).sum(axis=1) == wanted).all() and rows.shape[1] == min(10, len(index))
        assert all(allowed[row] for row in rows[rows >= 0])
        assert all(len(set(some[some >= 0])) == wanted for some in rows)
        if wanted:
            found = np.take_along_axis(true, rows[:, :wanted], 1)
            np.testing.assert_allclose(scores[:, :wanted], found, atol=1e-5)
            tenth = np.sort(true, axis=1)[:, -wanted, None] - 1e-5
            recall = (scores[:, :wanted] >= tenth).mean()
            of_fresh = (fresh.search(queries, 10)[0][:, :wanted] >= tenth).mean() if share == 1 else 1
            assert recall >= of_fresh - 0.01


tracks = st.lists(st.integers(0, TRACKS + 400), max_size=30, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "update", "remove"]), tracks),
        st.tuples(st.just("remove artists"), st.lists(st.integers(0, ARTISTS - 1), max_size=15)),
        st.tuples(st.sampled_from(["snapshot", "rollback"]), st.sampled_from(["one", "two", None])),
        st.tuples(st.just("compact"), st.none()),
    ),
    max_size=10,
)


class Model:
    """An index as a dict: title and unit vector by track number; and what its versions held."""

    def __init__(self, folder):
        self.folder = folder
        self.tracks = self.put(range(TRACKS), "Title", 0)
        self.ever = set(self.tracks)
        self.versions = {"v1": self.tracks}
        self.snapshots = {}

    def put(self, numbers, title, seed):
        vectors = unit_length(sounds_of(numbers, seed))
        return {n: (f"{title} {n}", vector) for n, vector in zip(numbers, vectors, strict=True)}

    def apply(self, step, chosen, seed):
        """Do one step to the index and to the dict."""
        folder, known = self.folder, self.tracks.keys()
        if step == "add":
            new = sorted(set(chosen) - known)
            add(folder, new, seed)
            self.tracks = self.tracks | self.put(new, "Title", seed)
        elif step == "update":
            there = sorted(set(chosen) & known)
            update(folder, there, seed, f"Title {seed}")
            self.tracks = self.tracks | self.put(there, f"Title {seed}", seed)
        elif step.startswith("remove"):
            gone = {n for n in known if (n % ARTISTS if step == "remove artists" else n) in chosen}
            remove_tracks(folder, ids_of(gone))
            self.tracks = {n: entry for n, entry in self.tracks.items() if n not in gone}
        elif step == "compact":
            compact(folder)
        elif step == "snapshot" and chosen and chosen not in self.snapshots:
            self.snapshots[chosen] = snapshot(folder, chosen)
        elif step == "rollback" and (chosen in self.snapshots or chosen is None):
            self.roll_back(chosen)
        self.ever |= set(self.tracks)
        self.versions[open_index(folder).version] = self.tracks

    def roll_back(self, name):
        before = open_index(self.folder).version
        try:
            version = rollback(self.folder, name).version
        except UsageError as error:  # gone back to the first one already
            assert name is None and "no version before" in str(error)
            return
        assert version == self.snapshots[name] if name else int(version[1:]) < int(before[1:])
        self.tracks = self.versions[version]


@EVERY_KIND
@given(steps=steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_edits_is_what_it_does_to_a_dict(built, tmp_path_factory, kind, steps):
    folder = tmp_path_factory.mktemp("edited") / "index"
    shutil.copytree(built / kind, folder)
    model = Model(folder)
    for number, (step, chosen) in enumerate(steps, start=3):
        model.apply(step, chosen, number)
    index = open_index(folder)
    expected = dict(zip(ids_of(model.tracks), model.tracks.values(), strict=True))
    check(index, expected, ids_of(model.ever - model.tracks.keys()))
    vectors = index.vectors(np.arange(len(index)))
    fresh = fresh_build(tmp_path_factory.mktemp("fresh"), model.tracks, kind)
    check_answers(index, vectors, fresh or index, sorted(model.tracks))


def fresh_build(folder, tracks, kind):
    """An index of these tracks; None of fewer than the kind takes."""
    if len(tracks) < max(1, KINDS[kind].least_tracks):
        return None
    build(folder, sorted(tracks), kind, np.array([tracks[number][1] for number in sorted(tracks)]))
    return open_index(folder)


def test_what_an_edit_says_it_did(small):
    assert add(small, [30, 31]) == Edited(added=2, updated=0, removed=0, count=22)
    assert update(small, [1, 30, 2]) == Edited(added=0, updated=3, removed=0, count=22)
    assert remove_tracks(small, ids_of([1, 31])) == Edited(added=0, updated=0, removed=2, count=20)
    both = edit_tracks(
        small, embeddings_of(ids_of([2, 40]), sounds_of([2, 40])), table_of([2, 40]), small, ids_of([3])
    )
    assert both == Edited(added=1, updated=1, removed=1, count=20)
    before = open_index(small).version
    assert remove_tracks(small, []) == Edited(added=0, updated=0, removed=0, count=20)
    assert open_index(small).version == before


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
    with pytest.raises(ArtefactError, match="holds vectors of 16 numbers and the embeddings of 8, though"):
        add_tracks(small, embeddings_of(ids_of([30]), np.ones((1, 8), np.float32)), table_of([30]), small)
    with pytest.raises(ArtefactError, match="the embeddings hold track track-00030 twice"):
        add_tracks(small, embeddings_of(ids_of([30, 30]), sounds_of([30, 30])), table_of([30]), small)
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


def test_rolling_back_the_last_edit(small):
    remove_tracks(small, ids_of([3]))
    assert len(rollback(small)) == 20
    with pytest.raises(UsageError, match=r"no version before .*v1 is kept\. Name a snapshot"):
        rollback(small)


def test_no_corrupt_snapshot_comes_back(small):
    snapshot(small, "before")
    add(small, [30])
    (small / "v1/vectors.faiss").write_bytes(b"?")  # this file is shared
    with pytest.raises(ArtefactError, match="checksum"):
        rollback(small, "before")
    assert (small / "CURRENT").read_text().startswith("v2 ")
