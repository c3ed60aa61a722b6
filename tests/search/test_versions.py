import pytest

from soundkin.errors import ArtefactError, OutputError, UsageError
from soundkin.files import locked
from soundkin.search.versions import (
    check_files,
    checksums,
    current_version,
    make_snapshot,
    new_version,
    read_current,
    remove_snapshot,
    roll_back,
    snapshots,
)


def add_version(folder, content="one"):
    with new_version(folder) as version:
        (version / "data").write_text(content)
        (version / "manifest.json").write_text("{}")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_and_the_one_before_are_kept(tmp_path):
    for content in ("one", "two", "three"):
        add_version(tmp_path / "index", content)
    assert names(tmp_path / "index") == ["CURRENT", "v2", "v3"]
    assert (current_version(tmp_path / "index") / "data").read_text() == "three"


def test_a_failure_changes_nothing(tmp_path):
    add_version(tmp_path)
    with pytest.raises(ZeroDivisionError), new_version(tmp_path) as version:
        (version / "data").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == ["CURRENT", "v1"]
    assert (current_version(tmp_path) / "data").read_text() == "one"


def test_what_killed_runs_left_is_removed(tmp_path):
    """One died while it filled v2, one between renaming v3 and naming it."""
    add_version(tmp_path)
    for leftover in (".v2.abc.tmp", "v3"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "data").write_text("left over")
    assert current_version(tmp_path).name == "v1"
    add_version(tmp_path, "two")
    assert names(tmp_path) == ["CURRENT", "v1", "v4"]


def test_two_runs_at_once(tmp_path):
    with locked(tmp_path), pytest.raises(OutputError, match="another run is writing"):
        add_version(tmp_path)
    add_version(tmp_path)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "tracks.csv").write_text("precious")
    with pytest.raises(OutputError, match=r"holds other files, such as tracks\.csv"):
        add_version(tmp_path)
    assert names(tmp_path) == ["tracks.csv"]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "index").write_text("")
    with pytest.raises(OutputError, match="a file is in the way"):
        add_version(tmp_path / "index")


@pytest.mark.parametrize(
    "content", [b"", b"v1", b"v9 " + b"0" * 64 + b"\n", b"../v1 " + b"0" * 64 + b"\n", b"\xff\xfe"]
)
def test_a_corrupt_pointer_is_told_and_mended(tmp_path, content):
    add_version(tmp_path)
    (tmp_path / "CURRENT").write_bytes(content)
    with pytest.raises(ArtefactError, match="Build the index again"):
        current_version(tmp_path)
    add_version(tmp_path, "two")
    assert (current_version(tmp_path) / "data").read_text() == "two"


def test_a_changed_manifest(tmp_path):
    add_version(tmp_path)
    (tmp_path / "v1" / "manifest.json").write_text("{ }")
    with pytest.raises(ArtefactError, match=r"manifest\.json does not have the checksum that CURRENT states"):
        current_version(tmp_path)


@pytest.mark.parametrize("folder", ["absent", "."])
def test_no_index_there(tmp_path, folder):
    with pytest.raises(UsageError, match=r"is not an index\. Make one: soundkin index"):
        current_version(tmp_path / folder)


def test_files_against_their_checksums(tmp_path):
    add_version(tmp_path)
    version = current_version(tmp_path)
    expected = checksums(version, ["data"])
    check_files(version, expected)
    (version / "data").write_text("0ne")
    with pytest.raises(ArtefactError, match="data does not have the checksum"):
        check_files(version, expected)
    (version / "data").unlink()
    with pytest.raises(ArtefactError, match="data is missing"):
        check_files(version, expected)


def whole(version):
    (version / "data").read_text()


def test_a_snapshot_stays_and_comes_back(tmp_path):
    add_version(tmp_path)
    assert make_snapshot(tmp_path, "autumn").name == "v1"
    for content in ("two", "three", "four"):
        add_version(tmp_path, content)
    assert names(tmp_path) == ["CURRENT", "snapshots", "v1", "v3", "v4"]
    assert snapshots(tmp_path) == {"autumn": "v1"}
    assert roll_back(tmp_path, "autumn", whole).name == "v1"
    assert (current_version(tmp_path) / "data").read_text() == "one"
    add_version(tmp_path, "five")
    assert names(tmp_path) == ["CURRENT", "snapshots", "v1", "v5"]  # no number stands for two versions
    remove_snapshot(tmp_path, "autumn")
    add_version(tmp_path, "six")
    assert names(tmp_path) == ["CURRENT", "snapshots", "v5", "v6"]


