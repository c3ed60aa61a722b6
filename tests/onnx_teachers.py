"""A small ONNX teacher for tests."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def onnx_teacher(path: Path, tags: bool = True, **metadata: str) -> Path:
    """Mean and mean square of 1,000 samples; as a tag, the mean square."""
    nodes = [
        helper.make_node("ReduceMean", ["waveform"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["waveform", "waveform"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["tag_probabilities"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean", "tag_probabilities"], ["vector"], axis=1),
    ]
    outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 2])]
    if tags:
        outputs.append(helper.make_tensor_value_info("tag_probabilities", TensorProto.FLOAT, ["batch", 1]))
    given = [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", 1_000])]
    model = helper.make_model(
        helper.make_graph(nodes, "teacher", given, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    for key, value in ({"sample_rate_hz": "8000", "name": "loudness"} | metadata).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path
