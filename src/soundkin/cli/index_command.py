"""`soundkin index`, which builds one, and the commands that edit one."""

from typing import Any

import click

from soundkin.cli.logs import OPTIONS
from soundkin.cli.output import note, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines import index_edits
from soundkin.pipelines.index import index_embeddings


@command_of(index_embeddings)
def build(**options: Any) -> None:
    result = index_embeddings(**options)
    say(f"{result.output}: {result.count} tracks, {result.kind}: {result.reason}")


@command_of(index_edits.add_to_index)
def add(**options: Any) -> None:
    _say_edited(index_edits.add_to_index(**options), options["index"])


@command_of(index_edits.update_index)
def update(**options: Any) -> None:
    _say_edited(index_edits.update_index(**options), options["index"])


@command_of(index_edits.remove_from_index)
def remove(**options: Any) -> None:
    _say_edited(index_edits.remove_from_index(**options), options["index"])


@command_of(index_edits.compact_index)
def compact(**options: Any) -> None:
    result = index_edits.compact_index(**options)
    if result is None:
        say(f"{options['index']}: nothing was edited since it was built, so there is nothing to compact")
    else:
        say(f"{options['index']}: {result.count} tracks, {result.kind}: {result.reason}")


@command_of(index_edits.snapshot_index)
def snapshot(**options: Any) -> None:
    version = index_edits.snapshot_index(**options)
    done = "is forgotten" if options["remove"] else f"keeps {version}"
    say(f"{options['index']}: snapshot {options['name']} {done}")


@command_of(index_edits.rollback_index)
def rollback(**options: Any) -> None:
    index = index_edits.rollback_index(**options)
    say(f"{options['index']}: back at {index.version}, {len(index)} tracks")


@command_of(index_edits.index_status)
def status(**options: Any) -> None:
    index = index_edits.index_status(**options)
    say(f"{index.folder}: {index.count} tracks, version {index.version}, {index.bytes / 1e6:,.1f} MB")
    say(f"kind        {index.kind}: {index.reason}")
    say(f"edited      {index.new} tracks are new, {index.removed} removed or replaced since it was built")
    say(f"compaction  {'due: ' + index.due if index.due else 'not due'}")
    for name, version in index.snapshots.items():
        say(f"snapshot    {name}: {version}")


def _say_edited(edited: Any, index: Any) -> None:
    done = f"{edited.added} added, {edited.updated} updated, {edited.removed} removed"
    say(f"{index}: {done}; {edited.count} tracks")
    if edited.due:
        note(f"A compaction is due: {edited.due}. Do it: soundkin index compact {index}")


class IndexCommands(click.Group):
    """Builds an index unless the first word is the name of another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`EMBEDDINGS -o INDEX` means `build EMBEDDINGS -o INDEX`."""
        switches = {option.opts[0] for option in OPTIONS if option.is_flag}
        first = next((word for word in args if word not in switches), "")
        if first not in (*self.commands, *ctx.help_option_names):
            args = ["build", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """That of building, and that of the others."""
        formatter.write_usage(ctx.command_path, "EMBEDDINGS -o INDEX [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND INDEX [ARGUMENTS] [OPTIONS]", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of building, and the commands."""
        click.Command.format_options(build, ctx, formatter)
        self.format_commands(ctx, formatter)


command = IndexCommands("index", help=build.help, no_args_is_help=False)
for part in (build, add, update, remove, compact, snapshot, rollback, status):
    part.params += OPTIONS
    command.add_command(part)
build.hidden = True
