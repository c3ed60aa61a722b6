import numpy as np

from soundkin.catalog.table import read_catalog
from soundkin.evaluation.evaluation_report import Evaluation
from soundkin.extras import EXTRAS
from soundkin.pipelines.report import Shown, choose_queries, map_picture, nearest_by_others
from soundkin.statistics.scaling import unit_length

GENRES = [("rock",), ("rock",), ("pop", "rock"), ("jazz",), (), ("rock",)]
IDS = list("abcdef")


def test_queries_are_of_different_genres_and_held_out():
    held_out = np.array([True, True, True, True, True, False])
    rows = choose_queries(IDS, GENRES, held_out, count=3, random_seed=0)
    assert len(rows) == len(set(rows)) == 3
    assert {name for row in rows for name in GENRES[row]} == {"rock", "pop", "jazz"}
    assert 5 not in rows


def test_tracks_without_a_genre_fill_up_what_is_left():
    assert sorted(choose_queries(IDS, GENRES, np.ones(6, dtype=bool), 99, 0)) == list(range(6))
    assert choose_queries(IDS, GENRES, np.zeros(6, dtype=bool), 3, 0) == []


def test_the_choice_depends_on_ids_and_random_seed_alone():
    everything = np.ones(6, dtype=bool)
    backwards = choose_queries(IDS[::-1], GENRES[::-1], everything, 6, 0)
    assert [5 - row for row in backwards] == choose_queries(IDS, GENRES, everything, 6, 0)


def test_neighbours_are_by_others_one_of_each_and_nearest_first():
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.1], [1, 0.2], [0, 1], [-1, 0]], dtype=np.float32)
    artists = [("ann",), ("ann",), ("bob",), ("bob", "cid"), ("dan",), ()]
    nearest = nearest_by_others(unit_length(vectors), 0, artists, count=5)
    assert [row for row, _ in nearest] == [2, 4, 5]
    assert [round(cosine, 2) for _, cosine in nearest] == [1.0, 0.0, -1.0]


def test_tracks_without_an_artist_never_shut_each_other_out():
    nearest = nearest_by_others(np.eye(4), 0, [(), (), (), ()], count=3)
    assert len(nearest) == 3


def test_without_its_extra_the_map_is_left_out_and_said_to_be(tmp_path, monkeypatch, caplog):
    (tmp_path / "catalog.csv").write_text("track_id,path\na,a.wav\nb,b.wav\nc,c.wav\n")
    catalog = read_catalog(tmp_path / "catalog.csv")
    shown = Shown(Evaluation.model_construct(), catalog, np.eye(3), ["test"] * 3, np.ones(3, dtype=bool))
    path = tmp_path / "map.png"
    assert len(map_picture(shown, path, 0)) == 1 and path.exists()
    path.unlink()
    monkeypatch.setitem(EXTRAS, "pictures", ("nowhere_to_be_found",))
    assert map_picture(shown, path, 0) == [] and not path.exists()
    assert caplog.messages == [f"{path} is not drawn: pip install 'soundkin[pictures]'"]