def test_without_a_name_the_version_before_comes_back(tmp_path):
    for content in ("one", "two"):
        add_version(tmp_path, content)
    assert roll_back(tmp_path, None, whole).name == "v1"
    with pytest.raises(UsageError, match=r"no version before .*v1 is kept\. Name a snapshot"):
        roll_back(tmp_path, None, whole)


def test_what_is_not_whole_does_not_come_back(tmp_path):
    for content in ("one", "two"):
        add_version(tmp_path, content)
    (tmp_path / "v1/data").unlink()
    with pytest.raises(FileNotFoundError):
        roll_back(tmp_path, None, whole)
    assert current_version(tmp_path).name == "v2"


@pytest.mark.parametrize("damage", [b"", b"[]"])
def test_a_corrupt_version_is_left_for_the_one_before_or_a_snapshot(tmp_path, damage):
    for content in ("one", "two", "three"):
        add_version(tmp_path, content)
        if content == "one":
            make_snapshot(tmp_path, "first")
    (tmp_path / "v3/manifest.json").write_bytes(damage)
    with pytest.raises(ArtefactError, match="or go back to the version before: soundkin index rollback"):
        current_version(tmp_path)
    assert roll_back(tmp_path, None, whole).name == "v2"
    (tmp_path / "CURRENT").write_bytes(damage)
    with pytest.raises(ArtefactError, match="CURRENT does not name a version"):
        roll_back(tmp_path, None, whole)
    assert roll_back(tmp_path, "first", whole).name == current_version(tmp_path).name == "v1"


def test_a_corrupt_snapshot_is_told_and_forgotten(tmp_path):
    add_version(tmp_path)
    make_snapshot(tmp_path, "autumn")
    (tmp_path / "snapshots/autumn").write_text("rubbish")
    (tmp_path / "snapshots/of somebody").mkdir()
    with pytest.raises(ArtefactError, match=r"Let go of it: soundkin index snapshot .* autumn --remove$"):
        roll_back(tmp_path, "autumn", whole)
    assert list(snapshots(tmp_path)) == ["autumn"]
    remove_snapshot(tmp_path, "autumn")
    assert not snapshots(tmp_path)


@pytest.mark.parametrize("name", ["", "v3", "a/b", "../x", ".hidden", "two words"])
def test_names_that_are_none(tmp_path, name):
    add_version(tmp_path)
    with pytest.raises(UsageError, match="for a name, and none such as v7"):
        make_snapshot(tmp_path, name)


def test_snapshots_are_told_apart_by_name(tmp_path):
    with pytest.raises(UsageError, match="is not an index"):
        make_snapshot(tmp_path / "absent", "autumn")
    add_version(tmp_path)
    make_snapshot(tmp_path, "autumn")
    with pytest.raises(UsageError, match="there is a snapshot autumn already"):
        make_snapshot(tmp_path, "autumn")
    for change in (
        lambda name: roll_back(tmp_path, name, whole),
        lambda name: remove_snapshot(tmp_path, name),
    ):
        with pytest.raises(UsageError, match=r"there is no snapshot autum\. Did you mean autumn\?"):
            change("autum")
    remove_snapshot(tmp_path, "autumn")
    with pytest.raises(UsageError, match=r"there is no snapshot autumn\. Make one: soundkin index snapshot"):
        roll_back(tmp_path, "autumn", whole)
    make_snapshot(tmp_path, "autumn")
    (tmp_path / "v1/manifest.json").write_text("{ }")
    with pytest.raises(ArtefactError):
        roll_back(tmp_path, "autumn", whole)


def test_a_reader_who_comes_too_late_reads_the_next_version(tmp_path):
    """The version that it has just looked up is replaced twice, and removed, before it is read."""
    add_version(tmp_path)

    def read(version):
        if version.name == "v1":
            add_version(tmp_path, "two")
            add_version(tmp_path, "three")
        check_files(version, checksums(version, ["data"]) if version.exists() else {"data": ""})
        return (version / "data").read_text()

    assert read_current(tmp_path, read) == "three"


def test_a_reader_of_a_corrupt_version_is_told(tmp_path):
    add_version(tmp_path)
    with pytest.raises(ArtefactError, match="data is missing"):
        read_current(tmp_path, lambda version: check_files(version, {"other data": ""}))
