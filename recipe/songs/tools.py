"""What songs are made with, beyond Python's usual packages, and where each comes from."""

import importlib
import shutil

from songs.playing import FONTS
from soundkin.errors import SoundkinError

COMMANDS = {"espeak-ng": "apt-get install espeak-ng", "flite": "apt-get install flite"}
PACKAGES = {"fluidsynth": "pip install pyfluidsynth", "pyworld": "pip install pyworld 'setuptools<81'"}
FONT_PACKAGES = dict(zip(FONTS, ("fluid-soundfont-gm", "musescore-general-soundfont-small"), strict=True))


def check_tools() -> None:
    """Raise SoundkinError, a line a tool, with how to install what is missing."""
    missing = [f"{name} is missing: {how}" for name, how in COMMANDS.items() if not shutil.which(name)]
    for name, how in PACKAGES.items():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:  # pyworld imports pkg_resources of an older setuptools
            missing.append(f"the Python package {error.name} is missing: {how}")
        except ImportError as error:  # pyfluidsynth looks for its library when it is imported
            missing.append(f"{name} cannot be used ({error}): apt-get install fluidsynth")
    missing += [
        f"the sound font {font} is missing: apt-get install {package}"
        for font, package in FONT_PACKAGES.items()
        if not font.is_file()
    ]
    if missing:
        raise SoundkinError("\n".join(missing))
