"""Where a batch's examples come from: stored answers about the tracks, and excerpts that teachers answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch.utils.data import Dataset

from soundkin.catalog.table import Catalog
from soundkin.errors import ConfigError
from soundkin.features.cache import MelCache
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.teachers import OnnxTeacher, StoredTeacher
from soundkin.tasks.distill import DistillTask
from soundkin.training.batches import Batch, RandomPatches, cut_patch, to_network_input
from soundkin.training.data import PreparedData, SplitTracks
from soundkin.training.made_examples import (
    TRAIN,
    VALID,
    AnsweredExample,
    AnsweredExamples,
    ExampleMaker,
    MadeExamples,
    example_folder,
    joined,
)
from soundkin.training.ranks import ALONE, Rank
from soundkin.training.run_config import TrainConfig

TRIES = 8  # places tried for a patch that a teacher has answers about
HELD_OUT_PATCHES = 4  # of each held-out track
STANDARDISED_ON = 4_096  # examples


@dataclass
class StoredExamples:
    """Patches of tracks that stored teachers have answers about, drawn evenly over artists.

    A patch's answers are those about the time it covers, each teacher's or NaN, in the order of `teachers`.
    """

    cache: MelCache
    patch_frames: int
    training: SplitTracks
    held_out_tracks: SplitTracks
    teachers: Sequence[StoredTeacher]

    def __post_init__(self) -> None:
        self._known = [teacher.track_ids() for teacher in self.teachers]
        rows = self._answered(self.training)
        groups = self.training.catalog.artists.groups
        self._rows_of_artist = [rows[groups[rows] == group] for group in np.unique(groups[rows])]

    def _answered(self, tracks: SplitTracks) -> np.ndarray:
        ids = enumerate(tracks.catalog.track_ids)
        return np.array(
            [row for row, track_id in ids if any(track_id in known for known in self._known)], int
        )

    def draw(
        self, epoch: int, step: int, count: int, rng: np.random.Generator, own: slice = slice(None)
    ) -> list[AnsweredExample]:
        """The `own` ones of a step's `count` patches around answers drawn at random."""
        parts = []
        artists = rng.integers(len(self._rows_of_artist), size=count)
        for artist, own_rng in list(zip(artists, rng.spawn(count), strict=True))[own]:
            row = int(own_rng.choice(self._rows_of_artist[artist]))
            starts = self._starts(self.training.catalog.track_ids[row])
            for _ in range(TRIES):
                part = self._patch(self.training, row, float(own_rng.choice(starts)), own_rng)
                if not np.isnan(part[1]).all():
                    break
            parts.append(part)
        return parts

    def held_out(self) -> AnsweredExamples | None:
        """A few patches of each held-out track, evenly over its answers."""
        parts = []
        for row in self._answered(self.held_out_tracks):
            starts = np.unique(self._starts(self.held_out_tracks.catalog.track_ids[row]))
            chosen = np.unique(np.linspace(0, len(starts) - 1, HELD_OUT_PATCHES).round().astype(int))
            parts += [self._patch(self.held_out_tracks, int(row), start) for start in starts[chosen]]
        parts = [part for part in parts if not np.isnan(part[1]).all()]
        return joined(parts, np.stack) if parts else None

    def _starts(self, track_id: str) -> np.ndarray:
        pairs = zip(self.teachers, self._known, strict=True)
        return np.concatenate([teacher.track(track_id)[1] for teacher, known in pairs if track_id in known])

    def _patch(
        self, tracks: SplitTracks, row: int, near_seconds: float, rng: np.random.Generator | None = None
    ) -> AnsweredExample:
        """Frames, answers and artist of a patch that begins near `near_seconds`: at it without `rng`, else up
        to half a patch before or after.
        """
        key, track_id = tracks.keys[row], tracks.catalog.track_ids[row]
        seconds, step = self.cache.start_seconds(key), self.cache.frame_seconds(key)
        shift = 0.0 if rng is None else rng.uniform(-0.5, 0.5) * self.patch_frames * step
        first = int(np.searchsorted(seconds, near_seconds + shift - step / 2))
        first = max(0, min(first, len(seconds) - self.patch_frames))
        last = min(first + self.patch_frames, len(seconds)) - 1
        covered = float(seconds[last] + step - seconds[first])
        answers = [
            teacher.answers(track_id, float(seconds[first]), covered)
            if track_id in known
            else np.full(sum(teacher.sizes), np.nan, np.float32)
            for teacher, known in zip(self.teachers, self._known, strict=True)
        ]
        frames = cut_patch(self.cache.log_mel(key), first, self.patch_frames)
        return frames, np.concatenate(answers), int(tracks.catalog.artists.groups[row])


