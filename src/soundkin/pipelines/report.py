"""Report: what was learnt, on one page that can be read, seen and listened to."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import validate
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.store import PatchEmbeddings, read_embeddings
from soundkin.errors import ArtefactError
from soundkin.evaluation.conclusions import advice, headline_sentence
from soundkin.evaluation.evaluation_report import MAIN, Evaluation, read_evaluation
from soundkin.evaluation.label_questions import column_values
from soundkin.explore.page_template import PageSection, Step, TrackCard, render_page
from soundkin.explore.snippets import data_uri
from soundkin.extras import is_installed
from soundkin.files import replacing
from soundkin.pipelines.track_cards import TrackCards
from soundkin.progress import progress
from soundkin.search.moments import moment_of
from soundkin.shapes import Bool, Float, typechecked
from soundkin.statistics.scaling import unit_length

QUERIES, NEIGHBOURS = 6, 5
CURVES_NOTE = "Learning curves. Held-out scores that still rise at the end ask for longer training."
MAP_NOTE = (
    "Tracks that the model finds alike lie near each other. It placed them by sound alone; colour and "
    "shape show the {} in the catalog."
)

logger = logging.getLogger(__name__)

Names = Sequence[tuple[str, ...]]
QueryCards = tuple[TrackCard, list[TrackCard]]  # a query, and its neighbours, nearest first


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, in words for those who do not see it, and on a dark ground."""

    source: str
    alternative: str
    caption: str
    dark: str = ""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows: an evaluation, and tracks to look at and listen to.

    Row i of `vectors`, by our system, is track i of `catalog`; `splits` says what each was in our model's
    training, and `judged` whether scores are about it. `patches` finds patch vectors by track ids, if there
    are any.
    """

    evaluation: Evaluation
    catalog: Catalog
    vectors: Float[np.ndarray, "tracks embedding"]
    splits: Sequence[str]
    judged: Bool[np.ndarray, " tracks"]
    patches: Callable[[list[str]], Mapping[str, PatchEmbeddings]] = lambda track_ids: {}

    def track_cards(self) -> TrackCards:
        """The tracks as pages show them."""
        return TrackCards(self.catalog, [split == "train" for split in self.splits])


def write_report(run_dir: Path, output: Path | None = None, random_seed: int = 0) -> Path:
    """Write `report.html` (or `output`), `map.png` and `curves.png` into `run_dir`; returns the page's path.

    Each picture has a twin on a dark ground, `map-dark.png`; without the extra `pictures` there are none.
    Reads what `soundkin demo` leaves there: `metrics.json`, `embeddings/` and, if training was logged,
    `metrics.csv`.

    Raises:
        ArtefactError: one of them is missing or corrupt, or evaluation and embeddings are of different
            models.
        OutputError: the folder cannot be written.
    """
    folder = Path(run_dir)
    shown = _read_run(folder)
    return write_page(
        shown,
        Path(output) if output else folder / "report.html",
        title=f"soundkin report: {folder.resolve().name}",
        listened=listen(shown, shown.track_cards(), (), random_seed),
        pictures=[*map_picture(shown, folder / "map.png", random_seed), *_curves(folder)],
        steps=_commands(shown, folder),
    )


def write_page(
    shown: Shown,
    output: Path,
    title: str,
    listened: Sequence[QueryCards],
    pictures: Sequence[Picture],
    steps: Sequence[Step] = (),
    chosen: bool = False,
    judge_page: str = "",
) -> Path:
    """Write the page about an evaluation; `chosen` says that the queries were asked for. Returns its path.

    `judge_page` is the name of the page in the same folder on which neighbours are judged.
    """
    evaluation = shown.evaluation
    judged = shown.catalog.select(shown.judged)
    page = {
        "title": title,
        "evaluation": evaluation,
        "headline": headline_sentence(evaluation, judged, shown.vectors[shown.judged]),
        "searched": len(shown.catalog),
        "main_rows": [row for row in evaluation.rows if (row.protocol, row.metric) in MAIN],
        "sections": [
            PageSection(section.title, section.verdict, section.table(), section.notes)
            for section in evaluation.sections.values()
        ],
        "queries": listened,
        "chosen": chosen,
        "judged": len(judged) > 0,
        "has_genres": any(column_values(shown.catalog, "genre")),
        "judge_page": judge_page,
        "pictures": pictures,
        "steps": [*(Step(*words) for words in advice(evaluation)), *steps],
    }
    with replacing(output, "w") as file:
        file.write(render_page("report.html.jinja", page=page))
    return output


def _read_run(folder: Path) -> Shown:
    evaluation = read_evaluation(folder / "metrics.json")
    embeddings, provenance = read_embeddings(folder / "embeddings"), evaluation.provenance
    if embeddings.model_hash != provenance.get("model_hash"):
        raise ArtefactError(
            f"{folder}: metrics.json is about model {provenance.get('model_hash')}, embeddings are by "
            f"{embeddings.model_hash}. Run soundkin evaluate or soundkin embed again."
        )
    whole = read_catalog(embeddings.catalog_path, provenance.get("no_artist", ()))
    rule = validate(SplitRule, provenance["split_rule"], "split_rule")
    split_of = dict(zip(whole.track_ids, rule.assign(whole), strict=True))
    catalog = whole.select(embeddings.track_ids)
    splits = [split_of[track_id] for track_id in catalog.track_ids]
    judged = np.array([provenance["split"] in ("all", split) for split in splits])
    return Shown(evaluation, catalog, embeddings.vectors, splits, judged)


def query_rows(shown: Shown, queries: Sequence[str], random_seed: int, count: int = QUERIES) -> list[int]:
    """The rows of the queries that were asked for, or else of `count` that a hash picks."""
    if queries:
        return [shown.catalog.row(track_id) for track_id in queries]
    eligible = shown.judged if shown.judged.any() else np.ones(len(shown.catalog), dtype=bool)
    genres = column_values(shown.catalog, "genre")
    return choose_queries(shown.catalog.track_ids, genres, eligible, count, random_seed)


def choose_queries(
    track_ids: Sequence[str],
    genres: Names,
    held_out: Bool[np.ndarray, " tracks"],
    count: int,
    random_seed: int,
) -> list[int]:
    """Rows of held-out tracks, one of each of the commonest genres in turn, chosen by a hash of their ids."""

    def digest(row: int) -> str:
        return hashlib.sha256(f"{random_seed}:{track_ids[row]}".encode()).hexdigest()

    order = sorted(np.flatnonzero(held_out).tolist(), key=digest)
    common = Counter(name for row in order for name in genres[row])
    chosen: list[int] = []
    for genre in sorted(common, key=lambda name: (-common[name], name)):
        chosen += [row for row in order if genre in genres[row] and row not in chosen][:1]
    return [*chosen, *(row for row in order if row not in chosen)][:count]


@typechecked
def nearest_by_others(
    unit: Float[np.ndarray, "tracks embedding"], query: int, artists: Names, count: int
) -> list[tuple[int, float]]:
    """The `count` nearest of unit vectors and their cosines: one by each artist, none by the query's own."""
    cosines = unit @ unit[query]
    taken = set(artists[query])
    nearest: list[tuple[int, float]] = []
    for row in np.argsort(-cosines, kind="stable").tolist():
        if row != query and not taken.intersection(artists[row]):
            nearest.append((row, float(cosines[row])))
            taken.update(artists[row])
        if len(nearest) == count:
            break
    return nearest


