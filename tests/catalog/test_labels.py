import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.labels import Vocabulary

labels = st.lists(st.lists(st.sampled_from("abcdef"), max_size=3).map(tuple), max_size=12)


def test_hand_made_case() -> None:
    values = [("rock", "pop"), (), ("jazz",), ("rock", "rock"), ("polka",)]
    vocabulary = Vocabulary.from_values(values[:4])
    assert vocabulary.names == ("jazz", "pop", "rock")
    assert Vocabulary.from_values(values, minimum_tracks=2).names == ("rock",)
    assert vocabulary.index("pop") == 1 and vocabulary.index("polka") is None
    multi_hot = vocabulary.sparse(values).toarray()
    known = multi_hot.any(axis=1)
    assert multi_hot.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert known.tolist() == [True, False, True, True, False], (
        "a label outside the vocabulary is unknown, not negative"
    )
    assert multi_hot.dtype == np.float32


def test_nothing_to_tell_apart() -> None:
    multi_hot = Vocabulary.from_values([(), ()]).sparse([(), ("x",)])
    assert multi_hot.shape == (2, 0) and not multi_hot.nnz


@settings(max_examples=50, deadline=None)
@given(labels)
def test_every_label_is_found_again(values: list[tuple[str, ...]]) -> None:
    vocabulary = Vocabulary.from_values(values)
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary
    multi_hot = vocabulary.sparse(values).toarray()
    known = multi_hot.any(axis=1)
    again = [{vocabulary.names[i] for i in np.flatnonzero(row)} for row in multi_hot]
    assert again == [set(track) for track in values]
    assert known.tolist() == [bool(track) for track in values]
    assert [vocabulary.index(name) for name in vocabulary.names] == list(range(len(vocabulary)))
