"""A library to be asked over the Subsonic protocol, and how to ask."""

from urllib.parse import urlencode

import pyarrow as pa

import edited_index
from soundkin.search.vector_index import build_index
from subsonic_schema import checked

LOGIN = {"u": "me", "p": "any", "v": "1.16.1", "c": "test"}
TOKEN = "a-token-of-16-and-more"
ODD_TITLES = ["\x01Bad\x0b\x00?", "A & <B> \"C\" 'D'", "é\u2028🎵\ufffe", "", "two\nlines\tand\rmore"]
ALBUMS = ("One", "One", "Two", "", None)
ALBUM_COUNT = 24


def mbid_of(number):
    return f"2b9ee0d3-0000-4000-8000-{number:012}"


def build_subsonic_library(folder):
    """60 tracks, some with titles that XML cannot hold, in 24 albums; audio of the first alone."""
    numbers = range(60)
    titles = [ODD_TITLES[n] if n < len(ODD_TITLES) else f"Title {n}" for n in numbers]
    albums = [ALBUMS[n % 5] and f"Album {ALBUMS[n % 5]} {n % 40}" for n in numbers]
    table = edited_index.table_of(numbers)
    table = table.set_column(table.column_names.index("title"), "title", [titles])
    table = table.append_column("album", [albums])
    table = table.append_column("recording_mbid", [["" if n % 2 else mbid_of(n) for n in numbers]])
    table = table.append_column("duration", pa.array([30.4 + n for n in numbers]))
    embeddings = edited_index.embeddings_of(edited_index.ids_of(numbers), edited_index.sounds_of(numbers))
    build_index(embeddings, table, folder, folder / "index", "exact")
    (folder / "catalog.csv").touch()
    (folder / "0.ogg").write_bytes(bytes(range(256)) * 10)
    (folder.parent / "secret").write_text("secret")
    (folder / "1.ogg").symlink_to(folder.parent / "secret")


def url(method, **parameters):
    return f"/rest/{method}?{urlencode({**LOGIN, **parameters})}"


def response_of(served, method, **parameters):
    """The answer, which has to be as the schemas have it."""
    got = served.ask("GET", url(method, f="json", **parameters))
    assert got.status == 200 and got.type == "application/json"
    return checked(got.content)


def code_of(served, method, **parameters):
    return response_of(served, method, **parameters).error.code
