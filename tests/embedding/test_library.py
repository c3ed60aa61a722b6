from pathlib import Path

from soundkin.embedding.library import Library, embeddings_beside, index_in


def test_the_index_of_a_library_is_found_and_an_index_is_itself(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.index.mkdir()
    assert index_in(tmp_path) == tmp_path
    (library.index / "CURRENT").touch()
    assert index_in(tmp_path) == library.index
    assert index_in(library.index) == library.index


def test_embeddings_are_beside_the_index_of_a_library(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.index.mkdir()
    assert embeddings_beside(library.index) is None
    library.embeddings.mkdir()
    (library.embeddings / "manifest.json").touch()
    assert embeddings_beside(library.index) == library.embeddings.resolve()
