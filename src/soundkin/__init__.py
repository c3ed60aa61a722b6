"""Train content-based music embeddings, and ask: what sounds like this?

    model = soundkin.load("runs/demo/model")
    vector = model.embed("song.mp3")

    index = soundkin.open_index("runs/demo/index")
    answers = soundkin.query(index, vector=vector, k=5)

`dir(soundkin)` lists what there is; each has a docstring. Names are imported when they are asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundkin.embedding.embedder import load as load
    from soundkin.errors import SoundkinError as SoundkinError
    from soundkin.experiments.transfer import transfer as transfer
    from soundkin.pipelines.audit import audit as audit_catalog
    from soundkin.pipelines.embed import embed_catalog as embed
    from soundkin.pipelines.evaluate import evaluate as evaluate
    from soundkin.pipelines.explore_album import explore_album as explore_album
    from soundkin.pipelines.explore_compare import explore_compare as explore_compare
    from soundkin.pipelines.explore_library import explore_library as explore_library
    from soundkin.pipelines.explore_track import explore_track as explore_track
    from soundkin.pipelines.export_model import export_model as export_model
    from soundkin.pipelines.index import index_embeddings as build_index
    from soundkin.pipelines.index_edits import add_to_index as add_to_index
    from soundkin.pipelines.index_edits import compact_index as compact_index
    from soundkin.pipelines.index_edits import index_status as index_status
    from soundkin.pipelines.index_edits import remove_from_index as remove_from_index
    from soundkin.pipelines.index_edits import rollback_index as rollback_index
    from soundkin.pipelines.index_edits import snapshot_index as snapshot_index
    from soundkin.pipelines.index_edits import update_index as update_index
    from soundkin.pipelines.link import link as link
    from soundkin.pipelines.make_playlist import playlist as playlist
    from soundkin.pipelines.path import path as path
    from soundkin.pipelines.precompute import precompute_neighbours as precompute_neighbours
    from soundkin.pipelines.query import ask as ask
    from soundkin.pipelines.query import query as query
    from soundkin.pipelines.recommend import recommend as recommend
    from soundkin.pipelines.scan import scan as scan
    from soundkin.pipelines.sync import sync as sync
    from soundkin.pipelines.train import compose as compose
    from soundkin.pipelines.train import train as train
    from soundkin.pipelines.why import why as why
    from soundkin.search.neighbour_store import NeighbourStore as NeighbourStore
    from soundkin.search.query_description import QueryDescription as QueryDescription
    from soundkin.search.vector_index import open_index as open_index

    __version__: str

__all__ = [
    "NeighbourStore",
    "QueryDescription",
    "SoundkinError",
    "__version__",
    "add_to_index",
    "ask",
    "audit_catalog",
    "build_index",
    "compact_index",
    "compose",
    "embed",
    "evaluate",
    "explore_album",
    "explore_compare",
    "explore_library",
    "explore_track",
    "export_model",
    "index_status",
    "link",
    "load",
    "open_index",
    "path",
    "playlist",
    "precompute_neighbours",
    "query",
    "recommend",
    "remove_from_index",
    "rollback_index",
    "scan",
    "snapshot_index",
    "sync",
    "train",
    "transfer",
    "update_index",
    "why",
]

_HOMES = {
    "QueryDescription": "search.query_description.QueryDescription",
    "ask": "pipelines.query.ask",
    "NeighbourStore": "search.neighbour_store.NeighbourStore",
    "SoundkinError": "errors.SoundkinError",
    "add_to_index": "pipelines.index_edits.add_to_index",
    "audit_catalog": "pipelines.audit.audit",
    "build_index": "pipelines.index.index_embeddings",
    "compact_index": "pipelines.index_edits.compact_index",
    "compose": "pipelines.train.compose",
    "embed": "pipelines.embed.embed_catalog",
    "explore_album": "pipelines.explore_album.explore_album",
    "explore_compare": "pipelines.explore_compare.explore_compare",
    "explore_library": "pipelines.explore_library.explore_library",
    "explore_track": "pipelines.explore_track.explore_track",
    "export_model": "pipelines.export_model.export_model",
    "evaluate": "pipelines.evaluate.evaluate",
    "index_status": "pipelines.index_edits.index_status",
    "link": "pipelines.link.link",
    "load": "embedding.embedder.load",
    "open_index": "search.vector_index.open_index",
    "path": "pipelines.path.path",
    "playlist": "pipelines.make_playlist.playlist",
    "precompute_neighbours": "pipelines.precompute.precompute_neighbours",
    "query": "pipelines.query.query",
    "recommend": "pipelines.recommend.recommend",
    "remove_from_index": "pipelines.index_edits.remove_from_index",
    "rollback_index": "pipelines.index_edits.rollback_index",
    "scan": "pipelines.scan.scan",
    "snapshot_index": "pipelines.index_edits.snapshot_index",
    "sync": "pipelines.sync.sync",
    "train": "pipelines.train.train",
    "transfer": "experiments.transfer.transfer",
    "update_index": "pipelines.index_edits.update_index",
    "why": "pipelines.why.why",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only now: `import soundkin` costs nothing, and `load` needs torch."""
    if name in _HOMES:
        module, attribute = _HOMES[name].rsplit(".", 1)
        return getattr(importlib.import_module(f"soundkin.{module}"), attribute)
    if name == "__version__":
        from importlib.metadata import version

        return version("soundkin")
    raise AttributeError(f"module soundkin has no attribute {name}")


def __dir__() -> list[str]:
    return __all__
