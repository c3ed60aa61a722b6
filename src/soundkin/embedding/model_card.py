"""The model card: the README.md of a model bundle, made from what the bundle knows of itself
(model_card.md.jinja).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from soundkin.catalog.table import Catalog
from soundkin.files import sha256_of
from soundkin.units import frames_to_seconds

NAMES = {"catalog_sha256": "SHA-256 of the catalog"}
LEFT_OUT = (
    "train/",
    "seconds",
    "data_wait_share",
)  # metrics.csv has these: they say nothing of held-out tracks


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
        described["genres"] = len({genre for genres in catalog.values("genre") for genre in genres})
    for column in ("licence_class", "licence"):
        if column in catalog.frame:
            counts = Counter("; ".join(values) or "not stated" for values in catalog.values(column))
            described["licences"] = dict(sorted(counts.items()))
            break
    return described


def model_card(config: Mapping[str, Any], parameters: int) -> str:
    """Render the card of a network of so many parameters from the bundle's config.json."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    front_end, provenance, external = config["front_end"], config["provenance"], config.get("external")
    frames = config["patch"]["frames"]
    rate = () if external else (front_end["sample_rate_hz"], front_end["hop_samples"])
    return environment.get_template("model_card.md.jinja").render(
        config,
        parameters=parameters,
        external=external,
        external_file=Path(external["path"]).name if external else "",
        is_table=bool(external) and not front_end["path"].endswith(".onnx"),
        patch_seconds=frames_to_seconds(frames, *rate) if rate else None,
        training_data=list(_described(provenance.get("training_data", {}))),
        metrics=list(
            _flat({name: of for name, of in config["metrics"].items() if not name.startswith(LEFT_OUT)})
        ),
        versions=", ".join(f"{name} {of}" for name, of in provenance.get("versions", {}).items() if of),
    )


def _described(training_data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in training_data.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{name}: {count}" for name, count in value.items())
        yield NAMES.get(key, key.replace("_", " ").capitalize()), " ".join(str(value).split())


def _flat(metrics: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}, ")
        else:
            yield f"{above}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)
