"""Genres of the corpus: each is defined by what happens in time, not by its timbre (genres.yaml).

Scales and forms, which genres share, are in the same table.
"""

from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml
from pydantic import TypeAdapter

Pattern = str  # one character a step; genres.yaml says what each means


@dataclass(frozen=True)
class Genre:
    """What a genre's tracks share. Ranges are (lowest, highest)."""

    name: str
    tempo_bpm: tuple[float, float]
    steps_per_bar: int
    steps_per_beat: int
    scales: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]  # degrees of the chords' roots
    drums: tuple[dict[str, Pattern], ...]
    bass: tuple[Pattern, ...]
    chords: tuple[Pattern, ...]
    melody: tuple[Pattern, ...]
    families: tuple[str, ...]  # instruments that its artists prefer, though they may take others
    chords_per_bar: int = 1
    chord_size: int = 3
    swing: tuple[float, float] = (0.0, 0.0)  # how late every odd step comes, in steps
    leap: int = 2  # widest melodic step, in scale degrees
    bass_gate: float = 0.9  # sounding share of a written note: below 0.5 is staccato, above 1 rings over
    chord_gate: float = 0.8
    melody_gate: float = 0.9
    swell_seconds: float = 0.0  # notes fade in over this long
    themes: tuple[str, ...] = ()  # what its lyrics are about


def load_table(name: str) -> Any:
    """The content of a YAML file of this folder."""
    return yaml.safe_load(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


_TABLES = load_table("genres.yaml")
SCALES: dict[str, list[int]] = _TABLES["scales"]
FORMS: list[list[list[str]]] = _TABLES["forms"]
GENRES = TypeAdapter(tuple[Genre, ...]).validate_python(_TABLES["genres"])
