"""A plugin for beets: `beet soundkin QUERY` lists what sounds like the items that match (docs/beets.md).

beets loads its plugins at every start, so soundkin is imported only once there is something to do.
"""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from optparse import Values
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.plugins import BeetsPlugin

if TYPE_CHECKING:
    from soundkin.embedding.library import Library as SoundkinLibrary
    from soundkin.pipelines.answers import Answer
    from soundkin.pipelines.sync import SyncResult

CHANGES = ("item_imported", "album_imported", "item_moved", "after_write")


class SoundkinPlugin(BeetsPlugin):
    """The command, and a sync at the end of each command of beets that changed music."""

    def __init__(self) -> None:
        super().__init__()
        self.config.add({"library": None, "auto": True, "k": 10})
        self._changed, self._removed = False, set[bytes]()
        if self.config["auto"].get(bool):
            for event in CHANGES:
                self.register_listener(event, self._note_change)  # type: ignore[call-overload]
            self.register_listener("item_removed", self._note_removal)
            self.register_listener("cli_exit", self._sync_at_exit)

    def commands(self) -> Sequence[ui.Subcommand]:
        """What beets asks a plugin for."""
        command = ui.Subcommand("soundkin", help="list what sounds like the matching items")
        command.parser.usage = "%prog [options] QUERY\n       %prog --sync [--yes]"
        command.parser.add_path_option()
        command.parser.add_format_option(target="item")
        add = command.parser.add_option
        add("-k", type="int", default=self.config["k"].get(int), help="how many answers (default: %default)")
        add("-o", "--output", metavar="FILE", help="also write a playlist: .m3u8, .m3u or .jspf")
        add("--sync", action="store_true", help="bring soundkin's library up to date with the music")
        add(
            "--yes",
            action="store_true",
            help="with --sync: though more than a quarter of the tracks are gone",
        )
        command.func = self._run
        return [command]

    def _run(self, lib: Library, options: Values, words: list[str]) -> None:
        from soundkin.errors import SoundkinError

        try:
            if options.sync:
                ui.print_(self._sync(lib, bool(options.yes)).summary())
                self._changed = False
            elif words:
                self._list_similar(lib, options, words)
            else:
                raise UserError("name an item: beet soundkin QUERY, or bring the library up to date: --sync")
        except SoundkinError as error:
            raise UserError(str(error)) from error

    def _list_similar(self, lib: Library, options: Values, words: list[str]) -> None:
        """Print the answers, as beets prints items; `$similarity` may be in their format."""
        from soundkin.catalog.playlist_files import check_playlist_file

        if options.output:
            check_playlist_file(Path(options.output))
        answers = self._ask(lib, list(lib.items(words)), options.k)
        items = [_item_of(lib, answer) for answer in answers]
        for item in items:
            ui.print_(format(item, ""))
        if options.output:
            _write_playlist(answers, items, Path(options.output))

    def _ask(self, lib: Library, items: list[Item], k: int) -> "list[Answer]":
        """What is near all of `items`."""
        import soundkin
        from soundkin.config import validate

        if not items:
            raise UserError("no item matches: beet ls QUERY shows what would.")
        library = self._library(lib)
        if not (library.index / "CURRENT").exists():
            raise UserError(f"{library.folder} is no library of soundkin yet. Make it: beet soundkin --sync")
        index = soundkin.open_index(library.index)
        rows = [index.row_of_file(Path(os.fsdecode(item.path))) for item in items]
        missing = [item for item, row in zip(items, rows, strict=True) if row is None]
        if missing:
            which = (
                f"{len(missing)} of {len(items)} items are not in {library.folder}, the first {missing[0]}"
            )
            advice = "Is it in beets' directory? Then: beet soundkin --sync"
            if len(missing) == len(items):
                raise UserError(f"{which}. {advice}")
            self._log.warning("{}. {}", which, advice)
        like = [
            {"name": index.tracks.label(row).track_id, "kind": "track"} for row in rows if row is not None
        ]
        return soundkin.ask(index, validate(soundkin.QueryDescription, {"like": like, "k": k}, "query"))

    def _library(self, lib: Library) -> "SoundkinLibrary":
        from soundkin.embedding.library import Library as SoundkinLibrary
        from soundkin.embedding.library import default_library

        if self.config["library"].get() is None:
            return default_library(_music(lib))
        return SoundkinLibrary(Path(self.config["library"].as_filename()))

    def _sync(self, lib: Library, yes: bool = False) -> "SyncResult":
        """Bring soundkin's library up to date; what was removed here may be gone without further question."""
        import soundkin
        from soundkin.errors import TracksGoneError

        music, library = _music(lib), self._library(lib).folder
        try:
            result = soundkin.sync(music, library, yes=yes)
        except TracksGoneError:
            gone = soundkin.sync(music, library, dry_run=True).changes.gone
            if not all(os.fsencode(music / path) in self._removed for path in gone):
                raise
            result = soundkin.sync(music, library, yes=True)
        for skipped in result.skipped[:1]:
            count = len(result.skipped)
            self._log.warning("{} files are left out, the first {}: {}", count, skipped.path, skipped.reason)
        return result

    def _note_change(self, **_: Any) -> None:
        self._changed = True

    def _note_removal(self, item: Item) -> None:
        self._changed = True
        self._removed.add(item.path)

    def _sync_at_exit(self, lib: Library) -> None:
        """Whatever goes wrong: what beets did is done, and the next sync makes it good."""
        if not self._changed:
            return
        if not sys.stderr.isatty():
            logging.getLogger("soundkin").setLevel(logging.ERROR)  # no progress into the logs of cron
        try:
            self._log.info("{}", self._sync(lib).summary())
        except Exception as error:
            self._log.warning("not up to date: {}. Later: beet soundkin --sync", error)
            self._log.debug("", exc_info=True)


def _music(lib: Library) -> Path:
    return Path(os.fsdecode(lib.directory))


def _item_of(lib: Library, answer: "Answer") -> Item:
    """The item at the answer's path; where beets has none, one of the answer alone."""
    path = os.fsencode(answer.path)
    found: Iterator[Item] = (item for item in lib.items([f"path:{answer.path}"]) if item.path == path)
    item = next(found, None) or Item(path=path, title=answer.title, artist=answer.artist)
    item["similarity"] = f"{answer.score:.3f}"
    return item


def _write_playlist(answers: "list[Answer]", items: list[Item], output: Path) -> None:
    from soundkin.catalog.playlist_files import ListedFile, write_playlist

    entries = [
        ListedFile(answer.track_id, answer.path, item.title, item.artist, item.length or -1.0)
        for answer, item in zip(answers, items, strict=True)
    ]
    write_playlist(entries, output, output.stem)
