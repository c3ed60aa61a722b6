import numpy as np
import pytest

from soundkin.errors import ArtefactError
from soundkin.pipelines.judging.vector_cache import TRACKS_PER_PART, VectorCache


def track(number: int) -> dict[str, np.ndarray]:
    return {"MFCC": np.full(3, number, np.float32), "untrained": np.full(2, -number, np.float32)}


def test_what_was_added_is_there_in_the_next_run(tmp_path):
    cache = VectorCache(tmp_path, "one")
    numbers = range(TRACKS_PER_PART + 3)
    for number in numbers:
        cache.add(f"key {number}", track(number))
    cache.flush()
    again = VectorCache(tmp_path, "one")
    for number in numbers:
        found = again.get(f"key {number}")
        assert found is not None and found.keys() == track(number).keys()
        assert all(np.array_equal(found[name], vector) for name, vector in track(number).items())
    assert len(list((tmp_path / "one").iterdir())) == 2


def test_a_killed_run_leaves_the_parts_that_it_had_finished(tmp_path):
    cache = VectorCache(tmp_path, "one")
    for number in range(TRACKS_PER_PART + 1):
        cache.add(str(number), track(number))
    again = VectorCache(tmp_path, "one")
    assert again.get("0") is not None and again.get(str(TRACKS_PER_PART)) is None


def test_another_listener_has_heard_nothing(tmp_path):
    cache = VectorCache(tmp_path, "one")
    cache.add("key", track(1))
    cache.flush()
    assert VectorCache(tmp_path, "two").get("key") is None
    assert cache.get("another track") is None


def test_nothing_added_leaves_nothing(tmp_path):
    VectorCache(tmp_path, "one").flush()
    assert not list(tmp_path.iterdir())


def test_a_corrupt_part_is_named(tmp_path):
    cache = VectorCache(tmp_path, "one")
    cache.add("key", track(1))
    cache.flush()
    part = next((tmp_path / "one").iterdir())
    part.write_bytes(part.read_bytes()[:80])
    with pytest.raises(ArtefactError, match=rf"{part.name} is corrupt\. Delete it"):
        VectorCache(tmp_path, "one")
