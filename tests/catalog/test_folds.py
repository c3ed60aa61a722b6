"""Folds of whole sources: each in one, evenly filled, and nobody tested who taught."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.folds import LEFT_OUT, fold_splits, leave_source_out, sources_of
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import CatalogError, UsageError

Track = tuple[str | None, str | None]  # source, artist
few = settings(max_examples=40, deadline=None)
tracks = st.tuples(
    st.one_of(st.none(), st.integers(0, 12).map("Game {}".format)),
    st.one_of(st.none(), st.integers(0, 15).map("Artist {}".format)),
)
many_tracks = st.lists(tracks, min_size=2, max_size=60).filter(lambda rows: any(source for source, _ in rows))


def catalog(rows: list[Track]) -> Catalog:
    frame = pd.DataFrame({"track_id": [f"t{row}" for row in range(len(rows))], "path": "a.mp3"})
    frame["game"] = pd.array([source for source, _ in rows], dtype="str")
    frame["artist"] = pd.array([artist for _, artist in rows], dtype="str")
    return Catalog(frame, Path())


def of_sizes(*sizes: int) -> Catalog:
    return catalog([(f"game {source}", None) for source, size in enumerate(sizes) for _ in range(size)])


@few
@given(many_tracks, st.integers(2, 6), st.integers(0, 3))
def test_each_source_is_in_one_fold_and_no_fold_is_empty(
    rows: list[Track], folds: int, random_seed: int
) -> None:
    music = catalog(rows)
    names = sources_of(music, "game")
    if len(set(names)) < folds:
        with pytest.raises(UsageError, match=f"folds={folds}"):
            leave_source_out(music, "game", folds, random_seed)
        return
    numbers = leave_source_out(music, "game", folds, random_seed)
    assert set(numbers) == set(range(folds))
    assert all(len(set(numbers[names == name])) == 1 for name in set(names))
    assert (numbers == leave_source_out(music, "game", folds, random_seed)).all()


@few
@given(many_tracks, st.integers(2, 4))
def test_folds_differ_by_no_more_than_the_largest_source(rows: list[Track], folds: int) -> None:
    music = catalog(rows)
    sizes = np.unique(sources_of(music, "game"), return_counts=True)[1]
    if len(sizes) >= folds:
        filled = np.bincount(leave_source_out(music, "game", folds), minlength=folds)
        assert filled.max() - filled.min() <= sizes.max()


def test_the_largest_goes_first_and_the_emptiest_fold_is_filled() -> None:
    numbers = leave_source_out(of_sizes(1, 9, 4, 3, 3), "game", 3)
    assert sorted(np.bincount(numbers)) == [5, 6, 9]


def test_tracks_without_a_source_are_dealt_one_by_one() -> None:
    music = catalog([("Game", None)] * 4 + [(None, None)] * 4)
    numbers = leave_source_out(music, "game", 2)
    assert len(set(numbers[:4])) == 1 and len(set(numbers[4:])) == 1 and numbers[0] != numbers[4]
    assert sorted(np.bincount(leave_source_out(music, "game", 3))) == [2, 2, 4]


def test_spelling_of_a_source_and_order_of_rows_do_not_matter() -> None:
    music = catalog([("Super Tux", None), ("super  tux", None), ("Xonotic", None), ("Freeciv", None)])
    numbers = leave_source_out(music, "game", 2)
    assert numbers[0] == numbers[1]
    turned = leave_source_out(music.select(music.track_ids[::-1]), "game", 2)
    assert (turned[::-1] == numbers).all()


def test_seeds_deal_sources_of_one_size_differently() -> None:
    music = of_sizes(*[2] * 12)
    assert len({tuple(leave_source_out(music, "game", 3, seed)) for seed in range(5)}) > 1


@few
@given(many_tracks, st.integers(2, 4), st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_who_is_tested_neither_teaches_nor_watches(rows: list[Track], folds: int, valid_share: float) -> None:
    music = catalog(rows)
    sources, artists = sources_of(music, "game"), sources_of(music, "artist")
    if len(set(sources)) < folds:
        return
    for tested in (leave_source_out(music, "game", folds) == fold for fold in range(folds)):
        splits = fold_splits(music, "game", tested, valid_share)
        assert ((splits == "test") == tested).all()
        heard = np.isin(splits, ["train", "valid"])
        assert not set(artists[tested]) & set(artists[heard])
        assert not set(sources[tested]) & set(sources[heard])
        assert not set(artists[splits == "train"]) & set(artists[splits == "valid"])
        assert (splits[~tested & ~heard] == LEFT_OUT).all()
        assert set(artists[splits == LEFT_OUT]) <= set(artists[tested])
        assert not heard.any() or (splits == "train").any()
        assert valid_share or "valid" not in splits


def test_an_artist_of_two_sources_teaches_nothing_about_itself() -> None:
    music = catalog([("A", "both"), ("A", "one"), ("B", "both"), ("B", "two"), ("C", "three"), ("C", "four")])
    tested = np.array([True, True, False, False, False, False])
    splits = fold_splits(music, "game", tested, 0.5)
    assert splits.tolist() in (
        ["test", "test", LEFT_OUT, "train", "valid", "valid"],
        ["test", "test", LEFT_OUT, "valid", "train", "train"],
    )


def test_whole_sources_watch_as_much_as_asked_and_not_the_giant() -> None:
    music = of_sizes(5, 100, *[5] * 20)
    sources = sources_of(music, "game")
    splits = fold_splits(music, "game", sources == sources[0], 0.2)
    watching = set(sources[splits == "valid"])
    assert 15 <= (splits == "valid").sum() <= 35 and not watching & set(sources[splits == "train"])
    assert sources[5] not in watching


def test_artists_watch_where_one_source_teaches() -> None:
    music = catalog([("A", "a")] * 2 + [("B", f"b{row % 4}") for row in range(8)])
    splits = fold_splits(music, "game", np.arange(10) < 2, 0.25)
    assert (splits == "valid").sum() == 2 and (splits == "train").sum() == 6


def test_what_cannot_be_kept_apart_is_named() -> None:
    music = of_sizes(2, 3, 4)
    with pytest.raises(CatalogError, match="no column collection"):
        leave_source_out(music, "collection", 2)
    with pytest.raises(
        UsageError, match=r"folds=5, and catalog: game tells 3 sources apart\. Give from 2 to 3 folds"
    ):
        leave_source_out(music, "game", 5)
    with pytest.raises(UsageError, match=r"game tells 1 sources apart\. Name a column with more"):
        leave_source_out(of_sizes(4), "game", 2)


def test_folds_of_the_real_music(music: Path) -> None:
    real = read_catalog(music / "tracks.csv")
    filled = np.sort(np.bincount(leave_source_out(real, "collection", 5)))
    largest = real.frame["collection"].value_counts().max()
    assert filled.sum() == len(real)
    assert filled[-1] - filled[0] <= largest, "only a source larger than its share makes a fold larger"


def test_guests_and_other_spellings_of_tested_artists_do_not_teach() -> None:
    music = catalog([("g0", "Ann"), ("g1", "ÁNN feat. Bob"), ("g2", "Cat feat. ann"), ("g3", "Bob"),
                     ("g4", "Various Artists"), ("g0", "VA"), ("g5", "Cat")])  # fmt: skip
    splits = fold_splits(music, "game", sources_of(music, "game") == "game=g0", 0.0)
    assert splits.tolist() == ["test", LEFT_OUT, LEFT_OUT, "train", "train", "test", "train"]