def listen(shown: Shown, cards: TrackCards, queries: Sequence[str], random_seed: int) -> list[QueryCards]:
    """Some queries and their nearest tracks by others, to be listened to."""
    track_ids, artists = shown.catalog.track_ids, column_values(shown.catalog, "artist")
    rows = query_rows(shown, queries, random_seed)
    unit = unit_length(shown.vectors)
    neighbours = {query: nearest_by_others(unit, query, artists, NEIGHBOURS) for query in rows}
    every_row = {*rows, *(row for nearest in neighbours.values() for row, _ in nearest)}
    patches = shown.patches([track_ids[row] for row in every_row])
    listened = []
    for query, nearest in progress(neighbours.items(), "report", total=len(neighbours), unit="query"):
        answers = []
        for row, similarity in nearest:
            moment = moment_of(patches, track_ids[query], track_ids[row])
            answers.append(cards.card(row, query, similarity, moment))
        listened.append((cards.card(query), answers))
    return listened


def _curves(folder: Path) -> list[Picture]:
    if not is_installed("pictures"):
        return []
    from soundkin.explore.curves import draw_curves

    path = folder / "curves.png"
    kept, stopped = _kept_step(folder)
    if not draw_curves(folder / "metrics.csv", path, kept, stopped):
        return []
    marks = " The line marks the epoch whose weights were kept." if kept is not None else ""
    marks += " Training stopped early: the held-out score rose no more." if stopped else ""
    alternative = "Line charts of losses and held-out scores over training steps."
    return [_picture(path, alternative, CURVES_NOTE + marks)]


