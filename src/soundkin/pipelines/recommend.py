"""Recommend: which tracks would this user like? Tracks that nobody has played are ranked too."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import ArtefactError, CatalogError, NoSuchUserError, UsageError
from soundkin.pipelines.options import ARTIST_CAP, WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from soundkin.embedding.known_users import KnownUsers
    from soundkin.pipelines.answers import AnswerList, Query
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float, Float32, Int

    Factors = Float32[np.ndarray, "tracks factors"]
    UserVector = Float32[np.ndarray, " factors"]


def recommend(
    tracks: Annotated["Index | Path | str", argument("INDEX_OR_EMBEDDINGS")],
    user: Annotated[str | None, argument()] = None,
    k: Annotated[int, Option("How many tracks.", ("-k",), minimum=1)] = 20,
    where: Annotated[Sequence[str], WHERE] = (),
    artist_cap: Annotated[int | None, ARTIST_CAP] = None,
    ratings: Annotated[Path | None, Option("Leave out what the user has rated in this file.")] = None,
    model: Annotated[
        Path | str | None, Option("Model bundle; default: that of embed.", metavar="MODEL")
    ] = None,
    task: Annotated[
        str | None,
        Option("ratings or latent_factors; default: the first that the model has.", metavar="TASK"),
    ] = None,
    history: Annotated[
        Path | None,
        Option("What was listened to: an export of ListenBrainz or Last.fm, or a table.", metavar="FILE"),
    ] = None,
    half_life: Annotated[
        float | None,
        Option("Plays of --history count half as much as those so many days later.", metavar="DAYS"),
    ] = None,
    columns: Sequence[str] | None = (),
) -> "AnswerList":
    """What would USER like to hear? Ranks all tracks of an index or embeddings folder, never played ones too.

    With --history in place of USER any model will do: the answers sound like what is in there, and are not
    in there themselves. Plays are matched by track_id, or by artist and title in whatever spelling.

    For a USER the model has to be one that was trained on ratings, or anchored to the index's and trained on
    ratings. With --ratings, tracks that the user has rated, well or badly, are left out; and a user whom the
    model does not know is placed by the tracks they like in there: among the tracks' own vectors, as weighted
    matrix factorisation places users among factors.

    Examples:
      soundkin recommend index user-0042 --ratings ratings.csv
      soundkin recommend index user-0042 -k 10 --where genre=rock --artist-cap 2 --json
      soundkin recommend ~/library --history listens.jsonl --half-life 90

    From Python, `columns` are those whose cells the answers hold (None: all); and to ask often, the index is
    one that `open_index` opened: then the model is kept, too.

    Raises:
        NoSuchUserError: the user is unknown; names the nearest.
        UsageError: an option is off, or the model knows no users.
        CatalogError: the ratings cannot be used, or say nothing that the user likes and the model does not
            know them; or the history cannot be read, or names no track of the index.
        ArtefactError: something is corrupt, or the vectors are of another model.
    """
    import numpy as np

    from soundkin.embedding.default_model import model_folder
    from soundkin.pipelines.answers import Query, as_text
    from soundkin.pipelines.heard import rows_heard
    from soundkin.search.neighbours import rank_for_user
    from soundkin.search.vector_index import Index

    if (user is None) == (history is None):
        raise UsageError("recommend for whom? Give either a USER whom the model knows, or --history FILE.")
    if half_life is not None and not (history and half_life > 0):
        raise UsageError(f"half_life={half_life}: give days above 0, and a history: --history FILE.")
    with _opened(tracks) as (index, model_path):
        question = Query(index, k, where, artist_cap, columns)
        if history or user is None:
            heard = rows_heard(index, Path(history or ""), half_life)
            return like_heard(index, question, *heard, k, artist_cap)
        user = as_text(user)
        place = index.folder if isinstance(tracks, Index) else Path(tracks)
        users = _users_of(model_folder(model or model_path), index, place, task)
        factors = users.track_vectors(index.vectors(np.arange(len(index))))
        rated = _read_ratings(ratings, index, place) if ratings else None
        vector = _user_vector(users, user, factors, rated, f"ratings {ratings}", index)
        own = [] if rated is None else rated["track_id"][rated["user_id"] == user].unique().tolist()
        left_out = [index.row(track_id) for track_id in own]
        artists_of = index.tracks.artists
        ranking = rank_for_user(vector, factors, k, left_out, question.allowed, artists_of, artist_cap)
        return question.answers(ranking, left_out, f"{user} has rated them")


def like_heard(
    index: "Index",
    question: "Query",
    rows: "Int[np.ndarray, ' heard']",
    weights: "Float[np.ndarray, ' heard']",
    k: int,
    artist_cap: int | None,
) -> "AnswerList":
    """The tracks most like those heard; of each artist 2 unless told, if there are enough."""
    import numpy as np

    from soundkin.pipelines.heard import liking
    from soundkin.search.query_description import ARTIST_CAP
    from soundkin.search.ranking import Order, select

    values = liking(index, rows, weights)
    if question.allowed is not None:
        values = np.where(question.allowed, values, -np.inf)
    heard = rows.tolist()
    ranking = select(index, values, Order(k, artist_cap or ARTIST_CAP, fold_versions=True), heard)
    if artist_cap is None and len(ranking) < k:
        ranking = select(index, values, Order(k, None, fold_versions=True), heard)
    ranked = [(track.row, track.similarity) for track in ranking]
    folded = [track.folded for track in ranking]
    return question.answers(ranked, heard, "they are in the history", folded=folded)


@contextmanager
def _opened(tracks: "Index | Path | str") -> "Iterator[tuple[Index, Path]]":
    """The index given or in a folder, or a temporary one of the embeddings there; and their model's path."""
    from soundkin.embedding.default_model import found_model
    from soundkin.embedding.store import read_manifest
    from soundkin.pipelines.index import index_embeddings
    from soundkin.search.vector_index import Index, open_index

    if isinstance(tracks, Index):
        yield tracks, tracks.model_path
        return
    folder = Path(tracks)
    if (folder / "manifest.json").exists() and not (folder / "CURRENT").exists():
        with TemporaryDirectory() as place:
            index_embeddings(folder, Path(place) / "index", kind="exact")
            yield open_index(Path(place) / "index"), found_model(read_manifest(folder).model_path, folder)
    else:
        index = open_index(folder)
        yield index, index.model_path