@dataclass
class ExampleSources:
    """The examples of all teachers: of each kind of teacher an even share of a batch."""

    task: DistillTask
    sources: list[tuple[StoredExamples | MadeExamples, list[int]]] = field(default_factory=list)

    def draw(
        self, epoch: int, step: int, count: int, rng: np.random.Generator, rank: Rank = ALONE
    ) -> AnsweredExamples:
        """A rank's share of a step's `count` examples, with answers in the order of the task's teachers; NaN
        of those not asked.
        """
        wanted = rank.share(count)
        drawn = []
        for number, (source, numbers) in enumerate(self.sources):
            part = Rank(number, len(self.sources)).share(count)
            own = slice(
                *(
                    min(max(0, edge - part.start), part.stop - part.start)
                    for edge in (wanted.start, wanted.stop)
                )
            )
            if examples := source.draw(epoch, step, part.stop - part.start, rng, own):
                drawn.append(self._in_order(joined(examples, np.stack), numbers))
        return joined(drawn, np.concatenate)

    def held_out(self) -> AnsweredExamples | None:
        """The examples of held-out tracks."""
        given = [(source.held_out(), numbers) for source, numbers in self.sources]
        ordered = [self._in_order(examples, numbers) for examples, numbers in given if examples is not None]
        return joined(ordered, np.concatenate) if ordered else None

    def start(self, epoch: int = 0, making: bool = True) -> None:
        """Begin to ask the teachers in the loop, or wait for another process that asks them."""
        for made in self._made:
            made.start(epoch, making)

    def stop(self) -> None:
        """Ask no more."""
        for made in self._made:
            made.stop()

    def forget_before(self, epoch: int) -> None:
        """Delete examples that are not seen again."""
        for made in self._made:
            made.forget_before(epoch)

    @property
    def _made(self) -> list[MadeExamples]:
        return [source for source, _ in self.sources if isinstance(source, MadeExamples)]

    def sample(self) -> np.ndarray:
        """Answers about some thousands of examples of the first epoch, to standardise by."""
        rng = np.random.default_rng(0)
        return np.concatenate(
            [self.draw(0, step, 256, rng).answers for step in range(STANDARDISED_ON // 256)]
        )

    def _in_order(self, examples: AnsweredExamples, numbers: Sequence[int]) -> AnsweredExamples:
        answers = np.full((len(examples.answers), len(self.task.mean)), np.nan, np.float32)
        taken = 0
        for number in numbers:
            span = slice(self.task.vector_spans[number].start, self.task.tag_spans[number].stop)
            size = span.stop - span.start
            answers[:, span] = examples.answers[:, taken : taken + size]
            taken += size
        return AnsweredExamples(examples.log_mel.astype(np.float32), answers, examples.groups)


@dataclass
class TracksAndExamples(Dataset[Batch]):
    """Batches of `tracks`, if any task is trained on tracks, each with `count` examples of `sources`."""

    tracks: RandomPatches | None
    sources: ExampleSources
    count: int
    random_seed: int
    rank: Rank = ALONE

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        epoch, step = epoch_and_step
        generator = np.random.default_rng((self.random_seed, epoch, step, 1))
        examples = self.sources.draw(epoch, step, self.count, generator, self.rank)
        batch: Batch = self.tracks[epoch_and_step] if self.tracks else {}
        batch["examples"] = to_network_input(examples.log_mel)
        batch["answers"] = torch.from_numpy(examples.answers)
        return batch


def example_sources(
    task: DistillTask, config: TrainConfig, data: PreparedData, examples_per_epoch: int
) -> ExampleSources:
    """The sources of `task`'s examples."""
    stored = [(n, teacher) for n, teacher in enumerate(task.opened) if isinstance(teacher, StoredTeacher)]
    asked = [(n, teacher) for n, teacher in enumerate(task.opened) if isinstance(teacher, OnnxTeacher)]
    sources = ExampleSources(task)
    if stored:
        teachers = [teacher for _, teacher in stored]
        examples = StoredExamples(data.cache, config.patch.frames, data.train, data.valid, teachers)
        sources.sources.append((examples, [number for number, _ in stored]))
    if asked:
        makers = _makers(config, data, [teacher for _, teacher in asked])
        made = MadeExamples(*makers, examples_per_epoch, config.trainer.epochs)
        sources.sources.append((made, [number for number, _ in asked]))
    return sources


def _makers(
    config: TrainConfig, data: PreparedData, teachers: list[OnnxTeacher]
) -> tuple[ExampleMaker, ExampleMaker | None]:
    """Makers of training examples and of held-out ones, if there are held-out tracks."""
    front_end, settings = cast(LogMelFrontEnd, config.features), config.data.examples
    if not front_end.makes_log_mels:
        raise ConfigError("a teacher in the loop hears what log-mels are made of. Leave features=... out.")
    folder = settings.folder or config.run_dir.parent / "examples"
    said = [front_end.settings(), config.patch.frames, settings.mixture.model_dump(), settings.worse_copies]
    said += [settings.evenly, config.random_seed]
    paths = [*data.train.catalog.audio_paths(), *data.valid.catalog.audio_paths()]
    folder = example_folder(folder, said, teachers, paths)

    def maker(split: str, tracks: SplitTracks) -> ExampleMaker:
        catalog = tracks.catalog
        return ExampleMaker(
            folder, split, catalog.audio_paths(), strata(catalog, settings.evenly).tolist(),
            catalog.artists.groups.tolist(), front_end, config.patch.frames, teachers, settings,
            config.data.cache_seconds, config.random_seed,
        )  # fmt: skip

    held_out = settings.held_out and len(data.valid.keys)
    return maker(TRAIN, data.train), maker(VALID, data.valid) if held_out else None


def strata(catalog: Catalog, column: str) -> np.ndarray:
    """A number for each track's value of `column`, its lead artist for `artist`; CatalogError without it."""
    if column == "artist":
        return catalog.artists.groups
    catalog.require(column, "data.examples.evenly names it. Fill it in, or name another column")
    values = [";".join(value) for value in catalog.values(column)]
    return np.unique(values, return_inverse=True)[1]
