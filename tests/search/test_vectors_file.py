"""What is written a block at a time is what FAISS writes at once."""

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.search.exact_kind import array_of
from soundkin.search.vectors_file import map_vectors, write_vectors


@given(blocks=st.lists(st.integers(0, 20), max_size=5), size=st.integers(1, 9))
def test_the_file_is_that_of_faiss(tmp_path_factory, blocks, size):
    folder = tmp_path_factory.mktemp("vectors")
    parts = [np.random.default_rng(n).standard_normal((n, size)).astype(np.float32) for n in blocks]
    write_vectors(folder / "ours", iter(parts), size)
    index = faiss.IndexFlatIP(size)
    for part in parts:
        index.add(part)
    faiss.write_index(index, str(folder / "theirs"))
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()
    np.testing.assert_array_equal(
        array_of(map_vectors(folder / "ours")), np.concatenate([*parts, np.empty((0, size))])
    )


def test_any_view_is_written_in_its_order(tmp_path):
    vectors = np.arange(24, dtype=np.float32).reshape(4, 6)
    write_vectors(tmp_path / "v", [vectors[:, ::2], vectors[::-1, :3]], 3)
    np.testing.assert_array_equal(array_of(map_vectors(tmp_path / "v"))[4], [18, 19, 20])


def test_only_a_block_is_in_memory(tmp_path):
    """A block is asked for when the one before is written."""
    sizes = []

    def blocks():
        for _ in range(3):
            sizes.append((tmp_path / "v").stat().st_size)
            yield np.ones((100_000, 8), np.float32)

    write_vectors(tmp_path / "v", blocks(), 8)
    assert sizes[2] == pytest.approx(2 * 100_000 * 8 * 4, abs=100_000)
