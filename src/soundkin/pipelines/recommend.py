"""Recommend: which tracks would this user like? Tracks that nobody has played are ranked among the others."""

import bisect
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from soundkin.catalog.interactions import make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.known_users import KnownUsers, known_users
from soundkin.embedding.store import read_manifest
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.pipelines.answers import Answer, Filter, as_text, known_columns, make_answer
from soundkin.pipelines.index import index_embeddings
from soundkin.search.recommendations import recommend as rank
from soundkin.search.vector_index import Index, open_index
from soundkin.shapes import Float32
from soundkin.tasks.factorisation import fold_in

IDS_TO_COMPARE = 5_000  # when an unknown user is asked for; looking through so many takes a tenth of a second


class Recommendation(Answer):
    """One track. `score` is the product of the user's vector with the track's; it orders tracks, and says no
    more.
    """


def recommend(
    tracks: Path,
    user: str,
    k: int = 20,
    where: Sequence[str] = (),
    artist_cap: int | None = None,
    ratings: Path | None = None,
    model: Path | None = None,
    task: str | None = None,
    columns: Sequence[str] | None = (),
) -> list[Recommendation]:
    """The `k` tracks that `user` is predicted to like most, best first; a note is logged if they are fewer.

    `tracks` is an index or an embeddings folder. With `ratings`, tracks that the user has rated, well or
    badly, are left out. A user whom the model does not know is placed by their rows in `ratings`: among the
    tracks' own vectors, as weighted matrix factorisation places users among factors (`fold_in`). `where`
    holds conditions such as `genre=rock`, all of which a track meets; at most `artist_cap` tracks are by the
    same artist. `model` is looked for where the embeddings were made with it, if not given. Answers hold the
    cells of `columns`, by default none, with None all. `task` is `ratings` or `latent_factors`, for a model
    that was trained on both.

    Raises:
        UsageError: an option is off, the user is unknown (names the nearest), or the model knows no users.
        CatalogError: the ratings cannot be used, or say nothing that the user likes and the model does not
            know them.
        ArtefactError: something is corrupt, or the vectors are of another model.
    """
    user = as_text(user)
    if k < 1:
        raise UsageError(f"k={k}: ask for at least 1 track.")
    if artist_cap is not None and artist_cap < 1:
        raise UsageError(f"artist_cap={artist_cap}: allow each artist at least 1 track.")
    with _opened(Path(tracks)) as (index, model_path):
        if artist_cap is not None and "artist" not in index.tracks.columns:
            raise UsageError(f"artist_cap={artist_cap}: the tracks of {tracks} have no artist column.")
        shown = known_columns(index, columns)
        matching = Filter.of(index, where)
        users = _users_of(Path(model or model_path), index, Path(tracks), task)
        factors = users.track_vectors(np.array([index.vector(row) for row in range(len(index))]))
        rated = _read_ratings(ratings, index, Path(tracks)) if ratings else None
        wanted = _user_vector(users, user, factors, rated, index)
        artists = [index.tracks.artists(row) for row in range(len(index))] if artist_cap else None
        left_out = _rows_rated(rated, user, index)
        found = rank(wanted, factors, k, left_out, matching.allowed, artists, artist_cap)
        matching.note_if_fewer(index, len(found), k, left_out, f"{user} has rated them", artist_cap)
        return [
            _recommendation(index, place, row, score, shown)
            for place, (row, score) in enumerate(found, start=1)
        ]


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[Index, Path]]:
    """The tracks of an index, or of embeddings as an index that lasts as long as the question; and their
    model.
    """
    if (folder / "manifest.json").exists() and not (folder / "CURRENT").exists():
        model_path = folder / read_manifest(folder).model_path
        with TemporaryDirectory() as place:
            index_embeddings(folder, Path(place) / "index", kind="exact")
            yield open_index(Path(place) / "index"), model_path
    else:
        index = open_index(folder)
        yield index, index.model_path


def _users_of(model: Path, index: Index, tracks: Path, task: str | None) -> KnownUsers:
    if not model.exists():
        raise UsageError(
            f"there is no model at {model}, and it is what knows the users. Say where it is: --model MODEL"
        )
    bundle = load_bundle(model)
    if bundle.hash != index.manifest.model_hash:
        raise ArtefactError(
            f"{tracks} was made with model {index.manifest.model_hash}, and {model} is model {bundle.hash}: its users "
            "cannot be compared with those vectors. Give the model that made them with --model, or embed again with "
            "this one."
        )
    return known_users(bundle, model, task)


@dataclass(frozen=True)
class _Rated:
    """What a ratings file says of the tracks at hand."""

    source: str
    rows: pd.DataFrame

    def of(self, user: str) -> pd.DataFrame:
        return self.rows[self.rows["user_id"] == user]


def _read_ratings(path: Path, index: Index, tracks: Path) -> _Rated:
    ids = pd.DataFrame({"track_id": index.tracks.batch.column("track_id").to_pylist()})
    return _Rated(f"ratings {path}", read_ratings(Path(path), Catalog(ids, index.audio_folder, str(tracks))))


def _user_vector(
    users: KnownUsers,
    user: str,
    factors: Float32[np.ndarray, "tracks factors"],
    rated: _Rated | None,
    index: Index,
) -> Float32[np.ndarray, " factors"]:
    if user in users.ids:
        vector: np.ndarray = users.vectors[users.ids.index(user)]
        return vector
    if rated is not None and len(rated.of(user)):
        return _folded_in(users, user, factors, rated, index)
    if not users.ids:
        raise UsageError(
            f"user {user} cannot be found: the model came without users.parquet, which says whose its user vectors "
            "are. Put that file back, or give ratings of this user with --ratings."
        )
    raise UsageError(
        f"the model does not know user {user}.{_similar(user, users.ids)} To ask for somebody new, give ratings of "
        "theirs with --ratings."
    )


def _folded_in(
    users: KnownUsers, user: str, factors: Float32[np.ndarray, "tracks factors"], rated: _Rated, index: Index
) -> Float32[np.ndarray, " factors"]:
    """A new user's vector. All users' ratings are looked at, since what stars mean depends on everybody's
    habits.
    """
    config = users.task.config
    listening = make_interactions(rated.rows, config.listening, rated.source)
    if user not in listening.users:
        raise CatalogError(
            f"{rated.source}: nothing says that user {user} likes any of the tracks, and the model does not know them. "
            "Add ratings of tracks that they like."
        )
    own = listening.confidence[listening.users.index(user)]
    rows = np.array([index.row(listening.tracks[track]) for track in own.indices])
    return fold_in(factors, rows, own.data, config.regularisation)


def _similar(user: str, ids: Sequence[str]) -> str:
    """The known user whose id looks most like this, among those near in the alphabet, or what ids look like."""
    place = bisect.bisect_left(ids, user)
    first = max(0, min(place - IDS_TO_COMPARE // 2, len(ids) - IDS_TO_COMPARE))
    close = difflib.get_close_matches(user, ids[first : first + IDS_TO_COMPARE], n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else f" Ids look like {ids[0]}."


def _rows_rated(rated: _Rated | None, user: str, index: Index) -> list[int]:
    return [] if rated is None else [index.row(track_id) for track_id in rated.of(user)["track_id"].unique()]


def _recommendation(
    index: Index, place: int, row: int, score: float, columns: Sequence[str]
) -> Recommendation:
    return Recommendation(**vars(make_answer(index, place, row, score, columns)))
