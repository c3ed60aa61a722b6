"""Proxy tasks: what the network is trained to predict. Add one as a file and a line here."""

from soundkin.tasks.album import AlbumTask
from soundkin.tasks.artist import ArtistTask
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.contrastive import ContrastiveTask
from soundkin.tasks.distill import DistillTask
from soundkin.tasks.genre import GenreTask
from soundkin.tasks.latent_factors import LatentFactorsTask
from soundkin.tasks.playlist import PlaylistTask
from soundkin.tasks.ratings import RatingsTask
from soundkin.tasks.tags import TagsTask
from soundkin.tasks.triplets import TripletsTask
from soundkin.tasks.year import YearTask

KINDS: tuple[type[ProxyTask], ...] = (
    GenreTask, ArtistTask, AlbumTask, TagsTask, YearTask,
    ContrastiveTask, PlaylistTask, TripletsTask, LatentFactorsTask, RatingsTask, DistillTask,
)  # fmt: skip
TASKS = {task.name: task for task in KINDS}

__all__ = ["TASKS", "ProxyTask", "TaskConfig"]
