"""Audio -> vectors: the same audio, the same vector, bit for bit, alone or with others, by any workers.

Kernels round differently for another number of threads or another batch shape. So one thread computes, and a
batch holds patches of one track only, cut in the same places whenever that track is embedded.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.waveforms import stream_array
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.features.frontends.interface import FrameStream, TrackInput
from soundkin.features.lyric_tokens import pad
from soundkin.features.patches import PatchConfig, stream_batches
from soundkin.files import sha256_of_text
from soundkin.models import LyricTokens
from soundkin.models.fused import fused
from soundkin.parallel import in_processes, one_torch_thread
from soundkin.progress import progress
from soundkin.shapes import Float32, typechecked
from soundkin.statistics.scaling import unit_length

Waveform = tuple[np.ndarray, int]  # samples and their rate in Hz
# Vectors of patches in order of time, and the second at which each patch starts.
TimedVectors = tuple[Float32[np.ndarray, "patches embedding"], list[float]]


@dataclass(frozen=True)
class TrackEmbedding:
    """All there is to know of one embedded track.

    `audio_hash` and `lyrics_hash` (empty without lyrics) say what it was made of, `warnings` what is off
    with the audio.
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
    """The vector of one of several files, or None and the error that says why there is none."""

    path: Path
    vector: Float32[np.ndarray, " embedding"] | None
    error: str = ""


class Embedder:
    """Computes vectors with one model bundle, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.network = fused(bundle.network)
        self.hash = bundle.hash
        self.embedding_size = bundle.network_config.embedding_size
        self.reads_lyrics = bundle.tokenizer is not None

    def __getstate__(self) -> dict[str, Any]:
        """What workers are sent: all but the fused network, which cannot be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "network"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.network = fused(self.bundle.network)

    def embed(
        self,
        audio: Path | str | np.ndarray | Waveform | Sequence[Path | str],
        lyrics: str | Sequence[str] = "",
        *,
        sample_rate_hz: int | None = None,
        normalise: bool = False,
        workers: int = 1,
        show_progress: bool = True,
    ) -> Any:
        """The vector of a file or of an array of samples; of several files, a list of a `FileEmbedding` each.

        An array is [samples], [channels, samples] or [samples, channels], floats with full scale 1.0 or
        integers that are scaled by their type; it comes with `sample_rate_hz`, or as the pair (samples,
        rate). `lyrics` are the words as plain text, for a model that reads them, one text a file; other
        models ignore them. With `normalise`, vectors have length 1.

        Of several files, one that cannot be used has an error in place of its vector, and the others go on,
        in `workers` processes (then a script needs `if __name__ == "__main__":`) and with a bar on stderr.

        Raises:
            AudioError: a single file or an array cannot be used; says why.
            UsageError: this is no audio: an array without rate, of an impossible shape, or not finite.
        """
        source: Any = audio
        words: Any = lyrics
        if (paths := _several(source)) is not None:
            return self._embed_files(paths, words, normalise, workers, show_progress)
        if isinstance(source, str | Path):
            if sample_rate_hz is not None:
                raise UsageError("sample_rate_hz is for arrays: a file says its own rate. Leave it out.")
        elif not isinstance(source, tuple):
            if sample_rate_hz is None:
                raise UsageError("an array of samples needs its rate: embed(samples, sample_rate_hz=44100).")
            source = (source, sample_rate_hz)
        vector = self.pool(self.embed_patches(source)[0], words)
        return unit_length(vector) if normalise else vector

    def _embed_files(
        self, paths: Sequence[Path], lyrics: Sequence[str], normalise: bool, workers: int, show_progress: bool
    ) -> list[FileEmbedding]:
        if workers < 1:
            raise UsageError(f"workers={workers}: give at least 1.")
        if lyrics and (isinstance(lyrics, str) or len(lyrics) != len(paths)):
            count = len(paths)
            raise UsageError(f"lyrics of {count} files are {count} texts, in their order. Give as many.")
        jobs = list(zip(paths, lyrics or [""] * len(paths), strict=True))
        embed = partial(_embed_one, self, normalise)
        with closing(in_processes(embed, jobs, min(workers, len(jobs)))) as outcomes:
            numbered = dict(progress(outcomes, "embed", total=len(jobs)) if show_progress else outcomes)
        return [numbered[number] for number in range(len(jobs))]

    @property
    def patch_seconds(self) -> float | None:
        """How much of a track a patch covers; None where its frames come at no fixed rate."""
        rate = self.bundle.front_end.frames_per_second
        return None if rate is None else self.bundle.patch.frames / rate

    def embed_patches(self, audio: Path | str | Waveform, hop_seconds: float | None = None) -> TimedVectors:
        """Patch vectors in order of time, and the second at which each patch starts.

        One starts every `hop_seconds`, or as the model was trained, also where frames come at no fixed rate.
        """
        if isinstance(audio, (str, Path)):
            stream = self.bundle.front_end.stream(Path(audio))
        else:
            samples, sample_rate_hz = audio
            waveform = stream_array(np.asarray(samples), sample_rate_hz)
            stream = self.bundle.front_end.stream_audio(waveform)
        rate = self.bundle.front_end.frames_per_second
        if hop_seconds is None or rate is None:
            return self._embed_stream(stream)
        hop_frames = max(1, round(hop_seconds * rate))
        return self._embed_stream(stream, self.bundle.patch.model_copy(update={"hop_frames": hop_frames}))

    def embed_file(self, path: TrackInput, audio_hash: str | None = None, lyrics: str = "") -> TrackEmbedding:
        """Embed a file, or a track of a table of vectors, in bounded memory; `audio_hash` where known."""
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

    @torch.inference_mode()
    def _embed_stream(self, stream: FrameStream, patch: PatchConfig | None = None) -> TimedVectors:
        batches: list[torch.Tensor] = []
        start_seconds: list[float] = []
        with one_torch_thread():
            for starts, frames in stream_batches(stream, patch or self.bundle.patch):
                batches.append(self.network.patches(frames))
                start_seconds += map(stream.start_seconds, starts)
        vectors = torch.cat(batches).numpy()
        if not np.isfinite(vectors).all():
            raise AudioError(f"{stream.name}: its vector is not finite numbers. Was the model trained well?")
        return vectors, start_seconds

    @typechecked
    @torch.inference_mode()
    def pool(
        self, patch_vectors: Float32[np.ndarray, "patches embedding"], lyrics: str = ""
    ) -> Float32[np.ndarray, " embedding"]:
        """Patch vectors in order of time, and the words where there are any, to the track vector."""
        with one_torch_thread():
            patches = torch.from_numpy(np.require(patch_vectors, requirements="W"))[None]
            mask = torch.ones(patches.shape[:2], dtype=torch.bool)
            vector: np.ndarray = self.network.tracks(patches, mask, self._tokens(lyrics))[0].numpy()
        return vector

    def _tokens(self, lyrics: str) -> LyricTokens | None:
        tokenizer, config = self.bundle.tokenizer, self.bundle.network_config.lyrics
        if tokenizer is None or config is None or not lyrics:
            return None
        padded, lengths = pad(tokenizer.encode([lyrics], config.most_tokens))
        return LyricTokens(torch.from_numpy(padded), torch.from_numpy(lengths))


