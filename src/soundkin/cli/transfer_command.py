"""`soundkin transfer`."""

from pathlib import Path

import click

from soundkin.cli.output import end, print_json, print_rows, say

HELP = """Train on some sources of CATALOG and test on the others, every source once: does what is learnt carry over?

A source is a value of a column: a collection, a label, a game. Each fold of sources is judged by a model that met none
of them, nor any of their artists, beside MFCC statistics, an untrained network and chance. Any KEY=VALUE goes to the
training config (soundkin train --help). Run the same command again after a kill, and it goes on where it stopped.

\b
Example:
  soundkin transfer catalog.csv --source album --folds 5 --run-dir runs/transfer trainer.epochs=20 -o transfer.json
"""


@click.command(help=HELP)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", type=click.UNPROCESSED)
@click.option(
    "--source", required=True, metavar="COLUMN", help="Tracks that share its value are never torn apart."
)
@click.option("--apart", metavar="COLUMN", help="Judge the tracks of each of its values among themselves.")
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Models to train.")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), required=True, help="Folder for models and vectors."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that decode."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@click.option("--every-metric", is_flag=True, help="Show nDCG, recall, MRR, AUC and others too.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def command(
    catalog: Path,
    overrides: tuple[str, ...],
    source: str,
    apart: str | None,
    folds: int,
    run_dir: Path,
    workers: int,
    output: Path | None,
    every_metric: bool,
    as_json: bool,
) -> int:
    from soundkin.experiments.transfer import transfer

    result = transfer(
        catalog,
        run_dir,
        source,
        apart=apart,
        folds=folds,
        overrides=overrides,
        workers=workers,
        output=output,
    )
    if as_json:
        print_json(result.to_json())
    else:
        for name, part in result.parts.items():
            print_rows(f"{name}: {part.size}", part.table(every_metric))
            say(f"{name}: {result.verdicts[name]}\n")
    return end(result.skipped)
