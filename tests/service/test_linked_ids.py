"""The ids of a media server, as a service knows them."""

import pyarrow as pa
import pytest

import edited_index
from soundkin.catalog.server_ids import COLUMNS, NO_SERVER_IDS, read_server_ids, write_server_ids
from soundkin.errors import ArtefactError
from soundkin.search.edits import remove_tracks
from soundkin.search.vector_index import open_index
from soundkin.service.followed_library import FollowedLibrary
from soundkin.service.linked_ids import LinkedIds


@pytest.fixture
def folder(tmp_path):
    edited_index.build(tmp_path / "library" / "index", range(20))
    (tmp_path / "library" / "catalog.csv").touch()
    return tmp_path / "library"


def table_of(*pairs):
    server_ids, track_ids = ([*map(str, column)] for column in zip(*pairs, strict=True))
    cells = [server_ids, track_ids, ["path"] * len(pairs)]
    return pa.table(dict(zip(COLUMNS, cells, strict=True)))


def link(folder, *pairs):
    write_server_ids(table_of(*pairs), folder / "server_ids.csv")


def test_an_id_leads_to_its_track_and_back(folder):
    link(folder, ("nav-1", "track-00001"), ("nav-2", "track-00002"))
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert len(linked) == 2
    assert linked.track_id_of("nav-2") == "track-00002" and linked.server_id_of("track-00002") == "nav-2"


def test_our_own_id_is_used_where_the_server_has_none(folder):
    link(folder, ("nav-1", "track-00001"))
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert linked.track_id_of("track-00003") == "track-00003" == linked.server_id_of("track-00003")
    assert linked.track_id_of("nav-9") is None
    assert linked.server_id_of("nobody") == "nobody"


def test_the_servers_id_goes_before_our_own(folder):
    """Both may count from 1."""
    link(folder, ("track-00004", "track-00001"))
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert linked.track_id_of("track-00004") == "track-00001"


def test_of_several_ids_of_one_track_the_first_is_answered_with(folder):
    link(folder, ("best", "track-00001"), ("other", "track-00001"))
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert linked.track_id_of("best") == linked.track_id_of("other") == "track-00001"
    assert linked.server_id_of("track-00001") == "best" and len(linked) == 1


def test_ids_stay_the_text_that_they_are(folder):
    odd = ["007", "1e3", "null", "", 'a,"b"\nc', "ключ", "-0"]
    link(folder, *((server_id, f"track-{number:05}") for number, server_id in enumerate(odd)))
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert [linked.server_id_of(f"track-{number:05}") for number in range(len(odd))] == odd


def test_a_track_that_is_gone_is_no_other(folder):
    link(folder, ("nav-1", "track-00001"), ("nav-2", "track-00002"))
    remove_tracks(folder / "index", ["track-00001"])
    linked = LinkedIds(open_index(folder / "index"), read_server_ids(folder / "server_ids.csv"))
    assert linked.track_id_of("nav-1") is None and linked.track_id_of("nav-2") == "track-00002"
    assert len(linked) == 1


def test_a_table_that_is_off_says_what_to_do(tmp_path):
    assert read_server_ids(tmp_path / "server_ids.csv") == NO_SERVER_IDS
    for content in (
        b"",
        b"server_id\nnav-1\n",
        b"server_id,track_id\nnav-1\n",
        b"server_id,track_id\n\xff,1\n",
    ):
        (tmp_path / "server_ids.csv").write_bytes(content)
        with pytest.raises(ArtefactError, match="Make it again: soundkin link"):
            read_server_ids(tmp_path / "server_ids.csv")


def test_a_served_library_follows_its_links(folder):
    library = FollowedLibrary(folder)
    before = library.current
    assert len(before.linked) == 0
    link(folder, ("nav-1", "track-00001"))
    library.look()
    assert library.current.linked.server_id_of("track-00001") == "nav-1"
    assert before.linked.server_id_of("track-00001") == "track-00001", "what began so ends so"
    link(folder, ("new-1", "track-00001"))
    library.look()
    assert library.current.linked.server_id_of("track-00001") == "new-1"
    linked = library.current
    library.look()
    assert library.current is linked, "nothing was read again"
    (folder / "server_ids.csv").unlink()
    library.look()
    assert library.current.linked.server_id_of("track-00001") == "track-00001"


def test_links_are_there_from_the_start_and_in_every_version(folder):
    link(folder, ("nav-1", "track-00001"), ("nav-2", "track-00002"))
    library = FollowedLibrary(folder)
    assert len(library.current.linked) == 2
    remove_tracks(folder / "index", ["track-00001"])
    library.look()
    assert library.current.version == "v2"
    assert library.current.linked.track_id_of("nav-1") is None
    assert library.current.linked.server_id_of("track-00002") == "nav-2"


def test_broken_links_hold_up_neither_start_nor_versions(folder):
    link(folder, ("nav-1", "track-00001"))
    library = FollowedLibrary(folder)
    (folder / "server_ids.csv").write_text("nothing\n")
    remove_tracks(folder / "index", ["track-00002"])
    library.look()
    assert library.current.version == "v2" and "soundkin link" in library.problem
    assert library.current.linked.server_id_of("track-00001") == "nav-1", "as they were"
    assert len(FollowedLibrary(folder).current.linked) == 0
    link(folder, ("nav-1", "track-00001"))
    library.look()
    assert library.problem == ""


def test_an_index_alone_has_no_links(tmp_path):
    edited_index.build(tmp_path / "index", range(5))
    write_server_ids(table_of(("nav-1", "track-00001")), tmp_path / "server_ids.csv")
    assert len(FollowedLibrary(tmp_path / "index").current.linked) == 0


def test_what_is_no_file_is_a_problem_said(folder):
    (folder / "server_ids.csv").mkdir()
    assert "cannot be read" in FollowedLibrary(folder).problem
