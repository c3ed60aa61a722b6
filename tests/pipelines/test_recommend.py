"""From a user to tracks: a small model that learnt from ratings in two ways, its embeddings and its index."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smallest_run import SMALLEST
from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.embedding.known_users import known_users
from soundkin.embedding.store import read_embeddings
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.pipelines.answers import Answer
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.recommend import recommend
from soundkin.pipelines.train import compose, train

SMALL = [*SMALLEST, "trainer.epochs=1"]
TRACKS = 32

pytestmark = pytest.mark.slow


def trained(catalog: Path, folder: Path, *overrides: str) -> Path:
    places = [f"catalog={catalog}", f"ratings={catalog.parent / 'ratings.csv'}", f"run_dir={folder}"]
    return train(compose([*places, *SMALL, *overrides])).model


@pytest.fixture(scope="module")
def library(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model/, embeddings/, index/ and ratings.csv; do not change it."""
    folder = tmp_path_factory.mktemp("library")
    trained(small_catalog, folder, "task=[ratings,latent_factors]", "task.ratings.factors=6")
    embed_catalog(folder / "model", small_catalog, folder / "embeddings")
    index_embeddings(folder / "embeddings", folder / "index")
    shutil.copy(small_catalog.parent / "ratings.csv", folder / "ratings.csv")
    return folder


def test_a_bundle_does_not_tell_where_the_ratings_are(library: Path, small_catalog: Path) -> None:
    assert str(small_catalog.parent) not in (library / "model" / "config.json").read_text(encoding="utf-8")


def ids(answers: list[Answer]) -> list[str]:
    return [answer.track_id for answer in answers]


def by_product(library: Path, user: str, task: str) -> list[tuple[str, float]]:
    """All tracks by the product of the user's vector and theirs, from the bundle and the embeddings."""
    bundle, embeddings = load_bundle(library / "model"), read_embeddings(library / "embeddings")
    users = known_users(bundle, library / "model", task)
    scores = users.track_vectors(embeddings.vectors) @ users.vectors[users.ids.index(user)]
    ranked = sorted(zip(-scores, embeddings.track_ids, strict=True))
    return [(track_id, -score) for score, track_id in ranked]


@pytest.mark.parametrize("task", ["ratings", "latent_factors"])
def test_all_tracks_are_ranked_by_how_far_they_go_the_users_way(
    library: Path, small_catalog: Path, task: str
) -> None:
    answers = recommend(library / "index", "user-0003", k=TRACKS, task=task)
    expected = by_product(library, "user-0003", task)
    assert [answer.score for answer in answers] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert ids(answers)[:3] == [track_id for track_id, _ in expected[:3]]
    assert [answer.rank for answer in answers] == list(range(1, TRACKS + 1))
    first = read_catalog(small_catalog).select([answers[0].track_id])
    assert (answers[0].title, answers[0].artist) == (first.frame["title"][0], first.frame["artist"][0])
    assert Path(answers[0].path).samefile(first.audio_paths()[0])


def test_an_index_and_its_embeddings_say_the_same(library: Path) -> None:
    asked = {"k": 7, "where": ["year>=1900"], "artist_cap": 1}
    assert recommend(library / "index", "user-0001", **asked) == recommend(
        library / "embeddings", "user-0001", **asked
    )


def test_ratings_come_first_of_two_tasks(library: Path) -> None:
    assert recommend(library / "index", "user-0001") == recommend(
        library / "index", "user-0001", task="ratings"
    )
    assert recommend(library / "index", "user-0001") != recommend(
        library / "index", "user-0001", task="latent_factors"
    )


def test_what_the_user_has_rated_is_left_out(library: Path) -> None:
    ratings = pd.read_csv(library / "ratings.csv")
    rated = set(ratings.loc[ratings["user_id"] == "user-0002", "track_id"])
    answers = ids(recommend(library / "index", "user-0002", k=TRACKS, ratings=library / "ratings.csv"))
    all_tracks = ids(recommend(library / "index", "user-0002", k=TRACKS))
    assert rated and answers == [track_id for track_id in all_tracks if track_id not in rated]


def test_fewer_than_asked_for_are_explained_and_cells_come_along(
    library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"k": TRACKS, "where": ["year>=1900"], "ratings": library / "ratings.csv", "columns": ["year"]}
    answers = recommend(library / "index", "user-0002", **asked)
    assert answers and all(answer.catalog["year"] >= 1900 for answer in answers)
    assert (
        f"{len(answers)} of {TRACKS} answers: " in caplog.text and "user-0002 has rated them" in caplog.text
    )
    assert recommend(library / "index", "user-0002", where=["genre=no such genre"]) == []
    assert f"no answer: none of {TRACKS} tracks match genre=no such genre. Values of genre are" in caplog.text


def test_conditions_and_artist_cap(library: Path, small_catalog: Path) -> None:
    catalog = read_catalog(small_catalog).frame.set_index("track_id")
    genre = catalog["genre"].iloc[0].split(";")[0]
    answers = recommend(library / "index", "user-0002", k=TRACKS, where=[f"genre={genre}"], artist_cap=1)
    assert all(genre in catalog["genre"][answer.track_id] for answer in answers)
    assert set(Counter(answer.artist for answer in answers).values()) == {1} and len(answers) >= 8


