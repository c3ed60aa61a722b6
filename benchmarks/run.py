"""Every benchmark, one after the other; `make bench` prints this. Longer than a coffee: about fifteen
minutes.

python benchmarks/run.py [NAME...]
"""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("start_up", "training", "tasks", "factorisation", "embedding", "search", "front_end")

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n== {name} ==", flush=True)
        subprocess.run([sys.executable, Path(__file__).parent / f"{name}.py"], check=True)
