"""`soundkin`: one command a verb, each in its own file and imported only when it is called."""

import importlib
import logging
import sys
from collections.abc import Sequence

import click

from soundkin.errors import SoundkinError

COMMANDS = (
    "scan",
    "train",
    "embed",
    "index",
    "query",
    "recommend",
    "evaluate",
    "audit",
    "correct",
    "assess",
    "transfer",
    "reproduce",
    "demo",
)
DONE, INTERRUPTED = 0, 130


class LazyCommands(click.Group):
    """Finds a command by its name, so that `--help` and `query` load nothing that they do not use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `soundkin.cli.<verb>` and take its `command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"soundkin.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer a mistyped command with the nearest one."""
        import difflib

        close = difflib.get_close_matches(args[0], COMMANDS, n=1) if args else []
        if close and args[0] not in COMMANDS:
            ctx.fail(f"No such command '{args[0]}'. Did you mean {close[0]}?")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 2 usage or config, 3 done but some files were skipped, 4 an artefact is corrupt or of "
    "another model, 130 interrupted, 1 anything else. Results go to stdout, progress and logs to stderr.",
)
@click.version_option(package_name="soundkin")
def cli() -> None:
    """Train networks that hear music, and ask: what sounds like this?

    \b
    From a folder of music to neighbours:
      soundkin scan ~/music -o catalog.csv
      soundkin train catalog=catalog.csv run_dir=runs/first
      soundkin embed runs/first/model catalog.csv -o runs/first/embeddings
      soundkin index runs/first/embeddings -o runs/first/index
      soundkin query runs/first/index --like song.mp3 -k 10
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; a person's mistake ends in one line, never in a traceback."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("soundkin").setLevel(logging.INFO)
    try:
        code = cli.main(list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SoundkinError as error:
        click.echo(f"soundkin: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("soundkin: interrupted. Run the same command again to go on.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:  # `soundkin query ... | head`
        sys.stderr.close()
        code = DONE
    sys.exit(code if isinstance(code, int) else DONE)
