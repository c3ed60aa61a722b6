"""Proxy tasks: what labels at hand can teach the network. Add one as a file and a line here."""

from soundkin.tasks.artist import ArtistTask
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.genre import GenreTask

TASKS: dict[str, type[ProxyTask]] = {task.name: task for task in (GenreTask, ArtistTask)}

__all__ = ["TASKS", "ProxyTask", "TaskConfig"]
