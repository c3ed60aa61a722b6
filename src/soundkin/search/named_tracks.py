"""Tracks by what people call them: words of title, artist and album; an album; an artist; a path.

A track without a title goes by its file's name. Names are compared folded (`catalog.artists.fold_name`):
without case, accents, punctuation. Arrow narrows a million tracks down to those that may fit; Python folds
only these.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.catalog.artists import DROPPED, artist_key, fold_name, split_credit
from soundkin.catalog.titles import base_title
from soundkin.search.conditions import mask_any
from soundkin.search.tracks import Tracks
from soundkin.shapes import Bool

NAMES = ("title", "artist", "album")
JOINING = {"and", "by", "feat", "featuring", "ft", "the", "with"}  # looked for where there are no others
LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss", "ς": "σ"}


def words_of(text: str) -> set[str]:
    """The folded words by which a name is looked for."""
    words = set(fold_name(text).split())
    return words - JOINING or words


def rows_with_words(tracks: Tracks, text: str) -> list[int]:
    """The tracks that hold all words of `text` in title, artist and album.

    Those whose title is named in full stand alone, if there are any; words begun (`sinner`) count where
    nothing holds whole ones.
    """
    wanted = words_of(text)
    holding = {row: _words_by_column(tracks, row) for row in _rows_holding(tracks, wanted, NAMES)}
    whole = [row for row, words in holding.items() if wanted <= set().union(*words.values())]
    titled = [row for row in whole if holding[row]["title"] and holding[row]["title"] <= wanted]
    return titled or whole or list(holding)


def rows_of_artist(tracks: Tracks, name: str) -> list[int]:
    """The tracks that an artist leads or is a guest of."""
    key = artist_key(name)
    return np.flatnonzero(mask_any(tracks.artist_keys, [key])).tolist() if key else []


def albums_named(tracks: Tracks, text: str) -> list[list[int]]:
    """The albums whose whole title is in `text`, with words of their artists at most; the rows of each."""
    if "album" not in tracks.columns:
        return []
    wanted = words_of(text)
    named = []
    for row in _rows_holding(tracks, wanted, ("album", "artist")):
        words = _words_by_column(tracks, row)
        if words["album"] and words["album"] <= wanted <= words["album"] | words["artist"]:
            named.append(row)
    return list(rows_by_album(tracks, named).values())


def rows_by_album(tracks: Tracks, rows: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    """These rows by their albums, without those of none: by the folded title, and lead artist or folder.

    An album is told apart by its lead artist, or by its folder where that holds more artists than one for
    every two tracks, as compilations do.
    """
    if "album" not in tracks.columns:
        return {}
    chosen = pa.array(rows, pa.int64())
    titles = _each_once(tracks.batch.column("album").take(chosen), fold_name)
    leads = _each_once(tracks.artist_keys.take(chosen), lambda keys: keys.partition(";")[0])
    paths = tracks.batch.column("path").take(chosen).to_pylist()
    by_folder: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for row, title, lead, path in zip(rows, titles, leads, paths, strict=True):
        if title:
            by_folder[title, path.rpartition("/")[0]].append((row, lead))
    albums: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (title, folder), members in by_folder.items():
        compiled = 2 * len({lead for _, lead in members}) > len(members) > 1
        for row, lead in members:
            albums[title, folder if compiled else lead].append(row)
    return {key: sorted(members) for key, members in albums.items()}


def _each_once(column: pa.Array, change: Callable[[str], str]) -> list[str]:
    """`change` of each cell of a text column, called once for each distinct one."""
    changed = {cell: change(cell) if cell else "" for cell in column.unique().to_pylist()}
    return [changed[cell] for cell in column.to_pylist()]


def rows_of_paths(tracks: Tracks, audio_folder: Path, keys: Sequence[Iterable[str]]) -> list[int | None]:
    """For each list of `path_key`s the track that the first known one is of, or None."""
    prefix = f"{audio_folder}/"
    column = pc.utf8_normalize(tracks.batch.column("path").cast(pa.large_string()), "NFC")
    asked = [[cell for key in each for cell in (key.removeprefix(prefix), key)] for each in keys]
    flat = pa.array([cell for cells in asked for cell in cells], pa.large_string())
    found = iter(pc.index_in(flat, value_set=column).to_pylist())
    rows = [[next(found) for _ in cells] for cells in asked]
    return [next((row for row in of_entry if row is not None), None) for of_entry in rows]


class NameLookup:
    """The tracks of an index by artist and title, in whatever spelling."""

    def __init__(self, tracks: Tracks) -> None:
        self._rows: dict[tuple[str, str], int] = {}
        self._versions: dict[tuple[str, str], int] = {}
        for row in range(len(tracks)):
            title = tracks.label(row).title
            for artist in tracks.artists(row) if title else ():
                self._rows.setdefault((artist, fold_name(title)), row)
                self._versions.setdefault((artist, base_title(title)), row)

    def row(self, artist: str, title: str) -> int | None:
        """The track, or else a version of it; None where there is none by any artist of the credit."""
        keys = [artist_key(name) for name in (artist, *split_credit(artist))]
        exact = (self._rows.get((key, fold_name(title))) for key in keys)
        versions = (self._versions.get((key, base_title(title))) for key in keys)
        return next((row for row in (*exact, *versions) if row is not None), None)


def similar_titles(tracks: Tracks, text: str, limit: int = 3) -> list[int]:
    """The tracks whose artist and title are spelled most like `text`."""
    from rapidfuzz import fuzz, process

    labels = (tracks.label(row) for row in range(len(tracks)))
    names = [fold_name(f"{label.artist} {label.title or PurePath(label.path).stem}") for label in labels]
    wanted = fold_name(text)
    matches = process.extract(wanted, names, scorer=fuzz.WRatio, limit=limit, score_cutoff=70)
    return [row for _, _, row in matches]


def _words_by_column(tracks: Tracks, row: int) -> dict[str, set[str]]:
    cells = {name: _cell(tracks, name, row) for name in NAMES}
    cells["title"] = cells["title"] or PurePath(tracks.label(row).path).stem
    words = {name: words_of(cell) for name, cell in cells.items()}
    words["artist"] |= set(" ".join(tracks.artists(row)).split())  # `rem` of R.E.M.
    return words


def _cell(tracks: Tracks, name: str, row: int) -> str:
    return str(tracks.batch.column(name)[row].as_py() or "") if name in tracks.columns else ""


def _rows_holding(tracks: Tracks, words: Iterable[str], names: Sequence[str]) -> list[int]:
    """The tracks that hold each of `words`, or a longer one, somewhere in the columns `names`."""
    columns = [folded_column(column) for column in searched_columns(tracks, names)]
    columns.append(folded_column(tracks.artist_keys))
    folded = folded_column(pa.array(list(words), pa.large_string())).to_pylist()
    masks = [reduce(np.logical_or, [_holds(column, word) for column in columns]) for word in folded]
    return np.flatnonzero(reduce(np.logical_and, masks)).tolist() if masks else []


def searched_columns(tracks: Tracks, names: Sequence[str] = NAMES) -> list[pa.Array]:
    """The columns in which words are looked for, so far as there are such; of `title`, with file names."""
    columns = {name: tracks.batch.column(name) for name in names if name in tracks.columns}
    if "title" in names:
        columns = {**columns, "title": _titles(tracks)}
    return [columns[name] for name in names if name in columns]


def _titles(tracks: Tracks) -> pa.Array:
    """What each track goes by: its title or, without one, the name of its file without ending."""
    nothing = pa.array([""] * len(tracks), pa.large_string())
    titles = tracks.batch.column("title") if "title" in tracks.columns else nothing
    encoded = pa.types.is_dictionary(titles.type)
    if not pc.any(pc.equal(titles.dictionary if encoded else titles, "")).as_py():
        return titles
    titles = titles.cast(pa.large_string())
    untitled = pc.equal(titles, "")
    paths = tracks.batch.column("path").cast(pa.large_string()).filter(untitled)
    stems = pc.replace_substring_regex(paths, r"^.*/|(.)\.[^./]*$", r"\1")
    return pc.replace_with_mask(titles, untitled, stems)


def folded_column(column: pa.Array) -> pa.Array:
    """A text column nearly as `fold_name` has it, but for signs between words."""
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, folded_column(column.dictionary))
    bare = pc.utf8_lower(pc.utf8_normalize(column.cast(pa.large_string()), "NFKD"))
    bare = pc.replace_substring_regex(bare, rf"\p{{Mn}}|{DROPPED.pattern}", "")
    for sign, letters in LETTERS.items():
        bare = pc.replace_substring(bare, sign, letters)
    return bare


def _holds(column: pa.Array, word: str) -> Bool[np.ndarray, " tracks"]:
    if pa.types.is_dictionary(column.type):
        return np.asarray(_holds(column.dictionary, word)[np.from_dlpack(column.indices)])
    mask = pc.fill_null(pc.match_substring(column, word), False)
    return np.asarray(np.from_dlpack(mask.cast(pa.uint8())).astype(bool))
