import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import ArtefactError
from soundkin.search.tracks import Label, Tracks, seconds_in, write_tracks

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def stored(folder, **columns):
    write_tracks(pa.table(columns), folder / "tracks.arrow")
    return Tracks(folder / "tracks.arrow")


@given(ids=st.sets(any_text, min_size=1, max_size=30), text=any_text)
@settings(max_examples=40, deadline=None)
def test_what_goes_in_comes_out(tmp_path_factory, ids, text):
    ids = sorted(ids)
    folder = tmp_path_factory.mktemp("tracks")
    tracks = stored(
        folder, track_id=ids, path=[f"{n}.ogg" for n in range(len(ids))], artist=[text] * len(ids)
    )
    shown = text.replace("\x1f", " ")
    for row, track_id in enumerate(ids):
        assert tracks.row(track_id) == row
        assert tracks.label(row) == Label(track_id.replace("\x1f", " "), "", shown, f"{row}.ogg")
        assert tracks.row_of_path(f"{row}.ogg") == row
    assert tracks.row(ids[-1] + "x") is None
    assert tracks.row_of_path("x") is None


def test_columns_keep_their_kind(tmp_path):
    tracks = stored(
        tmp_path,
        track_id=["a", "b", "c", "d"],
        path=["a", "b", "c", "d"],
        title=pa.array([1, 2, None, 4]),
        year=pa.array([1990, None, 1991, 1992]),
        genre=["rock", "rock", None, "rock"],
        label=["x", "y", "z", "x"],
        live=[True, False, None, True],
    )
    assert tracks.columns == ["track_id", "path", "title", "year", "genre", "label", "live"]
    assert tracks.batch["year"].to_pylist() == [1990, None, 1991, 1992]
    assert tracks.batch["genre"].to_pylist() == ["rock", "rock", "", "rock"]
    assert pa.types.is_dictionary(tracks.batch["genre"].type)
    assert tracks.batch["label"].to_pylist() == ["x", "y", "z", "x"]
    assert tracks.batch["live"].to_pylist() == ["true", "false", "", "true"]
    assert [tracks.label(row).title for row in range(4)] == ["1", "2", "", "4"]


def test_ids_that_someone_may_have_meant(tmp_path):
    ids = ["01-blue-train", "02-moments-notice", "03-locomotion", "04-lazy-bird"]
    titles = ["Blue Train", "Moment's Notice", "Locomotion", "Lazy Bird"]
    tracks = stored(tmp_path, track_id=ids, path=ids, title=titles)
    assert tracks.similar_ids("train") == ["01-blue-train"]
    assert tracks.similar_ids("moment's") == ["02-moments-notice"]
    assert tracks.similar_ids("03-locomotoin")[0] == "03-locomotion"
    assert tracks.similar_ids("bluetrain") == ["01-blue-train"]
    assert tracks.similar_ids("zzz") == []


def test_a_file_that_is_no_arrow(tmp_path):
    (tmp_path / "tracks.arrow").write_bytes(b"not arrow at all")
    with pytest.raises(ArtefactError, match=r"tracks\.arrow cannot be read .* Build the index again"):
        Tracks(tmp_path / "tracks.arrow")


def test_ids_among_many(tmp_path):
    """More than are compared one by one, and than lie between two signposts."""
    ids = [f"track-{n:05}" for n in range(7000)]
    tracks = stored(tmp_path, track_id=ids, path=ids)
    assert [tracks.row(track_id) for track_id in ids] == list(range(7000))
    assert tracks.row("track-") is None and tracks.row("track-003000") is None and tracks.row("z") is None
    assert tracks.similar_ids("trak-00017") == ["track-00017"]
    assert tracks.similar_ids("trakc-0_01")[0].startswith("track-0")


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [(12.5, 12.5), ("12.5", 12.5), (None, 0), ("long", 0), ("nan", 0), ("inf", 0), (-3, 0)],
)
def test_seconds_that_a_cell_tells(cell, seconds):
    assert seconds_in(cell) == seconds
