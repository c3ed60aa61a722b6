# mypy: disable-error-code="no-untyped-call"
"""What queries answer, where the truth is known, and by what their settings were chosen.

    python benchmarks/queries.py --corpus RUN [--corpus-embeddings FOLDER]
        [--music CATALOG EMBEDDINGS] [--copies 20] [--quick]

RUN is a folder of `soundkin demo`: its planted factors say how alike tracks are (`truth/factors.npz`), and
its plays what people like. CATALOG is any other collection with genres, EMBEDDINGS its vectors.

*A meets B*: pairs of tracks by different artists, half alike, between which the library holds ten tracks. Of
the ten answers, the share of tracks that are less alike to A, and to B, by the planted factors: of each
answer the lower of the two, and how many answers are near one only (above .8 and below .5).
*Unlike*: a seed, and an unliked track near it or far from it.
*Hubs*: skewness of how often each track is among the ten nearest; precision at ten, other artists only.
*Diversity*: relevance against the mean cosine among the answers.
*Folding*: all pairs of the collection that would be one answer, for people to judge; and the share of copies
of its tracks, made in the ways of `benchmarks/duplicates.py`, that are folded under three names.
*History*: the later half of what users played, among 20 recommendations for the earlier half (nDCG).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import soundfile
from scipy.stats import skew

from duplicates import copies
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.embedder import load
from soundkin.pipelines.index import index_embeddings
from soundkin.search import blend as blending
from soundkin.search.blend import Blend, blend_of
from soundkin.search.library_sample import sample_of
from soundkin.search.ranking import Order, rank
from soundkin.search.same_track import VERSION_COSINE, identities, same_track
from soundkin.search.vector_index import Index, open_index
from soundkin.statistics.scaling import unit_length

ANSWERS = 10


@dataclass(frozen=True)
class Collection:
    """An index with what is known of its tracks, row by row; `truth` are cosines of planted factors."""

    name: str
    index: Index
    vectors: np.ndarray
    artists: list[set[str]]
    genres: list[set[str]]
    truth: np.ndarray | None = None

    def others(self, row: int) -> np.ndarray:
        """The tracks by other artists."""
        return np.array([not (artists & self.artists[row]) for artists in self.artists])


def main() -> None:
    """Print one table a question."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, metavar="RUN")
    parser.add_argument("--corpus-embeddings", type=Path, metavar="FOLDER", help="Default: those of RUN.")
    parser.add_argument("--music", type=Path, nargs=2, metavar=("CATALOG", "EMBEDDINGS"))
    parser.add_argument("--copies", type=int, default=0, help="Tracks of the music to copy.")
    parser.add_argument("--quick", action="store_true", help="A tenth of the questions.")
    given = parser.parse_args()
    asked = 60 if given.quick else 600
    with TemporaryDirectory() as folder:
        embeddings = given.corpus_embeddings or given.corpus / "embeddings"
        corpus = opened("corpus", given.corpus / "catalog.csv", embeddings, Path(folder) / "corpus")
        corpus = with_truth(corpus, given.corpus / "truth" / "factors.npz")
        meets(corpus, asked)
        unlike(corpus, asked)
        hubs(corpus)
        diversity(corpus, asked)
        history(corpus, given.corpus / "ratings.csv")
        if given.music:
            catalog, vectors = given.music
            music = opened("music", catalog, vectors, Path(folder) / "music")
            hubs(music)
            diversity(music, asked)
            folding(music)
            if given.copies:
                copies_folded(music, given.copies)


def opened(name: str, catalog_path: Path, embeddings: Path, folder: Path) -> Collection:
    """Index a collection."""
    index_embeddings(embeddings, folder, catalog_path, "exact")
    index = open_index(folder)
    ids = [index.tracks.label(row).track_id for row in range(len(index))]
    catalog: Catalog = read_catalog(catalog_path).select(ids)
    genre = "genre_norm" if "genre_norm" in catalog.frame else "genre"
    vectors = index.vectors(np.arange(len(index)))
    artists = [set(index.tracks.artists(row)) for row in range(len(index))]
    print(f"{name}: {len(index):,} tracks, {len(set().union(*artists)):,} artists, {embeddings}")
    return Collection(name, index, vectors, artists, [set(values) for values in catalog.values(genre)])


