"""Columns, filters, artists and paths of an edited index are those of the tracks that are there."""

import json

import numpy as np
import pyarrow as pa

from edited_index import ARTISTS, add, embeddings_of, ids_of, sounds_of, table_of
from soundkin.files import sha256_of
from soundkin.search.conditions import mask_where, parse_condition
from soundkin.search.edits import add_tracks, compact, remove_tracks
from soundkin.search.neighbours import find_neighbours
from soundkin.search.vector_index import open_index


def test_columns_of_all_are_there_and_filters_see_them(small):
    table = table_of([30]).append_column("mood", pa.array(["calm"])).drop_columns("genre")
    table = table.set_column(table.column_names.index("year"), "year", pa.array(["unknown"]))
    add_tracks(small, embeddings_of(ids_of([30]), sounds_of([30])), table, small)
    remove_tracks(small, ids_of([1]))
    for index in (open_index(small), compact(small) and open_index(small)):
        assert index.tracks.columns == ["track_id", "path", "title", "artist", "genre", "year", "mood"]

        def matching(condition, index=index):
            rows = np.flatnonzero(mask_where(index.tracks.batch, [parse_condition(condition)]))
            return [index.tracks.label(row).track_id for row in rows]

        assert matching("mood=calm") == ids_of([30])
        assert matching("genre=") == ids_of([4, 9, 14, 19, 30])
        assert matching("genre=pop") == ids_of([6, 11, 16])
        assert matching("year=1952") == ids_of([2])
        assert matching("year=unknown") == ids_of([30])


def test_values_that_only_removed_tracks_had_are_gone(small):
    add(small, [30])
    remove_tracks(small, ids_of([0, 5, 10, 15, 30]))
    genres = open_index(small).tracks.batch.column("genre")
    assert set(genres.unique().to_pylist()) == {"pop; rock", "Jazz", "ambient", ""}
    assert "Rock" not in genres.dictionary.to_pylist()


def test_the_cap_counts_artists_of_old_and_new_tracks_together(small):
    """Tracks n and n + ARTISTS are by one artist; the credit of a new one names two who are known already."""
    table = table_of([ARTISTS + 1, ARTISTS + 2])
    credits = pa.array(["ARTIST 1", "Artist 1, Artist 2"])
    table = table.set_column(table.column_names.index("artist"), "artist", credits)
    add_tracks(small, embeddings_of(table["track_id"].to_pylist(), sounds_of([1, 2])), table, small)
    index = open_index(small)
    assert index.tracks.artists(index.row(f"track-{ARTISTS + 2:05}")) == ("artist 1", "artist 2")
    answers = find_neighbours(index, index.vector(1)[None], 22, artist_cap=1)
    artists = [artist for row, _ in answers for artist in index.tracks.artists(row)]
    assert len(artists) == len(set(artists)) == 20


def test_an_index_from_before_there_were_keys_of_artists(small):
    """It stored none, and is edited as others are."""
    version = small / "v1"
    with pa.ipc.open_file((version / "tracks.arrow").read_bytes()) as file:
        batch = file.get_batch(0)
    batch = batch.select(batch.schema.names[:-1])
    with pa.OSFile(str(version / "tracks.arrow"), "wb") as out, pa.ipc.new_file(out, batch.schema) as writer:
        writer.write_batch(batch)
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["files"]["tracks.arrow"] = sha256_of(version / "tracks.arrow")
    (version / "manifest.json").write_text(json.dumps(manifest))
    (small / "CURRENT").write_text(f"v1 {sha256_of(version / 'manifest.json')}\n")
    add(small, [ARTISTS + 1])
    remove_tracks(small, ids_of([3]))
    index = open_index(small)
    assert index.tracks.artist_keys.to_pylist().count("artist 1") == 2
    assert [index.tracks.artists(row) for row in (1, 19)] == [("artist 1",)] * 2


def test_paths_from_another_audio_folder(small, tmp_path):
    for audio_folder, number in ((small / "more", 30), (tmp_path / "other", 31)):
        add_tracks(
            small, embeddings_of(ids_of([number]), sounds_of([number])), table_of([number]), audio_folder
        )
        index = open_index(small)
        assert index.row_of_file(audio_folder / f"{number}.ogg") == index.row(f"track-{number:05}")
    path = index.tracks.label(index.row("track-00031")).path
    assert index.audio_path(path) == str(tmp_path / "other/31.ogg")
