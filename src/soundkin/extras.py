"""What `pip install soundkin` leaves out, and the error that says which extra brings it.

The package itself scans, embeds, indexes and answers queries. A room or function that takes more asks for it
first thing: `require("train", "training")`.
"""

from importlib.util import find_spec

from soundkin.errors import MissingExtraError

EXTRAS = {
    "train": ("hydra", "omegaconf", "pytorch_lightning", "tensorboard", "yaml"),
    "evaluate": ("implicit", "scipy", "sklearn"),
    "serve": ("fastapi", "httptools", "lmdb", "prometheus_client", "redis", "starlette", "uvicorn", "uvloop"),
    "lyrics": ("tokenizers",),
    "onnx": ("onnx", "onnxruntime"),
    "milvus": ("milvus_lite", "pymilvus"),
    "hub": ("huggingface_hub",),
    "ray": ("ray",),
    "pictures": ("matplotlib",),
    "explore": ("scipy", "sklearn"),
    "umap": ("umap",),
}
"""The modules that each extra of pyproject.toml brings, beside those of the extras that it includes."""


def is_installed(extra: str) -> bool:
    """Whether all modules that `extra` brings are there."""
    return not _missing(extra)


def require(extra: str, what: str) -> None:
    """Raise MissingExtraError, saying that `what` needs `extra`, unless all that it brings is there."""
    if missing := _missing(extra):
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, not installed here: pip install 'soundkin[{extra}]'"
        )


def _missing(extra: str) -> list[str]:
    return [module for module in EXTRAS[extra] if find_spec(module) is None]
