"""What is kept of conditions is what they say, and no more than there is room for."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search import condition_masks, conditions
from soundkin.search.condition_masks import matching
from soundkin.search.conditions import mask_where, parse_condition
from soundkin.search.edits import remove_tracks
from soundkin.search.vector_index import open_index

ASKED = ("genre=rock", "genre!=rock", "year>=1990", "year<1960", "genre=", "artist=Artist 3")


def parsed(texts):
    return [parse_condition(text) for text in texts]


@given(
    texts=st.lists(st.lists(st.sampled_from(ASKED), max_size=3), max_size=8),
    room=st.sampled_from([0, 400, 2**20]),
)
def test_asked_again_a_condition_says_the_same(shared_index, texts, room):
    tracks = shared_index("exact").tracks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(condition_masks, "MOST_BYTES", room)
        condition_masks._kept.pop(tracks, None)
        for asked in texts:
            mask = matching(tracks, parsed(asked))
            np.testing.assert_array_equal(mask, mask_where(tracks.batch, parsed(asked)))
            mask[:] = False  # it is the caller's own
        kept = condition_masks._kept.get(tracks, {})
        assert len(kept) <= max(1, room // 150), "1200 tracks are 150 bytes"


def test_a_condition_is_tested_once_a_version(small, monkeypatch):
    tested = []
    monkeypatch.setattr(
        condition_masks, "mask_where", lambda *given: tested.append(given) or conditions.mask_where(*given)
    )
    tracks = open_index(small).tracks
    for _ in range(3):
        assert matching(tracks, parsed(["genre=rock", "year>=1960"])).sum() == 3
    assert len(tested) == 2
    rock = matching(tracks, parsed(["genre=rock"]))
    remove_tracks(small, [tracks.label(int(np.flatnonzero(rock)[0])).track_id])
    assert matching(open_index(small).tracks, parsed(["genre=rock"])).sum() == rock.sum() - 1


def test_what_is_kept_goes_with_the_index(small):
    gc.collect()
    before = len(condition_masks._kept)
    index = open_index(small)
    matching(index.tracks, parsed(["genre=rock"]))
    assert len(condition_masks._kept) == before + 1
    del index
    gc.collect()
    assert len(condition_masks._kept) == before


def test_many_ask_at_once(shared_index, monkeypatch):
    monkeypatch.setattr(condition_masks, "MOST_BYTES", 300)
    tracks = shared_index("exact").tracks
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda n: matching(tracks, parsed([ASKED[n % 6]])), range(300)))
    for n, mask in enumerate(masks):
        np.testing.assert_array_equal(mask, mask_where(tracks.batch, parsed([ASKED[n % 6]])))


def test_an_unknown_column_is_told_every_time(shared_index):
    for _ in range(2):
        with pytest.raises(UsageError, match="there is no column genres"):
            matching(shared_index("exact").tracks, parsed(["genres=rock"]))