def _users_of(model: Path, index: "Index", tracks: Path, task: str | None) -> "KnownUsers":
    from soundkin.embedding.default_model import is_default

    if not model.exists() and not is_default(model):
        raise UsageError(f"there is no model at {model}, for its users. Say where it is: --model MODEL")
    return _load_users(model, index.manifest.model_hash, tracks, task)


@lru_cache(maxsize=2)
def _load_users(model: Path, model_hash: str, tracks: Path, task: str | None) -> "KnownUsers":
    """The users of the model with `model_hash`, loaded once a process."""
    from soundkin.embedding.bundle import load_bundle
    from soundkin.embedding.default_model import not_the_model
    from soundkin.embedding.known_users import known_users

    bundle = load_bundle(model)
    if not bundle.compares_with(model_hash):
        problem = not_the_model(str(tracks), model_hash, model, bundle.hash)
        hint = "Give the model that made them with --model, or embed again with this one."
        raise ArtefactError(f"{problem}. {hint}")
    return known_users(bundle, model, task)


def _read_ratings(path: Path, index: "Index", tracks: Path) -> "pd.DataFrame":
    """The ratings of the index's tracks."""
    import pandas as pd

    from soundkin.catalog.ratings_table import read_ratings
    from soundkin.catalog.table import Catalog

    ids = pd.DataFrame({"track_id": index.tracks.batch.column("track_id").to_pylist()})
    return read_ratings(Path(path), Catalog(ids, index.audio_folder, str(tracks)))


def _user_vector(
    users: "KnownUsers",
    user: str,
    factors: "Factors",
    rated: "pd.DataFrame | None",
    source: str,
    index: "Index",
) -> "UserVector":
    """The vector of a user that the model knows, or else of one who has `rated` tracks."""
    if user in users.ids:
        vector: UserVector = users.vectors[users.ids.index(user)]
        return vector
    if rated is not None and (rated["user_id"] == user).any():
        return _folded_in(users, user, factors, rated, source, index)
    if not users.ids:
        raise UsageError(
            f"user {user} cannot be found: the model came without users.parquet, which says whose its user "
            "vectors are. Put that file back, or give ratings of this user with --ratings."
        )
    from rapidfuzz import process

    closest = process.extractOne(user, users.ids, score_cutoff=50)
    similar = f"Did you mean {closest[0]}?" if closest else f"Ids look like {users.ids[0]}."
    advice = "To ask for somebody new, give ratings of theirs with --ratings."
    raise NoSuchUserError(f"the model does not know user {user}. {similar} {advice}")


def _folded_in(
    users: "KnownUsers", user: str, factors: "Factors", rated: "pd.DataFrame", source: str, index: "Index"
) -> "UserVector":
    """A new user's vector. It takes all users' ratings: how generous people are says what stars mean."""
    import numpy as np

    from soundkin.catalog.interactions import make_interactions
    from soundkin.tasks.factorisation import fold_in

    config = users.task.config
    interactions = make_interactions(rated, config.listening, source)
    if user not in interactions.users:
        raise CatalogError(
            f"{source}: nothing says that user {user} likes any of the tracks, and the model does not know "
            "them. Add ratings of tracks that they like."
        )
    own = interactions.confidence[interactions.users.index(user)]
    rows = np.array([index.row(interactions.tracks[track]) for track in own.indices])
    return fold_in(factors, rows, own.data, config.regularisation)
