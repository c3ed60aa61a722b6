"""Report: what was learnt, on one page that can be read, seen and heard."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import validate
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.store import read_embeddings
from soundkin.errors import ArtefactError
from soundkin.evaluation.conclusions import advice, headline_sentence
from soundkin.evaluation.evaluation_report import MAIN, Evaluation, Row, read_evaluation
from soundkin.evaluation.label_questions import column_values
from soundkin.evaluation.systems import PatchVectors
from soundkin.explore.curves import draw_curves
from soundkin.explore.examples import choose_queries, nearest_by_others
from soundkin.explore.map import draw_map, map_points, sample_tracks
from soundkin.explore.palette import DARK, dark_twin
from soundkin.explore.report_page import (
    Picture,
    QueryListing,
    Report,
    Score,
    ScoreLine,
    Section,
    Step,
    render_report,
)
from soundkin.explore.snippets import data_uri
from soundkin.files import replacing
from soundkin.pipelines.track_cards import TrackCards, most_alike
from soundkin.progress import progress
from soundkin.shapes import Bool, Float
from soundkin.statistics.measure import CHANCE

QUERIES, NEIGHBOURS = 6, 5
LISTENING_NOTES = (
    "A handful of queries is an impression, not a measurement. Labels are what the catalog says: a neighbour of "
    "another genre may still sound right, and one of the same genre wrong. Only ears settle that.",
    "Similarity is the cosine of two vectors. It orders tracks; it is no probability, and models differ in its scale.",
)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows: an evaluation, and tracks to look at and listen to.

    Row i of `vectors`, by our system, is track i of `catalog`; `splits` says where our model met it, if it
    did, and `judged` whether scores are about it. `patches` finds the patch vectors of tracks by their ids,
    if there are any.
    """

    evaluation: Evaluation
    catalog: Catalog
    vectors: Float[np.ndarray, "tracks embedding"]
    splits: Sequence[str]
    judged: Bool[np.ndarray, " tracks"]
    patches: Callable[[list[str]], Mapping[str, PatchVectors]] = lambda track_ids: {}

    def listings(self) -> TrackCards:
        """The tracks as pages show them."""
        return TrackCards(self.catalog, [split == "train" for split in self.splits])


def write_report(run_dir: Path, output: Path | None = None, random_seed: int = 0) -> Path:
    """Write `report.html`, `map.png` and `curves.png` into `run_dir` (or the page to `output`); returns where
    it is.

    Each picture has a twin on a dark ground beside it, `map-dark.png`.

    Reads what `soundkin demo` leaves there: `metrics.json`, `embeddings/` and, if training was logged,
    `metrics.csv`.

    Raises:
        ArtefactError: one of them is missing or corrupt, or evaluation and embeddings are of different
            models.
        OutputError: the folder cannot be written.
    """
    folder = Path(run_dir)
    shown = _read_run(folder)
    output = Path(output) if output else folder / "report.html"
    return write_page(
        shown,
        output,
        title=f"soundkin report: {folder.resolve().name}",
        listened=listen(shown, shown.listings(), (), random_seed),
        pictures=[map_picture(shown, folder / "map.png", random_seed), *_curves(folder)],
        steps=_commands(shown, folder),
    )


def write_page(
    shown: Shown,
    output: Path,
    title: str,
    listened: Sequence[QueryListing],
    pictures: Sequence[Picture],
    steps: Sequence[tuple[str, str]] = (),
    chosen: bool = False,
    judge_page: str = "",
) -> Path:
    """Write the page about an evaluation; `chosen` says that somebody named the queries. Returns where it is.

    Raises:
        OutputError: the folder cannot be written.
    """
    evaluation = shown.evaluation
    judged = [id_ for id_, judged in zip(shown.catalog.track_ids, shown.judged, strict=True) if judged]
    sections = [
        Section(section.title, section.verdict, section.table(), section.notes)
        for section in evaluation.sections.values()
    ]
    page = render_report(
        Report(
            title=title,
            verdict=evaluation.verdict,
            headline=headline_sentence(evaluation, shown.catalog.select(judged), shown.vectors[shown.judged]),
            facts=_facts(shown),
            systems=evaluation.systems,
            lines=[_line(row) for row in evaluation.rows],
            hubness=_hubs(evaluation),
            queries=listened,
            how_queries_were_chosen=_how_chosen(shown, chosen),
            pictures=pictures,
            steps=[Step(text, command) for text, command in [*advice(evaluation), *steps]],
            notes=[*evaluation.notes, *LISTENING_NOTES],
            sections=sections,
            judge_page=judge_page,
        )
    )
    with replacing(output, "w") as file:
        file.write(page)
    return output


