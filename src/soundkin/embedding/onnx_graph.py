"""A model as one ONNX graph: mono samples at its rate -> vector, with what `Embedder` does in between.

Everything is computed for all frames at once, as ONNX has neither streams nor lists: a mask says which frames
stay (`levels`), an order brings these to the front, and patches are places in that order.
"""

import io
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor, nn

from soundkin.embedding.bundle import Bundle
from soundkin.embedding.onnx_chroma import ChromaGraph
from soundkin.errors import UsageError
from soundkin.extras import require
from soundkin.features.decode import SILENT_DB
from soundkin.features.frontends.log_mel import BLOCK_FRAMES, LogMel, LogMelFrontEnd
from soundkin.features.levels import LEVEL_SECONDS, LOUDEST_SHARE, SILENCE_SECONDS
from soundkin.models.fused import fused

OPSET = 17
INPUT, OUTPUT = "waveform", "vector"


class OnnxGraph(nn.Module):
    """Samples [batch, samples] of tracks of one length to their vectors [batch, embedding]."""

    waves: Tensor
    filterbank: Tensor

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        front_end = exportable_front_end(bundle)
        self.front_end, self.patch, self.network = (
            front_end,
            bundle.patch,
            fused(bundle.network, packed=False),
        )
        self.size = bundle.network_config.embedding_size
        self.bands = front_end.mel_bands + front_end.chroma_bands
        window = torch.hann_window(front_end.window_samples, dtype=torch.float64)
        filterbank = front_end.filterbank()
        bins = int(filterbank.any(1).nonzero().max()) + 1
        times = torch.arange(front_end.window_samples, dtype=torch.float64)
        angles = 2 * torch.pi * torch.outer(torch.arange(bins).double(), times) / len(window)
        waves = torch.cat([angles.cos(), angles.sin()]) * window * (2 / window.sum())
        self.register_buffer("waves", waves.float()[:, None])
        self.register_buffer("filterbank", filterbank[:bins] / 10 ** (front_end.floor_db / 10))
        chroma = LogMel(front_end).chroma
        self.chroma = None if chroma is None else ChromaGraph(chroma)

    def forward(self, waveform: Tensor) -> Tensor:
        """Vectors of waveforms."""
        powers = self._powers(waveform)
        gain, silent = self._levels(powers.sum(dim=2))
        frames = torch.log(powers * gain[:, :, None] + 1)
        if self.chroma is not None:
            frames = torch.cat([frames, self.chroma(waveform, gain)], dim=2)
        order, counts = self._kept(silent)
        places, mask = self._patches(counts, frames.shape[1])
        chosen = order.gather(1, places.flatten(1))
        frames = frames.gather(1, chosen[:, :, None].expand(-1, -1, self.bands))
        patches = frames.reshape(-1, self.patch.frames, self.bands).transpose(1, 2)
        vectors = self.network.patches(patches).reshape(waveform.shape[0], -1, self.size)
        pooled: Tensor = self.network.tracks(vectors, mask)
        return pooled

    def _powers(self, waveform: Tensor) -> Tensor:
        """Powers [batch, frames, mels] in units of the floor; of less than a window one frame."""
        window, hop = self.front_end.window_samples, self.front_end.hop_samples
        frames = torch.clamp((torch.tensor(waveform.shape[1]) - window) // hop + 1, min=1)
        padded = nn.functional.pad(waveform, (0, window))
        spectrum = nn.functional.conv1d(padded[:, None], self.waves, stride=hop)[:, :, :frames]
        cosines, sines = spectrum.square().chunk(2, dim=1)
        return (cosines + sines).transpose(1, 2) @ self.filterbank

    def _levels(self, loudness: Tensor) -> tuple[Tensor, Tensor]:
        """The gain of each frame, and whether it is silent, as `LevelRule` has them."""
        rule = self.front_end
        if rule.level_db is None and rule.silence_db is None:
            return torch.ones_like(loudness), loudness < 0
        place = torch.arange(loudness.shape[1])[None]
        sounds = loudness > self._power(SILENT_DB)
        most = loudness.shape[1]
        first = torch.where(sounds, place, most).amin(dim=1, keepdim=True) // BLOCK_FRAMES * BLOCK_FRAMES
        blocks = -int(-LEVEL_SECONDS * rule.frames_per_second // BLOCK_FRAMES)
        counted = sounds & (place < first + blocks * BLOCK_FRAMES)
        loudest = torch.topk(torch.where(counted, loudness, 0.0), most, dim=1).values
        last = counted.sum(dim=1, keepdim=True).double() - 1
        rank = (last * LOUDEST_SHARE).clamp(min=0)  # from the loudest, down to the quantile
        below, above = rank.ceil().long(), rank.floor().long()
        upper, lower = loudest.gather(1, above), loudest.gather(1, below)
        level = upper + (lower - upper) * (rank - rank.floor()).float()
        gain = torch.ones_like(loudness)
        if rule.level_db is not None:
            gain = torch.where((place >= first) & (level > 0), self._power(rule.level_db) / level, gain)
        if rule.silence_db is None:
            return gain, loudness < 0
        threshold = (level * 10 ** (rule.silence_db / 10)).clamp(min=self._power(SILENT_DB))
        return gain, loudness <= threshold

    def _power(self, decibels: float) -> float:
        return float(10 ** ((decibels - self.front_end.floor_db) / 10))

    def _kept(self, silent: Tensor) -> tuple[Tensor, Tensor]:
        """Places of frames, those that stay first and in order of time, and how many stay."""
        longest = round(SILENCE_SECONDS * self.front_end.frames_per_second)
        sounds = nn.functional.pad((~silent).float(), (longest, longest), value=1.0)
        window = longest + 1  # one that is silent throughout lies in a silence that goes, and covers it
        all_silent = 1 - nn.functional.max_pool1d(sounds[:, None], window, stride=1)
        dropped = nn.functional.max_pool1d(all_silent, window, stride=1)[:, 0] > 0.5
        place = torch.arange(silent.shape[1])[None]
        nothing_else = (~silent).sum(dim=1, keepdim=True) == 0
        kept = ~dropped | (nothing_else & (place < longest))
        score = torch.where(kept, silent.shape[1] - place, -place)
        return torch.topk(score, silent.shape[1], dim=1).indices, kept.sum(dim=1)

    def _patches(self, counts: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Places [batch, patches, frames] of each patch's frames, and which patches are real."""
        length, hop = self.patch.frames, self.patch.hop_frames
        last = (counts - length).clamp(min=0)[:, None]
        most: Any = torch.clamp(torch.tensor(frames) - length + hop - 1, min=0) // hop + 1
        number = torch.arange(most)[None]
        starts = torch.minimum(number * hop, last)
        places = (starts[:, :, None] + torch.arange(length)) % counts[:, None, None]  # `patches.tile`
        return places, number <= (last + hop - 1) // hop


def exportable_front_end(bundle: Bundle) -> LogMelFrontEnd:
    """The bundle's front end; raises UsageError if the model has no ONNX graph."""
    front_end, why = cast(LogMelFrontEnd, bundle.front_end), ""
    if not front_end.makes_log_mels:
        why = "its input is made by another encoder (features=external)"
    elif bundle.tokenizer is not None:
        why = "it reads lyrics, and a graph has no tokenizer"
    if why:
        raise UsageError(f"model {bundle.hash} cannot be exported: {why}. Use it with soundkin embed.")
    return front_end


def onnx_file(bundle: Bundle) -> bytes:
    """The graph of `bundle` as an ONNX file, with what is known of the model as metadata."""
    require("onnx", "an ONNX file")
    import onnx

    graph, file = OnnxGraph(bundle).eval(), cast(Any, io.BytesIO())  # files are not in its types, and work
    example = torch.rand(2, 5 * graph.front_end.sample_rate_hz) - 0.5
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's advice is for its caller, not for ours
        torch.onnx.export(
            graph,
            (example,),
            file,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch", 1: "samples"}, OUTPUT: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(model, metadata(bundle))
    return bytes(model.SerializeToString())


def with_int8_weights(content: bytes) -> bytes:
    """The same graph with the network's matrices as 8 bit integers, their inputs quantised as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(content)
        exact = [node.name for node in onnx.load(whole).graph.node if node.op_type == "MatMul"]
        quantize_dynamic(  # it turns the dense layers' Gemm into MatMul; that of the mel bands stays exact
            whole, small, op_types_to_quantize=["MatMul"], nodes_to_exclude=exact, weight_type=QuantType.QInt8
        )
        return small.read_bytes()


def metadata(bundle: Bundle) -> dict[str, str]:
    """What an ONNX file says of its model: plain text by name."""
    front_end = exportable_front_end(bundle)
    known: dict[str, Any] = {
        "sample_rate_hz": front_end.sample_rate_hz,
        "embedding_size": bundle.network_config.embedding_size,
        "model_hash": bundle.hash,
        "licence": bundle.provenance.get("licence") or "not stated",
        "name": bundle.provenance.get("name") or "A soundkin model",
        "patch": json.dumps(bundle.patch.model_dump(mode="json")),
    }
    return {name: str(value) for name, value in known.items()}
