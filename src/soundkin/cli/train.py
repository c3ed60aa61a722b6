"""`soundkin train`."""

import click

from soundkin.cli.output import end, print_table, say

HELP = """Train a network from a config: any KEY=VALUE, any group choice, -m for a sweep.

Needs catalog=FILE and run_dir=FOLDER. Run the same command again after a kill, and it goes on where it stopped.

\b
Examples:
  soundkin train experiment=demo catalog=catalog.csv run_dir=runs/first
  soundkin train model=dieleman2014 task=[artist] trainer.epochs=50 catalog=catalog.csv run_dir=runs/second
  soundkin train trainer=gpu catalog=catalog.csv run_dir=runs/third
  soundkin train -m trainer.learning_rate=1e-3,3e-3 catalog=catalog.csv run_dir=runs/sweep

\b
Groups (configs/): data, features, model, task, trainer, logger, experiment.
"""


@click.command(help=HELP, context_settings={"ignore_unknown_options": True})
@click.option("-m", "--multirun", is_flag=True, help="Run every combination of comma-separated values.")
@click.option("--show", is_flag=True, help="Print the resolved config and stop.")
@click.argument("overrides", nargs=-1, metavar="KEY=VALUE...", type=click.UNPROCESSED)
def command(overrides: tuple[str, ...], multirun: bool, show: bool) -> int:
    from soundkin.pipelines.train import compose, sweep, train

    if multirun:
        sweep(overrides, train)
        return 0
    config = compose(overrides)
    if show:
        import yaml

        say(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).rstrip())
        return 0
    result = train(config)
    rows = [[name, f"{value:.4g}"] for name, value in result.metrics.items()]
    print_table(f"model: {result.model}", ["at its best epoch", "value"], rows)
    return end(result.skipped)
