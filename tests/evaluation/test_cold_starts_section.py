import numpy as np
from scipy.sparse import csr_matrix

from soundkin.evaluation.cold_start_results import ColdStarts
from soundkin.evaluation.recommendation import cold_start


def part(offered, scale=1.0):
    rng = np.random.default_rng(0)
    users, tracks = rng.normal(size=(30, 4)), rng.normal(size=(50, 4))
    plays = csr_matrix(((users @ tracks.T) > 2).astype(float))
    systems = {"ours": (users, scale * tracks), "peer": (users, tracks)}
    return cold_start(systems, (users, tracks), plays, resamples=30).model_copy(update={"offered": offered})


def test_the_verdict_is_the_first_parts_and_says_whom_ours_does_not_beat():
    found = ColdStarts(parts=(part("held-out tracks"), part("tracks of seen artists", -1)))
    assert found.verdict.startswith("held-out tracks: not shown to beat peer: ours: recall@20 ")


def test_the_table_says_what_was_offered_to_how_many():
    found = ColdStarts(parts=(part("held-out tracks"), part("tracks of seen artists")))
    table = found.table()
    assert [row["offered"] for row in table[:1] + table[-1:]] == [
        "held-out tracks (50)",
        "tracks of seen artists (50)",
    ]
    assert {row["system"] for row in table} == {
        "ours", "peer", "shuffled", "popularity (oracle)", "upper bound", "chance",
    }  # fmt: skip
    assert ColdStarts.model_validate_json(found.model_dump_json()) == found


def test_nothing_is_said_to_be_nothing():
    assert ColdStarts().table() == []
    assert ColdStarts().verdict.startswith("nothing measured")