def with_truth(corpus: Collection, path: Path) -> Collection:
    """Add the cosines of the planted factors."""
    with np.load(path) as stored:
        place = {track_id: row for row, track_id in enumerate(stored["track_ids"].tolist())}
        rows = [place[corpus.index.tracks.label(row).track_id] for row in range(len(corpus.index))]
        factors = unit_length(stored["track_factors"][rows])
    return Collection(
        corpus.name, corpus.index, corpus.vectors, corpus.artists, corpus.genres, factors @ factors.T
    )


def standing(similarity: np.ndarray) -> np.ndarray:
    """Of each row, the share of tracks that are less alike [tracks, tracks]."""
    return np.asarray(similarity.argsort(axis=1).argsort(axis=1) / (len(similarity) - 1))


def answers(collection: Collection, blend: Blend, allowed: np.ndarray, order: Order) -> list[int]:
    """Rows."""
    return [track.row for track in rank(collection.index, blend, order, allowed)]


def meets(corpus: Collection, asked: int) -> None:
    """A meets B, by the exponent of the mean; 1 is the mean of the cosines, -100 nearly the least."""
    assert corpus.truth is not None
    place, random = standing(corpus.truth), np.random.default_rng(0)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < asked:
        a, b = random.choice(len(place), 2, replace=False).tolist()
        both = np.sort(np.minimum(place[a], place[b]))[-ANSWERS]
        if corpus.others(a)[b] and 0.2 < place[a, b] < 0.7 and both >= 0.75:
            pairs.append((a, b))
    heads = ("lower", "upper", "near one only", "least cosine")
    print(f"\nA meets B, {asked} pairs\n{'':<28}" + "{:>8}{:>8}{:>15}{:>14}".format(*heads))
    chosen = blending.EXPONENT
    for exponent in (None, 1.0, -1.0, -3.0, -100.0):
        measured = []
        blending.EXPONENT = exponent or 1.0
        for a, b in pairs:
            seeds = corpus.vectors[[a] if exponent is None else [a, b]]
            allowed = corpus.others(a) & corpus.others(b)
            found = answers(corpus, blend_of(seeds), allowed, Order(ANSWERS, hub_correction=True))
            to_both = place[[a, b]][:, found]
            cosines = corpus.vectors[[a, b]] @ corpus.vectors[found].T
            low, high = to_both.min(axis=0), to_both.max(axis=0)
            near_one = ((high > 0.8) & (low < 0.5)).mean()
            measured.append((low.mean(), high.mean(), near_one, cosines.min(axis=0).mean()))
        name = "A alone" if exponent is None else f"exponent {exponent:g}{' (ours)' * (exponent == chosen)}"
        low, high, near_one, least = np.mean(measured, axis=0)
        print(f"{name:<28}{low:>8.3f}{high:>8.3f}{near_one:>15.3f}{least:>14.3f}")
    blending.EXPONENT = chosen


