"""What each proxy task gives: alone, all together, and each left out, on held-out artists. One row a run,
resumable.

    python benchmarks/ablation.py runs/demo/catalog.csv runs/ablation genre artist contrastive [KEY=VALUE ...]

Prints a Markdown table: mAP@10 of finding the same genre (artist filter) and the same artist (album filter)
among the test tracks, with 95% intervals over artists. `start` is the network before it is taught anything.
"""

import argparse
from pathlib import Path

from soundkin.evaluation.evaluation_report import Evaluation, read_evaluation
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.train import compose, train

START = ["trainer.epochs=1", "trainer.steps_per_epoch=1", "trainer.learning_rate=1e-12"]


def main() -> None:
    """Train, evaluate and print each row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", type=Path)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("words", nargs="+", metavar="TASK or KEY=VALUE")
    arguments = parser.parse_args()
    tasks = [word for word in arguments.words if "=" not in word]
    overrides = [word for word in arguments.words if "=" in word]
    first = True
    for name, chosen in rows(tasks):
        extra = START if name == "start" else []
        result = run(arguments.catalog, arguments.run_dir / name, chosen, [*overrides, *extra])
        if first:
            print(f"| tasks | {' | '.join(f'same {label}' for label, _ in shown(result))} |")
            print(f"|---|{'---|' * len(shown(result))}")
            others = {score.system for row in result.rows for score in row.scores} - {"model"}
            for other in sorted(others):
                print(f"| ({other}) | {' | '.join(cell for _, cell in shown(result, other))} |")
            first = False
        print(f"| {name} | {' | '.join(cell for _, cell in shown(result))} |", flush=True)


def rows(tasks: list[str]) -> list[tuple[str, list[str]]]:
    """The runs, by name: the start, each task alone, all, and all but one."""
    alone = [(task, [task]) for task in tasks]
    without = [(f"all but {out}", [task for task in tasks if task != out]) for out in tasks]
    return [("start", tasks), *alone, ("all", tasks), *(without if len(tasks) > 2 else [])]


def run(catalog: Path, folder: Path, tasks: list[str], overrides: list[str]) -> Evaluation:
    """Train and evaluate, or read what an earlier call found."""
    folder = Path(str(folder).replace(" ", "-"))
    found = folder / "metrics.json"
    if found.exists():
        return read_evaluation(found)
    places = [f"catalog={catalog}", f"run_dir={folder}", f"data.cache_folder={folder.parent / 'cache'}"]
    model = train(compose([*places, f"task=[{','.join(tasks)}]", "logger=csv", *overrides])).model
    return evaluate(model, catalog, workers=2, labels=["genre", "artist"], trained_too=True, output=found)


def shown(evaluation: Evaluation, system: str = "model") -> list[tuple[str, str]]:
    """Label and mAP@10 of a system, of the stricter question where there are two."""
    cells: dict[str, str] = {}
    for row in evaluation.rows:
        if row.metric == "mAP@10" and (row.filtered_by or row.label not in cells):
            cells[row.label] = next(str(score) for score in row.scores if score.system == system)
    return list(cells.items())


if __name__ == "__main__":
    main()
