"""`soundkin`: one command a verb, each in its own file and imported only when it is called."""

import errno
import importlib
import io
import sys
from collections.abc import Sequence

import click

from soundkin.cli.logs import OPTIONS, logs_json, options_among, prepare_streams, set_up_logging
from soundkin.cli.output import SOME_SKIPPED, discard_stdout, flush_stdout, log
from soundkin.errors import SoundkinError, UsageError

COMMANDS = (
    "sync",
    "scan",
    "train",
    "embed",
    "index",
    "export",
    "neighbours",
    "query",
    "why",
    "path",
    "playlist",
    "explore",
    "recommend",
    "link",
    "serve",
    "evaluate",
    "audit",
    "correct",
    "assess",
    "transfer",
    "reproduce",
    "demo",
)
DONE, BUG, INTERRUPTED = 0, 1, 130


class LazyCommands(click.Group):
    """Finds a command by its name, so that `--help` and `query` load nothing that they do not use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `soundkin.cli.<verb>_command` and take its `command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"soundkin.cli.{cmd_name}_command")
        command: click.Command = module.command
        command.params += [option for option in OPTIONS if option not in command.params]
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
    params=list(OPTIONS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 2 usage or config, 3 done but some files were skipped, 4 an artefact is "
    "corrupt or of another model, 130 interrupted, 1 anything else. Results go to stdout, progress and logs "
    "to stderr.",
)
@click.version_option(package_name="soundkin")
def cli() -> None:
    """Train networks that hear music, and ask: what sounds like this?

    \b
    A library of your music, kept current by the same command:
      soundkin sync ~/music
      soundkin query ~/music --like song.mp3 -k 10

    \b
    With a model of your own, from a folder of music to neighbours:
      soundkin scan ~/music -o catalog.csv
      soundkin train catalog=catalog.csv run_dir=runs/first
      soundkin embed runs/first/model catalog.csv -o runs/first/embeddings
      soundkin index runs/first/embeddings -o runs/first/index
      soundkin query runs/first/index --like song.mp3 -k 10
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; a user's mistake ends in one line, with no traceback."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    prepare_streams()
    set_up_logging(words)
    try:
        code = cli.main(words, standalone_mode=False)
        flush_stdout()
        if code == SOME_SKIPPED and "--allow-skipped" in options_among(words):
            code = DONE
    except click.ClickException as error:
        log.error("%s", error.format_message() if logs_json() else _shown(error))
        code = error.exit_code
    except SoundkinError as error:
        log.error("soundkin: %s", error, extra={"fields": {"kind": type(error).__name__}})
        code = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        log.error("soundkin: interrupted. Run the same command again to go on.")
        code = INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # help is printed by click, not by us
            discard_stdout()
            log.error(
                "soundkin: cannot write: %s. Free some space, and run the same command again.", error.strerror
            )
            sys.exit(BUG)
        if (
            isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        ):  # no look at it was ours to guard
            log.error("soundkin: %s: the name is too long. Choose a shorter one.", error.filename)
            sys.exit(UsageError.exit_code)
        if not logs_json():
            raise
        log.critical("%s", error, exc_info=True)
        code = BUG
    sys.exit(code if isinstance(code, int) else DONE)


def _shown(error: click.ClickException) -> str:
    """What click says of a mistake: usage, where to find help, and what is wrong."""
    shown = io.StringIO()
    error.show(shown)
    return shown.getvalue().rstrip("\n")
