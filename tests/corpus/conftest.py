from pathlib import Path

import pytest

from soundkin.corpus.corpus_config import TINY
from soundkin.corpus.synthesise import Corpus, synthesise


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight tracks of four seconds; tests must not change it."""
    return synthesise(Path(tmp_path_factory.mktemp("corpus")), TINY)