def test_a_new_user_is_placed_among_the_tracks_they_like(library: Path, tmp_path: Path) -> None:
    """Who likes just what a known user's vector points at gets the like; what they rated is left out."""
    ranked = by_product(library, "user-0003", "latent_factors")
    liked = [track_id for track_id, _ in ranked[:3]]
    ratings = pd.read_csv(library / "ratings.csv")
    new = pd.DataFrame({"user_id": "newcomer", "track_id": liked, "rating": 5})
    pd.concat([ratings, new]).to_csv(tmp_path / "ratings.csv", index=False)
    asked = {"k": TRACKS, "ratings": tmp_path / "ratings.csv", "task": "latent_factors"}
    answers = recommend(library / "index", "newcomer", **asked)
    assert len(answers) == TRACKS - 3 and not set(liked) & set(ids(answers))
    bundle, embeddings = load_bundle(library / "model"), read_embeddings(library / "embeddings")
    users = known_users(bundle, library / "model", "latent_factors")
    tracks = dict(
        zip(embeddings.track_ids, users.track_vectors(embeddings.vectors).astype(float), strict=True)
    )
    config = users.task.config
    surer = config.listening.alpha * np.log1p(5 / config.listening.epsilon)
    curvature = sum(np.outer(track, track) for track in tracks.values()) + config.regularisation * np.eye(50)
    curvature += surer * sum(np.outer(tracks[track_id], tracks[track_id]) for track_id in liked)
    vector = np.linalg.solve(curvature, (1 + surer) * sum(tracks[track_id] for track_id in liked))
    assert [answer.score for answer in answers] == pytest.approx(
        [vector @ tracks[answer.track_id] for answer in answers], abs=1e-5
    )


def test_a_new_user_who_likes_nothing_cannot_be_placed(library: Path, tmp_path: Path) -> None:
    ratings = pd.read_csv(library / "ratings.csv")
    sceptic = ratings.iloc[:2].assign(user_id="sceptic", rating=0)
    pd.concat([ratings, sceptic]).to_csv(tmp_path / "ratings.csv", index=False)
    with pytest.raises(CatalogError, match=r"nothing says that user sceptic likes any of the tracks"):
        recommend(library / "index", "sceptic", ratings=tmp_path / "ratings.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "user-003"}, r"does not know user user-003\. Did you mean user-00\d\d\?"),
        ({"user": "nobody"}, r"does not know user nobody\. Ids look like user-0000\. .*--ratings"),
        ({"k": 0}, "k=0: ask for at least 1"),
        ({"artist_cap": 0}, "artist_cap=0: allow"),
        ({"where": ["gnere=rock"]}, r"no column gnere\. Did you mean genre\?"),
        ({"task": "rating"}, r"was not trained on task rating\. Did you mean ratings\?"),
        ({"model": Path("nowhere")}, r"there is no model at nowhere, .* Say where it is: --model MODEL"),
        ({"tracks": Path("nowhere")}, "nowhere"),
    ],
)
def test_misuse(library: Path, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recommend(**{"tracks": library / "index", "user": "user-0003", **options})


def test_a_model_that_learnt_nothing_of_users_says_what_to_train(
    library: Path, small_catalog: Path, tmp_path
) -> None:
    model = trained(small_catalog, tmp_path / "run", "task=[artist]")
    embed_catalog(model, small_catalog, tmp_path / "embeddings")
    with pytest.raises(UsageError, match=r"knows no users: it was trained on artist\. Train one on ratings"):
        recommend(tmp_path / "embeddings", "user-0003")
    with pytest.raises(ArtefactError, match=r"was made with model .* cannot be compared"):
        recommend(library / "index", "user-0003", model=model)


def test_without_the_table_of_names_only_ratings_tell_who_is_asked_for(library: Path, tmp_path: Path) -> None:
    shutil.copytree(library / "model", tmp_path / "model")
    (tmp_path / "model/users.parquet").unlink()
    asked = {"tracks": library / "index", "user": "user-0003", "model": tmp_path / "model"}
    with pytest.raises(UsageError, match=r"came without users\.parquet"):
        recommend(**asked)
    assert len(recommend(**asked, ratings=library / "ratings.csv")) > 0


def test_names_and_vectors_that_do_not_match_are_refused(library: Path, tmp_path: Path) -> None:
    bundle = load_bundle(library / "model")
    bundle.users["ratings"].pop()
    save_bundle(bundle, tmp_path / "model")
    with pytest.raises(
        ArtefactError, match=r"names \d+ users of the ratings task, and the model has vectors of \d+"
    ):
        recommend(library / "index", "user-0003", model=tmp_path / "model")


def test_a_model_anchored_to_the_indexs_knows_its_users_there(library: Path, tmp_path: Path) -> None:
    bundle = load_bundle(library / "model")
    its_hash = bundle.hash
    next(iter(bundle.network.parameters())).mul_(1.01)  # another model, with the same heads
    save_bundle(bundle, tmp_path / "other")
    with pytest.raises(ArtefactError, match="cannot be compared"):
        recommend(library / "index", "user-0003", model=tmp_path / "other")
    bundle.provenance = {"start": {"hash": its_hash, "anchored": {"mean_cosine": 1.0}}}
    save_bundle(bundle, tmp_path / "anchored")
    anchored = recommend(library / "index", "user-0003", model=tmp_path / "anchored")
    assert ids(anchored) == ids(recommend(library / "index", "user-0003"))


@pytest.mark.parametrize("asked", [{}, {"user": "user-0003", "history": Path("h.csv")}])
def test_either_a_user_or_a_history(library: Path, asked: dict) -> None:
    with pytest.raises(UsageError, match="Give either a USER whom the model knows, or --history FILE"):
        recommend(library / "index", **asked)