def _read_run(folder: Path) -> Shown:
    evaluation = read_evaluation(folder / "metrics.json")
    embeddings = read_embeddings(folder / "embeddings")
    if embeddings.model_hash != evaluation.provenance.get("model_hash"):
        raise ArtefactError(
            f"{folder}: metrics.json is about model {evaluation.provenance.get('model_hash')}, embeddings are by "
            f"{embeddings.model_hash}. Run soundkin evaluate or soundkin embed again."
        )
    catalog = read_catalog(embeddings.catalog_path, evaluation.provenance.get("no_artist", ()))
    rule = validate(SplitRule, evaluation.provenance["split_rule"], "split_rule")
    splits = dict(zip(catalog.track_ids, rule.assign(catalog), strict=True))
    catalog = catalog.select(embeddings.track_ids)
    own = [splits[track_id] for track_id in catalog.track_ids]
    judged_on = evaluation.provenance["split"]
    judged = np.array([judged_on in ("all", split) for split in own])
    return Shown(evaluation, catalog, embeddings.vectors, own, judged)


def _facts(shown: Shown) -> list[tuple[str, str]]:
    evaluation, provenance = shown.evaluation, shown.evaluation.provenance
    model, split = provenance.get("model_hash"), provenance["split"]
    which = "" if split == "all" else f" ({split} split)"
    return [
        ("Judged on", f"{evaluation.size}{which}"),
        ("Searched", f"{len(shown.catalog)} tracks"),
        ("Trained on", ", ".join(evaluation.trained_labels) or ("nothing" if model else "unknown")),
        ("Left out", f"{len(evaluation.skipped)} unreadable files"),
        *([("Model", str(model)[:12])] if model else []),
        ("soundkin", str(provenance["soundkin"])),
    ]


