"""The network as it embeds: the same vectors to within rounding, a fifth quicker on short patches.

Norms become part of the convolutions before them, features [batch, channels, frames] lie in memory as
[batch, frames, channels], and weights as oneDNN multiplies them: else it lays them out anew for each batch,
which of the dense layers takes longer than their product. Such a network cannot be pickled.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from soundkin.models.network import TrackNetwork
from soundkin.shapes import Float, typechecked

# Whether torch has oneDNN, as on x86 and on Linux.
PACKED: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
ROWS, FRAMES = 8, 64  # of a batch: weights that are laid out for so many multiply others as well


def fused(network: TrackNetwork, packed: bool = PACKED) -> TrackNetwork:
    """A network for evaluation alone, which shares all other weights with `network`.

    Weights are laid out for oneDNN if `packed`: such a network is neither pickled nor exported.
    """
    shared = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    copy = deepcopy(network, shared).eval()
    trunk: nn.Module = copy.trunk
    if isinstance(trunk.input_norm, nn.BatchNorm1d):
        trunk.input_norm = _Standardise(trunk.input_norm)
    trunk.blocks = nn.Sequential(*(_FusedBlock(block, packed) for block in copy.trunk.blocks))
    if packed:
        trunk.dense = nn.Sequential(*map(_packed, copy.trunk.dense))
        trunk.shortcut = _packed(trunk.shortcut)
    return copy


def _packed(layer: Any) -> Any:
    return _PackedLinear(layer) if isinstance(layer, nn.Linear) else layer


class _PackedLinear(nn.Module):
    """A linear layer whose weights are laid out once."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
        self.bias = linear.bias

    @typechecked
    def forward(self, inputs: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")
        return outputs


class _Standardise(nn.Module):
    """Normalisation by running statistics, which leaves the order in memory as it is."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        state = norm.state_dict()
        self.scale = (state["running_var"] + norm.eps).rsqrt()[:, None]
        self.shift = -state["running_mean"][:, None] * self.scale

    @typechecked
    def forward(self, features: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch mels frames"]:
        return torch.addcmul(self.shift, features, self.scale)


class _FusedBlock(nn.Module):
    """A `ConvBlock` in evaluation."""

    def __init__(self, block: Any, packed: bool) -> None:
        super().__init__()
        normalised = isinstance(block.norm, nn.BatchNorm1d)
        conv = fuse_conv_bn_eval(block.conv, block.norm) if normalised else block.conv
        self.bias, self.stride, self.padding = conv.bias, (1, *conv.stride), (0, *conv.padding)
        self.weight: Tensor = conv.weight.detach()[:, :, None].contiguous(memory_format=torch.channels_last)
        self.packed = packed
        if packed:
            shape = (ROWS, self.weight.shape[1], 1, FRAMES)
            layout = self.padding, self.stride, (1, 1), 1, shape
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *layout)
        self.pool = getattr(block.pool, "kernel_size", 1)
        self.residual = block.residual

    @typechecked
    def forward(self, features: Float[Tensor, "batch inputs frames"]) -> Float[Tensor, "batch filters less"]:
        inputs = features[:, :, None]
        output = self._rectified(inputs)
        if self.residual:
            output += inputs
        if self.pool > 1:
            output = torch.max_pool2d(output, (1, self.pool))
        return output[:, :, 0]

    def _rectified(self, inputs: Tensor) -> Tensor:
        if not self.packed:
            return torch.conv2d(inputs, self.weight, self.bias, self.stride, self.padding).relu_()
        layout = self.padding, self.stride, (1, 1), 1
        output: Tensor = torch.ops.mkldnn._convolution_pointwise(
            inputs, self.weight, self.bias, *layout, "relu", [], ""
        )
        return output
