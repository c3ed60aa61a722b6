"""Where training begins: at a random network, whitened, or at the network of a model bundle (`start=`).

Of a bundle come the front end, the patch and the network up to its patch vectors; heads are always new, and
so are the lyrics encoder and a patch pooling of another kind. Settings that the config leaves open are the
bundle's (`training/compose.py`).
"""

from typing import Any

from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.default_model import is_default, model_folder
from soundkin.errors import ConfigError
from soundkin.models import NetworkConfig, TrackNetwork
from soundkin.training.run_config import RANDOM, TrainConfig

FREE = {"lyrics", "patch_pooling", "dropout"}  # what need not be as in the bundle
LONGEST_VALUE = 40


def start_bundle(config: TrainConfig) -> Bundle | None:
    """The model bundle that training begins with; None where it begins at random."""
    return None if config.start == RANDOM else load_bundle(config.start)


def start_settings(bundle: Bundle) -> dict[str, Any]:
    """What holds in a run that begins with `bundle` and is not set otherwise: parts of a TrainConfig."""
    network = bundle.network_config.model_copy(update={"lyrics": None})
    return {"features": bundle.front_end, "patch": bundle.patch, "model": network}


def check_start(config: TrainConfig) -> None:
    """Raise the ConfigError of settings that are not those of the bundle that training begins with."""
    bundle = start_bundle(config)
    if bundle is None:
        return
    ours = _fixed_settings(config.features.settings(), config.patch.model_dump(), config.model)
    theirs = _fixed_settings(bundle.front_end.settings(), bundle.patch.model_dump(), bundle.network_config)
    differing = [
        f"{key}={_shown(ours.get(key))}, in the start {_shown(theirs.get(key))}"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]
    if differing:
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        settings = "; ".join(differing[:3]) + more
        raise ConfigError(
            f"config start={config.start}: its network was made for other settings ({settings}). Leave them "
            f"out, and they are the start's; or start with a model that has them, or with start={RANDOM}."
        )


def check_anchor(config: TrainConfig) -> None:
    """Raise the ConfigError of a run that cannot be anchored."""
    problem = ""
    if config.start == RANDOM:
        problem = "there is no start to turn to. Give start=default, or start=MODEL."
    elif config.trainer.frozen:
        problem = "with trainer.frozen=true no vector moves. Leave one of the two out."
    elif config.model.lyrics:
        problem = "what lyrics do to a vector cannot be turned with it. Set model.lyrics=null."
    elif config.model.patch_pooling != "mean":
        pooling = config.model.patch_pooling
        problem = f"{pooling} pooling does not turn with the patches' vectors. Set model.patch_pooling=mean."
    if config.anchor and problem:
        raise ConfigError(f"config anchor=true: {problem}")


def _fixed_settings(
    front_end: dict[str, Any], patch: dict[str, Any], network: NetworkConfig
) -> dict[str, Any]:
    parts = {"features": front_end, "patch": patch, "model": network.model_dump(exclude=FREE)}
    return {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else "others"


def begin_with(network: TrackNetwork, start: TrackNetwork) -> None:
    """Give `network` the weights of `start`: its vectors are the same, but for what lyrics may add."""
    _copy(start.trunk, network.trunk)
    if type(network.patch_pooling) is type(start.patch_pooling):
        _copy(start.patch_pooling, network.patch_pooling)


def _copy(source: Any, target: Any) -> None:
    """Tensors in their order: their names change with the dropout between them."""
    tensors = zip(target.state_dict(), source.state_dict().values(), strict=True)
    target.load_state_dict(dict(tensors))


def described_start(config: TrainConfig) -> dict[str, Any]:
    """What a bundle keeps of its start: name, hash, training data, and the start of that."""
    bundle = start_bundle(config)
    if bundle is None:
        return {}
    folder = model_folder(config.start)
    own = bundle.provenance.get("name")
    name = "default" if is_default(folder) else own or folder.resolve().name
    kept: dict[str, Any] = {
        key: bundle.provenance[key] for key in ("training_data", "start") if key in bundle.provenance
    }
    columns = sorted({column for task in bundle.tasks.values() for column in task["columns"]})
    return {"name": name, "hash": bundle.hash, "columns": columns, **kept}