def _hubs(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """Hubs of each system, where no section has more to say of them."""
    if evaluation.geometry is not None:
        return []
    return [
        (of.system, f"{of.skewness:.2f}", f"{of.largest_hub:.0%}", f"{of.antihubs:.0%}")
        for of in evaluation.hubness
    ]


def _line(row: Row) -> ScoreLine:
    return ScoreLine(
        question=f"same {row.label}" if row.protocol == "retrieval" else f"which {row.label}",
        trained=row.trained,
        measure=row.metric if row.protocol == "retrieval" else f"{row.protocol}, {row.metric}",
        filter=row.filtered_by,
        tracks=row.items,
        artists=row.groups,
        scores=[
            Score(of.system, of.mean) if of.system == CHANCE else Score(of.system, of.mean, of.low, of.high)
            for of in row.scores
        ],
        gain=Score(**row.least_gain.model_dump()),
        main=(row.protocol, row.metric) in MAIN,
    )


def _how_chosen(shown: Shown, chosen: bool) -> str:
    where = (
        "Answers come from the whole collection: none by the query's own artist, one by each other artist."
    )
    if chosen:
        return f"The queries are those that were asked for. {where}"
    whose = "tracks that the model was judged on" if shown.judged.any() else "tracks"
    genres = ", one of each of the commonest genres" if any(column_values(shown.catalog, "genre")) else ""
    return f"The queries are {whose}{genres}, picked by a hash and not by their result. {where}"


def query_rows(shown: Shown, queries: Sequence[str], random_seed: int, count: int = QUERIES) -> list[int]:
    """The rows of the queries that were asked for, or else of `count` that a hash picks."""
    if queries:
        return [shown.catalog.row(track_id) for track_id in queries]
    eligible = shown.judged if shown.judged.any() else np.ones(len(shown.catalog), dtype=bool)
    return choose_queries(
        shown.catalog.track_ids, column_values(shown.catalog, "genre"), eligible, count, random_seed
    )


def listen(
    shown: Shown, listings: TrackCards, queries: Sequence[str], random_seed: int, count: int = QUERIES
) -> list[QueryListing]:
    """Some queries and their nearest tracks by others, to be listened to."""
    artists = column_values(shown.catalog, "artist")
    rows = query_rows(shown, queries, random_seed, count)
    found = {row: nearest_by_others(shown.vectors, row, artists, NEIGHBOURS) for row in rows}
    track_ids = shown.catalog.track_ids
    patches = shown.patches(
        [track_ids[row] for row in {*found, *(other for of in found.values() for other, _ in of)}]
    )
    return [
        QueryListing(
            listings.card(row),
            [
                listings.card(other, row, similarity, most_alike(patches, track_ids[row], track_ids[other]))
                for other, similarity in neighbours
            ],
        )
        for row, neighbours in progress(found.items(), "report", total=len(found), unit="query")
    ]


def _curves(folder: Path) -> list[Picture]:
    path = folder / "curves.png"
    kept, stopped = _kept_step(folder)
    history = folder / "metrics.csv"
    if not draw_curves(history, path, kept, stopped) or not draw_curves(
        history, dark_twin(path), kept, stopped, DARK
    ):
        return []
    caption = "Learning curves. Held-out scores that still rise at the end ask for longer training."
    caption += " The line marks the epoch whose weights were kept." if kept is not None else ""
    caption += " Training stopped early: the held-out score rose no more." if stopped else ""
    return [_picture(path, "Line charts of losses and held-out scores over training steps.", caption)]


def _kept_step(folder: Path) -> tuple[int | None, bool]:
    """The step whose weights the model has, None where not known; and whether training stopped early."""
    try:
        bundle = load_bundle(folder / "model")
    except ArtefactError:
        return None, False
    settings, training = (bundle.provenance.get(name, {}) for name in ("train_config", "training"))
    planned, run, step = (
        settings.get("trainer", {}).get("epochs"),
        training.get("epochs_run"),
        bundle.metrics.get("step"),
    )
    return None if step is None else int(step), bool(run and planned and run < planned)


def _picture(path: Path, alternative: str, caption: str) -> Picture:
    light, dark = (data_uri(one.read_bytes(), "image/png") for one in (path, dark_twin(path)))
    return Picture(light, alternative, caption, dark)


def map_picture(shown: Shown, path: Path, random_seed: int) -> Picture:
    """A map of the tracks that were judged, drawn to `path` and, on a dark ground, beside it."""
    rows = np.flatnonzero(shown.judged) if shown.judged.sum() > 2 else np.arange(len(shown.catalog))
    rows = rows[sample_tracks(len(rows), random_seed)]
    what = next(
        (name for name in ("genre", "artist", "decade") if any(column_values(shown.catalog, name))), "genre"
    )
    values = column_values(shown.catalog, what)
    names = [values[row][0] if values[row] else None for row in rows]
    points = map_points(shown.vectors[rows], random_seed)
    held_out = "held-out " if {shown.splits[row] for row in rows} <= {"valid", "test"} else ""
    title = f"{len(rows)} {held_out}tracks as the model hears them"
    draw_map(points, names, title, what, path)
    draw_map(points, names, title, what, dark_twin(path), DARK)
    caption = (
        "Tracks that the model finds alike lie near each other. It placed them by sound alone; colour and shape show "
        f"the {what} in the catalog."
    )
    return _picture(path, f"Scatter plot: {title}, marked by {what}.", caption)


def _commands(shown: Shown, folder: Path) -> list[tuple[str, str]]:
    """What can be asked right away."""
    seed = next(
        (id_ for id_, judged in zip(shown.catalog.track_ids, shown.judged, strict=True) if judged), None
    )
    asking = [
        (
            "Ask it yourself, by a track or by any audio file.",
            f"soundkin query {folder}/index --like {seed} -k 10",
        )
    ]
    synthesised = (folder / "truth").is_dir()
    own = [("Train on your own music.", "make demo MUSIC=path/to/your/music")] if synthesised else []
    return (asking if seed and (folder / "index").is_dir() else []) + own
