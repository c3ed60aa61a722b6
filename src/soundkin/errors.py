"""Errors a user can meet. Each says what was wrong, where, and what to do next.

The command line prints the message alone and exits with `exit_code`; a traceback means a bug of ours.
"""

from dataclasses import dataclass


class SoundkinError(Exception):
    """Anything we can explain to the person who ran us."""

    exit_code = 1


class UsageError(SoundkinError):
    """The call itself is off: an option, a path, a value."""

    exit_code = 2


class ConfigError(UsageError):
    """A config key is unknown, or its value has the wrong type or range."""


class NoSuchUserError(UsageError):
    """Nothing is known of a user's taste."""


class CatalogError(UsageError):
    """A table that people bring is off; names file, row, column, value and what to do."""


class AudioError(SoundkinError):
    """One audio file cannot be used. Batch jobs record it as `Skipped` and go on."""


class OutputError(SoundkinError):
    """A result cannot be written: no permission, no space, a file where a folder is needed."""


class OutputPlaceError(OutputError):
    """Nothing can be written where a result was asked to go: something else is there, or leads there."""

    exit_code = 2


class StoreError(SoundkinError):
    """A store of neighbours, or a Milvus, cannot be reached, or refuses us."""


class AudioStoreError(SoundkinError):
    """An object store that holds audio does not answer, or refuses us; the files themselves may be fine."""


class ClusterError(SoundkinError):
    """The machines that were to compute cannot: not reached, not alike, without the audio, or lost."""


class ArtefactError(SoundkinError):
    """A model bundle, embeddings or index is corrupt, of another version, or of another model."""

    exit_code = 4


class OtherModelError(UsageError):
    """Vectors of one model are about to take the place of another's, and nobody said that they may."""


class TracksGoneError(UsageError):
    """So many tracks are gone that a drive may not be mounted, and nobody said that they are deleted."""


class MissingExtraError(SoundkinError):
    """Packages are missing that an extra of ours brings; says which, and how to install it."""


@dataclass(frozen=True)
class Skipped:
    """One input that a batch job left out, and why."""

    path: str
    reason: str

    @classmethod
    def because(cls, source: object, error: Exception, path: str | None = None) -> "Skipped":
        """What `error` says of `source`, whose name is not repeated; `path` is the name it is listed by."""
        return cls(path or str(source), str(error).removeprefix(str(source)).lstrip(": "))
