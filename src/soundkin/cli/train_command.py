"""`soundkin train`."""

from collections.abc import Sequence
from typing import Any

import click

from soundkin.cli.output import end, note, print_rows, print_table, say
from soundkin.errors import ConfigError

HELP = """Train a network from a config: any KEY=VALUE, any group choice, -m for a sweep.

Needs catalog=FILE and run_dir=FOLDER. Run the same command again after a kill, and it goes on where it
stopped. A run keeps to the files it began with: when the catalog has grown, choose another run_dir, or
--again.

Paths are taken as given, whatever signs they hold (quote them for your shell alone); `null` leaves an
optional file out. With -m a comma separates values, and there is a run for each combination; but paths keep
their commas, and are not swept.

\b
Examples:
  soundkin train experiment=demo catalog=catalog.csv run_dir=runs/first
  soundkin train model=dieleman2014 task=[artist] trainer.epochs=50 catalog=catalog.csv run_dir=runs/second
  soundkin train start=default task=[artist] catalog=catalog.csv run_dir=runs/mine
  soundkin train start=default trainer.frozen=true task=[genre] catalog=catalog.csv run_dir=runs/heads
  soundkin train trainer=gpu catalog=catalog.csv run_dir=runs/third
  soundkin train -m trainer.learning_rate=1e-3,3e-3 catalog=catalog.csv run_dir=runs/sweep
  soundkin train --show task=[genre,year]

\b
Groups (configs/): data, features, model, task, trainer, logger, experiment.
"""
NEEDED = ("catalog=???", "run_dir=???")  # what --show can do without


@click.command(help=HELP, context_settings={"ignore_unknown_options": True})
@click.option("-m", "--multirun", is_flag=True, help="Run every combination of comma-separated values.")
@click.option("--show", is_flag=True, help="Print the resolved config and stop.")
@click.option("--again", is_flag=True, help="Train anew in a run_dir in use; tracks are split as before.")
@click.argument("overrides", nargs=-1, metavar="KEY=VALUE...", type=click.UNPROCESSED)
def command(overrides: tuple[str, ...], multirun: bool, show: bool, again: bool) -> int:
    from soundkin.pipelines.train import SWEEP_TABLE, compose, compose_sweep, sweep, train

    if show:
        words = [*NEEDED, *overrides]
        _show([run.config for run in compose_sweep(words)] if multirun else [compose(words)])
        return 0
    if multirun:
        swept = sweep(overrides, again)
        print_rows(f"{len(swept.outcomes)} runs: {swept.run_dir / SWEEP_TABLE}", swept.table())
        code = end(swept.skipped)
        if swept.failures:
            failed = f"{len(swept.failures)} of {len(swept.outcomes)} runs failed"
            note(f"soundkin: {failed}. Run the same command again to train what is not trained yet.")
            return getattr(swept.failures[0], "exit_code", 1)
        return code
    result = train(compose(overrides), again)
    if result.trained_before:
        note("soundkin: trained already, on the same config and inputs; --again trains anew")
    rows = [[name, f"{value:.4g}"] for name, value in result.metrics.items()]
    print_table(f"model: {result.model}", ["at its best epoch", "value"], rows)
    return end(result.skipped)


def _show(configs: Sequence[Any]) -> None:
    import yaml

    for config in configs:
        if isinstance(config, ConfigError):
            raise config
    shown = [config.model_dump(mode="json") for config in configs]
    say(yaml.safe_dump_all(shown, sort_keys=False, allow_unicode=True).rstrip())
