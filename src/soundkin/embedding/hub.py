"""Model bundles by their name on the Hugging Face hub, `owner/name`: their folder in the hub's cache."""

import re
from pathlib import Path

from soundkin.errors import UsageError
from soundkin.extras import require

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILES = ("config.json", "model.safetensors", "tokenizer.json", "external.onnx", "README.md")


def is_hub_name(model: str | Path) -> bool:
    """Whether the text `model` may be a name on the hub; a path is meant where the folder `owner` is here."""
    if not isinstance(model, str) or HUB_NAME.fullmatch(model) is None:
        return False
    return not Path(model).parent.is_dir()


def hub_folder(name: str) -> Path:
    """The folder of a bundle on the hub, fetched unless it is in the cache (HF_HOME, HF_HUB_OFFLINE).

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        UsageError: the hub has no such model or cannot be reached, or it is no bundle of soundkin's.
    """
    local = f"There is no folder {name} here; as a model of the Hugging Face hub it"
    require("hub", f"{name} is no folder here: a model of the Hugging Face hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(FILES)))
    except RepositoryNotFoundError as error:
        raise UsageError(f"{local} is not known there, or not open to you. Check the name.") from error
    except OSError as error:  # LocalEntryNotFoundError, HfHubHTTPError and no network among them
        raise UsageError(
            f"{local} is not in the cache, and the hub cannot be reached ({type(error).__name__}). "
            "Go online once, or give a folder."
        ) from error
    missing = [file for file in FILES[:2] if not (folder / file).is_file()]
    if missing:
        raise UsageError(f"{name} on the Hugging Face hub is no soundkin model: it has no {missing[0]}.")
    return folder
