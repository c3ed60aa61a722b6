"""Front ends: audio files to frames, behind one interface (`interface.FrontEnd`).

`log_mel` computes our log-mels; `vector_table` and `onnx_encoder` give frozen features of another encoder,
which patches, network and tasks treat alike.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from soundkin.config import validate
from soundkin.features.frontends.external import OnnxInput
from soundkin.features.frontends.interface import FrontEnd
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.frontends.onnx_encoder import OnnxFrontEnd
from soundkin.features.frontends.vector_table import VectorTableFrontEnd


def front_end_kind(values: Any) -> type[LogMelFrontEnd | VectorTableFrontEnd | OnnxFrontEnd]:
    """The class that a plain mapping describes: external front ends have a path, and its ending decides."""
    if not isinstance(values, Mapping) or "path" not in values:
        return LogMelFrontEnd
    return OnnxFrontEnd if str(values["path"]).endswith(".onnx") else VectorTableFrontEnd


def _validated(values: Any) -> Any:
    """Choose the class first, so that complaints are about its keys."""
    return values if isinstance(values, FrontEnd) else front_end_kind(values).model_validate(values)


AnyFrontEnd = Annotated[LogMelFrontEnd | VectorTableFrontEnd | OnnxFrontEnd, BeforeValidator(_validated)]
"""The type of a config field that holds a front end; elsewhere say `FrontEnd`."""


def stored_front_end(values: Mapping[str, Any], where: str = "") -> FrontEnd:
    """The front end of a model bundle; raises as `validate` does.

    Settings that did not exist when the bundle was written get the values that held then.
    """
    kind, values = front_end_kind(values), dict(values)
    if kind is LogMelFrontEnd:
        values = {**LogMelFrontEnd.BEFORE_STATED, **values}
    elif isinstance(onnx := values.get("onnx"), Mapping):
        log_mel = {**LogMelFrontEnd.BEFORE_STATED, **onnx.get("log_mel", {})}
        values["onnx"] = {**OnnxInput.BEFORE_STATED, **onnx, "log_mel": log_mel}
    return validate(kind, values, where)
