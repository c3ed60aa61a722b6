"""Audio -> vectors: the same audio, the same vector, bit for bit, whatever else is embedded and by how many
workers.

Kernels round differently for another number of threads or another batch shape. So one thread computes, and a
batch holds patches of one track only, cut in the same places whenever that track is embedded.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.waveforms import rate_hz, samples_by_channels
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.features.decode import AudioStream
from soundkin.features.frontends.interface import FrameStream, TrackInput
from soundkin.features.lyric_tokens import pad
from soundkin.features.patches import stream_patches
from soundkin.files import sha256_of_text
from soundkin.models import LyricTokens
from soundkin.parallel import in_processes, one_torch_thread
from soundkin.progress import progress
from soundkin.shapes import Float32, typechecked
from soundkin.statistics.scaling import unit_length

# Measured for the default network: 8 patches at once take 0.4 to 0.6 of the time of one by one; more gain nothing.
PATCHES_PER_BATCH = 8

Waveform = tuple[np.ndarray, int]


@dataclass(frozen=True)
class TrackEmbedding:
    """What embedding one file gives. `audio_hash` and `lyrics_hash` (empty without lyrics) tell what it was
    made of.

    `warnings` say what is off with the audio.
    """

    vector: Float32[np.ndarray, " embedding"]
    patch_vectors: Float32[np.ndarray, "patches embedding"]
    start_seconds: list[float]
    duration_seconds: float
    audio_hash: str
    warnings: tuple[str, ...]
    lyrics_hash: str = ""


@dataclass(frozen=True)
class FileEmbedding:
    """What embedding one of several files gave: its vector, or None and the error that says why there is
    none.
    """

    path: Path
    vector: Float32[np.ndarray, " embedding"] | None
    error: str = ""


class Embedder:
    """Computes vectors with one model bundle, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.hash = bundle.hash
        self.embedding_size = bundle.network_config.embedding_size
        self.reads_lyrics = bundle.tokenizer is not None

    @overload
    def embed(  # type: ignore[overload-overlap]  # a str is a sequence of str, and means one path
        self,
        audio: Path | str | np.ndarray | Waveform,
        lyrics: str = "",
        *,
        sample_rate_hz: int | None = None,
        normalise: bool = False,
    ) -> Float32[np.ndarray, " embedding"]: ...

    @overload
    def embed(
        self,
        audio: Sequence[Path | str],
        lyrics: Sequence[str] = "",
        *,
        normalise: bool = False,
        workers: int = 1,
        show_progress: bool = True,
    ) -> list[FileEmbedding]: ...

    def embed(
        self,
        audio: Any,
        lyrics: Any = "",
        *,
        sample_rate_hz: int | None = None,
        normalise: bool = False,
        workers: int = 1,
        show_progress: bool = True,
    ) -> Any:
        """The vector of a file or of an array of samples; of several files, a `FileEmbedding` each, in their
        order.

        An array is [samples], [channels, samples] or [samples, channels], floats with full scale 1.0 or
        integers that are scaled by their type; it comes with `sample_rate_hz`, or as the pair (samples,
        rate). `lyrics` are the words as plain text, for a model that reads them, one text a file; other
        models do not look at them. With `normalise`, vectors have length 1.

        Of several files, one that cannot be used has an error in place of its vector, and the others go on,
        in `workers` processes (then a script needs `if __name__ == "__main__":`) and with a bar on stderr.

        Raises:
            AudioError: a single file or an array cannot be used; says why.
            UsageError: what is given is no audio: an array without rate, of an impossible shape, or not
                finite.
        """
        if _is_several(audio):
            return self._embed_files(_as_paths(audio), lyrics, normalise, workers, show_progress)
        if isinstance(audio, str | Path):
            if sample_rate_hz is not None:
                raise UsageError("sample_rate_hz is for arrays: a file says its own rate. Leave it out.")
        elif not isinstance(audio, tuple):
            if sample_rate_hz is None:
                raise UsageError("an array of samples needs its rate: embed(samples, sample_rate_hz=44100).")
            audio = (audio, sample_rate_hz)
        vector = self.pool(self.embed_patches(audio)[0], lyrics)
        return unit_length(vector) if normalise else vector

    def _embed_files(
        self, paths: Sequence[Path], lyrics: Sequence[str], normalise: bool, workers: int, show_progress: bool
    ) -> list[FileEmbedding]:
        if workers < 1:
            raise UsageError(f"workers={workers}: give at least 1.")
        if lyrics and (isinstance(lyrics, str) or len(lyrics) != len(paths)):
            raise UsageError(
                f"lyrics of {len(paths)} files are {len(paths)} texts, in their order. Give as many."
            )
        jobs = list(zip(paths, lyrics or [""] * len(paths), strict=True))
        found: dict[int, FileEmbedding] = {}
        with closing(
            in_processes(partial(_embed_one, self, normalise), jobs, min(workers, len(jobs)))
        ) as outcomes:
            found |= progress(outcomes, "embed", total=len(jobs)) if show_progress else outcomes
        return [found[number] for number in range(len(jobs))]

    def embed_patches(
        self, audio: Path | str | Waveform
    ) -> tuple[Float32[np.ndarray, "patches embedding"], list[float]]:
        """Patch vectors in order of time, and the second at which each patch starts."""
        return self._embed_stream(self._open(audio))

    def embed_file(self, path: TrackInput, audio_hash: str | None = None, lyrics: str = "") -> TrackEmbedding:
        """All there is to know of one file, in bounded memory; `audio_hash` is given where it is known.

        For a model that learnt from a table of vectors, it is a track of the table instead of a file.
        """
        stream = self.bundle.front_end.stream(path)
        patch_vectors, start_seconds = self._embed_stream(stream)
        return TrackEmbedding(
            vector=self.pool(patch_vectors, lyrics),
            patch_vectors=patch_vectors,
            start_seconds=start_seconds,
            duration_seconds=stream.duration_seconds,
            audio_hash=audio_hash or self.bundle.front_end.input_hash(path),
            warnings=stream.warnings,
            lyrics_hash=hash_of_lyrics(lyrics) if self.reads_lyrics else "",
        )

    def _open(self, audio: Path | str | Waveform) -> FrameStream:
        if isinstance(audio, (str, Path)):
            return self.bundle.front_end.stream(Path(audio))
        samples, sample_rate_hz = audio
        return self.bundle.front_end.stream_audio(stream_array(np.asarray(samples), sample_rate_hz))

    @torch.inference_mode()
    def _embed_stream(
        self, stream: FrameStream
    ) -> tuple[Float32[np.ndarray, "patches embedding"], list[float]]:
        vectors, start_seconds = [], []
        with one_torch_thread():
            patches = stream_patches(stream, self.bundle.patch)
            while batch := list(islice(patches, PATCHES_PER_BATCH)):
                vectors.append(self._embed_batch([log_mel for _, log_mel in batch]))
                start_seconds += [stream.start_seconds(start) for start, _ in batch]
        found = torch.cat(vectors).numpy()
        if not np.isfinite(found).all():
            raise AudioError(
                f"{stream.name}: its vector is not made of finite numbers. Was the model trained well?"
            )
        return found, start_seconds

    def _embed_batch(self, log_mels: list[Tensor]) -> Float32[Tensor, "batch embedding"]:
        return self.bundle.network.patches(torch.stack(log_mels).transpose(1, 2))

    @typechecked
    @torch.inference_mode()
    def pool(
        self, patch_vectors: Float32[np.ndarray, "patches embedding"], lyrics: str = ""
    ) -> Float32[np.ndarray, " embedding"]:
        """Patch vectors in order of time, and the words where there are any, to the track vector."""
        with one_torch_thread():
            patches = torch.from_numpy(patch_vectors)[None]
            mask = torch.ones(patches.shape[:2], dtype=torch.bool)
            vector: np.ndarray = self.bundle.network.tracks(patches, mask, self._tokens(lyrics))[0].numpy()
        return vector

    def _tokens(self, lyrics: str) -> LyricTokens | None:
        tokenizer, config = self.bundle.tokenizer, self.bundle.network_config.lyrics
        if tokenizer is None or config is None or not lyrics:
            return None
        padded, lengths = pad(tokenizer.encode([lyrics], config.most_tokens))
        return LyricTokens(torch.from_numpy(padded), torch.from_numpy(lengths))