def unlike(corpus: Collection, asked: int) -> None:
    """How far an unliked track repels, and what is lost of the likeness to the seed."""
    assert corpus.truth is not None
    place, random, everyone = standing(corpus.truth), np.random.default_rng(1), len(corpus.vectors)
    cosines = corpus.vectors @ corpus.vectors.T
    chosen, empty = blending.REPULSION, np.empty((0, corpus.vectors.shape[1]), np.float32)
    print(f"\nUnlike, {asked} seeds\n{'':<28}{'to seed':>8}{'to unliked':>12}{'same answers':>14}")
    for where, low, high in (("near", 0.85, 1.0), ("far", 0.0, 0.5)):
        pairs: list[tuple[int, int]] = []
        while len(pairs) < asked:
            seed, unliked = random.choice(everyone, 2, replace=False).tolist()
            least, most = np.quantile(cosines[seed], [low, high])
            if corpus.others(seed)[unliked] and least <= cosines[seed, unliked] <= most:
                pairs.append((seed, unliked))
        for way in ("none", "turned away (.5)", "repulsion .5", "repulsion 1", "repulsion 2"):
            measured = []
            for seed, unliked in pairs:
                allowed = corpus.others(seed)
                allowed[unliked] = False
                liked, away = corpus.vectors[[seed]], corpus.vectors[[unliked]]
                plain = answers(corpus, blend_of(liked), allowed, Order(ANSWERS))
                asks = Blend(liked, np.ones(1), empty, np.empty(0))
                if way.startswith("turned"):
                    asks = blend_of(unit_length(liked - 0.5 * away))
                elif way != "none":
                    blending.REPULSION = float(way.split()[1])
                    asks = Blend(liked, np.ones(1), away, np.ones(1))
                found = answers(corpus, asks, allowed, Order(ANSWERS))
                kept = len(set(found) & set(plain)) / len(found)
                measured.append((place[seed, found].mean(), place[unliked, found].mean(), kept))
            ours = " (ours)" * (way == f"repulsion {chosen:g}")
            print(
                f"{f'{where}: {way}{ours}':<28}"
                + "{:>8.3f}{:>12.3f}{:>14.2f}".format(*np.mean(measured, axis=0))
            )
    blending.REPULSION = chosen


def hubs(collection: Collection) -> None:
    """Hubs and precision with and without the correction."""
    print(
        f"\nHubs, {collection.name}\n{'':<28}{'skewness':>10}{'in no list':>12}{'genre P@10':>12}{'truth':>8}"
    )
    place = None if collection.truth is None else standing(collection.truth)
    for name, corrected in (("cosine", False), ("corrected (ours)", True)):
        occurrences, precision, true = np.zeros(len(collection.vectors)), [], []
        for row, vector in enumerate(collection.vectors):
            order, everyone = (
                Order(ANSWERS, hub_correction=corrected),
                np.ones(len(collection.vectors), dtype=bool),
            )
            everyone[row] = False
            occurrences[answers(collection, blend_of(vector[None]), everyone, order)] += 1
            found = answers(collection, blend_of(vector[None]), collection.others(row), order)
            if collection.genres[row]:
                precision.append(
                    np.mean([bool(collection.genres[row] & collection.genres[each]) for each in found])
                )
            if place is not None:
                true.append(place[row, found].mean())
        truth = f"{np.mean(true):>8.4f}" if true else ""
        unseen = (occurrences == 0).mean()
        print(f"{name:<28}{skew(occurrences):>10.2f}{unseen:>12.3f}{np.mean(precision):>12.4f}{truth}")


def diversity(collection: Collection, asked: int) -> None:
    """Likeness to the seed against likeness among the answers."""
    rows = np.random.default_rng(2).choice(
        len(collection.vectors), min(asked, len(collection.vectors)), False
    )
    place = None if collection.truth is None else standing(collection.truth)
    heads = ("to seed", "among", "genres", "artists", "truth")
    print(f"\nDiversity, {collection.name}\n{'':<12}" + "".join(f"{head:>9}" for head in heads))
    for share in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7):
        measured = []
        for row in rows.tolist():
            order = Order(ANSWERS, hub_correction=True, diversity=share)
            found = answers(collection, blend_of(collection.vectors[[row]]), collection.others(row), order)
            vectors = collection.vectors[found]
            among = (vectors @ vectors.T)[np.triu_indices(len(found), 1)].mean()
            genres = len(set().union(*(collection.genres[each] for each in found)))
            artists = len({min(collection.artists[each], default=str(each)) for each in found})
            true = np.nan if place is None else place[row, found].mean()
            measured.append(((vectors @ collection.vectors[row]).mean(), among, genres, artists, true))
        print(f"{share:<12g}" + "{:>9.3f}{:>9.3f}{:>9.2f}{:>9.2f}{:>9.3f}".format(*np.mean(measured, axis=0)))