def hash_of_lyrics(lyrics: str) -> str:
    """32 hex digits, another for every other text; empty for an empty text."""
    return sha256_of_text(lyrics)[:32] if lyrics else ""


def load(model: Path | str = "default", vectors: Path | None = None) -> Embedder:
    """Load the model bundle in a folder, `default`, or `owner/name` on the Hugging Face hub, ready to embed.

    `vectors` are as in `load_bundle`.

    Raises:
        UsageError: there is no such folder, nor such a model on the hub.
        MissingExtraError: it may be on the hub, and huggingface_hub is not installed.
        ArtefactError: the bundle is corrupt, or of another version.
    """
    return Embedder(load_bundle(model, vectors))


def _embed_one(embedder: Embedder, normalise: bool, job: tuple[Path, str]) -> FileEmbedding:
    path, lyrics = job
    try:
        return FileEmbedding(path, embedder.embed(path, lyrics, normalise=normalise))
    except AudioError as error:
        return FileEmbedding(path, None, Skipped.because(path, error).reason)


def _several(audio: Any) -> list[Path] | None:
    """The files, if `audio` is a list, a tuple, an array or a column of them; None for a file or samples."""
    is_waveform = isinstance(audio, tuple) and len(audio) == 2 and not isinstance(audio[0], str | Path)
    is_array = hasattr(audio, "__array__") and np.asarray(audio).dtype.kind not in "OUT"
    if isinstance(audio, str | Path) or is_waveform or is_array:
        return None
    names = list(audio) if isinstance(audio, Iterable) else [audio]
    for name in names:
        if not isinstance(name, str | Path):
            raise UsageError(
                f"{type(name).__name__} among the files to embed. Give a path, several paths, or an array of "
                "samples with its rate: embed(samples, sample_rate_hz=44100)."
            )
    return [Path(name) for name in names]
