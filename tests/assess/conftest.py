import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).parents[2] / "benchmarks")
)  # simulated_annotators serves benchmark and tests
