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
    if "artist" in catalog.frame:
        described["artists"] = len({key for keys in catalog.artists.keys for key in keys})
    if "genre" in catalog.frame:
        described["genres"] = len({value for values in catalog.values("genre") for value in values})
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
        _HOW_TO_USE_TABLE if _is_table(config) else _HOW_TO_USE,
        _frozen_features(config),
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
    size = config["network"]["embedding_size"]
    return (
        f"Turns a track of music into a vector of {size} numbers; tracks that sound alike get vectors that point the "
        f"same way.\nIt hears {_what_it_hears(config)}, and pools them over the whole track "
        f"({config['network']['patch_pooling']}).\n"
        f"The network has {parameters:,} parameters and runs on a CPU."
    )


def _what_it_hears(config: Mapping[str, Any]) -> str:
    front_end, patch = config["front_end"], config["patch"]
    if "external" in config:
        return f"vectors of {front_end['size']} numbers by a frozen encoder, {patch['frames']} at a time"
    rate_hz, hop_samples = front_end["sample_rate_hz"], front_end["hop_samples"]
    patch_seconds = frames_to_seconds(patch["frames"], rate_hz, hop_samples)
    chroma = f" and {front_end['chroma_bands']} chroma bands" if front_end.get("chroma_bands") else ""
    return (
        f"{front_end['mel_bands']} mel bands{chroma} at {rate_hz / hop_samples:.1f} frames a second, "
        f"{patch_seconds:.1f} seconds at a time"
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


_HOW_TO_USE_TABLE = """## How to use it

It hears no audio: it takes vectors by the frozen encoder named below, in a table of `track_id` and `vector`. With these
for every track of a catalog: `soundkin embed path/of/this/folder catalog.csv -o embeddings/`."""


def _is_table(config: Mapping[str, Any]) -> bool:
    return "external" in config and not config["front_end"]["path"].endswith(".onnx")


def _frozen_features(config: Mapping[str, Any]) -> str:
    """Where the vectors that the network hears come from, and what may be done with them."""
    if "external" not in config:
        return ""
    stated, front_end = config["external"], config["front_end"]
    kind = "Table" if _is_table(config) else "ONNX model"
    rows = [
        f"- Made by: {stated['name'] or 'not stated'}",
        f"- Licence: {stated['licence'] or 'not stated'}",
        f"- {kind}: {Path(stated['path']).name}, SHA-256 {front_end['sha256']}",
    ]
    if not _is_table(config):
        onnx = front_end["onnx"]
        rate_hz = onnx["log_mel"]["sample_rate_hz"] if onnx["input"] == "log_mel" else onnx["sample_rate_hz"]
        rows.append(
            f"- It hears: {onnx['input'].replace('_', '-')} at {rate_hz} Hz, {onnx['window_seconds']:g} s every "
            f"{onnx['hop_seconds']:g} s"
        )
    return "## Frozen features\n\n" + "\n".join(rows)


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


_NO_NEWS = ("train/", "seconds", "data_wait_share")  # metrics.csv has these: they say nothing of held-out tracks


def _metrics(metrics: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in metrics.items() if not name.startswith(_NO_NEWS)}
    rows = [f"| {name} | {value} |" for name, value in _flat(shown)]
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
- It hears sound alone (and reads lyrics, if it was trained with them): not fame or taste.
- The same file gives the same vector bit for bit on one kind of processor; another kind may round the last digits
  differently."""


def _identity(config: Mapping[str, Any]) -> str:
    provenance = config["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items() if version)
    lines = [f"Model hash: `{config['hash']}`"]
    lines += [f"Made with: {versions}"] if versions else []
    lines += [f"Made on: {provenance['created']}"] if "created" in provenance else []
    return "## Identity\n\n" + "  \n".join(lines)
