"""Export a model to a form that runs without soundkin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from soundkin.errors import UsageError
from soundkin.extras import require
from soundkin.pipelines.options import Option, argument


@dataclass(frozen=True)
class Exported:
    """A file with a model."""

    output: Path
    megabytes: float
    model_hash: str


def export_model(
    model: Annotated[str, argument()],
    output: Annotated[Path, Option("File to write.", ("-o", "--output"))],
    onnx: Annotated[bool, Option("As an ONNX graph, the one form that there is.")] = False,
    int8: Annotated[bool, Option("Weights as 8 bit integers: smaller, and less exact.")] = False,
) -> Exported:
    """Write MODEL, a bundle folder or `default`, as a file that runs without soundkin or torch.

    The graph takes mono samples at the model's rate, float32, [batch, samples], and gives vectors, [batch,
    numbers]: those of `soundkin embed` to within rounding. docs/export.md shows how it is run.

    Examples:
      soundkin export default --onnx -o soundkin.onnx
      soundkin export runs/first/model --onnx --int8 -o small.onnx

    Raises:
        UsageError: no form is asked for, or the model reads lyrics or another encoder's features.
        ArtefactError: the bundle is corrupt, or of another version.
        OutputError: the file cannot be written.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    if not onnx:
        raise UsageError("soundkin export writes ONNX files alone. Add --onnx.")
    require("onnx", "soundkin export")
    from soundkin.embedding.bundle import load_bundle
    from soundkin.embedding.onnx_graph import onnx_file, with_int8_weights
    from soundkin.files import replacing

    bundle = load_bundle(model)
    content = onnx_file(bundle)
    if int8:
        content = with_int8_weights(content)
    with replacing(Path(output)) as file:
        file.write(content)
    return Exported(Path(output), len(content) / 1e6, bundle.hash)
