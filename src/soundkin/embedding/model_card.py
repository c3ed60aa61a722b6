"""The model card: the README.md of a model bundle, made from what the bundle knows of itself."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from soundkin.catalog.table import Catalog
from soundkin.files import sha256_of
from soundkin.units import frames_to_seconds


def training_data(catalog: Catalog, catalog_path: Path) -> dict[str, Any]:
    """What the model card says of the tracks a model was trained on: `provenance["training_data"]`."""
    described: dict[str, Any] = {
        "catalog": Path(catalog_path).name,
        "catalog_sha256": sha256_of(catalog_path),
        "tracks": len(catalog),
    }
    for column in ("artist", "genre"):
        if column in catalog.frame:
            described[f"{column}s"] = len({value for values in catalog.values(column) for value in values})
    for column in ("licence_class", "licence"):
        if column in catalog.frame:
            counts = Counter("; ".join(values) or "not stated" for values in catalog.values(column))
            described["licences"] = dict(sorted(counts.items()))
            break
    return described


def model_card(config: Mapping[str, Any], parameters: int) -> str:
    """Render the card of a network of so many parameters from the bundle's config.json."""
    sections = [
        _FRONT_MATTER,
        f"# {config['provenance'].get('name', 'A soundkin model')}",
        _what_it_is(config, parameters),
        _HOW_TO_USE,
        _training_data(config["provenance"].get("training_data", {})),
        _tasks(config["tasks"]),
        _metrics(config["metrics"]),
        _LIMITS,
        _identity(config),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


# What model hubs index a card by.
_FRONT_MATTER = "---\nlibrary_name: soundkin\ntags: [music, audio, embeddings, similarity]\n---"


def _what_it_is(config: Mapping[str, Any], parameters: int) -> str:
    front_end, patch, size = config["front_end"], config["patch"], config["network"]["embedding_size"]
    rate_hz, hop_samples = front_end["sample_rate_hz"], front_end["hop_samples"]
    patch_seconds = frames_to_seconds(patch["frames"], rate_hz, hop_samples)
    return (
        f"Turns a track of music into a vector of {size} numbers; tracks that sound alike get vectors that point the "
        f"same way.\nIt hears {front_end['mel_bands']} mel bands at {rate_hz / hop_samples:.1f} frames a second, "
        f"{patch_seconds:.1f} seconds at a time, and pools them over the whole track ({config['patch_pooling']}).\n"
        f"The network has {parameters:,} parameters and runs on a CPU."
    )


_HOW_TO_USE = """## How to use it

```python
import numpy as np
import soundkin

model = soundkin.load("path/of/this/folder")
one, other = model.embed("one.mp3"), model.embed("other.mp3")
print(one @ other / np.linalg.norm(one) / np.linalg.norm(other))  # cosine: the higher, the more alike
```

For a whole catalog: `soundkin embed path/of/this/folder catalog.csv -o embeddings/`."""


def _training_data(described: Mapping[str, Any]) -> str:
    if not described:
        return "## Training data\n\nNot stated."
    labels = {"catalog": "Catalog", "catalog_sha256": "SHA-256 of the catalog", "licences": "Licences"}
    rows = []
    for key, value in described.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{name}: {count}" for name, count in value.items())
        rows.append(f"- {labels.get(key, key.replace('_', ' ').capitalize())}: {value}")
    return "## Training data\n\n" + "\n".join(rows)


def _tasks(tasks: Mapping[str, Any]) -> str:
    return f"## Learnt from\n\nProxy tasks: {', '.join(sorted(tasks))}." if tasks else ""


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {value} |" for name, value in _flat(metrics)]
    return "## Measured\n\n| figure | value |\n|---|---|\n" + "\n".join(rows) if rows else ""


def _flat(metrics: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}, ")
        else:
            yield f"{above}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


_LIMITS = """## Limits

- Vectors compare only with vectors of the same model: soundkin refuses to mix them.
- It knows what its training data taught it; music unlike that is placed less well. Measure on music of your own with
  `soundkin evaluate`.
- It hears sound alone: not fame, words, language or taste.
- The same file gives the same vector bit for bit on one kind of processor; another kind may round the last digits
  differently."""


def _identity(config: Mapping[str, Any]) -> str:
    provenance = config["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items() if version)
    lines = [f"Model hash: `{config['hash']}`"]
    lines += [f"Made with: {versions}"] if versions else []
    lines += [f"Made on: {provenance['created']}"] if "created" in provenance else []
    return "## Identity\n\n" + "  \n".join(lines)
