"""Train content-based music embeddings, and ask: what sounds like this?

model = soundkin.load("runs/demo/model")
vector = model.embed("song.mp3")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundkin.embedding.embedder import load as load

    __version__: str

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only now: `import soundkin` costs nothing, and `load` needs torch."""
    if name == "load":
        from soundkin.embedding.embedder import load

        return load
    if name == "__version__":
        from importlib.metadata import version

        return version("soundkin")
    raise AttributeError(f"module soundkin has no attribute {name}")
