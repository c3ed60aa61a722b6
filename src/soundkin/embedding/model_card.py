"""The model card: the README.md of a model bundle, out of its config.json by `model_card.md.jinja`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundkin.files import sha256_of
from soundkin.units import frames_to_seconds

if TYPE_CHECKING:
    from soundkin.catalog.table import Catalog

LEFT_OUT = (
    "train/",
    "seconds",
    "data_wait_share",
)  # columns of metrics.csv that say nothing of held-out tracks


def training_data(catalog: "Catalog", catalog_path: Path) -> dict[str, Any]:
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
    import jinja2  # only training writes cards

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    front_end, external = config["front_end"], config.get("external")
    patch_seconds = None
    if not external:
        rate_hz, hop_samples = front_end["sample_rate_hz"], front_end["hop_samples"]
        patch_seconds = frames_to_seconds(config["patch"]["frames"], rate_hz, hop_samples)
    metrics = {name: value for name, value in config["metrics"].items() if not name.startswith(LEFT_OUT)}
    return environment.get_template("model_card.md.jinja").render(
        {**config, "metrics": metrics},
        parameters=parameters,
        external_file=Path(external["path"]).name if external else "",
        is_table=external and not front_end["path"].endswith(".onnx"),
        patch_seconds=patch_seconds,
    )
