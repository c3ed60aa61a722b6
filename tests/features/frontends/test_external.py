"""Settings of front ends name their own keys."""

import pytest

from soundkin.config import validate
from soundkin.errors import ConfigError
from soundkin.training.run_config import TrainConfig


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"path": "t.npz", "lisence": "MIT"}, r"features\.lisence is unknown\. Did you mean licence\?"),
        (
            {"path": "t.onnx", "onnx": {"hop_second": 1}},
            r"features\.onnx\.hop_second is unknown\. Did you mean hop_seconds\?",
        ),
        ({"path": "t.onnx", "onnx": {"input": "wave"}}, r"features\.onnx\.input='wave'.*waveform"),
        ({"path": "t.onnx", "onnx": {"hop_seconds": 0}}, r"features\.onnx\.hop_seconds=0.*greater than 0"),
        ({"mel_band": 64}, r"features\.mel_band is unknown\. Did you mean mel_bands\?"),
        ({"mel_bands": 300}, r"mel_bands=300 leaves bands"),
        (3, r"features=3"),
    ],
)
def test_settings_that_do_not_fit_name_their_owners_keys(values: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        validate(TrainConfig, {"catalog": "c", "run_dir": "r", "features": values})