def _kept_step(folder: Path) -> tuple[int | None, bool]:
    """The step whose weights the model has, None where not known; and whether training stopped early."""
    try:
        bundle = load_bundle(folder / "model")
    except ArtefactError:
        return None, False
    step, run = bundle.metrics.get("step"), bundle.provenance.get("training", {}).get("epochs_run")
    planned = bundle.provenance.get("train_config", {}).get("trainer", {}).get("epochs")
    return None if step is None else int(step), bool(run and planned and run < planned)


def map_picture(shown: Shown, path: Path, random_seed: int) -> list[Picture]:
    """A map of the tracks that were judged, drawn to `path` and, on a dark ground, to its twin; none without
    the extra `pictures`.
    """
    if not is_installed("pictures"):
        logger.warning("%s is not drawn: pip install 'soundkin[pictures]'", path)
        return []
    from soundkin.explore.map import draw_map, map_points, sample_tracks

    rows = np.flatnonzero(shown.judged) if shown.judged.sum() > 2 else np.arange(len(shown.catalog))
    rows = rows[sample_tracks(len(rows), random_seed)]
    columns = (name for name in ("genre", "artist", "decade") if any(column_values(shown.catalog, name)))
    what = next(columns, "genre")
    values = column_values(shown.catalog, what)
    names = [values[row][0] if values[row] else None for row in rows]
    held_out = "held-out " if {shown.splits[row] for row in rows} <= {"valid", "test"} else ""
    title = f"{len(rows)} {held_out}tracks as the model embeds them"
    draw_map(map_points(shown.vectors[rows], random_seed), names, title, what, path)
    return [_picture(path, f"Scatter plot: {title}, marked by {what}.", MAP_NOTE.format(what))]


def _picture(path: Path, alternative: str, caption: str) -> Picture:
    from soundkin.explore.palette import dark_twin

    light, dark = (data_uri(twin.read_bytes(), "image/png") for twin in (path, dark_twin(path)))
    return Picture(light, alternative, caption, dark)


def _commands(shown: Shown, folder: Path) -> list[Step]:
    """What can be asked right away."""
    steps = []
    if shown.judged.any() and (folder / "index").is_dir():
        seed = shown.catalog.track_ids[int(np.argmax(shown.judged))]
        query = f"soundkin query {folder}/index --like {seed} -k 10"
        steps.append(Step("Ask it yourself, by a track or by any audio file.", query))
    if (folder / "truth").is_dir():
        steps.append(Step("Train on your own music.", "make demo MUSIC=path/to/your/music"))
    return steps
