"""Report: what a run has learnt, on one page that can be read, seen and heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import validate
from soundkin.embedding.store import Embeddings, read_embeddings
from soundkin.errors import ArtefactError, AudioError
from soundkin.evaluation.advice import advice
from soundkin.evaluation.measure import CHANCE
from soundkin.evaluation.protocol import Evaluation, Row, read_evaluation
from soundkin.evaluation.questions import column_values
from soundkin.explore.curves import draw_curves
from soundkin.explore.examples import choose_queries, nearest_by_others
from soundkin.explore.map import draw_map, map_points, sample_tracks
from soundkin.explore.report import Listing, Picture, QueryListing, Report, Score, ScoreLine, Step, render_report
from soundkin.explore.snippets import SNIPPET_RATE_HZ, SOURCE_SECONDS, data_uri, encode_mp3, middle
from soundkin.features.decode import read_waveform
from soundkin.files import replacing
from soundkin.progress import progress
from soundkin.shapes import Bool

QUERIES, NEIGHBOURS = 6, 5
MAIN = (("retrieval", "mAP@10"), ("logistic probe", "balanced accuracy"))  # the rest of the table is folded away


@dataclass(frozen=True)
class Run:
    """What a run has left: its evaluation, the vectors of its catalog, and which of the tracks it was judged on."""

    folder: Path
    evaluation: Evaluation
    embeddings: Embeddings
    catalog: Catalog  # row i is the track of vector i
    splits: Sequence[str]
    held_out: Bool[np.ndarray, " tracks"]


def write_report(run_dir: Path, output: Path | None = None, random_seed: int = 0) -> Path:
    """Write `report.html`, `map.png` and `curves.png` into `run_dir` (or the page to `output`); returns where it is.

    Reads what `soundkin demo` leaves there: `metrics.json`, `embeddings/` and, if training was logged, `metrics.csv`.

    Raises:
        ArtefactError: one of them is missing or corrupt, or evaluation and embeddings are of different models.
        OutputError: the folder cannot be written.
    """
    run = _read_run(Path(run_dir))
    output = Path(output) if output else run.folder / "report.html"
    queries = _query_listings(run, random_seed)
    page = render_report(
        Report(
            title=f"soundkin report: {run.folder.resolve().name}",
            verdict=run.evaluation.verdict,
            facts=_facts(run),
            systems=run.evaluation.systems,
            lines=[_line(row) for row in run.evaluation.rows],
            hubness=[
                (of.system, f"{of.skewness:.2f}", f"{of.largest_hub:.0%}", f"{of.antihubs:.0%}")
                for of in run.evaluation.hubness
            ],
            queries=queries,
            how_queries_were_chosen=_how_chosen(run),
            pictures=_pictures(run, random_seed),
            steps=[Step(text, command) for text, command in [*advice(run.evaluation), *_commands(run)]],
            notes=[*run.evaluation.notes, *LISTENING_NOTES],
        )
    )
    with replacing(output, "w") as file:
        file.write(page)
    return output


LISTENING_NOTES = (
    "A handful of queries is an impression, not a measurement. Labels are what the catalog says: a neighbour of "
    "another genre may still sound right, and one of the same genre wrong. Only ears settle that.",
    "Similarity is the cosine of two vectors. It orders tracks; it is no probability, and models differ in its scale.",
)


def _read_run(folder: Path) -> Run:
    evaluation = read_evaluation(folder / "metrics.json")
    embeddings = read_embeddings(folder / "embeddings")
    if embeddings.model_hash != evaluation.provenance.get("model_hash"):
        raise ArtefactError(
            f"{folder}: metrics.json is about model {evaluation.provenance.get('model_hash')}, embeddings are by "
            f"{embeddings.model_hash}. Run soundkin evaluate or soundkin embed again."
        )
    catalog = read_catalog(embeddings.catalog_path)
    splits = dict(zip(catalog.track_ids, _rule(evaluation).assign(catalog), strict=True))
    catalog = catalog.select(embeddings.track_ids)
    own = [splits[track_id] for track_id in catalog.track_ids]
    judged_on = evaluation.provenance["split"]
    return Run(folder, evaluation, embeddings, catalog, own, np.array([judged_on in ("all", split) for split in own]))


def _rule(evaluation: Evaluation) -> SplitRule:
    return validate(SplitRule, evaluation.provenance["split_rule"], "split_rule")


def _facts(run: Run) -> list[tuple[str, str]]:
    evaluation, provenance = run.evaluation, run.evaluation.provenance
    return [
        ("Judged on", f"{evaluation.tracks} tracks by {evaluation.artists} artists ({provenance['split']} split)"),
        ("Searched", f"{len(run.catalog)} tracks"),
        ("Trained on", ", ".join(evaluation.trained_labels) or "nothing"),
        ("Left out", f"{len(evaluation.skipped)} unreadable files"),
        ("Model", str(provenance["model_hash"])[:12]),
        ("soundkin", str(provenance["soundkin"])),
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


def _how_chosen(run: Run) -> str:
    whose = "tracks that the model was judged on" if run.held_out.any() else "tracks"
    genres = ", one of each of the commonest genres" if any(column_values(run.catalog, "genre")) else ""
    return (
        f"The queries are {whose}{genres}, picked by a hash and not by their result. Answers come from the whole "
        "collection: none by the query's own artist, one by each other artist."
    )


def _query_listings(run: Run, random_seed: int) -> list[QueryListing]:
    genres, artists = column_values(run.catalog, "genre"), column_values(run.catalog, "artist")
    eligible = run.held_out if run.held_out.any() else np.ones(len(run.catalog), dtype=bool)
    rows = choose_queries(run.catalog.track_ids, genres, eligible, QUERIES, random_seed)
    listings = []
    for row in progress(rows, "report", unit="query"):
        found = nearest_by_others(run.embeddings.vectors, row, artists, NEIGHBOURS)
        neighbours = [
            _listing(run, other, similarity, ["genre"] if set(genres[row]) & set(genres[other]) else [])
            for other, similarity in found
        ]
        listings.append(QueryListing(_listing(run, row), neighbours))
    return listings


def _listing(run: Run, row: int, similarity: float | None = None, shared: Sequence[str] = ()) -> Listing:
    track_id = run.catalog.track_ids[row]
    title, artist, genre = ("; ".join(column_values(run.catalog, name)[row]) for name in ("title", "artist", "genre"))
    audio, silence = _snippet(run.catalog.audio_path(track_id))
    return Listing(
        title=title or track_id,
        artist=artist or "unknown artist",
        genre=genre,
        audio=audio,
        silence=silence,
        similarity=similarity,
        shared=shared,
        heard=run.splits[row] == "train",
    )


def _snippet(path: Path) -> tuple[str | None, str]:
    """The address of ten seconds of sound, or None and why there is none."""
    try:
        waveform = read_waveform(path, SNIPPET_RATE_HZ, SOURCE_SECONDS)
    except AudioError as error:
        return None, f"no sound: {error}"
    return data_uri(encode_mp3(middle(waveform.samples, SNIPPET_RATE_HZ), SNIPPET_RATE_HZ), "audio/mpeg"), ""


def _pictures(run: Run, random_seed: int) -> list[Picture]:
    pictures = [_map(run, random_seed)]
    path = run.folder / "curves.png"
    if draw_curves(run.folder / "metrics.csv", path):
        caption = "Learning curves. Held-out scores that still rise at the end ask for longer training."
        alternative = "Line charts of losses and held-out scores over training steps."
        pictures.append(Picture(data_uri(path.read_bytes(), "image/png"), alternative, caption))
    return pictures


def _map(run: Run, random_seed: int) -> Picture:
    rows = np.flatnonzero(run.held_out) if run.held_out.sum() > 2 else np.arange(len(run.catalog))
    rows = rows[sample_tracks(len(rows), random_seed)]
    what = next((name for name in ("genre", "artist", "decade") if any(column_values(run.catalog, name))), "genre")
    values = column_values(run.catalog, what)
    names = [values[row][0] if values[row] else None for row in rows]
    points = map_points(run.embeddings.vectors[rows], random_seed)
    title = f"{len(rows)} {'held-out ' if run.held_out[rows].all() else ''}tracks as the model hears them"
    path = run.folder / "map.png"
    draw_map(points, names, title, what, path)
    caption = (
        "Tracks that the model finds alike lie near each other. It placed them by sound alone; colour and shape show "
        f"the {what} in the catalog."
    )
    return Picture(data_uri(path.read_bytes(), "image/png"), f"Scatter plot: {title}, marked by {what}.", caption)


def _commands(run: Run) -> list[tuple[str, str]]:
    """What can be asked right away."""
    seed = next((id_ for id_, judged in zip(run.catalog.track_ids, run.held_out, strict=True) if judged), None)
    asking = [
        ("Ask it yourself, by a track or by any audio file.", f"soundkin query {run.folder}/index --like {seed} -k 10")
    ]
    own = [("Train on your own music.", "make demo MUSIC=path/to/your/music")]
    return (asking if seed and (run.folder / "index").is_dir() else []) + own