def hash_of_lyrics(lyrics: str) -> str:
    """32 hex digits that tell words apart; empty where there are none."""
    return sha256_of_text(lyrics)[:32] if lyrics else ""


def _is_several(audio: Any) -> bool:
    """Whether `audio` is several files, in a list, a tuple, an array of names or a column of a table."""
    if isinstance(audio, tuple):
        return not (len(audio) == 2 and not isinstance(audio[0], str | Path))
    if hasattr(audio, "__array__"):
        return np.asarray(audio).dtype.kind in "OUT"
    return not isinstance(audio, str | Path)


def load(folder: Path | str, vectors: Path | None = None) -> Embedder:
    """Load the model bundle in `folder`, ready to embed; `vectors` as in `load_bundle`.

    Raises:
        UsageError: there is no such folder.
        ArtefactError: the bundle is corrupt, or of another version.
    """
    return Embedder(load_bundle(Path(folder), vectors))


def stream_array(samples: np.ndarray, sample_rate_hz: int) -> AudioStream:
    """An array as if it were an open file, so that the same guards apply.

    Raises:
        UsageError: the samples or the rate are of no sound.
    """
    return AudioStream.from_array(samples_by_channels(samples), rate_hz(sample_rate_hz), "the waveform")


def _embed_one(embedder: Embedder, normalise: bool, job: tuple[Path, str]) -> FileEmbedding:
    path, lyrics = job
    try:
        return FileEmbedding(path, embedder.embed(path, lyrics, normalise=normalise))
    except AudioError as error:
        return FileEmbedding(path, None, Skipped.because(path, error).reason)


def _as_paths(audio: Any) -> list[Path]:
    names = list(audio) if isinstance(audio, Iterable) else [audio]
    odd = [name for name in names if not isinstance(name, str | Path)]
    if odd:
        raise UsageError(
            f"{type(odd[0]).__name__} among the files to embed. Give a path, several paths, or an array of samples "
            "with its rate: embed(samples, sample_rate_hz=44100)."
        )
    return [Path(name) for name in names]
