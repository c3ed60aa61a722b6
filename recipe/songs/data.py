"""The YAML files beside the code, each read once."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


@lru_cache
def read(name: str) -> Any:
    """What `name`.yaml holds; not to be changed."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))