def folding(collection: Collection) -> None:
    """All pairs that would be one answer."""
    identity, tracks = identities(collection.index.tracks), collection.index.tracks
    cosines = collection.vectors @ collection.vectors.T
    count = len(collection.vectors)
    found = [
        (one, other)
        for one, other in combinations(range(count), 2)
        if cosines[one, other] >= VERSION_COSINE
        and same_track(identity(one), identity(other), float(cosines[one, other]))
    ]
    print(f"\nFolding, {collection.name}: {len(found)} of {count * (count - 1) // 2:,} pairs are one answer")
    for one, other in found:
        labels = (tracks.label(row) for row in (one, other))
        shown = "  =  ".join(f"{label.track_id} ({label.artist} - {label.title})" for label in labels)
        print(f"  {cosines[one, other]:.3f}  {shown}")


def copies_folded(collection: Collection, count: int) -> None:
    """Copies of tracks under three names: how many are folded into their track, by the way of copying."""
    embedder, tracks = load("default"), collection.index.tracks
    identity, folded = identities(tracks), dict[str, list[tuple[bool, ...]]]()
    with TemporaryDirectory() as folder:
        for row in np.linspace(0, len(tracks) - 1, count).round().astype(int).tolist():
            original, place = identity(row), Path(folder) / str(row) / "track"
            place.mkdir(parents=True)
            for way, copy in copies(Path(collection.index.audio_path(tracks.label(row).path)), place):
                cosine = float(unit_length(embedder.embed(copy)) @ collection.vectors[row])
                own = original._replace(album="an album", seconds=soundfile.info(copy).duration)
                names = (
                    own,
                    own._replace(album="another album"),
                    own._replace(title=f"{own.title} remastered"),
                )
                first = own._replace(seconds=original.seconds)
                folded.setdefault(way, []).append(tuple(same_track(first, name, cosine) for name in names))
    heads = ("same album", "another album", "(Remastered)")
    print(f"\nCopies folded, {count} tracks\n{'':<20}" + "".join(f"{head:>16}" for head in heads))
    for way, found in folded.items():
        print(f"{way:<20}" + "".join(f"{share:>16.2f}" for share in np.mean(found, axis=0)))


def history(corpus: Collection, ratings: Path) -> None:
    """Recommendations for the earlier half of what users played."""
    plays = pd.read_csv(ratings).sort_values("timestamp")
    sample, random = sample_of(corpus.index), np.random.default_rng(3)
    ways: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "random": lambda rows, weights: random.random(len(corpus.vectors)),
        "nearest of the history": lambda rows, weights: (corpus.vectors @ corpus.vectors[rows].T).max(axis=1),
        "mean cosine": lambda rows, weights: corpus.vectors @ (weights @ corpus.vectors[rows]),
        "corrected (ours)": lambda rows, weights: sample.taste(corpus.vectors, corpus.vectors[rows], weights),
    }
    scores: dict[str, list[float]] = {name: [] for name in ways}
    for _, own in plays.groupby("user_id"):
        counts = own.groupby("track_id", sort=False)["rating"].sum()
        rows = np.array([corpus.index.row(track_id) for track_id in counts.index])
        half = len(rows) // 2
        if half >= 4:
            for name, score in ways.items():
                values = np.array(score(rows[:half], np.log1p(counts.to_numpy(float)[:half])))
                values[rows[:half]] = -np.inf
                hits = np.isin(np.argsort(-values)[:20], rows[half:])
                gains = 1 / np.log2(np.arange(2, 22))
                scores[name].append(float(hits @ gains / gains[: len(rows) - half].sum()))
    print(f"\nHistory, {len(scores['random'])} users\n{'':<28}{'nDCG@20':>8}")
    for name, measured in scores.items():
        print(f"{name:<28}{np.mean(measured):>8.3f}")


if __name__ == "__main__":
    main()
