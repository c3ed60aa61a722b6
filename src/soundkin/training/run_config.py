"""What a training run is made of, in one typed tree. Each part's defaults are its owner's."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, create_model, field_validator, model_validator

from soundkin.catalog.splits import SplitConfig
from soundkin.config import Config
from soundkin.features.augment import AugmentConfig
from soundkin.features.frontends import AnyFrontEnd
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import NetworkConfig
from soundkin.tasks import TASKS
from soundkin.training.made_examples import ExampleConfig
from soundkin.training.weighting import WeightingName

RANDOM = "random"


class DataConfig(Config):
    """How tracks become batches of patches."""

    split: SplitConfig = SplitConfig()
    augment: AugmentConfig = AugmentConfig()
    batch_patches: PositiveInt = Field(64, description="patches in a batch, about")
    most_patches: PositiveInt = Field(1, description="a track contributes runs of one to so many patches")
    group_share: float = Field(0.5, gt=0.0, lt=1.0, description="share of a batch drawn in groups")
    no_artist: tuple[str, ...] = Field((), description="further names that are no artist's")
    tracks_per_artist: PositiveInt = Field(2, description="artists are drawn evenly, so many tracks of each")
    cache_folder: Path | None = Field(None, description="default: `cache` next to the run's folder")
    cache_seconds: float = Field(300.0, gt=0.0, description="how much of a long track is cached for training")
    cache_workers: PositiveInt = 2
    loader_workers: NonNegativeInt = Field(0, description="processes that read batches; 0: none")
    validation_patches: PositiveInt = Field(8, description="patches of each held-out track")
    examples: ExampleConfig = ExampleConfig()


class TrainerConfig(Config):
    """How long and on what."""

    epochs: NonNegativeInt = Field(30, description="0 keeps the initial network, untrained, as the model")
    steps_per_epoch: PositiveInt | None = Field(None, description="default: enough to take each track once")
    learning_rate: float = Field(2e-3, gt=0.0)
    network_rate: float = Field(0.3, gt=0.0, description="factor of the rate below the heads")
    frozen_share: float = Field(0.2, ge=0.0, lt=1.0, description="share of epochs in which only heads learn")
    frozen: bool = Field(False, description="heads alone learn, on the start's vectors: takes seconds")
    warmup_share: float = Field(0.1, ge=0.0, lt=1.0, description="share of steps in which a rate rises")
    weight_decay: float = Field(0.01, ge=0.0)
    weighting: WeightingName = Field("fixed", description="weights as given, or learnt from uncertainty")
    conflict_epochs: NonNegativeInt = Field(5, description="epochs between measures of gradient conflicts")
    gradient_clip: float = Field(1.0, gt=0.0)
    selection_score: str = Field(
        "retrieval",
        description="held-out score to stop by, and to keep weights by where it beats the initial network's: "
        "retrieval, the mean of all, or one of those in metrics.csv, as genre_map or latent_factors_ndcg",
    )
    patience: PositiveInt = Field(10, description="epochs without a better held-out score before stopping")
    accelerator: Literal["cpu", "gpu", "cuda", "mps", "auto"] = "cpu"
    devices: PositiveInt = Field(1, description="processes of a node that train together, one a GPU")
    num_nodes: PositiveInt = Field(
        1, description="machines, on each of which torchrun or srun starts devices"
    )
    strategy: Literal["auto", "ddp"] = Field("auto", description="how several devices share the work")
    timeout_seconds: float = Field(1_800.0, gt=0.0, description="silence of a rank after which a run ends")
    accumulate: PositiveInt = Field(1, description="batches whose gradients make one step")
    compiled: bool = Field(False, description="the network by torch.compile: slow to begin, then faster")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    averaged: float = Field(
        0.0, ge=0.0, lt=1.0, description="decay of the weights' moving average, which is kept; 0: none, .998"
    )
    threads: PositiveInt | None = Field(None, description="CPU threads of a process; default: torch's")

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, values: Any) -> Any:
        """`selection_score` was once called `watched`."""
        if not isinstance(values, dict):
            return values
        return {"selection_score" if key == "watched" else key: value for key, value in values.items()}


class LoggerConfig(Config):
    """Where figures go besides metrics.csv."""

    tensorboard: bool = True


if TYPE_CHECKING:

    class TaskConfigs(Config):
        """One optional entry per registered proxy task; the real class is made from the registry."""

else:
    tasks = {name: (task.config_kind | None, None) for name, task in TASKS.items()}
    TaskConfigs = create_model("TaskConfigs", __base__=Config, **tasks)


class TrainConfig(Config):
    """A whole training run."""

    catalog: Path
    run_dir: Path
    ratings: Path | None = Field(None, description="user_id, track_id, rating: data/README.md")
    triplets: Path | None = Field(None, description="anchor_id, closer_id, farther_id[, annotator_id]")
    playlists: Path | None = Field(None, description="playlist_id, track_id; or an .m3u, or a folder of them")
    start: str = Field(
        RANDOM, min_length=1, description="default, or a model bundle to go on from; or random"
    )
    teacher: tuple[Path, ...] = Field(
        (),
        description="what the distill task learns from: ONNX files that take a waveform, tables of answers",
    )
    anchor: bool = Field(False, description="turn the trained vectors back towards the start's")
    embeddings: Path | None = Field(None, description="the start's vectors by soundkin embed, if at hand")
    random_seed: NonNegativeInt = 0
    features: AnyFrontEnd = LogMelFrontEnd()
    patch: PatchConfig = PatchConfig()
    model: NetworkConfig = NetworkConfig()
    task: TaskConfigs = TaskConfigs()
    data: DataConfig = DataConfig()
    trainer: TrainerConfig = TrainerConfig()
    logger: LoggerConfig = LoggerConfig()

    @property
    def starts_well(self) -> bool:
        """Whether vectors are good before anything is learnt: then heads learn first."""
        return self.start != RANDOM or self.model.shortcut

    @field_validator("teacher", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """One file may be given as it is."""
        return (value,) if isinstance(value, str | Path) else value
