"""The default model, which comes with the package, and its name: `default` wherever a model bundle is taken.

The text `default` is the name. A `Path`, and `./default`, is a folder, whatever it is called.
"""

from pathlib import Path

from soundkin.embedding.hub import hub_folder, is_hub_name
from soundkin.files import path_from

NAME = "default"
FOLDER = Path(__file__).resolve().parents[1] / "default_model"
INSTALL_AGAIN = "Install soundkin again (pip install --force-reinstall soundkin), or name a model bundle."


def model_folder(model: str | Path) -> Path:
    """The folder of the model bundle that a user names: `default`, a folder, or `owner/name` on the hub."""
    if model == NAME:  # Path("default") == "default" is false
        return FOLDER
    return hub_folder(str(model)) if is_hub_name(model) else Path(model)


def is_default(folder: Path) -> bool:
    """Whether `folder` is the default model's."""
    return Path(folder).resolve() == FOLDER.resolve()


def stored_model(model: Path, folder: Path) -> str:
    """How files in `folder` name the bundle `model`: `default` on any machine, or its path from there."""
    if is_default(model):
        return NAME
    path = path_from(folder, model)
    return f"./{path}" if path == NAME else path


def found_model(stored: str, folder: Path) -> Path:
    """The folder of the bundle that files in `folder` name so."""
    return FOLDER if stored == NAME else (folder / stored).resolve()


def not_the_model(made: str, wanted_hash: str, folder: Path, found_hash: str) -> str:
    """That `made` was not made with the bundle in `folder`, by their hashes, and what follows."""
    named = "the default model of this soundkin (another version may have another)"
    found = f"{named if is_default(folder) else folder} is model {found_hash}"
    return f"{made} was made with model {wanted_hash}, and {found}: their vectors cannot be compared"
